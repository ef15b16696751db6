//! A server in front of a git server: it counts what goes by, and keeps the files that Git LFS keeps outside of Git.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{Method, Request, Response, request::Parts},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_rustls::TlsAcceptor;

use super::{
    git_server::GitServer,
    header, serve,
    tls::{Authority, TlsListener},
};

/// What somebody asked of the large files.
#[derive(Clone, Debug)]
pub struct Asked {
    pub path: String,
    pub authorization: Option<String>,
}

/// The server; it ends with its owner.
pub struct Front {
    pub origin: String,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

struct Shared {
    /// The git server.
    behind: String,
    /// From where large files are fetched; from here where there is none.
    store: Option<String>,
    http: reqwest::Client,
    large: Mutex<BTreeMap<String, Vec<u8>>>,
    asked: Mutex<Vec<Asked>>,
    bytes: AtomicUsize,
    /// Whether the git server is to look as if it could not leave out objects.
    complete: AtomicBool,
}

impl Front {
    /// In front of `git`; the large files are here as well.
    pub async fn start(git: &GitServer) -> Self {
        Self::with_store(git, None).await
    }

    /// Like [`Self::start`], but whoever asks for a large file is sent to another server.
    pub async fn with_store(git: &GitServer, store: Option<&Self>) -> Self {
        let shared = Self::shared(git, store);
        let (port, tasks) = serve(Router::new().fallback(answer).with_state(Arc::clone(&shared))).await;
        Self { origin: format!("http://127.0.0.1:{port}"), shared, _tasks: tasks }
    }

    /// Like [`Self::start`], but over TLS, with a certificate of that authority for `host`.
    pub async fn start_tls(git: &GitServer, authority: &Authority, host: &str) -> Self {
        let shared = Self::shared(git, None);
        let (certificate, key) = authority.issue(host);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key.into()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("https://{}", listener.local_addr().unwrap());
        let listener = TlsListener::new(listener, TlsAcceptor::from(Arc::new(config)));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { origin, shared, _tasks: tasks }
    }

    fn shared(git: &GitServer, store: Option<&Self>) -> Arc<Shared> {
        Arc::new(Shared {
            behind: git.origin.clone(),
            store: store.map(|store| store.origin.clone()),
            http: reqwest::Client::new(),
            large: Mutex::default(),
            asked: Mutex::default(),
            bytes: AtomicUsize::new(0),
            complete: AtomicBool::new(false),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.origin.split_once("://").unwrap().1.parse().unwrap()
    }

    /// Where the repository of that name is fetched from.
    pub fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.origin)
    }

    /// Keeps a large file, and answers the pointer to it.
    pub fn keep(&self, content: &[u8]) -> String {
        self.keep_as(content, content)
    }

    /// Keeps bytes in place of those that the pointer is made for.
    pub fn keep_as(&self, promised: &[u8], content: &[u8]) -> String {
        let id = hex::encode(Sha256::digest(promised));
        self.shared.large.lock().unwrap().insert(id, content.to_vec());
        pointer(promised)
    }

    /// What was asked of the large files.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// From now on, the git server looks as if it could not leave out objects.
    pub fn hide_filter(&self) {
        self.shared.complete.store(true, Ordering::SeqCst);
    }

    /// How many bytes of Git went by since this was last asked.
    pub fn bytes(&self) -> usize {
        self.shared.bytes.swap(0, Ordering::SeqCst)
    }
}

/// The pointer to a large file.
pub fn pointer(content: &[u8]) -> String {
    format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n", hex::encode(Sha256::digest(content)), content.len())
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 64 << 20).await.unwrap_or_default();
    let large = head.uri.path().starts_with("/large/");
    if !large && !head.uri.path().ends_with("/info/lfs/objects/batch") {
        return passed_on(&shared, head, body).await;
    }
    let authorization = header(&head.headers, "authorization");
    shared.asked.lock().unwrap().push(Asked { path: head.uri.path().to_owned(), authorization });
    if large {
        let id = head.uri.path().rsplit('/').next().unwrap();
        let content = shared.large.lock().unwrap().get(id).cloned();
        return match content {
            Some(content) => Response::new(Body::from(content)),
            None => Response::builder().status(404).body(Body::empty()).unwrap(),
        };
    }
    let question: Value = serde_json::from_slice(&body).unwrap();
    let here = format!("http://{}", header(&head.headers, "host").unwrap());
    let objects = question["objects"].as_array().unwrap().iter().map(|object| {
        let id = object["oid"].as_str().unwrap();
        let size = &object["size"];
        match (&shared.store, shared.large.lock().unwrap().contains_key(id)) {
            (None, false) => json!({"oid": id, "size": size, "error": {"code": 404, "message": "Object does not exist"}}),
            (store, _) => {
                let href = format!("{}/large/{id}", store.as_ref().unwrap_or(&here));
                json!({"oid": id, "size": size, "actions": {"download": {"href": href}}})
            }
        }
    });
    let answer = json!({"transfer": "basic", "objects": objects.collect::<Vec<_>>()});
    Response::builder().header("content-type", "application/vnd.git-lfs+json").body(Body::from(answer.to_string())).unwrap()
}

async fn passed_on(shared: &Shared, head: Parts, body: Bytes) -> Response<Body> {
    let mut headers = head.headers;
    headers.remove("host");
    let url = format!("{}{}", shared.behind, head.uri);
    let hides = shared.complete.load(Ordering::SeqCst) && head.method == Method::GET;
    let answer = shared.http.request(head.method, url).headers(headers).body(body).send().await.unwrap();
    let (status, kind) = (answer.status(), header(answer.headers(), "content-type"));
    let mut body = answer.bytes().await.unwrap();
    if hides {
        // A word of the same length, so that the packets keep theirs.
        body = String::from_utf8(body.to_vec()).unwrap().replace(" filter", " retlif").into();
    }
    shared.bytes.fetch_add(body.len(), Ordering::SeqCst);
    let mut answer = Response::builder().status(status);
    if let Some(kind) = kind {
        answer = answer.header("content-type", kind);
    }
    answer.body(Body::from(body)).unwrap()
}
