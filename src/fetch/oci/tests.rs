//! Registries that do what the real ones do, and what they must not do.
#![expect(clippy::unwrap_used, reason = "tests")]

mod access;
mod content;
mod lists;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use headwater_http::{Clients, Proxies, Trust};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;

pub(super) const AUTHORIZATION: &str = "authorization";
pub(super) const USER: &str = "me";
pub(super) const PASSWORD: &str = "pa55w0rd";

/// What a server was asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

impl Asked {
    pub(super) fn authorization(&self) -> Option<&str> {
        self.headers.get(AUTHORIZATION)?.to_str().ok()
    }
}

/// A server on loopback that answers as `answer` says, and keeps what it was asked.
pub(super) struct Fake {
    pub(super) address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    _tasks: JoinSet<()>,
}

impl Fake {
    pub(super) async fn start(answer: impl Fn(&Asked) -> Response<Body> + Clone + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        let handler = move |method: Method, uri: Uri, headers: HeaderMap, body: String| {
            let target = uri.path_and_query().map(ToString::to_string).unwrap_or_default();
            let request = Asked { method, target, headers, body };
            kept.lock().unwrap().push(request.clone());
            let answer = answer(&request);
            async move { answer }
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, Router::new().fallback(handler)).await.unwrap() });
        Self { address, asked, _tasks: tasks }
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(super) fn targets(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.target).collect()
    }

    pub(super) fn registry(&self, credentials: Credentials) -> Registry {
        self.limited(credentials, Limits::default())
    }

    pub(super) fn limited(&self, credentials: Credentials, limits: Limits) -> Registry {
        Registry::new(clients(), &self.address, Scheme::Http, credentials, limits).unwrap()
    }
}

pub(super) fn clients() -> ClientPair {
    Clients::new(Ok(Proxies::default())).pair(&Trust::default(), None).unwrap()
}

pub(super) fn basic() -> Credentials {
    Credentials::Basic(Basic::new(USER, PASSWORD))
}

pub(super) fn encoded() -> String {
    Basic::new(USER, PASSWORD).authorization().unwrap().to_str().unwrap().to_owned()
}

/// An answer with headers.
pub(super) fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response<Body> {
    let response = headers.iter().fold(Response::builder().status(status), |response, (name, value)| response.header(*name, *value));
    response.body(body.into()).unwrap()
}

pub(super) fn json(body: impl Into<Body>) -> Response<Body> {
    answer(200, &[("content-type", "application/json")], body)
}

/// A body whose length is not said before.
pub(super) fn unsized_body(content: &'static [u8]) -> Body {
    Body::from_stream(futures::stream::iter(content.chunks(7).map(Ok::<_, std::io::Error>)))
}

pub(super) fn descriptor(content: &[u8]) -> Descriptor {
    Descriptor {
        media_type: "application/octet-stream".into(),
        digest: Digest::of(content),
        size: content.len() as u64,
        artifact_type: None,
        annotations: BTreeMap::new(),
    }
}

pub(super) const QUICK: Duration = Duration::from_millis(200);

#[test]
fn nothing_secret_is_printed() {
    for credentials in [basic(), Credentials::Refresh(PASSWORD.into()), Credentials::Access(PASSWORD.into())] {
        let registry = Registry::new(clients(), "host:5000", Scheme::Https, credentials, Limits::default()).unwrap();
        assert!(!format!("{registry:?}").contains(PASSWORD));
    }
}

#[test]
fn the_registry_of_docker_hub_is_found_and_what_is_no_host_is_refused() {
    let at = |host: &str| Registry::new(clients(), host, Scheme::Https, Credentials::Anonymous, Limits::default());
    assert_eq!(at("docker.io").unwrap().base.as_str(), "https://registry-1.docker.io/v2/");
    assert_eq!(at("docker.io").unwrap().name(), "docker.io");
    for bad in ["", "a/b", "u@h", "h:x", "h?q"] {
        assert_eq!(at(bad).unwrap_err().to_string(), format!("invalid reference: invalid registry {bad:?}"));
    }
    let registry = at("h").unwrap();
    assert!(registry.url("a/../b", ["tags", "list"]).is_err());
    assert_eq!(registry.url("a/b", ["tags", "list"]).unwrap().as_str(), "https://h/v2/a/b/tags/list");
}
