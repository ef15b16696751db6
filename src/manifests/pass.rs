//! One pass over the folder: apply what is new, delete what is gone, remember what failed.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::{task, time::Instant};
use tracing::{error, info};

use super::{
    apply::{self, Gone, Kind, Outcome, Refusal, Server},
    failing::{Failure, Failures, Origin, certain, unusable},
    order::{self, Place, Plan, Rank},
    parse::{Key, Object},
    read::{self, Manifests, REMOVAL, Scan},
};
use crate::cluster::retries::Retries;

/// The shortest and the longest wait before something that failed is tried again.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How many requests are under way at once.
const AT_ONCE: usize = 16;
/// Names the server among what can fail.
const SERVER: &str = "the API server";

/// An object on the server that is ours.
struct Ours {
    kind: Kind,
    /// As last applied by this process, if it was.
    applied: Option<Arc<Object>>,
    origin: Origin,
}

/// An object that was refused, or one that could not be deleted.
struct Later {
    /// As it was when it was refused.
    object: Option<Arc<Object>>,
    at: Instant,
    who: String,
    reason: String,
}

/// An object that is to be applied now.
struct Due<'a> {
    place: &'a Place,
    object: &'a Arc<Object>,
    kind: Kind,
    who: String,
}

/// Keeps the server as the folder is. Dropping a pass half-way is harmless: the next one does the rest.
pub struct Keeper {
    server: Server,
    folder: PathBuf,
    files: Manifests,
    /// None until the server has told.
    ours: Option<BTreeMap<Key, Ours>>,
    failing: Failures,
    later: BTreeMap<Key, Later>,
    retries: Retries,
    /// What is no longer in the folder, and since when.
    missing: BTreeMap<Key, Instant>,
    /// When to ask a silent server again.
    silent: Option<Instant>,
    /// The folders that the last pass read, with device and inode.
    pub folders: BTreeMap<PathBuf, (u64, u64)>,
}

impl Keeper {
    /// Nothing is read or asked yet.
    pub fn new(client: kube::Client, folder: PathBuf) -> Self {
        Self {
            server: Server::new(client),
            folder,
            files: Manifests::new(),
            ours: None,
            failing: Failures::new(),
            later: BTreeMap::new(),
            retries: Retries::new(RETRY.0, RETRY.1),
            missing: BTreeMap::new(),
            silent: None,
            folders: BTreeMap::new(),
        }
    }

    /// Looks at the folder and does what is due. Answers when something must be looked at again, if nothing changes before.
    pub async fn pass(&mut self) -> Option<Instant> {
        let start = Instant::now();
        let mut failures = Failures::new();
        let (folder, before) = (self.folder.clone(), self.files.clone());
        let scanned = task::spawn_blocking(move || read::scan(&folder, &before, SystemTime::now())).await;
        let scan = match scanned.unwrap_or_else(|error| Err(error.to_string())) {
            Ok(scan) => scan,
            Err(reason) => {
                // Nothing is known of the folder: all stays as it is.
                failures.clone_from(&self.failing);
                let failure = Failure::general(&self.folder, self.folder.display().to_string(), &reason);
                failures.insert(failure.who.clone(), failure);
                self.folders.clear();
                self.missing.clear();
                self.tell(failures);
                return None;
            }
        };
        self.folders.clone_from(&scan.folders);
        self.files.clone_from(&scan.files);
        let plan = order::plan(&scan.files);
        unusable(&scan, &plan, &mut failures);
        if self.silent.is_some_and(|at| start < at) {
            self.carry(&mut failures);
        } else if let Err(reason) = self.work(&scan, &plan, &mut failures).await {
            self.silent = Some(Instant::now() + self.retries.failed(SERVER));
            failures.insert(SERVER.to_owned(), Failure::general(&self.folder, SERVER.to_owned(), &reason.to_string()));
            self.carry(&mut failures);
        }
        let unsettled = scan.files.values().any(|file| file.unsettled) || (scan.busy && !self.missing.is_empty());
        let removals: Vec<Instant> = self.missing.values().map(|since| *since + REMOVAL).filter(|at| *at > start).collect();
        let again = match self.silent {
            Some(at) => Some(at),
            // What was due before and is still there could not be done; it waits for a change.
            None => self.later.values().map(|later| later.at).filter(|at| *at > start).chain(removals).min(),
        };
        let settled = unsettled.then(|| Instant::now() + read::SETTLE);
        self.tell(failures);
        again.into_iter().chain(settled).min()
    }

    /// Applies and deletes. Fails when the server does not answer.
    async fn work(&mut self, scan: &Scan, plan: &Plan, failures: &mut Failures) -> Result<(), Refusal> {
        let mut ours = if let Some(known) = self.ours.take() {
            known
        } else {
            let found = self.server.inventory().await?.into_iter();
            found.map(|(key, kind)| (key, Ours { kind, applied: None, origin: Origin::Unknown })).collect()
        };
        let mut worked = self.apply_all(plan, &mut ours, failures).await;
        if worked.is_ok() {
            worked = self.prune_all(scan, plan, &mut ours, failures).await;
        }
        if worked.is_ok() {
            let wanted: BTreeSet<&Key> = plan.objects.iter().map(|(_, object)| &object.key).collect();
            self.later.retain(|key, _| {
                let keep = wanted.contains(key) || ours.contains_key(key);
                if !keep {
                    self.retries.forget(&id(key));
                }
                keep
            });
            self.silent = None;
            self.retries.forget(SERVER);
        }
        self.ours = Some(ours);
        worked
    }

    /// Applies what differs from what this process applied last.
    async fn apply_all(&mut self, plan: &Plan, ours: &mut BTreeMap<Key, Ours>, failures: &mut Failures) -> Result<(), Refusal> {
        // Once a kind or a namespace comes about, what failed before is tried at once.
        let mut waits = true;
        let mut batch = Vec::new();
        for (place, object) in &plan.objects {
            let key = &object.key;
            if let Some(known) = ours.get_mut(key) {
                known.origin = Origin::Seen;
                if known.applied.as_ref().is_some_and(|applied| applied.value == object.value) {
                    self.well(key);
                    continue;
                }
            }
            let same = |later: &&Later| later.object.as_ref().is_some_and(|refused| refused.value == object.value);
            let refused = self.later.get(key).filter(same);
            if let Some(later) = refused.filter(|later| waits && Instant::now() < later.at) {
                failures.insert(id(key), Failure::new(place.clone(), later.who.clone(), &later.reason));
                continue;
            }
            if refused.is_none() {
                self.well(key);
            }
            let kind = match self.server.kind(&object.api_version, &key.kind).await {
                Ok(kind) => kind,
                Err(refusal) => {
                    self.refused(place, object, &key.to_string(), refusal, failures)?;
                    continue;
                }
            };
            let needed = Rank::of(key) <= Rank::Namespace;
            batch.push(Due { place, object, who: apply::title(&kind, key), kind });
            if needed || batch.len() == AT_ONCE {
                waits = self.apply_batch(&mut batch, ours, failures).await? == Outcome::Unchanged && waits;
            }
        }
        self.apply_batch(&mut batch, ours, failures).await.map(drop)
    }

    /// Applies some at once. Tells whether others may have waited for one of them.
    async fn apply_batch(
        &mut self,
        batch: &mut Vec<Due<'_>>,
        ours: &mut BTreeMap<Key, Ours>,
        failures: &mut Failures,
    ) -> Result<Outcome, Refusal> {
        let asked = batch.iter().map(|due| self.server.apply(&due.kind, due.object));
        let answers = futures::future::join_all(asked).await;
        let mut needed = Outcome::Unchanged;
        for (due, mut done) in batch.drain(..).zip(answers) {
            let Due { place, object, who, kind } = due;
            let key = &object.key;
            let rank = Rank::of(key);
            if let Ok(outcome) = done {
                match outcome {
                    Outcome::Created => info!("{who} created"),
                    Outcome::Configured => info!("{who} configured"),
                    Outcome::Unchanged => {}
                }
                if outcome == Outcome::Created && rank <= Rank::Namespace {
                    emptied(object, ours);
                    needed = Outcome::Created;
                }
                if rank == Rank::Kind {
                    done = self.server.established(&kind, object).await.map(|()| outcome);
                    needed = if done.is_ok() { Outcome::Configured } else { needed };
                }
                // One that is not established is applied again, to wait for it again.
                let applied = done.is_ok().then(|| Arc::clone(object));
                ours.insert(key.clone(), Ours { kind, applied, origin: Origin::Seen });
            }
            match done {
                Ok(_) => self.well(key),
                Err(refusal) => self.refused(place, object, &who, refusal, failures)?,
            }
        }
        Ok(needed)
    }

    /// Deletes what is ours and was in the folder, once it is certain that it is no longer in there.
    async fn prune_all(
        &mut self,
        scan: &Scan,
        plan: &Plan,
        ours: &mut BTreeMap<Key, Ours>,
        failures: &mut Failures,
    ) -> Result<(), Refusal> {
        let wanted: BTreeSet<&Key> = plan.objects.iter().map(|(_, object)| &object.key).collect();
        let anywhere = |key: &Key| wanted.iter().any(|w| (&w.group, &w.kind, &w.name) == (&key.group, &key.kind, &key.name));
        let gone = ours.iter().filter(|(key, mine)| !wanted.contains(key) && (mine.kind.namespaced || !anywhere(key)));
        let gone: BTreeSet<Key> = gone.map(|(key, _)| key.clone()).collect();
        let now = Instant::now();
        self.missing.retain(|key, _| gone.contains(key));
        for key in &gone {
            self.missing.entry(key.clone()).or_insert(now);
        }
        if scan.busy || scan.files.values().any(|file| file.unsettled) {
            return Ok(());
        }
        let mut due: Vec<Key> =
            self.missing.iter().filter(|(_, since)| now.duration_since(**since) >= REMOVAL).map(|(k, _)| k.clone()).collect();
        order::backwards(&mut due);
        let due = due.into_iter().filter_map(|key| ours.get(&key).map(|mine| (key, mine.kind.clone(), mine.origin)));
        let (due, held): (Vec<_>, Vec<_>) = due.partition(|(key, _, origin)| certain(scan, *origin, &key.name));
        let (due, waiting): (Vec<_>, Vec<_>) =
            due.into_iter().partition(|(key, _, _)| self.later.get(key).is_none_or(|later| later.object.is_some() || later.at <= now));
        for (key, later) in waiting.iter().filter_map(|(key, _, _)| Some((key, self.later.get(key)?))) {
            failures.insert(id(key), Failure::general(&self.folder, later.who.clone(), &later.reason));
        }
        if !held.is_empty() {
            let reason = format!("{} that may have been removed stay on the server until all files can be read", held.len());
            failures.insert("held".to_owned(), Failure::general(&self.folder, format!("{}: objects", self.folder.display()), &reason));
        }
        let rank = |(key, _, _): &(Key, Kind, Origin)| Rank::of(key);
        for batch in due.chunk_by(|a, b| rank(a) == rank(b)).flat_map(|same| same.chunks(AT_ONCE)) {
            let answers = futures::future::join_all(batch.iter().map(|(key, kind, _)| self.server.prune(kind, key))).await;
            for ((key, kind, _), answer) in batch.iter().zip(answers) {
                let who = apply::title(kind, key);
                match answer {
                    Ok(gone) => {
                        if gone == Gone::Pruned {
                            info!("{who} pruned");
                        }
                        ours.remove(key);
                        self.missing.remove(key);
                        self.well(key);
                    }
                    Err(Refusal::Said(reason)) => {
                        let reason = format!("cannot be pruned: {reason}");
                        failures.insert(id(key), Failure::general(&self.folder, who.clone(), &reason));
                        let at = Instant::now() + self.retries.failed(&id(key));
                        self.later.insert(key.clone(), Later { object: None, at, who, reason });
                    }
                    Err(silent) => return Err(silent),
                }
            }
        }
        Ok(())
    }

    /// Notes a refusal; gives back a silence.
    fn refused(
        &mut self,
        place: &Place,
        object: &Arc<Object>,
        who: &str,
        refusal: Refusal,
        failures: &mut Failures,
    ) -> Result<(), Refusal> {
        let Refusal::Said(reason) = refusal else { return Err(refusal) };
        let key = &object.key;
        failures.insert(id(key), Failure::new(place.clone(), who.to_owned(), &reason));
        self.server.forget(object.api_version.rsplit_once('/').map_or("", |(group, _)| group));
        let at = Instant::now() + self.retries.failed(&id(key));
        self.later.insert(key.clone(), Later { object: Some(Arc::clone(object)), at, who: who.to_owned(), reason });
        Ok(())
    }

    fn well(&mut self, key: &Key) {
        if self.later.remove(key).is_some() {
            self.retries.forget(&id(key));
        }
    }

    /// Of objects that nobody looked at, what was known of them still holds.
    fn carry(&self, failures: &mut Failures) {
        for (id, failure) in self.failing.iter().filter(|(id, _)| id.starts_with("object ") || *id == SERVER) {
            failures.entry(id.clone()).or_insert_with(|| failure.clone());
        }
    }

    /// Tells what failed since the last time, and what no longer does.
    fn tell(&mut self, failures: Failures) {
        let mut all: Vec<&Failure> = failures.values().collect();
        all.sort_by(|a, b| (&a.place, &a.line).cmp(&(&b.place, &b.line)));
        let known: BTreeSet<&str> = self.failing.values().map(|failure| failure.line.as_str()).collect();
        for failure in all.into_iter().filter(|failure| !known.contains(failure.line.as_str())) {
            error!("{}", failure.line);
        }
        for (_, failure) in self.failing.iter().filter(|(id, _)| !failures.contains_key(*id)) {
            info!("{}: no longer fails", failure.who);
        }
        self.failing = failures;
    }
}

/// A kind or a namespace that is new has none of the objects that it had before.
fn emptied(created: &Object, ours: &mut BTreeMap<Key, Ours>) {
    let spec = &created.value["spec"];
    for (key, mine) in ours.iter_mut() {
        let of_kind = spec["group"] == *key.group && spec["names"]["kind"] == *key.kind;
        let inside = created.key.kind == "Namespace" && mine.kind.namespaced && key.namespace == created.key.name;
        if of_kind || inside {
            mine.applied = None;
        }
    }
}

fn id(key: &Key) -> String {
    format!("object {key:?}")
}
