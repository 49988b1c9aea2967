//! A web service on axum, under multi-threaded tokio, that starts, pauses, resumes, signals and stops the loops of an
//! account. The routes are those of the example `actix_web`.
//!
//! The actors run on threads of the engine's own: neither an actix system nor a `LocalSet` is needed here.
#![allow(clippy::print_stdout, reason = "it says where it listens")]

pub(crate) mod service;

use std::time::Duration;

use actogram::{
    prelude::*,
    runtime::{LoopStatus, RegistryError, Signal, SignalOutcome},
};
use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use service::{Loops, local_account, status_of, status_of_error};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<()> {
    let (datacenter, client) = local_account().await?;
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .map_err(Error::user)?;
    let address = listener.local_addr().map_err(Error::user)?;

    let loops = Loops::start(&client);
    client.start().await?;
    let server = axum::serve(listener, routes(loops)).with_graceful_shutdown(told_to_stop());
    println!("listening on http://{address}");

    let outcome = tokio::select! {
        served = server => served.map_err(Error::user),
        failed = client.failed() => Err(failed),
    };
    client.shutdown(Duration::from_secs(10)).await;
    datacenter.shutdown().await;
    println!("stopped in order");
    outcome
}

pub(crate) fn routes(loops: Loops) -> Router {
    Router::new()
        .route("/loops", get(list))
        .route("/loops/{name}", get(show))
        .route("/loops/{name}/signal", post(signal))
        .route("/loops/{name}/{order}", post(order))
        .route("/diary", post(write))
        .with_state(loops)
}

async fn list(State(loops): State<Loops>) -> Json<Vec<LoopStatus>> {
    Json(loops.statuses())
}

async fn show(State(loops): State<Loops>, Path(name): Path<String>) -> Response {
    match loops.get(&name) {
        Ok(found) => Json(found.status()).into_response(),
        Err(error) => refused(&error),
    }
}

async fn order(
    State(loops): State<Loops>,
    Path((name, order)): Path<(String, String)>,
) -> Response {
    match loops.order(&name, &order).await {
        Ok(Some(done)) => Json(done).into_response(),
        Ok(None) => (
            StatusCode::NOT_FOUND,
            "start, stop, pause, resume or signal",
        )
            .into_response(),
        Err(error) => refused(&error),
    }
}

async fn signal(State(loops): State<Loops>, Path(name): Path<String>, text: String) -> Response {
    match loops.signal(&name, text).await {
        Ok(outcome) => told(outcome),
        Err(error) => refused(&error),
    }
}

/// The same by address: who has it needs no name and no registry.
async fn write(State(loops): State<Loops>, text: String) -> Response {
    let outcome = loops.diary.send(Signal(text)).await;
    told(outcome.unwrap_or(SignalOutcome::Stopped))
}

fn told(outcome: SignalOutcome) -> Response {
    (status(status_of(outcome)), Json(outcome)).into_response()
}

fn refused(error: &RegistryError) -> Response {
    (status(status_of_error(error)), error.to_string()).into_response()
}

fn status(code: u16) -> StatusCode {
    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// SIGINT or SIGTERM.
async fn told_to_stop() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    let terminate = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut signals) => drop(signals.recv().await),
            Err(error) => tracing::error!(%error, "SIGTERM cannot be listened for"),
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        _ = interrupt => {}
        () = terminate => {}
    }
}
