//! Web servers on loopback: one that answers as a test says, and bodies that no honest server sends.

pub mod body;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::State,
    http::{HeaderMap, Method, Request, Response, Uri, uri::PathAndQuery},
};
use reqwest::redirect::Policy;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::tls::TlsListener;

/// The longest body of a request, in bytes.
const REQUEST: usize = 64 << 20;

/// A request that a server has seen.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its method.
    pub method: Method,
    /// Path and query; the whole URL where a client takes the server for a proxy.
    pub uri: Uri,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Asked {
    /// Method, path and query, such as `GET /path?query`.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.uri)
    }

    /// Path and query.
    pub fn target(&self) -> &str {
        self.uri.path_and_query().map_or("", PathAndQuery::as_str)
    }

    /// The path, without the query.
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// The query; empty where there is none.
    pub fn query(&self) -> &str {
        self.uri.query().unwrap_or_default()
    }

    /// The value of a header, when it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The credentials for the server.
    pub fn authorization(&self) -> Option<&str> {
        self.header("authorization")
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

type Answers = dyn Fn(&Asked) -> Option<Response<Body>> + Send + Sync;

/// A server that answers as a test says, and keeps what it was asked. It ends with its owner.
#[derive(Debug)]
pub struct Web {
    /// Host and port.
    pub address: String,
    /// Scheme, host and port.
    pub origin: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    _tasks: JoinSet<()>,
}

#[derive(Clone)]
struct Shared {
    answers: Arc<Answers>,
    /// The origin of the server that answers the other requests.
    behind: Option<String>,
    http: reqwest::Client,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Web {
    /// A server that answers each request so. For an answer that never comes, see [`never()`].
    pub async fn start(answers: impl Fn(&Asked) -> Response<Body> + Send + Sync + 'static) -> Self {
        Self::listen(None, None, Box::new(move |asked| Some(answers(asked)))).await
    }

    /// A server in front of another, whose origin is `behind`: what `answers` does not answer is passed on to it.
    pub async fn before(behind: &str, answers: impl Fn(&Asked) -> Option<Response<Body>> + Send + Sync + 'static) -> Self {
        Self::listen(None, Some(behind.to_owned()), Box::new(answers)).await
    }

    /// Like [`Self::start`], over TLS.
    pub async fn start_tls(tls: TlsAcceptor, answers: impl Fn(&Asked) -> Response<Body> + Send + Sync + 'static) -> Self {
        Self::listen(Some(tls), None, Box::new(move |asked| Some(answers(asked)))).await
    }

    async fn listen(tls: Option<TlsAcceptor>, behind: Option<String>, answers: Box<Answers>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let http = reqwest::Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        let shared = Shared { answers: answers.into(), behind, http, asked: Arc::clone(&asked) };
        let router = Router::new().fallback(answered).with_state(shared);
        let mut tasks = JoinSet::new();
        match tls {
            None => tasks.spawn(async move { axum::serve(listener, router).await.unwrap() }),
            Some(tls) => tasks.spawn(async move { axum::serve(TlsListener::new(listener, tls), router).await.unwrap() }),
        };
        Self { origin: format!("{scheme}://{address}"), address, asked, _tasks: tasks }
    }

    /// The URL of a path, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.parse::<SocketAddr>().unwrap().port()
    }

    /// The requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The requests since the last call.
    pub fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// Paths and queries of the requests so far.
    pub fn targets(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|asked| asked.target().to_owned()).collect()
    }

    /// Methods, paths and queries of the requests so far, such as `GET /path?query`.
    pub fn lines(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(Asked::line).collect()
    }
}

async fn answered(State(shared): State<Shared>, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, REQUEST).await.unwrap_or_default();
    let asked = Asked { method: head.method, uri: head.uri, headers: head.headers, body };
    shared.asked.lock().unwrap().push(asked.clone());
    match ((shared.answers)(&asked), shared.behind) {
        (Some(answer), _) if answer.extensions().get::<Never>().is_some() => std::future::pending().await,
        (Some(answer), _) => answer,
        (None, Some(behind)) => passed_on(&shared.http, &behind, asked).await,
        (None, None) => answer(404, &[], ""),
    }
}

async fn passed_on(http: &reqwest::Client, behind: &str, mut asked: Asked) -> Response<Body> {
    asked.headers.remove("host");
    let request = http.request(asked.method, format!("{behind}{}", asked.uri)).headers(asked.headers).body(asked.body);
    let answered = request.send().await.unwrap();
    let headers = answered.headers().iter().filter(|(name, _)| *name != "transfer-encoding");
    let answer = headers.fold(Response::builder().status(answered.status()), |answer, (name, value)| answer.header(name, value));
    answer.body(Body::from(answered.bytes().await.unwrap())).unwrap()
}

/// Marks an answer that never comes.
#[derive(Clone)]
struct Never;

/// An answer that never comes.
pub fn never() -> Response<Body> {
    let mut answer = Response::default();
    answer.extensions_mut().insert(Never);
    answer
}

/// An answer with that status, these headers and that body.
pub fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response<Body> {
    let answer = headers.iter().fold(Response::builder().status(status), |answer, (name, value)| answer.header(*name, *value));
    answer.body(body.into()).unwrap()
}

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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_server_answers_as_it_is_told_and_keeps_what_it_was_asked() {
        let web = Web::start(|asked| if asked.path() == "/a" { answer(201, &[("x-made", "yes")], "") } else { answer(404, &[], "") }).await;
        let client = reqwest::Client::new();
        let made = client.post(web.url("/a?b=c")).header("authorization", "me").body("text").send().await.unwrap();
        assert_eq!((made.status().as_u16(), made.headers()["x-made"].to_str().unwrap()), (201, "yes"));
        assert_eq!(client.get(web.url("/b")).send().await.unwrap().status(), 404);
        assert_eq!(web.lines(), ["POST /a?b=c", "GET /b"]);
        let asked = web.take().remove(0);
        assert_eq!((asked.query(), asked.authorization(), asked.text().as_str()), ("b=c", Some("me"), "text"));
        assert!(web.asked().is_empty());
    }

    #[tokio::test]
    async fn a_server_in_front_of_another_passes_on_what_it_does_not_answer() {
        let behind = Web::start(|asked| answer(201, &[("x-by", "behind")], asked.body.clone())).await;
        let front = Web::before(&behind.origin, |asked| (asked.path() == "/own").then(|| answer(202, &[], "own"))).await;
        let client = reqwest::Client::new();
        assert_eq!(client.get(front.url("/own")).send().await.unwrap().status(), 202);
        let passed = client.post(front.url("/other?x")).body("text").send().await.unwrap();
        assert_eq!((passed.status().as_u16(), passed.headers()["x-by"].to_str().unwrap()), (201, "behind"));
        assert_eq!(passed.text().await.unwrap(), "text");
        assert_eq!((front.lines().len(), behind.lines()), (2, vec!["POST /other?x".to_owned()]));
    }

    #[tokio::test]
    async fn answers_break_off_fall_silent_or_never_come() {
        let web = Web::start(|asked| match asked.path() {
            "/cut" => answer(200, &[("content-length", "9")], body::cut("half")),
            "/stalled" => answer(200, &[("content-length", "9")], body::stalled("half")),
            "/chunked" => answer(200, &[], body::chunked("whole", 2)),
            "/endless" => answer(200, &[], body::endless("x")),
            _ => never(),
        })
        .await;
        let client = reqwest::Client::builder().timeout(Duration::from_millis(300)).build().unwrap();
        let get = async |path: &str| client.get(web.url(path)).send().await?.bytes().await;
        assert_eq!(get("/chunked").await.unwrap(), "whole");
        assert!(get("/cut").await.is_err_and(|error| !error.is_timeout()));
        for path in ["/stalled", "/endless", "/never"] {
            assert!(get(path).await.is_err_and(|error| error.is_timeout()), "{path}");
        }
    }
}
