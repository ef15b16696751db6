//! A server that stands for those who issue credentials.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Request, Response},
    serve::Listener as _,
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use headwater_testing::tls::{Authority, TlsListener, acceptor};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinSet};

/// An answer with this status never comes.
pub const NEVER: u16 = 418;

/// What it was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Such as `POST /path`.
    pub line: String,
    pub authorization: Option<String>,
    /// The fields of a form.
    pub form: BTreeMap<String, String>,
}

type Answers = dyn Fn(&Asked) -> Response<Body> + Send + Sync;

/// The server; it ends with its owner.
pub struct Issuer {
    pub origin: String,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

struct Shared {
    asked: Mutex<Vec<Asked>>,
    answers: Box<Answers>,
}

impl Issuer {
    pub async fn start(answers: impl Fn(&Asked) -> Response<Body> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        Self::serve(origin, answers, |router, tasks| tasks.spawn(async move { axum::serve(listener, router).await.unwrap() }))
    }

    /// Over TLS with a certificate of that authority.
    pub async fn start_tls(authority: &Authority, answers: impl Fn(&Asked) -> Response<Body> + Send + Sync + 'static) -> Self {
        let listener = TlsListener::new(TcpListener::bind("127.0.0.1:0").await.unwrap(), acceptor(authority, None));
        let origin = format!("https://{}", listener.local_addr().unwrap());
        Self::serve(origin, answers, |router, tasks| tasks.spawn(async move { axum::serve(listener, router).await.unwrap() }))
    }

    fn serve<T>(
        origin: String,
        answers: impl Fn(&Asked) -> Response<Body> + Send + Sync + 'static,
        spawn: impl FnOnce(Router, &mut JoinSet<()>) -> T,
    ) -> Self {
        let shared = Arc::new(Shared { asked: Mutex::default(), answers: Box::new(answers) });
        let mut tasks = JoinSet::new();
        spawn(Router::new().fallback(answer).with_state(Arc::clone(&shared)), &mut tasks);
        Self { origin, shared, _tasks: tasks }
    }

    /// The requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// The lines of the requests so far.
    pub fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    let authorization = head.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let form = url::form_urlencoded::parse(&body).into_owned().collect();
    let asked = Asked { line: format!("{} {}", head.method, head.uri.path()), authorization, form };
    shared.asked.lock().unwrap().push(asked.clone());
    let answer = (shared.answers)(&asked);
    if answer.status() == NEVER {
        std::future::pending::<()>().await;
    }
    answer
}

/// An answer with that status and body.
pub fn said(status: u16, body: &impl ToString) -> Response<Body> {
    Response::builder().status(status).body(Body::from(body.to_string())).unwrap()
}

/// The claims of a JSON web token.
pub fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// Now and that many seconds, as in RFC 3339.
pub fn after(seconds: i64) -> String {
    (chrono::Utc::now() + chrono::TimeDelta::seconds(seconds)).to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}
