//! A chart repository: a web server with an `index.yaml` and charts, which counts what it sends and misbehaves on demand.

use std::{
    collections::BTreeMap,
    io::Write as _,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Request, Response, response::Builder},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use flate2::{Compression, write::GzEncoder};
use futures::StreamExt as _;
use sha2::{Digest as _, Sha256};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::{
    tls::{Authority, TlsListener, acceptor},
    web::{body, header, serve},
};

/// The word of the server on the version of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Validators {
    /// Nothing.
    #[default]
    None,
    /// A strong entity tag.
    Tag,
    /// A weak entity tag.
    Weak,
    /// The time at which it was put there.
    Date,
    /// Always the same entity tag, which it does not look at itself.
    Lie,
}

/// The way in which the server answers for one path.
#[derive(Clone, Debug)]
pub enum Answer {
    /// With this status and body.
    Status(u16, Bytes),
    /// With a redirect to this URL.
    Redirect(String),
    /// With the file, in pieces whose sum is not told before.
    Chunked,
    /// With these bytes, said to be gzip.
    Gzip(Bytes),
    /// With these bytes again and again, for ever.
    Endless(&'static str),
    /// Never.
    Hang,
    /// With the headers and half of the file; then nothing comes any more.
    Stall,
    /// With half of the file, and the end of the connection.
    Cut,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Without the slash at its beginning.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
}

impl Seen {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<String> {
        header(&self.headers, name)
    }
}

/// A running server; it ends with its owner.
#[derive(Debug)]
pub struct ChartRepository {
    /// Its scheme, host and port.
    pub origin: String,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Shared {
    files: Mutex<BTreeMap<String, File>>,
    answers: Mutex<BTreeMap<String, Answer>>,
    validators: Mutex<Validators>,
    compresses: Mutex<Vec<String>>,
    authorization: Mutex<Option<String>>,
    seen: Mutex<Vec<Seen>>,
    bytes: Mutex<BTreeMap<String, usize>>,
}

#[derive(Clone, Debug)]
struct File {
    content: Bytes,
    modified: String,
}

impl ChartRepository {
    /// Starts an empty one over plain HTTP.
    pub async fn start() -> Self {
        let shared = Arc::<Shared>::default();
        let (port, tasks) = serve(router(&shared)).await;
        Self { origin: format!("http://127.0.0.1:{port}"), shared, _tasks: tasks }
    }

    /// Starts an empty one over TLS. Clients have to show a certificate of `clients`, where that is given.
    pub async fn start_tls(authority: &Authority, clients: Option<&Authority>) -> Self {
        Self::accept(acceptor(authority, clients)).await
    }

    async fn accept(acceptor: TlsAcceptor) -> Self {
        let (shared, listener) = (Arc::<Shared>::default(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let origin = format!("https://{}", listener.local_addr().unwrap());
        let (listener, router, mut tasks) = (TlsListener::new(listener, acceptor), router(&shared), JoinSet::new());
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { origin, shared, _tasks: tasks }
    }

    /// The URL of a path, which is that of a repository where there is an `index.yaml` below.
    pub fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.origin)
    }

    /// Serves these bytes at a path from now on.
    pub fn put(&self, path: &str, content: impl Into<Bytes>) {
        let mut files = self.shared.files.lock().unwrap();
        let content = content.into();
        let count = files.len() + self.shared.seen.lock().unwrap().len();
        let modified = format!("Mon, 01 Jan 2024 00:{:02}:{:02} GMT", count / 60 % 60, count % 60);
        files.insert(path.to_owned(), File { content, modified });
    }

    /// Puts an index into a folder, and the charts of these names and versions beside it.
    pub fn publish(&self, folder: &str, charts: &[(&str, &str)]) {
        let archives: Vec<_> = charts.iter().map(|(name, version)| (*name, *version, chart(name, version, &[]))).collect();
        for (name, version, archive) in &archives {
            self.put(&format!("{folder}/{name}-{version}.tgz"), archive.clone());
        }
        let charts: Vec<_> = archives.iter().map(|(name, version, archive)| (*name, *version, archive.as_slice())).collect();
        self.put(&format!("{folder}/index.yaml"), index(&charts));
    }

    /// From now on, answers for a path in this way.
    pub fn answer(&self, path: &str, answer: Answer) {
        self.shared.answers.lock().unwrap().insert(path.to_owned(), answer);
    }

    /// From now on, answers for a path with its file again.
    pub fn behave(&self, path: &str) {
        self.shared.answers.lock().unwrap().remove(path);
    }

    /// From now on, says this of the versions of files.
    pub fn set_validators(&self, validators: Validators) {
        *self.shared.validators.lock().unwrap() = validators;
    }

    /// From now on, compresses the file at a path for those who take that.
    pub fn compress(&self, path: &str) {
        self.shared.compresses.lock().unwrap().push(path.to_owned());
    }

    /// From now on, lets in nobody else.
    pub fn admit(&self, user: &str, password: &str) {
        let value = format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")));
        *self.shared.authorization.lock().unwrap() = Some(value);
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// The number of requests for a path.
    pub fn requests(&self, path: &str) -> usize {
        self.shared.seen.lock().unwrap().iter().filter(|seen| seen.path == path).count()
    }

    /// The bytes of bodies that were sent for a path.
    pub fn bytes(&self, path: &str) -> usize {
        self.shared.bytes.lock().unwrap().get(path).copied().unwrap_or_default()
    }
}

/// The archive of a chart. Files are named from the chart's folder on; `Chart.yaml` is made where it is not among them.
pub fn chart(name: &str, version: &str, files: &[(&str, &str)]) -> Vec<u8> {
    let metadata = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
    let made = [("Chart.yaml", metadata.as_str())];
    let own = files.iter().any(|(path, _)| *path == "Chart.yaml");
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, content) in made.iter().filter(|_| !own).chain(files) {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, format!("{name}/{path}"), content.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

/// The index of charts, given by name, version and archive, which are in the same folder as `NAME-VERSION.tgz`.
pub fn index(charts: &[(&str, &str, &[u8])]) -> String {
    let mut entries = BTreeMap::<&str, String>::new();
    for (name, version, archive) in charts {
        let digest = hex::encode(Sha256::digest(archive));
        let entry = format!(
            "  - apiVersion: v2\n    name: {name}\n    version: {version}\n    digest: {digest}\n    created: \"2024-01-01T00:00:00Z\"\n    \
             urls:\n    - {name}-{version}.tgz\n"
        );
        entries.entry(name).or_default().push_str(&entry);
    }
    let entries = entries.iter().fold(String::new(), |text, (name, versions)| text + "  " + name + ":\n" + versions);
    let empty = if entries.is_empty() { " {}" } else { "" };
    format!("apiVersion: v1\ngenerated: \"2024-01-01T00:00:00Z\"\nentries:{empty}\n{entries}")
}

/// Bytes as a gzip file.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn router(shared: &Arc<Shared>) -> Router {
    Router::new().fallback(answer).with_state(Arc::clone(shared))
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response<Body> {
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let headers = request.headers().clone();
    shared.seen.lock().unwrap().push(Seen { path: path.clone(), headers: headers.clone() });
    let wanted = shared.authorization.lock().unwrap().clone();
    if wanted.is_some() && wanted != header(&headers, "authorization") {
        return Response::builder().status(401).header("www-authenticate", "Basic realm=\"charts\"").body(Body::empty()).unwrap();
    }
    let answer = shared.answers.lock().unwrap().get(&path).cloned();
    let file = shared.files.lock().unwrap().get(&path).cloned();
    let counted = |body| counted(&shared, &path, body);
    let whole = |builder: Builder, bytes: Bytes| {
        let length = bytes.len();
        builder.header("content-length", length).body(counted(bytes.into())).unwrap()
    };
    let (answer, content) = match (answer, file) {
        (None, None) => return Response::builder().status(404).body(Body::empty()).unwrap(),
        (None, Some(file)) => return serve_file(&shared, &path, &headers, file, whole),
        (Some(answer), file) => (answer, file.map(|file| file.content).unwrap_or_default()),
    };
    let half = content.slice(..content.len() / 2);
    let ok = Response::builder();
    match answer {
        Answer::Status(status, body) => whole(ok.status(status), body),
        Answer::Redirect(url) => ok.status(302).header("location", url).body(Body::empty()).unwrap(),
        Answer::Chunked => ok.body(counted(body::chunked(content, 16 << 10))).unwrap(),
        Answer::Gzip(bytes) => whole(ok.header("content-encoding", "gzip"), bytes),
        Answer::Endless(text) => ok.body(counted(body::endless(text))).unwrap(),
        Answer::Hang => std::future::pending().await,
        Answer::Stall => ok.header("content-length", content.len()).body(counted(body::stalled(half))).unwrap(),
        Answer::Cut => ok.header("content-length", content.len()).body(counted(body::cut(half))).unwrap(),
    }
}

fn serve_file(
    shared: &Shared,
    path: &str,
    headers: &HeaderMap,
    file: File,
    whole: impl Fn(Builder, Bytes) -> Response<Body>,
) -> Response<Body> {
    let digest = hex::encode(&Sha256::digest(&file.content)[..8]);
    let validators = *shared.validators.lock().unwrap();
    let (name, value, condition) = match validators {
        Validators::None => ("x-nothing", String::new(), None),
        Validators::Lie => ("etag", "\"always\"".to_owned(), None),
        Validators::Tag => ("etag", format!("\"{digest}\""), Some("if-none-match")),
        Validators::Weak => ("etag", format!("W/\"{digest}\""), Some("if-none-match")),
        Validators::Date => ("last-modified", file.modified, Some("if-modified-since")),
    };
    let builder = Response::builder().header(name, &value);
    if condition.is_some_and(|name| header(headers, name).as_ref() == Some(&value)) {
        return builder.status(304).body(Body::empty()).unwrap();
    }
    let takes = header(headers, "accept-encoding").is_some_and(|value| value.contains("gzip"));
    if takes && shared.compresses.lock().unwrap().iter().any(|other| other == path) {
        return whole(builder.header("content-encoding", "gzip"), gzip(&file.content).into());
    }
    whole(builder, file.content)
}

/// A body of whose bytes account is kept.
fn counted(shared: &Arc<Shared>, path: &str, body: Body) -> Body {
    let (shared, path) = (Arc::clone(shared), path.to_owned());
    Body::from_stream(body.into_data_stream().inspect(move |piece| {
        let length = piece.as_ref().map_or(0, Bytes::len);
        *shared.bytes.lock().unwrap().entry(path.clone()).or_default() += length;
    }))
}
