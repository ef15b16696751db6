//! Artifacts: files under the storage root, and nothing else.
//!
//! An artifact that an object claims but that is not there yet is answered with 503 and Retry-After, because
//! consumers retry that and give up on 404.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path as FilePath, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
        header::{
            ACCEPT_RANGES, ALLOW, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
            LAST_MODIFIED, RANGE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
        },
    },
    response::{IntoResponse, Response},
    routing::get,
};
use chrono::{DateTime, Utc};
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;
use tower_http::set_header::SetResponseHeaderLayer;

use super::range::{Asked, asked};

/// Answers of up to this many bytes are read at once; longer ones are streamed.
const SMALL: u64 = 128 * 1024;
/// How many bytes of a streamed answer are read at a time.
const CHUNK: usize = 256 * 1024;
/// After how many seconds a client should ask again for a claimed artifact that is not there.
const RETRY_SECONDS: &str = "1";
/// How times are written in HTTP.
const HTTP_DATE: &str = "%a, %d %b %Y %H:%M:%S GMT";

/// What objects say of their artifacts.
pub trait Claims: Send + Sync {
    /// The digest (`algorithm:hex`) of the artifact that an object claims at this path below the root, if any does.
    fn digest(&self, path: &str) -> Option<String>;

    /// Whether all claims are known. Until then a missing file may be a claimed one.
    fn known(&self) -> bool {
        true
    }
}

struct Shared {
    root: PathBuf,
    claims: Arc<dyn Claims>,
}

/// Serves the artifacts below `root` to GET and HEAD. No client is to guess another type of content.
pub fn router(root: PathBuf, claims: Arc<dyn Claims>) -> Router {
    Router::new()
        .route("/", get(async || "Headwater artifact server\n").fallback(not_allowed))
        .route("/{*path}", get(artifact).fallback(not_allowed))
        .layer(SetResponseHeaderLayer::overriding(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")))
        .with_state(Arc::new(Shared { root, claims }))
}

async fn not_allowed() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, HEAD")], "method not allowed\n").into_response()
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "not found\n").into_response()
}

async fn artifact(State(shared): State<Arc<Shared>>, Path(path): Path<String>, method: Method, headers: HeaderMap) -> Response {
    if !plain(&path) {
        return not_found();
    }
    let claim = shared.claims.digest(&path);
    let unclaimed = claim.is_none() && shared.claims.known();
    let opening = path.clone();
    let opened = tokio::task::spawn_blocking(move || open(&shared.root, &opening)).await;
    match opened.map_err(io::Error::other).and_then(|opened| opened) {
        Ok(file) => answer(&path, file, claim.as_deref(), &method, &headers).await,
        Err(error) if error.kind() == io::ErrorKind::NotFound && unclaimed => not_found(),
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::error!(logger = "artifact-server", path, error = &error as &dyn std::error::Error, "cannot open artifact");
            }
            let retry = [(RETRY_AFTER, RETRY_SECONDS)];
            (StatusCode::SERVICE_UNAVAILABLE, retry, "artifact not available yet\n").into_response()
        }
    }
}

/// Whether the decoded path is one below the root by its form alone: no empty, hidden or parent component,
/// which also rules out absolute ones, and nothing that a file name cannot be.
fn plain(path: &str) -> bool {
    path.len() <= 4096 && path.split('/').all(|part| !part.is_empty() && !part.starts_with('.')) && !path.contains(['\0', '\\'])
}

/// A regular file, open, with what is known of it.
struct Opened {
    file: File,
    length: u64,
    modified: SystemTime,
}

/// Opens a regular file below the root. Links are followed as long as they stay below it; everything else
/// counts as not found.
fn open(root: &FilePath, path: &str) -> io::Result<Opened> {
    let missing = || io::Error::from(io::ErrorKind::NotFound);
    let inside = |error: io::Error| match error.kind() {
        io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename => missing(),
        _ => error,
    };
    let root = root.canonicalize()?;
    let real = root.join(path).canonicalize().map_err(inside)?;
    let below = real.strip_prefix(&root).map_err(|_| missing())?;
    if !below.to_str().is_some_and(plain) || !real.symlink_metadata()?.is_file() {
        return Err(missing());
    }
    let file = File::open(&real)?;
    let metadata = file.metadata()?;
    Ok(Opened { length: metadata.len(), modified: metadata.modified()?, file })
}

async fn answer(path: &str, opened: Opened, claim: Option<&str>, method: &Method, headers: &HeaderMap) -> Response {
    let Opened { file, length, modified } = opened;
    let modified_text = DateTime::<Utc>::from(modified).format(HTTP_DATE).to_string();
    let tag = claim.map_or_else(|| file_tag(length, modified), |digest| format!("\"{digest}\""));
    let mut response = HeaderMap::new();
    put(&mut response, ETAG, &tag);
    put(&mut response, LAST_MODIFIED, &modified_text);
    response.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if unchanged(headers, &tag, modified) {
        return (StatusCode::NOT_MODIFIED, response).into_response();
    }
    response.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(path)));
    let range = match text(headers, &RANGE) {
        Some(range) if *method == Method::GET && range_applies(headers, &tag, &modified_text) => asked(range, length),
        _ => Asked::Whole,
    };
    let (status, first, count) = match range {
        Asked::Whole => (StatusCode::OK, 0, length),
        Asked::Part(first, last) => {
            put(&mut response, CONTENT_RANGE, &format!("bytes {first}-{last}/{length}"));
            (StatusCode::PARTIAL_CONTENT, first, last - first + 1)
        }
        Asked::Outside => {
            put(&mut response, CONTENT_RANGE, &format!("bytes */{length}"));
            return (StatusCode::RANGE_NOT_SATISFIABLE, response).into_response();
        }
    };
    response.insert(CONTENT_LENGTH, HeaderValue::from(count));
    if *method == Method::HEAD {
        return (status, response).into_response();
    }
    match body(file, first, count).await {
        Ok(body) => (status, response, body).into_response(),
        Err(error) => {
            tracing::error!(logger = "artifact-server", path, error = &error as &dyn std::error::Error, "cannot read artifact");
            (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, RETRY_SECONDS)], "artifact not readable\n").into_response()
        }
    }
}

async fn body(mut file: File, first: u64, count: u64) -> io::Result<Body> {
    if count > SMALL {
        file.seek(SeekFrom::Start(first))?;
        let mut file = tokio::fs::File::from_std(file);
        file.set_max_buf_size(CHUNK);
        return Ok(Body::from_stream(ReaderStream::with_capacity(file.take(count), CHUNK)));
    }
    let read = move || {
        let mut bytes = Vec::with_capacity(usize::try_from(count).unwrap_or_default());
        file.seek(SeekFrom::Start(first))?;
        file.take(count).read_to_end(&mut bytes)?;
        if bytes.len() as u64 == count { Ok(Body::from(bytes)) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    };
    tokio::task::spawn_blocking(read).await.map_err(io::Error::other)?
}

/// The tag of a file that no object claims.
fn file_tag(length: u64, modified: SystemTime) -> String {
    let nanoseconds = modified.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    format!("\"{length:x}-{nanoseconds:x}\"")
}

fn content_type(path: &str) -> &'static str {
    let path = FilePath::new(path);
    let named = |name: &str| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(name));
    if named("gz") || named("tgz") {
        "application/gzip"
    } else if named("yaml") || named("yml") {
        "application/yaml"
    } else {
        "application/octet-stream"
    }
}

/// Whether the client has this very file already. The tag decides; only without one, the time.
fn unchanged(headers: &HeaderMap, tag: &str, modified: SystemTime) -> bool {
    if headers.contains_key(IF_NONE_MATCH) {
        let tags = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        return tags
            .flat_map(|tags| tags.split(','))
            .map(str::trim)
            .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag);
    }
    let Some(since) = text(headers, &IF_MODIFIED_SINCE).and_then(|text| DateTime::parse_from_rfc2822(text).ok()) else {
        return false;
    };
    DateTime::<Utc>::from(modified).timestamp() <= since.timestamp()
}

/// Whether a range is meant for the file as it is now: only a strong tag or the exact time says so.
fn range_applies(headers: &HeaderMap, tag: &str, modified: &str) -> bool {
    match headers.get(IF_RANGE) {
        None => true,
        Some(known) => known.to_str().is_ok_and(|known| known == tag || known == modified),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
