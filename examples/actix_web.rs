//! A web service on actix-web that starts, pauses, resumes, signals and stops the loops of an account.
//!
//! `cargo run --example actix_web` prints where it listens. Then:
//!
//! ```sh
//! curl $URL/loops                              # what they do
//! curl -X POST $URL/loops/ticker/pause         # or start, stop, resume
//! curl -X POST $URL/loops/diary/signal -d 'written by name'
//! curl -X POST $URL/diary -d 'written by address'
//! ```
//!
//! SIGINT and SIGTERM end the service first, then the account.
#![allow(clippy::print_stdout, reason = "it says where it listens")]

pub(crate) mod service;

use std::{net::TcpListener, time::Duration};

use actix_web::{
    App, HttpResponse, HttpServer,
    dev::Server,
    http::StatusCode,
    web::{self, Data, Path, ServiceConfig},
};
use actogram::{
    prelude::*,
    runtime::{RegistryError, Signal, SignalOutcome},
};
use service::{Loops, local_account, status_of, status_of_error};

#[actix_web::main]
async fn main() -> Result<()> {
    let (datacenter, client) = local_account().await?;
    let listener = TcpListener::bind("127.0.0.1:0").map_err(Error::user)?;
    let address = listener.local_addr().map_err(Error::user)?;

    let loops = Loops::start(&client);
    client.start().await?;
    let server = server(loops, listener).map_err(Error::user)?;
    println!("listening on http://{address}");

    // The server listens for signals itself, and ends when it has answered.
    let outcome = tokio::select! {
        served = server => served.map_err(Error::user),
        failed = client.failed() => Err(failed),
    };
    client.shutdown(Duration::from_secs(10)).await;
    datacenter.shutdown().await;
    println!("stopped in order");
    outcome
}

pub(crate) fn server(loops: Loops, listener: TcpListener) -> std::io::Result<Server> {
    let diary = Data::new(loops.diary.clone());
    let loops = Data::new(loops);
    let app = move || {
        App::new()
            .app_data(loops.clone())
            .app_data(diary.clone())
            .configure(routes)
    };
    Ok(HttpServer::new(app).workers(2).listen(listener)?.run())
}

fn routes(config: &mut ServiceConfig) {
    config
        .route("/loops", web::get().to(list))
        .route("/loops/{name}", web::get().to(show))
        .route("/loops/{name}/signal", web::post().to(signal))
        .route("/loops/{name}/{order}", web::post().to(order))
        .route("/diary", web::post().to(write));
}

async fn list(loops: Data<Loops>) -> HttpResponse {
    HttpResponse::Ok().json(loops.statuses())
}

async fn show(loops: Data<Loops>, name: Path<String>) -> HttpResponse {
    match loops.get(&name) {
        Ok(found) => HttpResponse::Ok().json(found.status()),
        Err(error) => refused(&error),
    }
}

async fn order(loops: Data<Loops>, path: Path<(String, String)>) -> HttpResponse {
    let (name, order) = path.into_inner();
    match loops.order(&name, &order).await {
        Ok(Some(done)) => HttpResponse::Ok().json(done),
        Ok(None) => HttpResponse::NotFound().body("start, stop, pause, resume or signal"),
        Err(error) => refused(&error),
    }
}

async fn signal(loops: Data<Loops>, name: Path<String>, text: String) -> HttpResponse {
    match loops.signal(&name, text).await {
        Ok(outcome) => told(outcome),
        Err(error) => refused(&error),
    }
}

/// The same by address: who has it needs no name and no registry.
async fn write(
    diary: Data<actix::Addr<actogram::LoopActor<service::Diary>>>,
    text: String,
) -> HttpResponse {
    let outcome = diary.send(Signal(text)).await;
    told(outcome.unwrap_or(SignalOutcome::Stopped))
}

fn told(outcome: SignalOutcome) -> HttpResponse {
    answer(status_of(outcome)).json(outcome)
}

fn refused(error: &RegistryError) -> HttpResponse {
    answer(status_of_error(error)).body(error.to_string())
}

fn answer(status: u16) -> actix_web::HttpResponseBuilder {
    HttpResponse::build(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
}
