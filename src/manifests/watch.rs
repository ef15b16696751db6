//! When to look at the folder: when something in it changes, when something is to be tried again, and every so often.
//!
//! Each folder that was read is watched on its own, so that links are followed just as far as reading follows them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf, absolute},
    sync::Arc,
    time::Duration,
};

use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode},
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};
use tracing::warn;

/// How long nothing may change before the folder is looked at.
const QUIET: Duration = Duration::from_millis(150);
/// How long it may go on changing until it is looked at nevertheless.
const BUSY: Duration = Duration::from_millis(450);
/// How often to look where changes are told.
const RESCAN: Duration = Duration::from_secs(10);
/// How often to look where they are not.
const POLL: Duration = Duration::from_secs(1);

/// Whether something was newly watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    /// It may have changed before.
    More,
    /// Nothing new.
    Same,
}

/// Tells of changes in a set of folders.
pub struct Watch {
    watcher: Option<RecommendedWatcher>,
    followed: BTreeMap<PathBuf, (u64, u64)>,
    changed: Arc<Notify>,
    /// Whether all folders are watched.
    complete: bool,
}

impl Watch {
    /// Watches nothing yet. Where the system cannot tell of changes, [`Watch::rest`] is short.
    pub fn new(folder: &Path) -> Self {
        let changed = Arc::new(Notify::new());
        let (wake, root) = (Arc::clone(&changed), absolute(folder).unwrap_or_else(|_| folder.to_owned()));
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.map_or(true, |event| counts(&event, &root)) {
                wake.notify_one();
            }
        });
        let watcher = watcher.inspect_err(|error| warn!("changes of manifests are noticed by looking every second: {error}")).ok();
        Self { complete: watcher.is_some(), watcher, followed: BTreeMap::new(), changed }
    }

    /// Watches these folders, with the one around `root`, and no others.
    pub fn follow(&mut self, root: &Path, folders: &BTreeMap<PathBuf, (u64, u64)>) -> Followed {
        let Some(watcher) = &mut self.watcher else { return Followed::Same };
        let root = absolute(root).unwrap_or_else(|_| root.to_owned());
        let around = root.parent().map(|around| (around.to_owned(), (0, 0)));
        let mut wanted: BTreeMap<PathBuf, (u64, u64)> = around.into_iter().collect();
        wanted.extend(folders.iter().map(|(path, id)| (absolute(path).unwrap_or_else(|_| path.clone()), *id)));
        self.followed.retain(|path, id| {
            let keep = wanted.get(path) == Some(id);
            if !keep {
                // It may be gone, and its watch with it.
                drop(watcher.unwatch(path));
            }
            keep
        });
        let (mut followed, mut failed) = (Followed::Same, None);
        for (path, id) in wanted {
            if self.followed.contains_key(&path) {
                continue;
            }
            match watcher.watch(&path, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    followed = Followed::More;
                    self.followed.insert(path, id);
                }
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed.as_ref().filter(|_| self.complete) {
            warn!("changes of some manifests are noticed by looking every second: {error}");
        }
        self.complete = failed.is_none();
        followed
    }

    /// How long to rest when nothing is told.
    pub fn rest(&self) -> Duration {
        if self.complete { RESCAN } else { POLL }
    }

    /// Ends when something has changed and is quiet again, or when it is `until`.
    pub async fn change(&self, until: Instant) {
        if tokio::time::timeout_at(until, self.changed.notified()).await.is_err() {
            return;
        }
        let latest = Instant::now() + BUSY;
        while Instant::now() < latest && timeout(QUIET, self.changed.notified()).await.is_ok() {}
    }
}

/// Whether an event is one that changes something. What happens beside the folder does not; reading does not either, and
/// would wake the reader.
fn counts(event: &Event, root: &Path) -> bool {
    let beside = |path: &PathBuf| path.parent() == root.parent() && path != root;
    let changes = !matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write));
    changes && (event.paths.is_empty() || !event.paths.iter().all(beside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_and_neighbours_wake_nobody() {
        let event = |kind, path: &str| Event::new(kind).add_path(PathBuf::from(path));
        let modify = EventKind::Modify(notify::event::ModifyKind::Any);
        let root = Path::new("/srv/manifests");
        assert!(counts(&event(modify, "/srv/manifests/a.yaml"), root));
        assert!(counts(&event(modify, "/srv/manifests"), root));
        assert!(counts(&event(EventKind::Access(AccessKind::Close(AccessMode::Write)), "/srv/manifests/a.yaml"), root));
        assert!(!counts(&event(EventKind::Access(AccessKind::Open(AccessMode::Any)), "/srv/manifests/a.yaml"), root));
        assert!(!counts(&event(modify, "/srv/other"), root));
        assert!(counts(&Event::new(EventKind::Other), root));
    }
}
