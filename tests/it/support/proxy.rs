//! Two things that stand between a controller and its API server: one goes away and comes back, one refuses writes.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Method, Request, Response, Uri},
};
use headwater_testing::{kubernetes, web::serve};
use kube::Client;
use serde_json::json;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::cluster::Server;

/// Passes connections on, until it is told to be gone.
pub struct Outage {
    pub kubeconfig: PathBuf,
    upstream: SocketAddr,
    address: SocketAddr,
    tasks: JoinSet<()>,
}

impl Outage {
    /// Starts in front of `server`, and writes a kubeconfig that leads here into `folder`.
    pub async fn start(server: &Server, folder: &Path) -> Self {
        let text = std::fs::read_to_string(&server.kubeconfig).unwrap();
        let (_, rest) = text.split_once("://").unwrap();
        let upstream: String = rest.chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let kubeconfig = folder.join("kubeconfig-outage");
        std::fs::write(&kubeconfig, text.replace(&upstream, &address.to_string())).unwrap();
        let mut outage = Self { kubeconfig, upstream: upstream.parse().unwrap(), address, tasks: JoinSet::new() };
        outage.accept(listener);
        outage
    }

    /// Cuts every connection and refuses new ones.
    pub async fn begin(&mut self) {
        self.tasks.shutdown().await;
    }

    /// Is there again.
    pub async fn end(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.accept(listener);
    }

    fn accept(&mut self, listener: TcpListener) {
        let upstream = self.upstream;
        self.tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let Ok((mut near, _)) = listener.accept().await else { continue };
                connections.spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(upstream).await {
                        let _ = copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
    }
}

/// Passes requests on, but answers the next few writes of a status with a conflict.
pub struct Conflicts {
    pub kubeconfig: PathBuf,
    left: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Conflicts {
    /// Starts in front of `server`, and writes a kubeconfig that leads here into `folder`.
    pub async fn start(server: &Server, folder: &Path, conflicts: usize) -> Self {
        let left = Arc::new(AtomicUsize::new(conflicts));
        let state = (server.client().await, Arc::clone(&left));
        let (port, tasks) = serve(Router::new().fallback(pass).with_state(state)).await;
        let kubeconfig = folder.join("kubeconfig-conflicts");
        let content = kubernetes::kubeconfig(&format!("http://127.0.0.1:{port}"), None, None);
        std::fs::write(&kubeconfig, content).unwrap();
        Self { kubeconfig, left, _tasks: tasks }
    }

    /// How many conflicts are still to come.
    pub fn left(&self) -> usize {
        self.left.load(Ordering::SeqCst)
    }
}

async fn pass(State((client, left)): State<(Client, Arc<AtomicUsize>)>, request: Request<Body>) -> Response<Body> {
    let (mut head, body) = request.into_parts();
    let writes_status = [Method::PUT, Method::PATCH].contains(&head.method) && head.uri.path().trim_end_matches('/').ends_with("/status");
    let take = |left| usize::checked_sub(left, 1);
    if writes_status && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok() {
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Conflict", "code": 409,
            "message": "the object has been modified; please apply your changes to the latest version and try again",
        });
        let answer = Response::builder().status(409).header("content-type", "application/json");
        return answer.body(Body::from(status.to_string())).unwrap();
    }
    head.uri = Uri::from(head.uri.path_and_query().unwrap().clone());
    head.headers.remove("host");
    let body = axum::body::to_bytes(body, 16 << 20).await.unwrap().to_vec();
    match client.send(Request::from_parts(head, body.into())).await {
        Ok(answer) => answer.map(Body::new),
        Err(error) => Response::builder().status(502).body(Body::from(error.to_string())).unwrap(),
    }
}
