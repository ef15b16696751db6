//! The demo's chart repository: charts packaged here, and an HTTP server on the loopback interface that notes what it answers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ETAG, IF_NONE_MATCH};
use axum::http::{Response, StatusCode};
use axum::{Router, body::Bytes};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::digest;
use crate::run::Stopped;
use crate::serve;
use headwater_helm::chart::{Chart, Kind, Limits, Problem, Source};

/// The folder of the chart, and its name.
const NAME: &str = "guestbook";
const INDEX: &str = "/index.yaml";

/// A repository that charts are published to.
pub struct Charts {
    listener: TcpListener,
    shelf: Shelf,
}

/// What is published.
#[derive(Clone, Default)]
pub struct Shelf(Arc<Mutex<Contents>>);

#[derive(Default)]
struct Contents {
    files: BTreeMap<String, Bytes>,
    entries: String,
    answers: Vec<String>,
}

impl Charts {
    /// An empty repository on a port that is free.
    pub async fn open() -> Result<Self, Stopped> {
        Ok(Self { listener: serve::bind("127.0.0.1:0").await?, shelf: Shelf::default() })
    }

    /// Where it is.
    pub fn url(&self) -> Result<String, Stopped> {
        Ok(format!("http://{}", self.listener.local_addr()?))
    }

    /// What is published.
    pub fn shelf(&self) -> Shelf {
        self.shelf.clone()
    }

    /// Answers until `stop`.
    pub async fn serve(self, stop: CancellationToken) {
        serve::serve(self.listener, Router::new().fallback(answer).with_state(self.shelf), stop).await;
    }
}

impl Shelf {
    /// Packages a version of the chart, names it in the index, and answers the archive's digest.
    pub fn publish(&self, version: &str) -> Result<String, Stopped> {
        let mut chart = Chart::load(&Folder, NAME, &Limits::default())?;
        chart.set_version(version);
        let archive = chart.package()?;
        let (digest, file) = (digest(&archive), format!("{NAME}-{version}.tgz"));
        let mut contents = self.contents();
        let (hex, created) = (digest.trim_start_matches("sha256:"), headwater_api::time::now());
        write!(
            contents.entries,
            "  - apiVersion: v2\n    name: {NAME}\n    version: {version}\n    created: {created:?}\n    digest: {hex}\n    urls:\n      - {file}\n"
        )?;
        let index = format!("apiVersion: v1\nentries:\n  {NAME}:\n{}", contents.entries);
        contents.files.insert(INDEX.to_owned(), index.into());
        contents.files.insert(format!("/{file}"), archive.into());
        Ok(digest)
    }

    /// What was answered since this was asked last.
    pub fn answers(&self) -> Vec<String> {
        std::mem::take(&mut self.contents().answers)
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(State(shelf): State<Shelf>, request: Request) -> Response<Body> {
    let mut contents = shelf.contents();
    let path = request.uri().path();
    let file = contents.files.get(path).cloned();
    let tag = file.as_ref().map(|file| format!("\"{}\"", digest(file)));
    let known = request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let (status, body) = match file {
        None => (StatusCode::NOT_FOUND, Bytes::new()),
        Some(_) if known == tag.as_deref() => (StatusCode::NOT_MODIFIED, Bytes::new()),
        Some(file) => (StatusCode::OK, file),
    };
    let size = if status == StatusCode::OK { format!(", {} bytes", body.len()) } else { String::new() };
    contents.answers.push(format!("GET {path}: {status}{size}"));
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    if let Some(tag) = tag.and_then(|tag| tag.parse().ok()) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// The chart as its authors have it.
struct Folder;

const FILES: [(&str, &str); 3] =
    [("guestbook/Chart.yaml", CHART), ("guestbook/values.yaml", VALUES), ("guestbook/templates/deployment.yaml", DEPLOYMENT)];

impl Source for Folder {
    fn kind(&self, path: &str) -> Result<Option<Kind>, Problem> {
        let file = FILES.iter().find(|(name, _)| *name == path);
        let folder = || FILES.iter().any(|(name, _)| name.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')));
        Ok(file.map(|(_, text)| Kind::File { size: text.len() as u64 }).or_else(|| folder().then_some(Kind::Folder)))
    }

    fn list(&self, folder: &str) -> Result<Vec<(String, u64)>, Problem> {
        let below = |name: &'static str| name.strip_prefix(folder)?.strip_prefix('/');
        Ok(FILES.iter().filter_map(|(name, text)| Some((below(name)?.to_owned(), text.len() as u64))).collect())
    }

    fn read(&self, path: &str, _limit: u64) -> Result<Vec<u8>, Problem> {
        let file = FILES.iter().find(|(name, _)| *name == path);
        file.map(|(_, text)| text.as_bytes().to_vec()).ok_or_else(|| Problem::new(format!("{path}: no such file")))
    }
}

const CHART: &str = "\
apiVersion: v2
name: guestbook
description: Where guests leave a word.
type: application
version: 1.0.0
";

const VALUES: &str = "\
# How many run at once.
replicas: 2
image: registry.example/guestbook:1.0.0
";

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels:
      app: {{ .Release.Name }}
  template:
    metadata:
      labels:
        app: {{ .Release.Name }}
    spec:
      containers:
        - name: web
          image: {{ .Values.image }}
";
