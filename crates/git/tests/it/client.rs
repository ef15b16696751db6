//! Somebody who asks a remote what a reference is, and fetches that.

use std::{collections::BTreeMap, time::Duration};

use headwater_git::{
    Algorithms, Budget, Checkout, Content, Error, Head, Limits, LocalRepositories, Mirrors, Reference, Remote, fetch, resolve,
};
use headwater_http::{Clients, Credentials, SafeUrl, Trust};
use headwater_storage::{Contents as _, Mode};
use tempfile::TempDir;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A remote, with the mirrors and the connections of its own process.
pub struct Client {
    // Lets go of the mirrors before their folder goes.
    pub remote: Remote,
    /// The longest time of a fetch.
    pub timeout: Duration,
    folder: TempDir,
}

/// The outcome of a fetch.
#[derive(Debug)]
pub struct Fetched {
    pub revision: String,
    /// Contents of files by their paths.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Fetched {
    /// The paths of the files, sorted.
    pub fn names(&self) -> Vec<&str> {
        self.files.keys().map(String::as_str).collect()
    }
}

impl Client {
    /// A client of the repository at `url`, without credentials.
    pub fn new(url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let budget = Budget { size: 1 << 30, age: Duration::from_hours(24) };
        let remote = Remote {
            url: SafeUrl::parse(url).unwrap(),
            credentials: Credentials::Anonymous,
            identity: None,
            trust: Trust::default(),
            ssh: None,
            proxy: None,
            algorithms: Algorithms::default(),
            limits: Limits::default(),
            asked: Instant::now(),
            deadline: Instant::now(),
            cancel: CancellationToken::new(),
            clients: Clients::default(),
            mirrors: Mirrors::open(&folder.path().join("mirrors"), budget).unwrap(),
            local: LocalRepositories::Refused,
        };
        Self { remote, timeout: Duration::from_secs(20), folder }
    }

    /// The same client for another repository.
    pub fn set_url(&mut self, url: &str) {
        self.remote.url = SafeUrl::parse(url).unwrap();
    }

    /// Asks what a reference is, and fetches nothing.
    pub async fn ask(&self, reference: &Reference) -> Result<Head, Error> {
        resolve(&self.now(), reference).await
    }

    /// Fetches the whole tree of a reference, and reads all of it.
    pub async fn get(&self, reference: &Reference) -> Result<Fetched, Error> {
        self.get_part(reference, &Content::default()).await
    }

    /// Fetches what `content` says, and reads all of it.
    pub async fn get_part(&self, reference: &Reference, content: &Content) -> Result<Fetched, Error> {
        let remote = self.now();
        let head = resolve(&remote, reference).await?;
        let scratch = tempfile::tempdir_in(self.folder.path()).unwrap();
        let checkout = fetch(&remote, &head, content, &scratch.path().join("fetch")).await?;
        let files = read(&checkout).map_err(|error| Error::Corrupt { url: remote.url.to_string(), message: error.to_string() })?;
        Ok(Fetched { revision: head.revision, files })
    }

    /// The remote, asked at this moment.
    fn now(&self) -> Remote {
        let now = Instant::now();
        Remote { asked: now, deadline: now + self.timeout, ..self.remote.clone() }
    }
}

/// Every file of a checkout.
fn read(checkout: &Checkout) -> std::io::Result<BTreeMap<String, Vec<u8>>> {
    let mut reader = checkout.reader();
    let files = checkout.entries().iter().filter(|entry| !matches!(entry.mode, Mode::Directory | Mode::Symlink));
    files
        .map(|entry| {
            let mut content = Vec::new();
            reader(entry, &mut content)?;
            Ok((entry.path.to_string(), content))
        })
        .collect()
}

/// The branch `main`.
pub fn main() -> Reference {
    Reference::Branch("main".into())
}
