//! A server that says what a test wants in place of references and packs.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{Method, Request, Response},
};
use futures::{StreamExt as _, stream};
use tokio::task::JoinSet;

use super::packs::ObjectId;
use crate::web::serve;

/// The longest content of a packet of a pack.
const PACKET: usize = 65_000;

/// A packet of the wire.
pub fn packet(content: &[u8]) -> Vec<u8> {
    [format!("{:04x}", content.len() + 4).as_bytes(), content].concat()
}

/// A list of references, with its end.
pub fn refs(found: &[(&str, &ObjectId)]) -> Vec<u8> {
    let mut answer: Vec<u8> = found.iter().flat_map(|(name, id)| packet(format!("{id} {name}\n").as_bytes())).collect();
    answer.extend_from_slice(b"0000");
    answer
}

/// The answer that brings a pack.
pub fn packfile(pack: &[u8]) -> Vec<u8> {
    let mut answer = packet(b"packfile\n");
    for part in pack.chunks(PACKET) {
        answer.extend(packet(&[b"\x01", part].concat()));
    }
    answer.extend_from_slice(b"0000");
    answer
}

/// A body that begins with `start` and goes on with `again` without end.
pub fn endless(start: Vec<u8>, again: Vec<u8>) -> Body {
    let again = Bytes::from(again);
    let endless = stream::once(async { Bytes::from(start) }).chain(stream::repeat(again));
    Body::from_stream(endless.map(Ok::<_, std::io::Error>))
}

type Answers = Box<dyn Fn() -> Body + Send + Sync>;

/// A server that greets as git does, and then says what a test wants.
#[derive(Debug)]
pub struct Script {
    /// The URL of its repository.
    pub url: String,
    fetches: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

struct Lines {
    /// Lists references in the greeting, as before version 2.
    old: bool,
    refs: Answers,
    fetch: Answers,
    fetches: Arc<AtomicUsize>,
}

impl Script {
    /// Answers each list of references and each fetch so.
    pub async fn start<R: Into<Body>, F: Into<Body>>(
        refs: impl Fn() -> R + Send + Sync + 'static,
        fetch: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self {
        Self::serve(Lines {
            old: false,
            refs: Box::new(move || refs().into()),
            fetch: Box::new(move || fetch().into()),
            fetches: Arc::default(),
        })
        .await
    }

    /// A server that knows nothing of version 2. It lists `main` at `head`, and answers each fetch so.
    pub async fn old<F: Into<Body>>(head: ObjectId, fetch: impl Fn() -> F + Send + Sync + 'static) -> Self {
        let capabilities = "multi_ack_detailed side-band-64k ofs-delta shallow no-done allow-reachable-sha1-in-want agent=git/script";
        let mut answer = packet(format!("{head} HEAD\0{capabilities}\n").as_bytes());
        answer.extend(refs(&[("refs/heads/main", &head)]));
        Self::serve(Lines {
            old: true,
            refs: Box::new(move || answer.clone().into()),
            fetch: Box::new(move || fetch().into()),
            fetches: Arc::default(),
        })
        .await
    }

    /// The number of requests for objects.
    pub fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    async fn serve(lines: Lines) -> Self {
        let fetches = Arc::clone(&lines.fetches);
        let (port, tasks) = serve(Router::new().fallback(answer).with_state(Arc::new(lines))).await;
        Self { url: format!("http://127.0.0.1:{port}/r.git"), fetches, _tasks: tasks }
    }

    /// A server that lists `main` at `head`, and answers each fetch with that pack.
    pub async fn with_pack(head: ObjectId, pack: Vec<u8>) -> Self {
        let (refs, pack) = (refs(&[("refs/heads/main", &head)]), packfile(&pack));
        Self::start(move || refs.clone(), move || pack.clone()).await
    }
}

async fn answer(State(lines): State<Arc<Lines>>, request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 64 << 20).await.unwrap();
    let (kind, answer) = if head.method == Method::GET {
        let mut greeting = packet(b"# service=git-upload-pack\n");
        greeting.extend_from_slice(b"0000");
        if lines.old {
            let list = axum::body::to_bytes((lines.refs)(), 64 << 20).await.unwrap();
            return answered("advertisement", Body::from([greeting, list.to_vec()].concat()));
        }
        for line in ["version 2\n", "agent=git/script\n", "ls-refs=unborn\n", "fetch=shallow filter\n", "object-format=sha1\n"] {
            greeting.extend(packet(line.as_bytes()));
        }
        greeting.extend_from_slice(b"0000");
        ("advertisement", Body::from(greeting))
    } else if body.windows(15).any(|bytes| bytes == b"command=ls-refs") {
        ("result", (lines.refs)())
    } else {
        lines.fetches.fetch_add(1, Ordering::SeqCst);
        ("result", (lines.fetch)())
    };
    answered(kind, answer)
}

fn answered(kind: &str, answer: Body) -> Response<Body> {
    Response::builder().header("content-type", format!("application/x-git-upload-pack-{kind}")).body(answer).unwrap()
}
