//! Packs made by hand, and a server that answers with whatever it is given.

use std::{
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{Method, Request, Response},
};
use flate2::{Compression, write::ZlibEncoder};
use futures::{StreamExt as _, stream};
use gix::{ObjectId, objs::Kind};
use tokio::task::JoinSet;

use super::serve;

/// The longest content of a packet of a pack.
const PACKET: usize = 65_000;

/// The id of an object.
pub fn id(kind: Kind, content: &[u8]) -> ObjectId {
    gix::objs::compute_hash(gix::hash::Kind::Sha1, kind, content).unwrap()
}

/// A commit of that tree, without parents.
pub fn commit(tree: &ObjectId) -> Vec<u8> {
    let who = "T <t@example.com> 1700000000 +0000";
    format!("tree {tree}\nauthor {who}\ncommitter {who}\n\na change\n").into_bytes()
}

/// A tree with these entries: mode, name, object.
pub fn tree(entries: &[(&str, &str, ObjectId)]) -> Vec<u8> {
    let mut tree = Vec::new();
    for (mode, name, id) in entries {
        write!(tree, "{mode} {name}\0").unwrap();
        tree.extend_from_slice(id.as_slice());
    }
    tree
}

/// A step of a delta.
#[derive(Clone, Copy)]
pub enum Step<'a> {
    /// Takes so many bytes, fewer than 2^24, from that place of the base.
    Copy(u32, u32),
    /// Takes these bytes, fewer than 128.
    Insert(&'a [u8]),
}

/// A delta from a base of a length to a result of another.
pub fn delta(base: u64, result: u64, steps: &[Step<'_>]) -> Vec<u8> {
    let mut delta = Vec::new();
    for length in [base, result] {
        let mut rest = length;
        while rest > 0x7f {
            delta.push(0x80 | (rest & 0x7f) as u8);
            rest >>= 7;
        }
        delta.push((rest & 0x7f) as u8);
    }
    for step in steps {
        match step {
            Step::Copy(from, count) => {
                delta.push(0xff);
                delta.extend_from_slice(&from.to_le_bytes());
                delta.extend_from_slice(&count.to_le_bytes()[..3]);
            }
            Step::Insert(bytes) => {
                delta.push(u8::try_from(bytes.len()).unwrap());
                delta.extend_from_slice(bytes);
            }
        }
    }
    delta
}

/// A pack that grows.
#[derive(Default)]
pub struct Pack {
    body: Vec<u8>,
    count: u32,
}

impl Pack {
    /// Where the next entry begins.
    pub fn offset(&self) -> u64 {
        12 + self.body.len() as u64
    }

    /// Adds an object and says how it is called.
    pub fn object(&mut self, kind: Kind, content: &[u8]) -> ObjectId {
        let number = match kind {
            Kind::Commit => 1,
            Kind::Tree => 2,
            Kind::Blob => 3,
            Kind::Tag => 4,
        };
        self.entry(number, content.len() as u64, &[], &deflated(content));
        id(kind, content)
    }

    /// Adds a delta of the entry that begins so many bytes before.
    pub fn offset_delta(&mut self, distance: u64, delta: &[u8]) {
        let (mut rest, mut bytes) = (distance >> 7, vec![(distance & 0x7f) as u8]);
        while rest > 0 {
            rest -= 1;
            bytes.insert(0, 0x80 | (rest & 0x7f) as u8);
            rest >>= 7;
        }
        self.entry(6, delta.len() as u64, &bytes, &deflated(delta));
    }

    /// Adds a delta of the object of that name.
    pub fn named_delta(&mut self, base: &ObjectId, delta: &[u8]) {
        self.entry(7, delta.len() as u64, base.as_slice(), &deflated(delta));
    }

    /// Adds an entry, however little sense it makes.
    pub fn entry(&mut self, number: u8, length: u64, base: &[u8], compressed: &[u8]) {
        let (mut rest, mut byte) = (length >> 4, (number << 4) | (length & 0xf) as u8);
        while rest > 0 {
            self.body.push(byte | 0x80);
            (byte, rest) = ((rest & 0x7f) as u8, rest >> 7);
        }
        self.body.push(byte);
        self.body.extend_from_slice(base);
        self.body.extend_from_slice(compressed);
        self.count += 1;
    }

    /// The whole pack, with its checksum.
    pub fn finish(&self) -> Vec<u8> {
        self.announcing(self.count)
    }

    /// The whole pack, which announces another number of entries.
    pub fn announcing(&self, count: u32) -> Vec<u8> {
        let mut pack = b"PACK\0\0\0\x02".to_vec();
        pack.extend_from_slice(&count.to_be_bytes());
        pack.extend_from_slice(&self.body);
        let mut hasher = gix::hash::hasher(gix::hash::Kind::Sha1);
        hasher.update(&pack);
        pack.extend_from_slice(hasher.try_finalize().unwrap().as_slice());
        pack
    }
}

/// Bytes as zlib has them.
pub fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// So many zeros as zlib has them, made without having them all at once.
pub fn deflated_zeros(count: u64) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..count >> 20 {
        encoder.write_all(&zeros).unwrap();
    }
    encoder.finish().unwrap()
}

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

/// What comes first, and then something again and again without end.
pub fn endless(start: Vec<u8>, again: Vec<u8>) -> Body {
    let again = Bytes::from(again);
    let endless = stream::once(async { Bytes::from(start) }).chain(stream::repeat(again));
    Body::from_stream(endless.map(Ok::<_, std::io::Error>))
}

type Answers = Box<dyn Fn() -> Body + Send + Sync>;

/// A server that greets as git does, and then says what a test wants.
pub struct Script {
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

    /// One that knows nothing of version 2: tells that `main` is `head`, and answers each fetch so.
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

    /// How often objects were asked for.
    pub fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    async fn serve(lines: Lines) -> Self {
        let fetches = Arc::clone(&lines.fetches);
        let (port, tasks) = serve(Router::new().fallback(answer).with_state(Arc::new(lines))).await;
        Self { url: format!("http://127.0.0.1:{port}/r.git"), fetches, _tasks: tasks }
    }

    /// Answers that `main` is `head`, and each fetch with that pack.
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
