//! Where the objects are: one table of JSON by key, in a folder or in memory, with one version counter for all of it and the latest changes
//! for those who watch. It knows nothing of kinds.
//!
//! One thread writes: it takes what waits, checks each write against what is stored, commits all of it at once and only then shows it.
//! Readers see the last commit. Changes are remembered in memory, up to [`HISTORY_CHANGES`] and [`HISTORY_BYTES`]: whoever asks for older
//! ones, or comes back after a restart, is told to list again.

mod disk;
mod history;
mod list;
#[cfg(test)]
mod tests;
mod untouched;
mod writer;

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use axum::body::Bytes;
use redb::ReadTransaction;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

pub use disk::OpenError;
use history::History;
pub use history::Watch;
use list::Wanted;
pub use list::{Page, Range};
use writer::{Job, Write, Writer};

/// How many changes are remembered, at most.
pub const HISTORY_CHANGES: usize = 8_192;
/// How large the remembered changes are together, at most, in bytes.
pub const HISTORY_BYTES: usize = 64 << 20;
/// How large an object is, at most, in bytes of JSON.
pub const OBJECT_BYTES: usize = 3 << 19;

/// How much of a list [`Store::chunk`] reads, about, in bytes.
const CHUNK_BYTES: usize = 1 << 20;
/// How many writes wait for the writer; further ones wait to be let in.
const QUEUE: usize = 1_024;
/// How long a read waits for a database that is being opened again after an I/O error.
const PATIENCE: Duration = Duration::from_secs(5);

/// What an object is stored under.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The kind's plural with its group: `secrets`, `gitrepositories.source.toolkit.fluxcd.io`.
    pub resource: String,
    /// The namespace; empty for what is in none.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Key {
    /// The key of an object of a resource.
    pub fn of(resource: String, object: &Value) -> Self {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        Self { resource, namespace: text("namespace"), name: text("name") }
    }

    /// The key of something that is in no namespace.
    pub fn cluster_wide(resource: &str, name: &str) -> Self {
        Self { resource: resource.to_owned(), namespace: String::new(), name: name.to_owned() }
    }

    /// The key of a namespace.
    pub fn namespace(name: &str) -> Self {
        Self::cluster_wide("namespaces", name)
    }
}

/// An object as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Stored {
    /// The version that wrote it.
    pub version: u64,
    /// JSON text, whose `metadata.resourceVersion` is that version.
    pub json: Bytes,
}

/// Without what is in it, which may be a secret.
impl std::fmt::Debug for Stored {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stored").field("version", &self.version).field("bytes", &self.json.len()).finish()
    }
}

/// One write, as watchers see it.
#[derive(Debug)]
pub struct Change {
    /// The version it made.
    pub version: u64,
    /// What it wrote.
    pub key: Key,
    /// What was there before.
    pub old: Option<Stored>,
    /// What is there now; nothing if it was deleted.
    pub new: Option<Stored>,
    /// What [`Change::object`] says.
    object: Stored,
}

impl Change {
    /// What is there now, or for a deletion what was there last, with the version of the deletion in it.
    pub fn object(&self) -> &Stored {
        &self.object
    }

    /// Whether it is a change of this resource (any, if that is empty) and, if one is given, this namespace.
    fn concerns(&self, resource: &str, namespace: Option<&str>) -> bool {
        (resource.is_empty() || self.key.resource == resource) && namespace.is_none_or(|namespace| self.key.namespace == namespace)
    }
}

/// Where the objects are kept.
#[derive(Debug, Clone)]
pub enum Place {
    /// In memory, until the store is dropped.
    Memory,
    /// In `objects.redb` in this folder, which is made if need be.
    Folder(PathBuf),
}

/// Why a read or a write was not done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The object is another version than the one expected.
    #[error("the object has changed: it is at version {}", current.unwrap_or_default())]
    Conflict {
        /// The version it is at.
        current: Option<u64>,
    },
    /// There is an object of that name already.
    #[error("the object exists already")]
    Exists,
    /// There is no object of that name.
    #[error("the object does not exist")]
    NotFound,
    /// The version asked for is no longer known.
    #[error("versions before {oldest} are no longer known")]
    Compacted {
        /// The oldest one that is.
        oldest: u64,
    },
    /// The version asked for is not written yet.
    #[error("the latest version is {current}")]
    Future {
        /// The latest one.
        current: u64,
    },
    /// There is no space left. Reads go on, and writes too within a second of there being some.
    #[error("no space left to write {}: free some on that file system, then try again", path.display())]
    Full {
        /// The file that could not grow.
        path: PathBuf,
    },
    /// The object is larger than [`OBJECT_BYTES`].
    #[error("the object is {size} bytes large, and {OBJECT_BYTES} are allowed")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// The objects. Clones are the same store; it is closed, and its thread ended, when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    queue: Option<mpsc::Sender<Job>>,
    latest: watch::Receiver<u64>,
    writer: Option<JoinHandle<()>>,
}

/// What the writer shows to readers and watchers.
#[derive(Debug)]
struct Shared(RwLock<State>);

/// What was committed last. All of it changes at once.
struct State {
    version: u64,
    /// None while the database cannot be opened.
    snapshot: Option<Arc<ReadTransaction>>,
    history: History,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("version", &self.version).finish_non_exhaustive()
    }
}

impl Shared {
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Refuses versions that are not written yet or no longer known.
    fn check(&self, version: u64) -> Result<(), StoreError> {
        if version > self.version {
            return Err(StoreError::Future { current: self.version });
        }
        let oldest = self.history.oldest();
        if version < oldest { Err(StoreError::Compacted { oldest }) } else { Ok(()) }
    }
}

impl Store {
    /// Opens the store, and makes it if there is none. One that it refuses is left as it is.
    pub fn open(place: Place) -> Result<Self, OpenError> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let (writer, shared, latest) = Writer::open(place)?;
        let writer = std::thread::Builder::new().name("objects".to_owned()).spawn(move || writer.run(jobs)).map_err(OpenError::Thread)?;
        Ok(Self(Arc::new(Inner { shared, queue: Some(queue), latest, writer: Some(writer) })))
    }

    /// Answers whether there is another handle of the store.
    #[cfg(feature = "testing")]
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// The version of the last write; 1 if there was none yet.
    pub fn version(&self) -> u64 {
        self.0.shared.read().version
    }

    /// The oldest version that [`Store::watch`] and [`Store::list`] still know.
    #[cfg(test)]
    pub fn oldest(&self) -> u64 {
        self.0.shared.read().history.oldest()
    }

    /// One object, if it is there.
    pub fn get(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        self.read(|_| Ok(()), |snapshot, ()| list::get(snapshot, key))
    }

    /// The objects of a resource, or those of one namespace, sorted by namespace and name.
    pub fn list(&self, resource: &str, namespace: Option<&str>, range: Range) -> Result<Page, StoreError> {
        self.part(resource, namespace, range, usize::MAX)
    }

    fn part(&self, resource: &str, namespace: Option<&str>, range: Range, bytes: usize) -> Result<Page, StoreError> {
        let Range { at, after, limit } = range;
        self.read(
            |state| {
                let version = at.unwrap_or(state.version);
                state.check(version)?;
                Ok((version, state.history.undo(version, resource, namespace)))
            },
            |snapshot, (version, undo)| {
                let wanted = Wanted { resource, namespace, after: after.as_ref(), limit, bytes };
                list::page(snapshot, &wanted, version, &undo)
            },
        )
    }

    /// A part of that list which is not large, so that it can be held for long: about [`CHUNK_BYTES`] of it, and at least one object.
    pub fn chunk(
        &self,
        resource: &str,
        namespace: Option<&str>,
        at: Option<u64>,
        after: Option<(String, String)>,
    ) -> Result<Page, StoreError> {
        self.part(resource, namespace, Range { at, after, limit: None }, CHUNK_BYTES)
    }

    /// Writes an object if what is there is `expected`: nothing, or an object of that version. No `new` deletes it. The answer is what was
    /// written, or for a deletion what was there last, and `metadata.resourceVersion` is in either case the version of this write.
    ///
    /// It answers when the write is durable. Dropping the future does not take the write back.
    pub async fn write(&self, key: Key, expected: Option<u64>, new: Option<Value>) -> Result<Stored, StoreError> {
        let stopped = || StoreError::Failed("the store has stopped".to_owned());
        let (answer, answered) = oneshot::channel();
        let queue = self.0.queue.as_ref().ok_or_else(stopped)?;
        queue.send(Job::Write(Write { key, expected, new, answer })).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }

    /// The changes of a resource, or of one namespace of it, that follow the version `after`.
    pub fn watch(&self, resource: &str, namespace: Option<&str>, after: u64) -> Result<Watch, StoreError> {
        self.0.shared.read().check(after)?;
        Ok(Watch::new(Arc::clone(&self.0.shared), self.0.latest.clone(), resource, namespace, after))
    }

    /// Asks the last commit. After an I/O error the database refuses everything: then the writer opens it again, and this waits for that.
    fn read<P, T>(
        &self,
        prepare: impl Fn(&State) -> Result<P, StoreError>,
        query: impl Fn(&ReadTransaction, P) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        // A full queue means that the writer finds out by itself.
        let reopen = || self.0.queue.as_ref().map(|queue| queue.try_send(Job::Reopen).is_ok());
        let started = Instant::now();
        loop {
            let (snapshot, prepared) = {
                let state = self.0.shared.read();
                (state.snapshot.clone(), prepare(&state)?)
            };
            let Some(snapshot) = snapshot else {
                reopen();
                return Err(StoreError::Failed(
                    "the objects cannot be read: the database could not be opened again after an error".to_owned(),
                ));
            };
            let error = match query(&snapshot, prepared) {
                Ok(found) => return Ok(found),
                Err(error) => error,
            };
            let closed = matches!(error, redb::Error::Io(_) | redb::Error::PreviousIo | redb::Error::DatabaseClosed);
            if !closed || started.elapsed() > PATIENCE {
                return Err(StoreError::Failed(format!("the objects cannot be read: {error}")));
            }
            reopen();
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            drop(writer.join());
        }
    }
}
