//! A server in front of a registry: it writes down what is asked, and answers in place of the registry where a test wants that.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{Request, Response},
};
use headwater_testing::{
    registry::Registry,
    tls::{Authority, TlsListener},
};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_rustls::TlsAcceptor;

/// An answer with this status never comes.
pub const NEVER: u16 = 418;

/// One request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Such as `GET /v2/`.
    pub line: String,
    pub query: String,
    pub authorization: Option<String>,
    pub body: String,
}

type Meddle = dyn Fn(&Asked) -> Option<Response<Body>> + Send + Sync;

/// The server; it ends with its owner.
pub struct Front {
    /// Host and port.
    pub address: String,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

struct Shared {
    /// The registry's host and port, if there is one.
    behind: Option<String>,
    http: reqwest::Client,
    asked: Mutex<Vec<Asked>>,
    meddle: Box<Meddle>,
}

impl Front {
    /// In front of a registry that speaks plain HTTP; `meddle` may answer in its place.
    pub async fn before(registry: &Registry, meddle: impl Fn(&Asked) -> Option<Response<Body>> + Send + Sync + 'static) -> Self {
        Self::start(Some(registry.address.clone()), None, meddle).await
    }

    /// Without a registry: what `meddle` does not answer is not there.
    pub async fn alone(meddle: impl Fn(&Asked) -> Option<Response<Body>> + Send + Sync + 'static) -> Self {
        Self::start(None, None, meddle).await
    }

    /// Like [`Self::alone`], over TLS with a certificate of `authority` for `host`.
    pub async fn alone_tls(
        authority: &Authority,
        host: &str,
        meddle: impl Fn(&Asked) -> Option<Response<Body>> + Send + Sync + 'static,
    ) -> Self {
        let (certificate, key) = authority.issue(host);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key.into()).unwrap();
        Self::start(None, Some(TlsAcceptor::from(Arc::new(config))), meddle).await
    }

    async fn start(
        behind: Option<String>,
        tls: Option<TlsAcceptor>,
        meddle: impl Fn(&Asked) -> Option<Response<Body>> + Send + Sync + 'static,
    ) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let shared = Arc::new(Shared { behind, http, asked: Mutex::default(), meddle: Box::new(meddle) });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let mut tasks = JoinSet::new();
        match tls {
            None => tasks.spawn(async move { axum::serve(listener, router).await.unwrap() }),
            Some(tls) => tasks.spawn(async move { axum::serve(TlsListener::new(listener, tls), router).await.unwrap() }),
        };
        Self { address, shared, _tasks: tasks }
    }

    /// What was asked since this was last asked.
    pub fn taken(&self) -> Vec<Asked> {
        std::mem::take(&mut self.shared.asked.lock().unwrap())
    }

    /// The lines of what was asked since this was last asked.
    pub fn lines(&self) -> Vec<String> {
        self.taken().into_iter().map(|asked| asked.line).collect()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response<Body> {
    let (mut head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    let asked = Asked {
        line: format!("{} {}", head.method, head.uri.path()),
        query: head.uri.query().unwrap_or_default().to_owned(),
        authorization: head.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned()),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    shared.asked.lock().unwrap().push(asked.clone());
    if let Some(answer) = (shared.meddle)(&asked) {
        if answer.status() == NEVER {
            std::future::pending::<()>().await;
        }
        return answer;
    }
    let Some(behind) = &shared.behind else { return said(404, "") };
    head.headers.remove("host");
    let request = shared.http.request(head.method, format!("http://{behind}{}", head.uri)).headers(head.headers).body(body);
    let answered = request.send().await.unwrap();
    let mut answer = Response::builder().status(answered.status());
    for (name, value) in answered.headers().iter().filter(|(name, _)| *name != "transfer-encoding") {
        answer = answer.header(name, value);
    }
    answer.body(Body::from(answered.bytes().await.unwrap())).unwrap()
}

/// An answer with that status and body.
pub fn said(status: u16, body: impl Into<Body>) -> Response<Body> {
    Response::builder().status(status).body(body.into()).unwrap()
}
