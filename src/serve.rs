//! HTTP: artifacts, metrics and health, each a router of its own on an address of its own.

pub mod artifacts;
pub mod health;
pub mod metrics;
mod range;
mod trace;

use std::{io, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

pub use trace::trace;

/// For how long a client may take to send the head of a request, or be idle between two.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// For how long a client may take nothing of an answer.
const WRITE_TIMEOUT: Duration = Duration::from_mins(1);
/// For how long answers may go on after the stop.
const GRACE: Duration = Duration::from_secs(5);
/// How many connections are served at once; further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 4096;
/// The wait after the system refused a connection, for instance for want of file descriptors.
const REFUSED: Duration = Duration::from_millis(100);

/// Why nothing can be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not an address in Go's form.
    #[error("invalid address {0:?}: expected host:port or :port")]
    Address(String),
    /// The address is taken, not ours, or not allowed.
    #[error("cannot listen on {address}: {}", reason(source))]
    Bind {
        /// The address as it was given.
        address: String,
        /// What the system said.
        source: io::Error,
    },
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "the port is in use by another process".to_owned(),
        io::ErrorKind::PermissionDenied => "not permitted; ports below 1024 need a privilege".to_owned(),
        _ => error.to_string(),
    }
}

/// Takes an address in Go's form: `host:port`, or `:port` for all interfaces, IPv6 and IPv4.
///
/// # Errors
/// [`Error::Address`] for a malformed address, [`Error::Bind`] when it cannot be had.
pub async fn bind(address: &str) -> Result<TcpListener, Error> {
    let invalid = || Error::Address(address.to_owned());
    let (host, port) = address.rsplit_once(':').ok_or_else(invalid)?;
    let port: u16 = port.parse().map_err(|_| invalid())?;
    let listener = if host.is_empty() {
        match TcpListener::bind(("::", port)).await {
            // No IPv6 on this machine.
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => TcpListener::bind(("0.0.0.0", port)).await,
            bound => bound,
        }
    } else {
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        TcpListener::bind((host, port)).await
    };
    listener.map_err(|source| Error::Bind { address: address.to_owned(), source })
}

/// Takes an address and serves on it; see [`bind`] and [`serve`].
///
/// # Errors
/// Those of [`bind`].
pub async fn listen(address: &str, router: Router, shutdown: CancellationToken) -> Result<(), Error> {
    serve(bind(address).await?, router, shutdown).await;
    Ok(())
}

/// Serves until `shutdown`, then lets answers under way end for at most five seconds.
/// A request's head must arrive within 30 seconds. At most 4096 connections are open at once.
/// A client that takes nothing of an answer for a minute is cut off. A panic is answered with 500, and logged.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    accept(listener, router, None, shutdown).await;
}

/// Like [`serve`], over TLS.
pub async fn serve_tls(listener: TcpListener, router: Router, tls: Arc<rustls::ServerConfig>, shutdown: CancellationToken) {
    accept(listener, router, Some(tls.into()), shutdown).await;
}

async fn accept(listener: TcpListener, router: Router, tls: Option<TlsAcceptor>, shutdown: CancellationToken) {
    let router = router.layer(CatchPanicLayer::new());
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            _ = connections.join_next(), if connections.len() >= MAX_CONNECTIONS => continue,
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(connection(stream, tls.clone(), router.clone(), shutdown.clone()));
            }
            Err(error) => {
                tracing::debug!(logger = "serve", error = &error as &dyn std::error::Error, "connection not accepted");
                sleep(REFUSED).await;
            }
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if timeout(GRACE, ended).await.is_err() {
        tracing::debug!(logger = "serve", "connections cut at the end of the grace period");
    }
    connections.shutdown().await;
}

/// Serves one connection to its end. A client that goes away is no event.
async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, router: Router, shutdown: CancellationToken) {
    drop(stream.set_nodelay(true));
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let stream = Box::pin(stream);
    match tls {
        None => requests(stream, router, shutdown).await,
        Some(tls) => {
            if let Ok(Ok(stream)) = timeout(HEADER_TIMEOUT, tls.accept(stream)).await {
                requests(stream, router, shutdown).await;
            }
        }
    }
}

async fn requests(stream: impl AsyncRead + AsyncWrite + Unpin, router: Router, shutdown: CancellationToken) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
    tokio::select! {
        biased;
        _ = connection.as_mut() => return,
        () = shutdown.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    drop(connection.await);
}

#[cfg(test)]
mod tests;
