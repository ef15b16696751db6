//! The one thread that writes.

use std::{
    io::ErrorKind,
    sync::Arc,
    time::{Duration, Instant},
};

use redb::{Database, Durability, ReadTransaction, ReadableDatabase, ReadableTable, Table};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    Change, Key, OBJECT_BYTES, OpenError, Place, Shared, State, StoreError, Stored,
    disk::{self, META, OBJECTS, VERSION},
    history::History,
    list::stored,
};

/// How many writes are committed together, at most.
const BATCH: usize = 256;
/// How long nothing is tried after a write failed: it closes the database, and so disturbs those who read.
const PAUSE: Duration = Duration::from_millis(500);

/// What the writer is asked.
pub(super) enum Job {
    /// To write an object.
    Write(Write),
    /// To open the database again if it fails.
    Reopen,
}

/// A write that waits.
pub(super) struct Write {
    pub(super) key: Key,
    pub(super) expected: Option<u64>,
    pub(super) new: Option<Value>,
    pub(super) answer: oneshot::Sender<Result<Stored, StoreError>>,
}

/// What becomes of each write of a batch.
type Outcomes = Vec<Result<Arc<Change>, StoreError>>;

/// The writer's side of the store.
pub(super) struct Writer {
    place: Place,
    /// None after it could not be opened again.
    database: Option<Database>,
    shared: Arc<Shared>,
    latest: watch::Sender<u64>,
    /// The last version that was given to a write, whatever became of it.
    given: u64,
    /// When the last write failed, and why, if that is not long ago.
    paused: Option<(Instant, StoreError)>,
}

impl Writer {
    /// Opens the database, with what it shows to readers and the version that watchers wait for.
    pub(super) fn open(place: Place) -> Result<(Self, Arc<Shared>, watch::Receiver<u64>), OpenError> {
        let (database, version) = disk::open(&place)?;
        let damaged = |error: redb::TransactionError| OpenError::Damaged { path: place.file(), reason: error.to_string() };
        let snapshot = database.begin_read().map_err(damaged)?;
        let state = State { version, snapshot: Some(snapshot.into()), history: History::new(version) };
        let shared = Arc::new(Shared(state.into()));
        let (latest, receiver) = watch::channel(version);
        Ok((Self { place, database: Some(database), shared: Arc::clone(&shared), latest, given: version, paused: None }, shared, receiver))
    }

    /// Writes until there is nobody left who could ask.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(job) = jobs.blocking_recv() {
            let mut batch = Vec::new();
            let mut next = Some(job);
            while let Some(job) = next {
                match job {
                    Job::Write(write) => batch.push(write),
                    Job::Reopen => self.heal(),
                }
                next = if batch.len() < BATCH { jobs.try_recv().ok() } else { None };
            }
            if !batch.is_empty() {
                self.answer(batch);
            }
        }
        self.shared.write().snapshot = None;
    }

    /// Commits the batch and answers.
    fn answer(&mut self, mut batch: Vec<Write>) {
        self.paused.take_if(|(since, _)| since.elapsed() >= PAUSE);
        let outcomes = match &self.paused {
            Some((_, error)) => Err(error.clone()),
            None => self.commit_again(&mut batch),
        };
        if let (Err(error), None) = (&outcomes, &self.paused) {
            self.paused = Some((Instant::now(), error.clone()));
        }
        let outcomes = outcomes.unwrap_or_else(|error| batch.iter().map(|_| Err(error.clone())).collect());
        for (write, outcome) in batch.into_iter().zip(outcomes) {
            // Who no longer waits does not want to know.
            drop(write.answer.send(outcome.map(|change| change.object.clone())));
        }
    }

    /// Commits the batch, once more if the error was there before it, and may be gone now.
    fn commit_again(&mut self, batch: &mut [Write]) -> Result<Outcomes, StoreError> {
        let outcomes = self.commit(batch).or_else(|error| match error {
            redb::Error::PreviousIo | redb::Error::DatabaseClosed => self.commit(batch),
            error => Err(error),
        });
        outcomes.map_err(|error| self.failure(&error))
    }

    /// Commits the batch and shows it. After an error the database is opened again, and nothing is shown of a batch that is not in it.
    fn commit(&mut self, batch: &mut [Write]) -> Result<Outcomes, redb::Error> {
        let first = self.given + 1;
        let mut outcomes = Vec::with_capacity(batch.len());
        let snapshot = match self.attempt(batch, &mut outcomes) {
            Ok(snapshot) => snapshot,
            Err(error) => match self.reopen() {
                // The error came after the last byte was written: it is in there.
                Ok((snapshot, version)) if version >= first => snapshot,
                Ok((snapshot, version)) => {
                    self.show(snapshot, version, &[]);
                    return Err(error);
                }
                Err(()) => return Err(error),
            },
        };
        self.show(snapshot, self.given, &outcomes);
        Ok(outcomes)
    }

    /// Commits those of the batch that find what they expect.
    fn attempt(&mut self, batch: &mut [Write], outcomes: &mut Outcomes) -> Result<ReadTransaction, redb::Error> {
        let database = self.database.as_ref().ok_or(redb::Error::DatabaseClosed)?;
        let mut transaction = database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        let before = self.given;
        {
            let mut objects = transaction.open_table(OBJECTS)?;
            let state = self.shared.read();
            for write in batch {
                let outcome = apply(&mut objects, write, self.given + 1, &state.history)?;
                self.given += u64::from(outcome.is_ok());
                outcomes.push(outcome.map(Arc::new));
            }
        }
        if self.given == before {
            transaction.abort()?;
        } else {
            transaction.open_table(META)?.insert(VERSION, self.given)?;
            transaction.commit()?;
        }
        Ok(database.begin_read()?)
    }

    /// Shows a commit and what changed in it.
    fn show(&self, snapshot: ReadTransaction, version: u64, outcomes: &[Result<Arc<Change>, StoreError>]) {
        let before = {
            let mut state = self.shared.write();
            for change in outcomes.iter().flatten() {
                state.version = change.version;
                state.history.push(Arc::clone(change));
            }
            if outcomes.is_empty() && state.version != version {
                // It was not known that this had been committed, and nobody can tell now what changed.
                state.version = version;
                state.history = History::new(version);
            }
            state.snapshot.replace(snapshot.into())
        };
        // Outside the lock: closing it is work.
        drop(before);
        let version = self.shared.read().version;
        self.latest.send_if_modified(|latest| std::mem::replace(latest, version) != version);
    }

    /// Opens the database again if it refuses to work.
    fn heal(&mut self) {
        let works = self.database.as_ref().is_some_and(|database| database.begin_write().is_ok());
        if !works && let Ok((snapshot, version)) = self.reopen() {
            self.show(snapshot, version, &[]);
        }
    }

    /// Opens the database again, as is needed after an I/O error. Until that works, there is nothing to read.
    fn reopen(&mut self) -> Result<(ReadTransaction, u64), ()> {
        if matches!(self.place, Place::Memory) {
            return Err(());
        }
        // Its lock is exclusive.
        self.database = None;
        let known = self.shared.read().version;
        let opened = disk::open_file(&self.place.file()).ok().filter(|(_, version)| *version >= known);
        if let Some((database, version)) = opened
            && let Ok(snapshot) = database.begin_read()
        {
            self.given = self.given.max(version);
            self.database = Some(database);
            return Ok((snapshot, version));
        }
        self.shared.write().snapshot = None;
        Err(())
    }

    fn failure(&self, error: &redb::Error) -> StoreError {
        let path = self.place.file();
        match error {
            redb::Error::Io(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
                StoreError::Full { path }
            }
            error => StoreError::Failed(format!("{} cannot be written: {error}", path.display())),
        }
    }
}

type Objects<'a> = Table<'a, (&'static str, &'static str, &'static str), (u64, &'static [u8])>;

/// Writes one object into the table, if what is there is what is expected.
fn apply(objects: &mut Objects<'_>, write: &mut Write, version: u64, history: &History) -> Result<Result<Change, StoreError>, redb::Error> {
    let place = (write.key.resource.as_str(), write.key.namespace.as_str(), write.key.name.as_str());
    // A recent one is in memory already.
    let old = objects.get(place)?.map(|found| {
        let found = found.value();
        history.written(found.0).cloned().unwrap_or_else(|| stored(found))
    });
    let refused = match (&old, write.expected) {
        (None, Some(_)) => Some(StoreError::NotFound),
        (None, None) if write.new.is_none() => Some(StoreError::NotFound),
        (None, None) => None,
        (Some(_), None) if write.new.is_some() => Some(StoreError::Exists),
        (Some(old), expected) => (expected != Some(old.version)).then_some(StoreError::Conflict { current: Some(old.version) }),
    };
    if let Some(refused) = refused {
        return Ok(Err(refused));
    }
    let object = match (&mut write.new, &old) {
        (Some(new), _) => stamp(new, version),
        (None, Some(old)) => {
            serde_json::from_slice(&old.json).map_err(|error| failed(&error)).and_then(|mut last| stamp(&mut last, version))
        }
        (None, None) => Err(StoreError::NotFound),
    };
    let object = match object {
        Ok(object) => object,
        Err(error) => return Ok(Err(error)),
    };
    let new = if write.new.is_some() {
        objects.insert(place, (version, &*object.json))?;
        Some(object.clone())
    } else {
        objects.remove(place)?;
        None
    };
    Ok(Ok(Change { version, key: write.key.clone(), old, new, object }))
}

/// The object as JSON, with the version in it.
fn stamp(object: &mut Value, version: u64) -> Result<Stored, StoreError> {
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
    let metadata = metadata.ok_or_else(|| StoreError::Failed("an object without metadata cannot be stored".to_owned()))?;
    metadata.insert("resourceVersion".to_owned(), version.to_string().into());
    let json = serde_json::to_vec(object).map_err(|error| failed(&error))?;
    if json.len() > OBJECT_BYTES {
        return Err(StoreError::TooLarge { size: json.len() });
    }
    Ok(Stored { version, json: json.into() })
}

fn failed(error: &serde_json::Error) -> StoreError {
    StoreError::Failed(format!("the object is not JSON: {error}"))
}
