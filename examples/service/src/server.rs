//! Accepts connections within limits, and ends in time.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};

/// How long a client may take to send the head of a request. Also the time that a connection
/// without a request stays open.
pub(crate) const HEAD_TIME: Duration = Duration::from_secs(10);

/// The age at which a connection is closed, after the answer to its request.
const CONNECTION_TIME: Duration = Duration::from_secs(600);

/// How long the last request of a connection may take.
const REQUEST_TIME: Duration = Duration::from_secs(120);

/// The time that the films in the service have after a signal to stop.
const GRACE: Duration = Duration::from_secs(4);

/// How the service ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// All requests were answered.
    Answered,
    /// Some requests were dropped.
    Dropped,
}

/// Serves until SIGINT or SIGTERM, with at most `connections` at once. Then accepts no more, and
/// answers the requests in progress: until the grace period is over, or a second signal comes.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    connections: u32,
) -> io::Result<Ended> {
    let places = Arc::new(Semaphore::new(connections as usize));
    let (stop, stopping) = watch::channel(false);
    let mut signals = Signals::new()?;
    loop {
        tokio::select! {
            () = signals.next() => break,
            (stream, place) = accept(&listener, &places) => {
                tokio::spawn(answer(stream, router.clone(), stopping.clone(), place));
            }
        }
    }
    drop(listener);
    stop.send_replace(true);
    tokio::select! {
        _ = places.acquire_many(connections) => return Ok(Ended::Answered),
        () = sleep(GRACE) => {
            tracing::warn!("stopped after {} s with requests unanswered", GRACE.as_secs());
        }
        () = signals.next() => tracing::warn!("stopped at once by a second signal"),
    }
    Ok(Ended::Dropped)
}

/// Waits for a place and then for a connection. Further clients wait in the system's queue.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, OwnedSemaphorePermit) {
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await;
            let place = place.map_err(io::Error::other)?;
            Ok::<_, io::Error>((listener.accept().await?.0, place))
        };
        match accepted.await {
            Ok(accepted) => return accepted,
            // Such as too many open files, which ends when a connection does.
            Err(e) => {
                tracing::warn!("cannot accept a connection: {e}");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Answers the requests of a connection, and closes it when it is old or the service stops.
async fn answer(
    stream: TcpStream,
    router: Router,
    mut stopping: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return log(ended),
        _ = stopping.wait_for(|stopping| *stopping) => {}
        () = sleep(CONNECTION_TIME) => {}
    }
    connection.as_mut().graceful_shutdown();
    match timeout(REQUEST_TIME, connection).await {
        Ok(ended) => log(ended),
        Err(_) => tracing::debug!("a connection was closed: its request took too long"),
    }
}

fn log(ended: hyper::Result<()>) {
    if let Err(e) = ended {
        tracing::debug!("a connection ended: {e}");
    }
}

/// SIGINT and SIGTERM.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    /// From now on, neither signal ends the process.
    fn new() -> io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next signal.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
