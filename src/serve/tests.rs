#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{fs, path::Path, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Method, Request, Response, StatusCode},
};
use http_body_util::BodyExt;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{Error, artifacts, bind, health, metrics, serve, trace};
use crate::settings::{Encoding, Level};
use crate::telemetry::{Metrics, capture::Log};

const CLAIMED: &str = "gitrepository/uplands/brook/abc.tar.gz";
const DIGEST: &str = "sha256:0123";
const LARGE: usize = 1_000_003;

struct Brook;

impl artifacts::Claims for Brook {
    fn digest(&self, path: &str) -> Option<String> {
        (path == CLAIMED).then(|| DIGEST.to_owned())
    }
}

fn put(root: &Path, path: &str, bytes: &[u8]) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn large() -> Vec<u8> {
    (0..LARGE).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

/// A store with a claimed artifact, an unclaimed large one, and things that must not be served.
fn store() -> (TempDir, Router) {
    let top = TempDir::new().unwrap();
    let root = top.path().join("data");
    put(top.path(), "secret", b"secret");
    put(&root, CLAIMED, b"0123456789");
    put(&root, "bucket/uplands/lake/large.tar.gz", &large());
    put(&root, "gitrepository/uplands/brook/.tmp123", b"half");
    put(&root, ".hidden/file", b"hidden");
    put(&root, "helmchart/uplands/pump/pump-1.0.0.tgz", b"chart");
    put(&root, "helmrepository/uplands/pumps/index-1.yaml", b"{}");
    let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, root.join(name)).unwrap();
    link("../secret", "out.tar.gz");
    link("..", "up");
    link(".hidden/file", "in.tar.gz");
    link("index-1.yaml", "helmrepository/uplands/pumps/index.yaml");
    let router = artifacts::router(root, Arc::new(Brook));
    (top, router)
}

async fn ask(router: &Router, method: Method, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn get(router: &Router, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
    ask(router, Method::GET, path, headers).await
}

async fn bytes(response: Response<Body>) -> Vec<u8> {
    response.into_body().collect().await.unwrap().to_bytes().to_vec()
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response.headers().get(name).unwrap().to_str().unwrap()
}

#[tokio::test]
async fn an_artifact_is_served_with_the_tag_of_its_claim() {
    let (_top, router) = store();
    let path = format!("/{CLAIMED}");
    let response = get(&router, &path, &[]).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "etag"), "\"sha256:0123\"");
    assert_eq!(header(&response, "content-type"), "application/gzip");
    assert_eq!(header(&response, "content-length"), "10");
    assert_eq!(header(&response, "x-content-type-options"), "nosniff");
    assert!(header(&response, "last-modified").ends_with(" GMT"));
    assert_eq!(bytes(response).await, b"0123456789");
    let head = ask(&router, Method::HEAD, &path, &[]).await;
    assert_eq!((head.status(), header(&head, "content-length")), (StatusCode::OK, "10"));
    assert!(bytes(head).await.is_empty());
}

#[tokio::test]
async fn what_the_client_has_is_not_sent_again() {
    let (_top, router) = store();
    let path = format!("/{CLAIMED}");
    for tags in ["\"sha256:0123\"", "W/\"sha256:0123\"", "\"other\", \"sha256:0123\"", "*"] {
        let response = get(&router, &path, &[("if-none-match", tags)]).await;
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{tags}");
        assert_eq!(header(&response, "etag"), "\"sha256:0123\"");
    }
    let modified = get(&router, &path, &[]).await;
    let modified = header(&modified, "last-modified");
    let unchanged = get(&router, &path, &[("if-modified-since", modified)]).await;
    assert_eq!(unchanged.status(), StatusCode::NOT_MODIFIED);
    let other = get(&router, &path, &[("if-none-match", "\"x\""), ("if-modified-since", modified)]).await;
    assert_eq!(other.status(), StatusCode::OK);
}

#[tokio::test]
async fn ranges_are_served() {
    let (_top, router) = store();
    let path = format!("/{CLAIMED}");
    for (range, content, body) in
        [("bytes=0-3", "bytes 0-3/10", "0123"), ("bytes=7-", "bytes 7-9/10", "789"), ("bytes=-2", "bytes 8-9/10", "89")]
    {
        let response = get(&router, &path, &[("range", range)]).await;
        assert_eq!(response.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(header(&response, "content-range"), content);
        assert_eq!(bytes(response).await, body.as_bytes());
    }
    let outside = get(&router, &path, &[("range", "bytes=10-")]).await;
    assert_eq!(outside.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(header(&outside, "content-range"), "bytes */10");
    let range = ("range", "bytes=0-3");
    for (tag, status) in [("\"sha256:0123\"", 206), ("\"old\"", 200), ("W/\"sha256:0123\"", 200)] {
        assert_eq!(get(&router, &path, &[range, ("if-range", tag)]).await.status(), status, "{tag}");
    }
}

#[tokio::test]
async fn large_files_arrive_whole_and_in_part() {
    let (_top, router) = store();
    let path = "/bucket/uplands/lake/large.tar.gz";
    let response = get(&router, path, &[]).await;
    assert_eq!(header(&response, "content-length"), LARGE.to_string());
    assert_eq!(bytes(response).await, large());
    let part = get(&router, path, &[("range", "bytes=5-900004")]).await;
    assert_eq!(bytes(part).await, large()[5..=900_004]);
}

#[tokio::test]
async fn a_claimed_artifact_that_is_missing_is_worth_a_retry() {
    let (top, router) = store();
    fs::remove_file(top.path().join("data").join(CLAIMED)).unwrap();
    let claimed = get(&router, &format!("/{CLAIMED}"), &[]).await;
    assert_eq!((claimed.status(), header(&claimed, "retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "1"));
    let unclaimed = get(&router, "/gitrepository/uplands/brook/other.tar.gz", &[]).await;
    assert_eq!(unclaimed.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn nothing_but_artifacts_is_served() {
    let (_top, router) = store();
    for path in [
        "/gitrepository",
        "/gitrepository/",
        "/gitrepository/uplands/brook",
        "/gitrepository/uplands/brook/",
        "/gitrepository/uplands/brook/.tmp123",
        "/.hidden/file",
        "/in.tar.gz",
        "/out.tar.gz",
        "/up/secret",
        "/../secret",
        "/gitrepository/../../secret",
        "/%2e%2e/secret",
        "/..%2fsecret",
        "/gitrepository/%2e%2e/%2e%2e/secret",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/etc%00/passwd",
        "/..%5csecret",
        "/gitrepository/uplands/brook/abc.tar.gz/x",
        "/gitrepository/./uplands/brook/abc.tar.gz",
    ] {
        let response = get(&router, path, &[]).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(header(&response, "x-content-type-options"), "nosniff");
    }
    assert_eq!(get(&router, "/%ff", &[]).await.status(), StatusCode::BAD_REQUEST);
    let long = format!("/{}", "a".repeat(300));
    assert_eq!(get(&router, &long, &[]).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn links_within_the_store_are_followed() {
    let (_top, router) = store();
    let index = get(&router, "/helmrepository/uplands/pumps/index.yaml", &[]).await;
    assert_eq!((index.status(), header(&index, "content-type")), (StatusCode::OK, "application/yaml"));
    let chart = get(&router, "/helmchart/uplands/pump/pump-1.0.0.tgz", &[]).await;
    assert_eq!(header(&chart, "content-type"), "application/gzip");
}

#[tokio::test]
async fn only_reading_is_allowed() {
    let (_top, router) = store();
    for path in ["/", "/gitrepository/uplands/brook/abc.tar.gz"] {
        let response = ask(&router, Method::POST, path, &[]).await;
        assert_eq!((response.status(), header(&response, "allow")), (StatusCode::METHOD_NOT_ALLOWED, "GET, HEAD"));
    }
    assert_eq!(get(&router, "/", &[]).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn health_follows_readiness() {
    let readiness = health::Readiness::default();
    let router = health::router(readiness.clone());
    assert_eq!(get(&router, "/healthz", &[]).await.status(), StatusCode::OK);
    assert_eq!(get(&router, "/readyz", &[]).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    readiness.ready();
    assert_eq!(get(&router, "/readyz", &[]).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn metrics_are_plain_text() {
    let response = get(&metrics::router(Arc::new(Metrics::new())), "/metrics", &[]).await;
    assert_eq!(header(&response, "content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert!(String::from_utf8(bytes(response).await).unwrap().contains("process_open_fds"));
}

#[tokio::test]
async fn addresses_are_checked() {
    for address in ["9090", "host:", ":port", "host:99999", ""] {
        assert!(matches!(bind(address).await, Err(Error::Address(_))), "{address}");
    }
    let first = bind("127.0.0.1:0").await.unwrap();
    let taken = first.local_addr().unwrap().to_string();
    let error = bind(&taken).await.unwrap_err().to_string();
    assert_eq!(error, format!("cannot listen on {taken}: the port is in use by another process"));
}

#[tokio::test]
async fn each_request_is_a_line_at_level_debug_without_its_query() {
    let (_top, router) = store();
    let router = trace(router, "artifact-server");
    let (path, log) = (format!("/{CLAIMED}"), Log::default());
    let _guard = log.follow(Level::Debug, Encoding::Json);
    get(&router, &format!("{path}?token=secret"), &[]).await;
    let line: Value = serde_json::from_str(&log.text()).unwrap();
    assert_eq!((&line["level"], &line["msg"], &line["logger"]), (&"debug".into(), &"answered".into(), &"artifact-server".into()));
    assert_eq!((&line["method"], &line["path"], &line["status"]), (&"GET".into(), &path.into(), &200.into()));
    assert!(line["took"].is_string() && !log.text().contains("secret"), "{line}");
}

#[tokio::test]
async fn a_request_is_no_line_at_level_info() {
    let (_top, router) = store();
    let log = Log::default();
    let _guard = log.follow(Level::Info, Encoding::Json);
    get(&trace(router, "artifact-server"), "/none", &[]).await;
    tracing::info!("the end");
    assert_eq!(log.text().lines().count(), 1, "{}", log.text());
}

#[tokio::test]
async fn a_panic_ends_its_request_and_nothing_else() {
    async fn panicking() -> StatusCode {
        panic!("of a handler")
    }
    let listener = bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let router = Router::new().route("/bad", axum::routing::get(panicking)).route("/good", axum::routing::get(async || "good"));
    let server = tokio::spawn(serve(listener, router, CancellationToken::new()));
    client.write_all(b"GET /bad HTTP/1.1\r\nhost: x\r\n\r\nGET /good HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 500 ") && answer.ends_with("\r\n\r\ngood"), "{answer}");
    assert!(!answer.contains("of a handler"), "{answer}");
    server.abort();
}

#[tokio::test]
async fn it_serves_over_tcp_and_stops() {
    let (_top, router) = store();
    let listener = bind(":0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let shutdown = CancellationToken::new();
    let server = tokio::spawn(serve(listener, router, shutdown.clone()));
    let mut idle = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut client = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET /{CLAIMED} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n0123456789"), "{answer}");
    shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(3), server).await.unwrap().unwrap();
    assert!(!matches!(idle.read(&mut [0; 1]).await, Ok(1..)));
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
}
