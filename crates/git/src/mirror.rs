//! Mirrors: what was fetched from a remote with certain credentials, kept for the next fetch.
//!
//! Invariants: one fetch a mirror at a time; a mirror serves nobody who did not just ask the remote with these very credentials;
//! it is only a cache: whatever is wrong with one, it is thrown away and made anew, and deleting all of them loses nothing. Each
//! process works in a slot of its own that it holds locked, so that two never touch the same files.

mod generation;
mod name;
mod slot;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

pub(super) use generation::Generation;
use slot::Slot;

use super::session::Greeting;
use super::{Error, Head, Reference, Remote};

/// What a server said of itself is believed for this long.
const GREETING: Duration = Duration::from_hours(1);
/// More answers about references than this at once are forgotten together.
const MOST_HEADS: usize = 256;
/// A mirror without files that nobody asked for in this long is forgotten.
const FORGOTTEN: Duration = Duration::from_mins(30);

/// What mirrors may cost.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// The most bytes of all mirrors; beyond it, those that were not used for longest go first. With 0 nothing is kept.
    pub size: u64,
    /// A mirror that is older is made anew when something has to be fetched.
    pub age: Duration,
}

/// All mirrors of the process. A clone is the same set.
#[derive(Clone, Default)]
pub struct Mirrors(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Without one nothing is kept, but who asks the same at the same time still asks once.
    place: Option<(Slot, Budget)>,
    known: Mutex<HashMap<String, Arc<Mirror>>>,
}

/// What is known of one remote under certain credentials.
pub(super) struct Mirror {
    /// Its name in the slot.
    key: String,
    /// Who holds the lock may fetch.
    kept: Arc<tokio::sync::Mutex<Option<Arc<Generation>>>>,
    /// Who holds the lock may ask for references.
    heads: Arc<tokio::sync::Mutex<Heads>>,
    greeting: Mutex<Option<Greeting>>,
    used: Mutex<Instant>,
}

/// What references were, and when that was asked for.
pub(super) type Heads = HashMap<Reference, (Instant, Head)>;

impl Mirrors {
    /// Keeps mirrors below `root`, which is created if it is missing. What other processes left there and no longer use is removed,
    /// but for one such set, which is taken over.
    ///
    /// # Errors
    /// When nothing can be written there.
    pub fn open(root: &Path, budget: Budget) -> io::Result<Self> {
        if budget.size == 0 {
            return Ok(Self::default());
        }
        let slot = Slot::take(root)?;
        let mut known = HashMap::new();
        for (key, generation) in slot.generations()? {
            known.insert(key.clone(), Arc::new(Mirror::new(key, Some(generation))));
        }
        Ok(Self(Arc::new(Inner { place: Some((slot, budget)), known: Mutex::new(known) })))
    }

    /// The mirror of `remote` for its credentials.
    pub(super) fn of(&self, remote: &Remote) -> Arc<Mirror> {
        let salt = self.0.place.as_ref().map(|(slot, _)| slot.salt()).unwrap_or_default();
        let key = name::name(salt, remote);
        let mirror = Arc::clone(self.known().entry(key).or_insert_with_key(|key| Arc::new(Mirror::new(key.clone(), None))));
        *lock(&mirror.used) = Instant::now();
        mirror
    }

    /// A new generation of a mirror, empty; none where nothing is kept.
    pub(super) fn generation(&self, mirror: &Mirror) -> Result<Option<Generation>, io::Error> {
        self.0.place.as_ref().map(|(slot, _)| Generation::new(&slot.folder(&mirror.key))).transpose()
    }

    /// Whether it is time to make a generation anew.
    pub(super) fn is_worn_out(&self, generation: &Generation) -> bool {
        self.0.place.as_ref().is_none_or(|(_, budget)| generation.is_worn_out(budget.age))
    }

    /// Removes the mirrors that were not used for longest, until all fit the budget.
    pub(super) fn make_room(&self) {
        if let Some((_, budget)) = &self.0.place {
            self.shrink(budget.size);
        }
    }

    /// Removes all mirrors that nobody fetches into.
    pub(super) fn clear(&self) {
        self.shrink(0);
    }

    fn shrink(&self, most: u64) {
        // Removing files takes a while: nobody waits for that.
        let mut gone = Vec::new();
        let mut known = self.known();
        let mut mirrors: Vec<_> = known.values().cloned().collect();
        mirrors.sort_by_key(|mirror| std::cmp::Reverse(*lock(&mirror.used)));
        let mut total = 0_u64;
        for mirror in mirrors {
            // Who fetches right now makes room afterwards.
            let Ok(mut kept) = mirror.kept.try_lock() else { continue };
            total = total.saturating_add(kept.as_ref().map_or(0, |generation| generation.size()));
            if total > most
                && let Some(generation) = kept.take()
            {
                tracing::debug!(mirror = mirror.key, size = generation.size(), "removing a mirror to make room");
                total -= generation.size();
                generation.condemn();
                gone.push(generation);
            }
            if kept.is_none() && lock(&mirror.used).elapsed() > FORGOTTEN && Arc::strong_count(&mirror) == 2 {
                known.remove(&mirror.key);
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Arc<Mirror>>> {
        lock(&self.0.known)
    }
}

impl fmt::Debug for Mirrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirrors").field("kept", &self.0.place.is_some()).finish_non_exhaustive()
    }
}

impl Mirror {
    fn new(key: String, generation: Option<Generation>) -> Self {
        Self {
            key,
            kept: Arc::new(tokio::sync::Mutex::new(generation.map(Arc::new))),
            heads: Arc::default(),
            greeting: Mutex::default(),
            used: Mutex::new(Instant::now()),
        }
    }

    /// Waits for the turn to fetch.
    pub(super) async fn turn(&self, remote: &Remote) -> Result<OwnedMutexGuard<Option<Arc<Generation>>>, Error> {
        within(remote, Arc::clone(&self.kept).lock_owned()).await
    }

    /// Waits for the turn to ask for references.
    pub(super) async fn turn_to_ask(&self, remote: &Remote) -> Result<OwnedMutexGuard<Heads>, Error> {
        within(remote, Arc::clone(&self.heads).lock_owned()).await
    }

    /// What the server said of itself not long ago.
    pub(super) fn greeting(&self) -> Option<Greeting> {
        lock(&self.greeting).clone().filter(|greeting| greeting.at.elapsed() < GREETING)
    }

    /// Keeps what the server says of itself, or forgets it.
    pub(super) fn greeted(&self, greeting: Option<Greeting>) {
        *lock(&self.greeting) = greeting;
    }
}

/// What `reference` was when it was asked for at or after `since`.
pub(super) fn heard(heads: &Heads, reference: &Reference, since: Instant) -> Option<Head> {
    heads.get(reference).filter(|(asked, _)| *asked >= since).map(|(_, head)| head.clone())
}

/// Notes what `reference` was when it was asked for at `asked`.
pub(super) fn hear(heads: &mut Heads, reference: Reference, asked: Instant, head: Head) {
    if heads.len() >= MOST_HEADS {
        heads.clear();
    }
    heads.insert(reference, (asked, head));
}

/// Waits for others, but no longer than the remote allows.
async fn within<T>(remote: &Remote, turn: impl Future<Output = T>) -> Result<T, Error> {
    let url = || remote.url.to_string();
    tokio::select! {
        turn = turn => Ok(turn),
        () = remote.cancel.cancelled() => Err(Error::Cancelled { url: url() }),
        () = tokio::time::sleep_until(remote.deadline) => Err(Error::Deadline { url: url() }),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
