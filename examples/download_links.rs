//! A bot that answers a file with a link, by which it can be downloaded from this machine: with ranges, so that players can
//! seek, and without the file being kept here.
//!
//! `cargo run --example download_links --features web`, with the settings of `actogram.toml` or `ACTOGRAM_…`.
#![allow(clippy::print_stdout, reason = "it says where it listens")]

use std::{
    collections::HashMap,
    net::TcpListener,
    sync::{Arc, Mutex, PoisonError},
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    error::ErrorBadGateway,
    web::{self, Data, Path},
};
use actogram::prelude::*;

/// Which message a link stands for. Whoever knows a link has the file: links cannot be guessed.
#[derive(Clone, Default)]
struct Links(Arc<Mutex<HashMap<String, Msg>>>);

impl Links {
    fn add(&self, message: Msg) -> String {
        let name = format!("{:016x}{:016x}", random(), random());
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.insert(name.clone(), message);
        name
    }

    fn get(&self, name: &str) -> Option<Msg> {
        let links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.get(name).cloned()
    }
}

/// A hash under keys that the system has given this process, other ones for each number.
fn random() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    RandomState::new().hash_one(0)
}

async fn serve(
    request: HttpRequest,
    links: Data<Links>,
    name: Path<String>,
) -> actix_web::Result<HttpResponse> {
    let Some(message) = links.get(&name) else {
        return Ok(HttpResponse::NotFound().finish());
    };
    let response = message.api().file_response(&message, &request).await;
    response.map_err(ErrorBadGateway)
}

#[actix_web::main]
async fn main() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(Error::user)?;
    let address = listener.local_addr().map_err(Error::user)?;
    let client = Client::from_env()?.connect().await?;
    let links = Links::default();
    let given = links.clone();
    client.on_message(async move |_cx: Cx, message: Msg| {
        if message.media().is_none() {
            return Ok(());
        }
        let link = format!("http://{address}/{}", given.add(message.clone()));
        message.reply(link).await.map(drop)
    });
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::new(links.clone()))
            .route("/{name}", web::get().to(serve))
            .route("/{name}", web::head().to(serve))
    });
    let server = server.workers(1).disable_signals();
    let server = server.listen(listener).map_err(Error::user)?.run();
    let handle = server.handle();
    let serving = actix_web::rt::spawn(server);
    println!("serving files on http://{address}");
    let outcome = client.run().await;
    handle.stop(true).await;
    // The server was told to end.
    let _ = serving.await;
    outcome
}
