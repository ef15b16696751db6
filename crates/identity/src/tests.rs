#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Response};
use chrono::DateTime;
use futures::future::BoxFuture;
use headwater_http::{Clients, Credentials, Trust};
use headwater_testing::web::{self, Asked, Web};
use url::Url;

use super::issue::digest;
use super::token_file::read;
use super::*;

/// A request, as a server saw it.
#[derive(Clone)]
pub(super) struct Seen {
    /// Method, path and query.
    pub line: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Seen {
    fn of(asked: &Asked) -> Self {
        Self { line: asked.line(), headers: asked.headers.clone(), body: String::from_utf8(asked.body.to_vec()).unwrap() }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn fields(&self) -> BTreeMap<String, String> {
        url::form_urlencoded::parse(self.body.as_bytes()).into_owned().collect()
    }
}

/// A provider on this machine, gone when dropped.
pub(super) struct Server {
    pub base: String,
    web: Web,
}

impl Server {
    pub async fn start(answer: impl Fn(&Seen) -> Response<Body> + Send + Sync + 'static) -> Self {
        let web = Web::start(move |asked| answer(&Seen::of(asked))).await;
        Self { base: web.origin.clone(), web }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.web.asked().iter().map(Seen::of).collect()
    }

    /// The one request that came.
    pub fn only(&self) -> Seen {
        assert_eq!(self.lines().len(), 1);
        self.seen().remove(0)
    }

    pub fn lines(&self) -> Vec<String> {
        self.web.lines()
    }
}

pub(super) fn answer(status: u16, body: impl Into<Body>) -> Response<Body> {
    web::answer(status, &[], body)
}

/// An answer that never ends.
pub(super) fn endless() -> Response<Body> {
    answer(200, web::body::endless(" "))
}

/// The parts of a request.
pub(super) struct Context {
    pub url: Url,
    pub http: reqwest::Client,
    pub environment: Environment,
    pub cache: Cache,
    pub object: Object,
}

impl Context {
    pub fn new(url: &str, variables: &[(&str, &str)]) -> Self {
        Self {
            url: Url::parse(url).unwrap(),
            http: Clients::default().get(&Trust::default(), None).unwrap(),
            environment: variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            cache: Cache::new(10, Duration::from_hours(1)),
            object: Object { kind: "GitRepository", namespace: "reservoirs".to_owned(), name: "upper".to_owned() },
        }
    }

    pub fn request(&self) -> Request<'_> {
        Request {
            url: &self.url,
            account: None,
            http: &self.http,
            route: "",
            environment: &self.environment,
            cache: &self.cache,
            object: &self.object,
        }
    }

    pub async fn own(&self, provider: &Provider) -> Result<Issued, Error> {
        credentials(provider, &self.request()).await
    }

    pub async fn of(&self, provider: &Provider, account: &Worker) -> Result<Issued, Error> {
        credentials(provider, &Request { account: Some(account), ..self.request() }).await
    }

    pub async fn registry(&self, registrar: Registrar) -> Result<Issued, Error> {
        registry_credentials(registrar, &self.request()).await
    }

    pub async fn registry_of(&self, registrar: Registrar, account: &Worker) -> Result<Issued, Error> {
        registry_credentials(registrar, &Request { account: Some(account), ..self.request() }).await
    }

    pub async fn refusal(&self, provider: &Provider) -> String {
        self.own(provider).await.unwrap_err().to_string()
    }
}

/// A service account.
#[derive(Default)]
pub(super) struct Worker {
    pub annotations: BTreeMap<String, String>,
    /// The reason for which no tokens are issued.
    pub refuses: Option<&'static str>,
    pub audiences: Mutex<Vec<String>>,
}

impl Worker {
    pub fn with(annotations: &[(&str, &str)]) -> Self {
        let annotations = annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self { annotations, ..Self::default() }
    }
}

impl Account for Worker {
    fn namespace(&self) -> &'static str {
        "reservoirs"
    }

    fn name(&self) -> &'static str {
        "worker"
    }

    fn annotations(&self) -> BoxFuture<'_, Result<BTreeMap<String, String>, AccountError>> {
        Box::pin(async { Ok(self.annotations.clone()) })
    }

    fn token<'a>(&'a self, audience: &'a str) -> BoxFuture<'a, Result<String, AccountError>> {
        Box::pin(async move {
            self.audiences.lock().unwrap_or_else(PoisonError::into_inner).push(audience.to_owned());
            self.refuses.map_or_else(|| Ok("account-token".to_owned()), |why| Err(why.into()))
        })
    }
}

/// A file with a token in it.
pub(super) fn token_file(token: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), token).unwrap();
    file
}

#[test]
fn nothing_prints_a_secret() {
    let environment: Environment = [("AWS_SECRET_ACCESS_KEY", "s3cret"), ("HOME", "/root")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into_iter()
        .collect();
    let basic = Credentials::basic("u-s3cret", "s3cret");
    let credentials = Issued { credentials: basic, expires: DateTime::default(), identity: "abc".to_owned() };
    let printed = format!("{environment:?} {credentials:?} {:?}", Credentials::bearer("s3cret"));
    assert!(!printed.contains("s3cret") && !printed.contains("HOME"), "{printed}");
    assert!(printed.contains("AWS_SECRET_ACCESS_KEY"), "{printed}");
}

#[test]
fn digests_keep_parts_apart() {
    assert_ne!(digest(&["a", "bc"]), digest(&["ab", "c"]));
    assert_ne!(digest(&["a"]), digest(&["a", ""]));
    assert_eq!(digest(&[]).len(), 64);
}

#[tokio::test]
async fn token_files_are_bounded_and_must_hold_something() {
    let large = token_file(&"x".repeat(100 * 1024));
    assert_eq!(read(large.path().to_str().unwrap()).await.unwrap().len(), 64 * 1024);
    let blank = token_file(" \n");
    assert!(read(blank.path().to_str().unwrap()).await.unwrap_err().to_string().ends_with("it is empty"));
    assert!(read("/nowhere/token").await.unwrap_err().to_string().starts_with("failed to read token file '/nowhere/token': "));
}
