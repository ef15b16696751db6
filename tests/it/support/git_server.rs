//! Git's own `http-backend` behind a server that can also misbehave on demand.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{Method, Request, Response, StatusCode},
    serve::ListenerExt,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures::stream;
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinSet};

use super::{
    git::Repository,
    header,
    tls::{Authority, TlsListener},
};

/// Where in a fetch the server stops to behave.
#[derive(Clone, Copy, PartialEq)]
pub enum At {
    /// When it is asked what there is.
    Refs,
    /// When it is asked for the objects.
    Pack,
}

/// How the server answers.
#[derive(Clone)]
pub enum Mode {
    /// As git does.
    Serve,
    /// Never.
    Hang(At),
    /// With half of the pack, then a reset of the connection.
    Reset,
    /// With bytes that mean nothing.
    Garbage(At),
    /// Without end.
    Endless(At),
    /// With a redirect to the same path at another origin, such as `http://127.0.0.1:80`.
    Redirect(String),
    /// With that status and these bytes.
    Status(u16, Bytes),
}

/// Who may fetch.
#[derive(Clone)]
pub enum Access {
    Anyone,
    Basic(&'static str, &'static str),
    Bearer(&'static str),
}

/// A request that the server has seen.
#[derive(Clone, Debug)]
pub struct Seen {
    pub path: String,
    pub authorization: Option<String>,
}

/// The server: its repositories live as long as it does.
pub struct GitServer {
    pub origin: String,
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

struct Shared {
    root: TempDir,
    mode: Mutex<Mode>,
    access: Mutex<Access>,
    seen: Mutex<Vec<Seen>>,
}

impl GitServer {
    /// A server over plain HTTP.
    pub async fn start() -> Self {
        let (listener, mut server) = Self::bind("http").await;
        let shared = Arc::clone(&server.shared);
        let listener = listener.tap_io(move |stream| {
            if matches!(*shared.mode.lock().unwrap(), Mode::Reset) {
                // Closing then resets, whatever is still under way.
                stream.set_zero_linger().unwrap();
            }
        });
        let router = server.router();
        server.tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        server
    }

    /// A server over TLS with a certificate of that authority.
    pub async fn start_tls(authority: &Authority) -> Self {
        let (listener, mut server) = Self::bind("https").await;
        let (listener, router) = (TlsListener::new(listener, authority), server.router());
        server.tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        server
    }

    async fn bind(scheme: &str) -> (TcpListener, Self) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shared = Arc::new(Shared {
            root: tempfile::tempdir().unwrap(),
            mode: Mutex::new(Mode::Serve),
            access: Mutex::new(Access::Anyone),
            seen: Mutex::default(),
        });
        let origin = format!("{scheme}://{}", listener.local_addr().unwrap());
        (listener, Self { origin, shared, tasks: JoinSet::new() })
    }

    fn router(&self) -> Router {
        Router::new().fallback(answer).with_state(Arc::clone(&self.shared))
    }

    /// A new empty repository.
    pub fn repository(&self, name: &str) -> Repository {
        Repository::init(&self.shared.root.path().join(name))
    }

    /// Where the repository of that name is fetched from.
    pub fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.origin)
    }

    /// Changes how the server answers from now on.
    pub fn set_mode(&self, mode: Mode) {
        *self.shared.mode.lock().unwrap() = mode;
    }

    /// Changes who may fetch from now on.
    pub fn set_access(&self, access: Access) {
        *self.shared.access.lock().unwrap() = access;
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let authorization = header(&head.headers, "authorization");
    let seen = Seen { path: head.uri.path().to_owned(), authorization: authorization.clone() };
    shared.seen.lock().unwrap().push(seen);
    let body = axum::body::to_bytes(body, 64 << 20).await.unwrap_or_default();

    let wanted = match *shared.access.lock().unwrap() {
        Access::Anyone => None,
        Access::Basic(user, password) => Some(format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))),
        Access::Bearer(token) => Some(format!("Bearer {token}")),
    };
    if wanted.is_some() && wanted != authorization {
        let answer = Response::builder().status(StatusCode::UNAUTHORIZED);
        return answer.header("www-authenticate", "Basic realm=\"git\"").body(Body::empty()).unwrap();
    }

    // Protocol 2 says what it wants in the body; before it, whoever posts wants a pack.
    let asks_refs = head.method == Method::GET || body.windows(15).any(|bytes| bytes == b"command=ls-refs");
    let at = if asks_refs { At::Refs } else { At::Pack };
    let kind = if head.method == Method::GET { "advertisement" } else { "result" };
    let mode = shared.mode.lock().unwrap().clone();
    let misbehaved =
        |body: Body| Response::builder().header("content-type", format!("application/x-git-upload-pack-{kind}")).body(body).unwrap();
    match mode {
        Mode::Hang(when) if when == at => std::future::pending().await,
        Mode::Garbage(when) if when == at => {
            let noise: Vec<u8> = (0..50_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
            misbehaved(Body::from(noise))
        }
        Mode::Endless(when) if when == at => misbehaved(endless(at)),
        Mode::Redirect(origin) => {
            let location = format!("{origin}{}", head.uri.path_and_query().unwrap());
            Response::builder().status(StatusCode::FOUND).header("location", location).body(Body::empty()).unwrap()
        }
        Mode::Status(status, body) => Response::builder().status(status).body(Body::from(body)).unwrap(),
        Mode::Reset if at == At::Pack => {
            let (head, body) = backend(&shared, head, body).await.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            let half = body.slice(..body.len() / 2);
            let broken = stream::unfold(Some(half), async |half| {
                if let Some(half) = half {
                    return Some((Ok(half), None));
                }
                // Long enough for the first half to have left.
                tokio::time::sleep(Duration::from_millis(100)).await;
                Some((Err(std::io::Error::other("reset")), None))
            });
            Response::from_parts(head, Body::from_stream(broken))
        }
        _ => backend(&shared, head, body).await,
    }
}

/// What starts as an answer should and never ends.
fn endless(at: At) -> Body {
    let (start, more): (&[u8], Vec<u8>) = match at {
        At::Refs => (b"001e# service=git-upload-pack\n0000000eversion 2\n", format!("ffe0{}", "x".repeat(0xffe0 - 4)).into()),
        At::Pack => {
            let mut packet = b"ffe0\x01".to_vec();
            packet.resize(0xffe0, 0);
            (b"000dpackfile\n0011\x01PACK\0\0\0\x02\0\0\xff\xff", packet)
        }
    };
    let more = Bytes::from(more);
    let packets = stream::unfold(Bytes::from_static(start), move |next| {
        let more = more.clone();
        async move { Some((Ok::<_, std::io::Error>(next), more)) }
    });
    Body::from_stream(packets)
}

/// Runs git's CGI program for one request.
async fn backend(shared: &Shared, head: axum::http::request::Parts, body: Bytes) -> Response<Body> {
    let text = |name| header(&head.headers, name).unwrap_or_default();
    let mut command = Command::new("git");
    command
        .arg("http-backend")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_PROJECT_ROOT", canonical(shared.root.path()))
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_PROTOCOL", text("git-protocol"))
        .env("REQUEST_METHOD", head.method.as_str())
        .env("PATH_INFO", head.uri.path())
        .env("QUERY_STRING", head.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", text("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", text("content-encoding"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let output = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        // A backend that refuses the request does not read it: what then fails is the pipe.
        let _ = child.stdin.take().unwrap().write_all(&body);
        child.wait_with_output().unwrap().stdout
    })
    .await
    .unwrap();
    let end = output.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let mut answer = Response::builder();
    for line in std::str::from_utf8(&output[..end]).unwrap().lines() {
        let (name, value) = line.split_once(": ").unwrap();
        answer = if name == "Status" { answer.status(&value[..3]) } else { answer.header(name, value) };
    }
    answer.body(Body::from(output[end + 4..].to_vec())).unwrap()
}

fn canonical(path: &Path) -> std::path::PathBuf {
    path.canonicalize().unwrap()
}
