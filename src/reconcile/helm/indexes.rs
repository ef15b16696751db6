//! Loaded indexes: shared by the passes that use one at the same time, and kept for later ones where the cache is on.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use headwater_api::Artifact;
use headwater_storage::{Location, Storage};
use tokio::sync::OnceCell;

use crate::reconcile::aid::blocking;
use headwater_helm::index::{self, Index, Limits};

/// An index that is loaded once for all who hold this.
type Shared = Arc<OnceCell<Arc<Index>>>;

/// For so long the index that was used last is held at hand.
pub const AT_HAND: Duration = Duration::from_secs(10);

/// How many times as long as it came an index may be where it is stored.
const STORED: u64 = 16;

/// The indexes of repositories.
#[derive(Clone, Default)]
pub struct Indexes(Arc<Inner>);

impl fmt::Debug for Indexes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Indexes").field(&self.0.terms).finish()
    }
}

#[derive(Default)]
struct Inner {
    terms: Terms,
    state: Mutex<State>,
}

/// What the cache keeps, and for how long.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terms {
    /// How many indexes; none where this is 0.
    pub items: usize,
    /// For how long each.
    pub ttl: Duration,
}

#[derive(Default)]
struct State {
    /// Those in use.
    used: HashMap<String, Weak<OnceCell<Arc<Index>>>>,
    /// The one used last, and when: where many charts follow one another it is not loaded for each.
    last: Option<(Shared, Instant)>,
    /// Those kept, each with its end.
    kept: HashMap<String, (Arc<Index>, Instant)>,
    events: BTreeMap<(String, String), Events>,
}

/// How often an object found an index in the cache, and how often it did not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Events {
    /// Found.
    pub hits: u64,
    /// Not found.
    pub misses: u64,
}

/// The cache in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// How many indexes it holds.
    pub items: usize,
    /// By namespace and name of the object that looked for one.
    pub events: BTreeMap<(String, String), Events>,
}

impl Indexes {
    /// Indexes of which some are kept.
    pub fn new(terms: Terms) -> Self {
        Self(Arc::new(Inner { terms, state: Mutex::default() }))
    }

    /// The stored index of a repository. `asker` is the namespace and name of the object that counts for.
    pub async fn get(
        &self,
        artifact: &Artifact,
        storage: &Storage,
        limits: &Limits,
        asker: (&str, &str),
    ) -> Result<Arc<Index>, index::Error> {
        match self.kept(&key(artifact), asker) {
            Some(index) => Ok(index),
            None => self.load(artifact, storage, limits).await,
        }
    }

    /// Keeps an index that was stored just now, where any are kept: the first chart that needs it finds it.
    pub async fn remember(&self, artifact: &Artifact, storage: &Storage, limits: &Limits) {
        if self.0.terms.items == 0 {
            return;
        }
        if let Err(error) = self.load(artifact, storage, limits).await {
            tracing::debug!(%error, "cannot cache an index that was stored just now");
        }
    }

    async fn load(&self, artifact: &Artifact, storage: &Storage, limits: &Limits) -> Result<Arc<Index>, index::Error> {
        let key = key(artifact);
        let shared = self.shared(&key);
        let load = async {
            let at = Location::parse(&artifact.path).map_err(|error| index::Error::Io(std::io::Error::other(error)))?;
            let path = storage.file(&at);
            // It was within the limits when it came; as it is stored it may be longer.
            let limits = Limits { file: limits.file.saturating_mul(STORED), ..*limits };
            blocking(move || Index::load(&path, &limits)).await.map(Arc::new)
        };
        let index = Arc::clone(shared.get_or_try_init(|| load).await?);
        let before = self.state().last.replace((shared, Instant::now()));
        drop(before);
        self.keep(key, &index);
        Ok(index)
    }

    /// Keeps the stored index of a repository a while longer, if it is kept.
    pub fn extend(&self, artifact: &Artifact) {
        let end = self.end();
        if let Some((_, until)) = self.state().kept.get_mut(&key(artifact)) {
            *until = end;
        }
    }

    /// Forgets what an object counted for.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.state().events.remove(&(namespace.to_owned(), name.to_owned()));
    }

    /// Drops what has had its time.
    pub fn purge(&self) {
        let now = Instant::now();
        let mut state = self.state();
        let gone: Vec<_> = state.kept.extract_if(|_, (_, until)| *until <= now).collect();
        let last = state.last.take_if(|(_, used)| now.duration_since(*used) > AT_HAND);
        state.used.retain(|_, used| used.strong_count() > 0);
        drop(state);
        drop((gone, last));
    }

    /// The cache in numbers; none where it is off.
    pub fn counts(&self) -> Option<Counts> {
        let state = self.state();
        (self.0.terms.items > 0).then(|| Counts { items: state.kept.len(), events: state.events.clone() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) -> Instant {
        Instant::now() + self.0.terms.ttl
    }

    fn kept(&self, key: &str, (namespace, name): (&str, &str)) -> Option<Arc<Index>> {
        if self.0.terms.items == 0 {
            return None;
        }
        let (now, end) = (Instant::now(), self.end());
        let mut state = self.state();
        let found = state.kept.get_mut(key).filter(|(_, until)| *until > now).map(|(index, until)| {
            *until = end;
            Arc::clone(index)
        });
        let events = state.events.entry((namespace.to_owned(), name.to_owned())).or_default();
        *(if found.is_some() { &mut events.hits } else { &mut events.misses }) += 1;
        found
    }

    fn shared(&self, key: &str) -> Shared {
        let mut state = self.state();
        if let Some(used) = state.used.get(key).and_then(Weak::upgrade) {
            return used;
        }
        state.used.retain(|_, used| used.strong_count() > 0);
        let new = Shared::default();
        state.used.insert(key.to_owned(), Arc::downgrade(&new));
        new
    }

    /// Keeps an index if there is room.
    fn keep(&self, key: String, index: &Arc<Index>) {
        let (now, end) = (Instant::now(), self.end());
        let mut state = self.state();
        state.kept.retain(|_, (_, until)| *until > now);
        if state.kept.len() < self.0.terms.items || state.kept.contains_key(&key) {
            state.kept.insert(key, (Arc::clone(index), end));
        } else if self.0.terms.items > 0 {
            tracing::info!("failed to cache index: cache is full; see --helm-cache-max-size");
        }
    }
}

/// Artifacts of one object never share this with those of another, who may not be let in.
fn key(artifact: &Artifact) -> String {
    format!("{}@{}", artifact.path, artifact.digest)
}
