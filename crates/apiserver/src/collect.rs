//! What a cluster's controllers do in the background: objects whose owner is gone are deleted, namespaces and definitions on
//! their way out are emptied, old events are dropped.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::admit::DEFINITIONS;
use super::delete::{self, CLEANUP, DeleteOptions, FOREGROUND, ORPHAN};
use super::kind::Kind;
use super::refusal::Refusal;
use super::selector::Selector;
use super::store::{Change, Key, Range, StoreError, Stored};
use super::{ApiServer, object, view};

/// How long an event is kept after it was last seen.
const EVENTS_LAST: chrono::Duration = chrono::Duration::hours(1);
/// How often old events are looked for, and everything that may have been missed.
const ROUNDS: Duration = Duration::from_mins(5);
/// The wait after an error of the store.
const PAUSE: Duration = Duration::from_secs(1);

/// Works until `stop` is cancelled.
pub async fn run(server: ApiServer, stop: CancellationToken) {
    let mut collector = Collector { server, owned: HashMap::new() };
    while !stop.is_cancelled() {
        let from = collector.server.store().version();
        if let Err(error) = collector.scan().await {
            tracing::error!(%error, "the garbage collector cannot read the store");
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        collector.expire_events().await;
        let next_round = Instant::now() + ROUNDS;
        let Ok(mut changes) = collector.server.store().watch("", None, from) else { continue };
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep_until(next_round) => break,
                next = changes.next() => match next {
                    Ok(batch) => for change in batch {
                        collector.follow(&change).await;
                    },
                    // Too far behind: look at everything again.
                    Err(StoreError::Compacted { .. }) => break,
                    Err(error) => {
                        tracing::error!(%error, "the garbage collector cannot read the store");
                        tokio::time::sleep(PAUSE).await;
                        break;
                    }
                },
            }
        }
    }
}

/// What an owner reference leads to.
enum Owner {
    There(Key, Value),
    Absent,
    /// Nobody can tell: a kind that is not served, or an object in no namespace with an owner in one.
    Unknown,
}

struct Collector {
    server: ApiServer,
    /// By the uid of an owner, what it owns.
    owned: HashMap<String, HashSet<Key>>,
}

impl Collector {
    /// Looks at every object: first who owns what, then what is to be done.
    async fn scan(&mut self) -> Result<(), StoreError> {
        self.owned.clear();
        let kinds = self.server.kinds();
        let resources: HashSet<String> = kinds.all().iter().map(|kind| kind.resource()).collect();
        let mut found = Vec::new();
        for resource in resources {
            for stored in self.server.store().list(&resource, None, Range::default())?.items {
                let Ok(object) = view::parsed(&stored) else { continue };
                if is_of_interest(&object) {
                    let key = Key::of(resource.clone(), &object);
                    self.note(&key, &object);
                    found.push(key);
                }
            }
        }
        for key in found {
            if let Some(object) = self.read(&key) {
                self.act(&key, &object).await;
            }
        }
        Ok(())
    }

    async fn follow(&mut self, change: &Change) {
        if let Some(new) = &change.new {
            if let Ok(object) = view::parsed(new) {
                self.note(&change.key, &object);
                self.act(&change.key, &object).await;
            }
            if change.old.is_none() {
                self.came_too_late(&change.key).await;
            }
        } else if let Some(object) = change.old.as_ref().and_then(|old| view::parsed(old).ok()) {
            self.gone(&change.key, &object).await;
        }
    }

    /// Remembers who owns an object.
    fn note(&mut self, key: &Key, object: &Value) {
        for owner in object["metadata"]["ownerReferences"].as_array().into_iter().flatten() {
            let uid = owner["uid"].as_str().unwrap_or_default().to_owned();
            self.owned.entry(uid).or_default().insert(key.clone());
        }
    }

    async fn act(&mut self, key: &Key, object: &Value) {
        if object["metadata"]["ownerReferences"].is_array() {
            self.release(key, None).await;
        }
        if is_marked(object) {
            self.deleting(key, object).await;
        }
    }

    /// A new object whose namespace went, or is going, while it was being written.
    async fn came_too_late(&self, key: &Key) {
        if key.namespace.is_empty() {
            return;
        }
        let namespace = Key::namespace(&key.namespace);
        match self.server.store().get(&namespace) {
            Ok(None) => self.delete(key).await,
            Ok(Some(found)) if view::parsed(&found).is_ok_and(|found| is_marked(&found)) => {
                self.empty_namespace(&namespace).await;
            }
            _ => {}
        }
    }

    /// An object whose deletion was asked for, and which is still there.
    async fn deleting(&mut self, key: &Key, object: &Value) {
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        if has(object, ORPHAN) {
            for owned in self.owned.remove(&uid).unwrap_or_default() {
                self.change(&owned, |object| drop_owner(object, &uid)).await;
            }
            self.change(key, |object| object::remove_finalizer(object, ORPHAN)).await;
        }
        if has(object, FOREGROUND) {
            let owned = self.owned.get(&uid).cloned().unwrap_or_default();
            for owned in &owned {
                self.delete_before(owned, &uid).await;
            }
            if !owned.iter().any(|owned| self.blocks(owned, &uid)) {
                self.change(key, |object| object::remove_finalizer(object, FOREGROUND)).await;
            }
        }
        if key.resource == "namespaces" {
            self.empty_namespace(key).await;
        }
        if key.resource == DEFINITIONS && has(object, CLEANUP) {
            self.empty_definition(key).await;
        }
    }

    async fn gone(&mut self, key: &Key, object: &Value) {
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
        for owned in self.owned.remove(uid).unwrap_or_default() {
            self.release(&owned, Some(uid)).await;
        }
        // Who waited for this one to go?
        for owner in object["metadata"]["ownerReferences"].as_array().into_iter().flatten() {
            let uid = owner["uid"].as_str().unwrap_or_default();
            if let Some(owned) = self.owned.get_mut(uid) {
                owned.remove(key);
            }
            if let Owner::There(owner, object) = self.owner(key, owner)
                && is_marked(&object)
            {
                Box::pin(self.deleting(&owner, &object)).await;
            }
        }
        if !key.namespace.is_empty() {
            let namespace = Key::namespace(&key.namespace);
            if self.is_going(&namespace) {
                self.empty_namespace(&namespace).await;
            }
        }
        let definition = Key::cluster_wide(DEFINITIONS, &key.resource);
        if self.is_going(&definition) {
            self.empty_definition(&definition).await;
        }
    }

    /// Deletes an object none of whose owners is there; lets go of those that are not. That `gone` is not is known.
    async fn release(&self, key: &Key, gone: Option<&str>) {
        let Some(object) = self.read(key) else { return };
        let owners = object["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
        let is_absent = |owner: &Value| owner["uid"].as_str() == gone || matches!(self.owner(key, owner), Owner::Absent);
        let (absent, there): (Vec<_>, Vec<_>) = owners.into_iter().partition(is_absent);
        if absent.is_empty() {
            return;
        }
        if there.is_empty() {
            self.delete(key).await;
            return;
        }
        for owner in absent {
            let uid = owner["uid"].as_str().unwrap_or_default().to_owned();
            self.change(key, |object| drop_owner(object, &uid)).await;
        }
    }

    /// Deletes an object before its owner goes, unless another owner stays.
    async fn delete_before(&self, key: &Key, uid: &str) {
        let Some(object) = self.read(key) else { return };
        let mut others = object["metadata"]["ownerReferences"].as_array().into_iter().flatten().filter(|owner| owner["uid"] != *uid);
        let stays = others.any(|owner| match self.owner(key, owner) {
            Owner::There(_, object) => !has(&object, FOREGROUND),
            Owner::Absent => false,
            Owner::Unknown => true,
        });
        if stays {
            self.change(key, |object| drop_owner(object, uid)).await;
        } else {
            self.delete(key).await;
        }
    }

    /// Whether an object is still there, and its owner is to stay as long.
    fn blocks(&self, key: &Key, uid: &str) -> bool {
        let object = self.read(key).unwrap_or_default();
        let mut owners = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
        owners.any(|owner| owner["uid"] == *uid && owner["blockOwnerDeletion"] == true)
    }

    /// The object that an owner reference of `key` means.
    fn owner(&self, key: &Key, owner: &Value) -> Owner {
        let text = |field: &str| owner[field].as_str().unwrap_or_default();
        let Some(kind) = self.server.kinds().named(text("apiVersion"), text("kind")) else { return Owner::Unknown };
        if kind.is_namespaced() && key.namespace.is_empty() {
            return Owner::Unknown;
        }
        let namespace = if kind.is_namespaced() { key.namespace.clone() } else { String::new() };
        let owner_key = Key { resource: kind.resource(), namespace, name: text("name").into() };
        match self.server.store().get(&owner_key).map(|found| found.map(|stored| view::parsed(&stored))) {
            Ok(Some(Ok(object))) if object["metadata"]["uid"] == owner["uid"] => Owner::There(owner_key, object),
            Ok(Some(Ok(_)) | None) => Owner::Absent,
            Ok(Some(Err(_))) | Err(_) => Owner::Unknown,
        }
    }

    async fn empty_namespace(&self, namespace: &Key) {
        let mut is_empty = true;
        for kind in self.server.kinds().namespaced() {
            is_empty &= self.empty(&kind, Some(&namespace.name), &namespace.name).await;
        }
        if is_empty {
            self.change(namespace, |object| object["spec"] = serde_json::json!({})).await;
        }
    }

    async fn empty_definition(&self, definition: &Key) {
        let Some(kind) = self.server.kinds().stored_as(&definition.name) else { return };
        if self.empty(&kind, None, &definition.name).await {
            self.change(definition, |object| object::remove_finalizer(object, CLEANUP)).await;
        }
    }

    /// Deletes all objects of a kind for the sake of something named `whose`. Answers whether there are none left.
    async fn empty(&self, kind: &Kind, namespace: Option<&str>, whose: &str) -> bool {
        let first = Range { limit: Some(1), ..Range::default() };
        let is_empty = || self.server.store().list(&kind.resource(), namespace, first.clone()).is_ok_and(|page| page.items.is_empty());
        if is_empty() {
            return true;
        }
        let done = delete::delete_all(&self.server, kind, namespace, &Selector::default(), &DeleteOptions::default()).await;
        told(&done.map(|_| ()), whose);
        is_empty()
    }

    async fn expire_events(&self) {
        let Some(kind) = self.server.kinds().stored_as("events") else { return };
        let Ok(page) = self.server.store().list("events", None, Range::default()) else { return };
        let now = Utc::now();
        for object in page.items.iter().filter_map(|stored| view::parsed(stored).ok()) {
            let last = ["lastTimestamp", "eventTime", "firstTimestamp"].into_iter().find_map(|field| object[field].as_str());
            let last = last.or(object["metadata"]["creationTimestamp"].as_str()).and_then(|time| DateTime::parse_from_rfc3339(time).ok());
            if last.is_none_or(|last| now.signed_duration_since(last) > EVENTS_LAST) {
                let key = Key::of(kind.resource(), &object);
                told(&delete::delete(&self.server, &kind, &key, &DeleteOptions::default()).await.map(|_| ()), &key.name);
            }
        }
    }

    /// Whether the deletion of an object was asked for, and it is still there.
    fn is_going(&self, key: &Key) -> bool {
        self.read(key).is_some_and(|object| is_marked(&object))
    }

    fn read(&self, key: &Key) -> Option<Value> {
        self.server.store().get(key).ok().flatten().and_then(|stored: Stored| view::parsed(&stored).ok())
    }

    async fn delete(&self, key: &Key) {
        let Some(kind) = self.server.kinds().stored_as(&key.resource) else { return };
        told(&delete::delete(&self.server, &kind, key, &DeleteOptions::default()).await.map(|_| ()), &key.name);
    }

    /// Changes an object, however often others do so at the same time.
    async fn change(&self, key: &Key, change: impl Fn(&mut Value)) {
        let Some(kind) = self.server.kinds().stored_as(&key.resource) else { return };
        loop {
            let Ok(Some(stored)) = self.server.store().get(key) else { return };
            let Ok(old) = view::parsed(&stored) else { return };
            let mut new = old.clone();
            change(&mut new);
            if new == old {
                return;
            }
            let next = (!object::is_released(&new)).then_some(new);
            match self.server.write(&kind, key.clone(), Some(stored.version), next).await {
                Err(refusal) if refusal.is_modified() => {}
                done => return told(&done.map(|_| ()), &key.name),
            }
        }
    }
}

fn has(object: &Value, finalizer: &str) -> bool {
    object["metadata"]["finalizers"].as_array().is_some_and(|list| list.iter().any(|name| name == finalizer))
}

fn is_marked(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

fn is_of_interest(object: &Value) -> bool {
    object["metadata"]["ownerReferences"].is_array() || is_marked(object)
}

fn drop_owner(object: &mut Value, uid: &str) {
    if let Some(owners) = object["metadata"]["ownerReferences"].as_array_mut() {
        owners.retain(|owner| owner["uid"] != *uid);
        if owners.is_empty()
            && let Some(metadata) = object["metadata"].as_object_mut()
        {
            metadata.remove("ownerReferences");
        }
    }
}

fn told(done: &Result<(), Refusal>, name: &str) {
    if let Err(refusal) = done
        && !refusal.is_not_found()
    {
        tracing::warn!(name, status = %refusal.status(), "garbage collection failed");
    }
}
