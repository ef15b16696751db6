//! The harness: an API server, a git server, a controller, and what a test wants to ask of them.

pub mod artifact;
pub mod chart_repository;
pub mod cluster;
pub mod controller;
pub mod events;
pub mod front;
pub mod git;
pub mod git_client;
pub mod git_server;
pub mod go;
pub mod http_proxy;
pub mod keys;
pub mod memory;
pub mod middleman;
pub mod namespace;
pub mod packs;
pub mod process;
pub mod proxy;
pub mod registry;
pub mod relay;
pub mod socks;
pub mod sshd;
pub mod standalone;
pub mod tls;
pub mod tmpfs;
pub mod world;

use std::time::{Duration, Instant};

use axum::{Router, http::HeaderMap};
use sha2::{Digest, Sha256};
use tokio::{net::TcpListener, task::JoinSet};

/// How long a test waits for something that should happen soon, on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Asks `probe` again and again until it answers `Ok`, and panics with its last complaint when `limit` is over.
pub async fn eventually<T>(limit: Duration, mut probe: impl AsyncFnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match probe().await {
            Ok(value) => return value,
            Err(complaint) if start.elapsed() > limit => panic!("not within {limit:?}: {complaint}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Serves `router` on a free loopback port for as long as the returned tasks live, and says on which port.
async fn serve(router: Router) -> (u16, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (port, tasks)
}

/// Text of `8 * count` bytes that hardly compresses, the same in every run.
pub fn noise(count: u64) -> String {
    hex::encode((0..count).flat_map(|n| Sha256::digest(n.to_be_bytes()).into_iter().take(4)).collect::<Vec<_>>())
}

/// The value of one request header, when it is there and is text.
fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}
