//! A web server between a client and a Git server: it counts, and a test can do something in between.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Method, Request, Response},
};
use tokio::task::JoinSet;

use super::server::GitServer;
use crate::web::serve;

/// The step of a fetch that a request is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// Asks for the server's capabilities.
    Greeting,
    /// Asks for the references.
    Refs,
    /// Asks for objects.
    Pack,
}

/// A request that was answered.
#[derive(Clone, Debug)]
pub struct Answered {
    /// Its step of a fetch.
    pub step: Step,
    /// Bytes of the answer.
    pub bytes: usize,
}

/// The server in between. It ends with its owner.
pub struct Middleman {
    origin: String,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

type Hook = Box<dyn FnOnce() + Send>;

struct Shared {
    upstream: String,
    client: reqwest::Client,
    answered: Mutex<Vec<Answered>>,
    before_pack: Mutex<Option<Hook>>,
    deaf: AtomicBool,
}

impl Middleman {
    /// Starts in front of `git`.
    pub async fn start(git: &GitServer) -> Self {
        let shared = Arc::new(Shared {
            upstream: git.origin.clone(),
            client: reqwest::Client::new(),
            answered: Mutex::default(),
            before_pack: Mutex::default(),
            deaf: AtomicBool::new(false),
        });
        let (port, tasks) = serve(Router::new().fallback(pass).with_state(Arc::clone(&shared))).await;
        Self { origin: format!("http://127.0.0.1:{port}"), shared, _tasks: tasks }
    }

    /// The URL of the repository of that name.
    pub fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.origin)
    }

    /// Does something before the next pack is asked for, when references have been listed.
    pub fn before_pack(&self, hook: impl FnOnce() + Send + 'static) {
        *self.shared.before_pack.lock().unwrap() = Some(Box::new(hook));
    }

    /// Lets packs be asked for and never come, or come again.
    pub fn set_deaf(&self, deaf: bool) {
        self.shared.deaf.store(deaf, Ordering::SeqCst);
    }

    /// The answers so far.
    pub fn answered(&self) -> Vec<Answered> {
        self.shared.answered.lock().unwrap().clone()
    }

    /// The number of packs so far.
    pub fn packs(&self) -> usize {
        self.answered().iter().filter(|answered| answered.step == Step::Pack).count()
    }

    /// Bytes of all packs so far.
    pub fn pack_bytes(&self) -> usize {
        self.answered().iter().filter(|answered| answered.step == Step::Pack).map(|answered| answered.bytes).sum()
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 64 << 20).await.unwrap();
    let step = match head.method {
        Method::GET => Step::Greeting,
        _ if body.windows(15).any(|bytes| bytes == b"command=ls-refs") => Step::Refs,
        _ => Step::Pack,
    };
    if step == Step::Pack {
        if shared.deaf.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if let Some(hook) = shared.before_pack.lock().unwrap().take() {
            hook();
        }
    }
    let url = format!("{}{}", shared.upstream, head.uri.path_and_query().unwrap());
    let mut headers = head.headers;
    headers.remove("host");
    let answer = shared.client.request(head.method, url).headers(headers).body(body).send().await.unwrap();
    let mut back = Response::builder().status(answer.status());
    if let Some(kind) = answer.headers().get("content-type") {
        back = back.header("content-type", kind);
    }
    let bytes = answer.bytes().await.unwrap();
    shared.answered.lock().unwrap().push(Answered { step, bytes: bytes.len() });
    back.body(Body::from(bytes)).unwrap()
}
