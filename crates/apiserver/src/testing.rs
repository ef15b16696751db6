//! An API server for tests, over HTTP and in the process of the test.
#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::{fs, path::Path, pin::pin, time::Duration};

use axum::{
    Router,
    http::{Request, header::CONTENT_TYPE},
};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use kube::Client;
use serde_json::Value;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{ApiServer, Place, request};

/// Time for which answers may go on after the stop.
const GRACE: Duration = Duration::from_secs(5);
/// Time between two questions for the last use of the database.
const PAUSE: Duration = Duration::from_millis(1);
/// Time within which a new kind is served.
const DEFINING: Duration = Duration::from_secs(30);
/// Time between two questions for a new kind.
const RETRY: Duration = Duration::from_millis(50);

/// Collection of what goes with deleted owners, namespaces and definitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Garbage {
    /// Runs in the background, as in the product.
    Collected,
    /// Does not run.
    Left,
}

/// An API server on a free port of the loopback interface, without a token. It ends with this value, at some moment soon;
/// [`Self::end`] waits for that.
pub struct LoopbackServer {
    url: String,
    server: ApiServer,
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

impl LoopbackServer {
    /// Opens the database and serves it.
    ///
    /// # Panics
    /// If the database cannot be opened, or there is no free port.
    pub async fn start(place: Place, garbage: Garbage) -> Self {
        let stop = CancellationToken::new();
        let opened = ApiServer::open(place, None, stop.clone()).await;
        let server = opened.unwrap_or_else(|error| panic!("the API server of a test does not start: {error}"));
        let listening = TcpListener::bind("127.0.0.1:0").await.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = listening.unwrap_or_else(|error| panic!("the API server of a test has no port: {error}"));
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, server.router(), stop.clone()));
        if garbage == Garbage::Collected {
            tasks.spawn(server.clone().collect());
        }
        Self { url: format!("http://{address}"), server, tasks, stop }
    }

    /// The address, such as `http://127.0.0.1:12345`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends the server, and waits until its database is closed. Answers under way may go on for five seconds.
    ///
    /// # Panics
    /// If the collector of garbage has panicked.
    pub async fn end(self) {
        let Self { server, mut tasks, stop, .. } = self;
        stop.cancel();
        while let Some(ended) = tasks.join_next().await {
            ended.unwrap_or_else(|error| panic!("the API server of a test has failed: {error}"));
        }
        // A long list is read on a thread that cannot be cut off.
        while server.is_shared() {
            sleep(PAUSE).await;
        }
    }
}

/// Serves until `stop`, then lets answers under way end.
async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            Ok((stream, _)) = listener.accept() => {
                connections.spawn(answer(stream, router.clone(), stop.clone()));
            }
        }
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    // The rest is cut off.
    drop(timeout(GRACE, ended).await);
    connections.shutdown().await;
}

/// Serves one connection to its end.
async fn answer(stream: TcpStream, router: Router, stop: CancellationToken) {
    drop(stream.set_nodelay(true));
    let mut connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
    tokio::select! {
        biased;
        _ = connection.as_mut() => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    drop(connection.await);
}

/// Applies the definitions of a folder of YAML files to any API server, and waits until objects of their kinds can be listed.
/// Each file holds one definition. Answers the paths of all objects of each kind, such as `/apis/example.com/v1/things`.
///
/// # Errors
/// The file or the definition, and the reason.
pub async fn define(client: &Client, folder: &Path) -> Result<Vec<String>, String> {
    let mut collections = Vec::new();
    for entry in fs::read_dir(folder).map_err(|e| format!("reading {}: {e}", folder.display()))? {
        let path = entry.map_err(|e| e.to_string())?.path();
        let text = fs::read_to_string(&path).map_err(|e| format!("reading {}: {e}", path.display()))?;
        let definition: Value = request::value(text.as_bytes(), "application/yaml").map_err(|e| format!("{}: {e}", path.display()))?;
        let at = |pointer: &str| definition.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let name = at("/metadata/name");
        let url = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}?fieldManager=headwater-tests&force=true");
        let request = Request::patch(url).header(CONTENT_TYPE, "application/apply-patch+yaml").body(text.clone().into_bytes());
        client.request::<Value>(request.map_err(|e| e.to_string())?).await.map_err(|e| format!("applying {name}: {e}"))?;

        let list = format!("/apis/{}/{}/{}", at("/spec/group"), at("/spec/versions/0/name"), at("/spec/names/plural"));
        let start = Instant::now();
        while let Err(error) = client.request::<Value>(Request::get(&list).body(vec![]).map_err(|e| e.to_string())?).await {
            if start.elapsed() > DEFINING {
                return Err(format!("{name} cannot be listed: {error}"));
            }
            sleep(RETRY).await;
        }
        collections.push(list);
    }
    Ok(collections)
}
