//! Tokens that were issued, kept for most of their life, and what their users asked of them.
//!
//! At any time at most one request for a key is under way; the others wait for it and share its end, good or bad.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, Utc};

use super::Error;
use super::issue::Token;

/// No token is kept longer, whatever the settings say.
const LONGEST: Duration = Duration::from_hours(1);
/// The part of its life for which a token is kept, as kubelet does with those of service accounts.
const FRACTION: f64 = 0.8;

/// On whose behalf a token is asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Object {
    /// The kind, as in `GitRepository`.
    pub kind: &'static str,
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// Counts of an object's requests: answered from the cache, and not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Events {
    /// From the cache.
    pub hits: u64,
    /// Not from the cache.
    pub misses: u64,
}

/// The numbers of a cache at a moment. All but `items` only grow, until an object is forgotten.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tokens in the cache: `gotk_token_cached_items`.
    pub items: usize,
    /// Requests that ended with a token: `gotk_token_cache_requests_total{status="success"}`.
    pub succeeded: u64,
    /// Requests that ended with an error: `gotk_token_cache_requests_total{status="failure"}`.
    pub failed: u64,
    /// Tokens that gave way to newer ones: `gotk_token_cache_evictions_total`.
    pub evicted: u64,
    /// By object, for `gotk_token_cache_events_total` with the operation `reconcile`.
    pub events: BTreeMap<Object, Events>,
}

/// A bounded cache of tokens. A clone is the same cache.
#[derive(Clone)]
pub struct Cache(Arc<Shared>);

struct Shared {
    capacity: usize,
    longest: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    kept: HashMap<String, Kept>,
    under_way: HashMap<String, Arc<Flight>>,
    /// Grows with every use; the item with the smallest was not used for longest.
    uses: u64,
    counts: Counts,
}

struct Kept {
    token: Token,
    /// By both clocks: one does not go on while the machine sleeps, the other may be set.
    until: (Instant, SystemTime),
    used: u64,
}

/// A request under way: locked by who makes it; holds its end for those who wait.
type Flight = tokio::sync::Mutex<Option<Result<Token, Error>>>;

impl Cache {
    /// A cache of `capacity` tokens, each kept for `longest` at most and never for more than an hour. With a capacity of 0 nothing is
    /// kept, shared or counted.
    pub fn new(capacity: usize, longest: Duration) -> Self {
        Self(Arc::new(Shared { capacity, longest: longest.min(LONGEST), state: Mutex::default() }))
    }

    /// The numbers of this moment; `None` for a cache that is off.
    pub fn counts(&self) -> Option<Counts> {
        let state = self.0.state();
        (self.0.capacity > 0).then(|| Counts { items: state.kept.len(), ..state.counts.clone() })
    }

    /// Drops the numbers of an object that is gone.
    pub fn forget(&self, object: &Object) {
        self.0.state().counts.events.remove(object);
    }

    /// The token under `key`: the one that is kept, or a `new` one.
    pub(super) async fn get(&self, key: &str, object: &Object, new: impl Future<Output = Result<Token, Error>>) -> Result<Token, Error> {
        if self.0.capacity == 0 {
            return new.await;
        }
        let (token, hit) = match self.0.kept(key) {
            Some(token) => (Ok(token), true),
            None => self.0.flown(key, new).await,
        };
        let mut state = self.0.state();
        let events = state.counts.events.entry(object.clone()).or_default();
        *(if hit { &mut events.hits } else { &mut events.misses }) += 1;
        *(if token.is_ok() { &mut state.counts.succeeded } else { &mut state.counts.failed }) += 1;
        token
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token that is kept and still good.
    fn kept(&self, key: &str) -> Option<Token> {
        let mut state = self.state();
        state.uses += 1;
        let used = state.uses;
        let kept = state.kept.get_mut(key)?;
        if Instant::now() < kept.until.0 && SystemTime::now() < kept.until.1 {
            kept.used = used;
            return Some(kept.token.clone());
        }
        state.kept.remove(key);
        None
    }

    /// A token by a request that is under way or is made now, and whether another's request brought it.
    async fn flown(&self, key: &str, new: impl Future<Output = Result<Token, Error>>) -> (Result<Token, Error>, bool) {
        let seat = Seat { shared: self, key, flight: Arc::clone(self.state().under_way.entry(key.to_owned()).or_default()) };
        let mut ended = seat.flight.lock().await;
        if let Some(token) = &*ended {
            return (token.clone(), token.is_ok());
        }
        if let Some(token) = self.kept(key) {
            return (Ok(token), true);
        }
        let token = new.await;
        if let Ok(token) = &token {
            self.keep(key, token);
        }
        *ended = Some(token.clone());
        // Who comes from here on takes what is kept, or tries anew.
        seat.leave();
        (token, false)
    }

    fn keep(&self, key: &str, token: &Token) {
        let life = token.expires.signed_duration_since(DateTime::<Utc>::from(SystemTime::now())).to_std().unwrap_or_default();
        let life = life.mul_f64(FRACTION).min(self.longest);
        if life.is_zero() {
            return;
        }
        let (Some(mono), Some(wall)) = (Instant::now().checked_add(life), SystemTime::now().checked_add(life)) else { return };
        let mut state = self.state();
        state.uses += 1;
        let used = state.uses;
        state.kept.insert(key.to_owned(), Kept { token: token.clone(), until: (mono, wall), used });
        while state.kept.len() > self.capacity {
            let Some(oldest) = state.kept.iter().min_by_key(|(_, kept)| kept.used).map(|(key, _)| key.clone()) else { return };
            state.kept.remove(&oldest);
            state.counts.evicted += 1;
        }
    }
}

/// Someone's part in a request under way, also when they are dropped while they wait.
struct Seat<'a> {
    shared: &'a Shared,
    key: &'a str,
    flight: Arc<Flight>,
}

impl Seat<'_> {
    fn leave(&self) {
        self.shared.state().leave(self);
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        // The map's and this one: nobody else waits.
        if Arc::strong_count(&self.flight) == 2 {
            state.leave(self);
        }
    }
}

impl State {
    fn leave(&mut self, seat: &Seat<'_>) {
        if self.under_way.get(seat.key).is_some_and(|flight| Arc::ptr_eq(flight, &seat.flight)) {
            self.under_way.remove(seat.key);
        }
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("capacity", &self.0.capacity).field("counts", &self.counts()).finish()
    }
}

#[cfg(test)]
mod tests;
