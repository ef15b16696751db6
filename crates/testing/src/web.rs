//! Web servers on loopback.

use axum::{Router, http::HeaderMap};
use tokio::{net::TcpListener, task::JoinSet};

/// Serves `router` on a free loopback port for as long as the returned tasks live, and says on which port.
pub async fn serve(router: Router) -> (u16, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (port, tasks)
}

/// The value of one header, when it is there and is text.
pub fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}
