//! The latest changes, and those who watch them.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use tokio::sync::watch;

use super::{Change, HISTORY_BYTES, HISTORY_CHANGES, Shared, StoreError, Stored};

/// How many changes [`Watch::next`] hands out at once: they are held in memory until they are sent.
const BATCH: usize = 64;
/// How large those are together, about, in bytes.
const BATCH_BYTES: usize = 1 << 20;
/// How large a change is besides its objects, about, in bytes.
const OVERHEAD: usize = 512;

/// The latest changes, oldest first, with no gap after `oldest`.
#[derive(Debug)]
pub(super) struct History {
    changes: VecDeque<Arc<Change>>,
    bytes: usize,
    oldest: u64,
}

impl History {
    /// No changes yet, at this version.
    pub(super) fn new(version: u64) -> Self {
        Self { changes: VecDeque::new(), bytes: 0, oldest: version }
    }

    /// The version whose later changes are all known.
    pub(super) fn oldest(&self) -> u64 {
        self.oldest
    }

    /// Adds a change, later than all others, and forgets the oldest if there are too many.
    pub(super) fn push(&mut self, change: Arc<Change>) {
        self.bytes += size(&change);
        self.changes.push_back(change);
        while self.changes.len() > HISTORY_CHANGES || self.bytes > HISTORY_BYTES {
            let Some(forgotten) = self.changes.pop_front() else { break };
            self.bytes -= size(&forgotten);
            self.oldest = forgotten.version;
        }
    }

    /// The changes after a version, oldest first.
    fn after(&self, version: u64) -> impl Iterator<Item = &Arc<Change>> {
        let start = self.changes.partition_point(|change| change.version <= version);
        self.changes.range(start..)
    }

    /// What the change of this version wrote, if it is known.
    pub(super) fn written(&self, version: u64) -> Option<&Stored> {
        self.after(version.checked_sub(1)?).next().and_then(|change| change.new.as_ref()).filter(|stored| stored.version == version)
    }

    /// What was there at a version, for every name that has changed since.
    pub(super) fn undo(&self, version: u64, resource: &str, namespace: Option<&str>) -> Undo {
        let mut undo = Undo::new();
        for change in self.after(version).filter(|change| change.concerns(resource, namespace)) {
            undo.entry((change.key.namespace.clone(), change.key.name.clone())).or_insert_with(|| change.old.clone());
        }
        undo
    }
}

/// Namespaces and names with what was there before.
pub(super) type Undo = BTreeMap<(String, String), Option<Stored>>;

fn size(change: &Change) -> usize {
    let old = change.old.as_ref().map_or(0, |old| old.json.len());
    old + change.object.json.len() + OVERHEAD
}

/// A place in the history. It holds no changes: one that is not asked for long is too far behind one day, and costs nothing until then.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Shared>,
    latest: watch::Receiver<u64>,
    resource: String,
    namespace: Option<String>,
    seen: u64,
}

impl Watch {
    pub(super) fn new(shared: Arc<Shared>, latest: watch::Receiver<u64>, resource: &str, namespace: Option<&str>, after: u64) -> Self {
        Self { shared, latest, resource: resource.to_owned(), namespace: namespace.map(str::to_owned), seen: after }
    }

    /// Waits for changes; there is at least one in the answer. Nothing is lost if the future is dropped.
    ///
    /// Fails with [`StoreError::Compacted`] when changes that were not seen are forgotten, and when the store is closed.
    pub async fn next(&mut self) -> Result<Vec<Arc<Change>>, StoreError> {
        loop {
            self.latest.mark_unchanged();
            let changes = self.take()?;
            if !changes.is_empty() {
                return Ok(changes);
            }
            self.latest.changed().await.map_err(|_| StoreError::Failed("the store has stopped".to_owned()))?;
        }
    }

    /// The version up to which everything was handed out. It moves while [`Watch::next`] waits, too.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    fn take(&mut self) -> Result<Vec<Arc<Change>>, StoreError> {
        let state = self.shared.read();
        let oldest = state.history.oldest();
        if self.seen < oldest {
            return Err(StoreError::Compacted { oldest });
        }
        let ours = |change: &&Arc<Change>| change.concerns(&self.resource, self.namespace.as_deref());
        let (mut changes, mut bytes) = (Vec::new(), 0);
        for change in state.history.after(self.seen).filter(ours) {
            bytes += size(change);
            changes.push(Arc::clone(change));
            if changes.len() == BATCH || bytes >= BATCH_BYTES {
                self.seen = change.version;
                return Ok(changes);
            }
        }
        self.seen = self.seen.max(state.version);
        Ok(changes)
    }
}
