//! Git's own `http-backend` behind a web server that can also misbehave on demand.

mod backend;

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
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
use tokio_rustls::TlsAcceptor;

use super::Repository;
use crate::{
    tally::Tally,
    tls::{Authority, TlsListener, acceptor},
    web::header,
};

/// The point in a fetch at which the server stops to behave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum At {
    /// When it is asked for references.
    Refs,
    /// When it is asked for objects.
    Pack,
}

/// The way in which the server answers.
#[derive(Clone, Debug)]
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

/// The clients that may fetch.
#[derive(Clone, Debug)]
pub enum Access {
    /// All of them.
    Anyone,
    /// Those that give this user and this password.
    Basic(&'static str, &'static str),
    /// Those that give this token.
    Bearer(&'static str),
}

/// The part of Git's protocol that the server knows.
#[derive(Clone, Copy, Debug)]
pub struct Dialect {
    /// The newest version that it speaks.
    pub version: u8,
    /// The objects that may be wanted by their ids.
    pub wants: Wants,
    /// Answers, of a capability of git, whether the server has it.
    pub knows: fn(&str) -> bool,
}

impl Dialect {
    /// Git itself.
    pub const NEWEST: Self = Self { version: 2, wants: Wants::Anything, knows: |_| true };
}

/// The objects that may be wanted by their ids.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wants {
    /// All of them.
    Anything,
    /// Those that a listed reference points at.
    References,
}

/// A request that the server has seen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its path.
    pub path: String,
    /// The header of that name.
    pub authorization: Option<String>,
    /// The header of that name.
    pub proxy_authorization: Option<String>,
}

/// The server: its repositories live as long as it does.
#[derive(Debug)]
pub struct GitServer {
    /// Its scheme, host and port.
    pub origin: String,
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    root: TempDir,
    tally: Tally,
    mode: Mutex<Mode>,
    dialect: Mutex<Dialect>,
    access: Mutex<Access>,
    seen: Mutex<Vec<Seen>>,
    sent: AtomicUsize,
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
        Self::accept(acceptor(authority, None)).await
    }

    /// Like [`Self::start_tls`], for clients with a certificate of `clients` only.
    pub async fn start_mutual_tls(authority: &Authority, clients: &Authority) -> Self {
        Self::accept(acceptor(authority, Some(clients))).await
    }

    async fn accept(acceptor: TlsAcceptor) -> Self {
        let (listener, mut server) = Self::bind("https").await;
        let (listener, router) = (TlsListener::new(listener, acceptor), server.router());
        server.tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        server
    }

    async fn bind(scheme: &str) -> (TcpListener, Self) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shared = Arc::new(Shared {
            root: tempfile::tempdir().unwrap(),
            tally: Tally::of_this_test(),
            mode: Mutex::new(Mode::Serve),
            dialect: Mutex::new(Dialect::NEWEST),
            access: Mutex::new(Access::Anyone),
            seen: Mutex::default(),
            sent: AtomicUsize::new(0),
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

    /// The folder of the repositories.
    pub fn root(&self) -> &Path {
        self.shared.root.path()
    }

    /// The URL of the repository of that name.
    pub fn url(&self, name: &str) -> String {
        format!("{}/{name}", self.origin)
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.origin.split_once("://").unwrap().1.parse().unwrap()
    }

    /// Changes the part of the protocol that the server knows from now on.
    pub fn set_dialect(&self, dialect: Dialect) {
        *self.shared.dialect.lock().unwrap() = dialect;
    }

    /// Changes the way in which the server answers from now on.
    pub fn set_mode(&self, mode: Mode) {
        *self.shared.mode.lock().unwrap() = mode;
    }

    /// Changes the clients that may fetch from now on.
    pub fn set_access(&self, access: Access) {
        *self.shared.access.lock().unwrap() = access;
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Bytes that git has sent so far.
    pub fn sent(&self) -> usize {
        self.shared.sent.load(Ordering::SeqCst)
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let authorization = header(&head.headers, "authorization");
    let seen = Seen {
        path: head.uri.path().to_owned(),
        authorization: authorization.clone(),
        proxy_authorization: header(&head.headers, "proxy-authorization"),
    };
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
            let (head, body) = backend::answer(&shared, head, body).await.into_parts();
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
        _ => backend::answer(&shared, head, body).await,
    }
}

/// An answer that starts as it should and never ends.
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
