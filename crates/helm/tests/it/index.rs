//! Indexes of chart repositories: fetched from a web server, and read.

mod large;
mod mishaps;
mod redirects;
mod tls;
mod unchanged;

use std::{fs, time::Duration};

use headwater_helm::{
    index::{Limits, normalise},
    web::{Access, Error, Fetched, Validators, Web},
};
use headwater_http::{Audience, Clients, Proxies, SafeUrl, Trust};
use tempfile::NamedTempFile;

/// The largest index that is taken unless a test says otherwise, in bytes.
const LARGEST: u64 = 50 << 20;

const SMALL: &str = include_str!("index/small.yaml");
/// What is made of that.
const SMALL_JSON: &str = include_str!("index/small.json");
/// The digest of what it is made of.
const SMALL_HEX: &str = "c157b8079ad158d2a60d5797ff583c34d449886f1373303cd75afa5aecdee147";

/// The reason why there is no index, in words.
#[derive(Debug, PartialEq)]
enum Refusal {
    /// It could not be fetched.
    Fetch(String),
    /// It could not be read.
    Index(String),
}

impl Refusal {
    fn text(&self) -> &str {
        let (Self::Fetch(text) | Self::Index(text)) = self;
        text
    }
}

/// The repository at `url`, with the user and the password of that.
fn access(url: &str) -> Access {
    let (basic, url) = SafeUrl::parse(url).unwrap().split();
    Access { url, basic, trust: Trust::default(), audience: Audience::Home, timeout: Duration::from_secs(20) }
}

/// Asks for an index of up to `limit` bytes, unless it is that of `known`. Answers what was received.
async fn fetch(access: &Access, known: Option<&Validators>, limit: u64) -> Result<(Fetched, NamedTempFile), Error> {
    let draft = NamedTempFile::new().unwrap();
    let web = Web::new(access, &Clients::new(Ok(Proxies::default())))?;
    let fetched = web.index(known, limit, draft.as_file()).await?;
    Ok((fetched, draft))
}

/// Fetches and reads an index. Answers it as it is stored.
async fn index(access: &Access) -> Result<String, Refusal> {
    index_up_to(LARGEST, access).await
}

/// Like [`index`], of up to `limit` bytes.
async fn index_up_to(limit: u64, access: &Access) -> Result<String, Refusal> {
    let refused = |error: &dyn std::error::Error| {
        let text = error.to_string();
        assert!(text.len() < 2_000 && !text.contains(['\0', '\r', '\x1b']), "{text:?}");
        text
    };
    let (_, draft) = fetch(access, None, limit).await.map_err(|error| Refusal::Fetch(refused(&error)))?;
    let mut stored = Vec::new();
    let read = normalise(draft.path(), &mut stored, &Limits::of_file(limit));
    assert!(read.is_ok() || stored.is_empty(), "{}", String::from_utf8_lossy(&stored));
    let summary = read.map_err(|error| Refusal::Index(refused(&error)))?;
    assert_eq!(summary.bytes, stored.len() as u64);
    Ok(String::from_utf8(stored).unwrap())
}

/// The bytes of a file.
fn content(file: &NamedTempFile) -> Vec<u8> {
    fs::read(file.path()).unwrap()
}
