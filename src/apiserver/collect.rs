//! What a cluster's controllers do in the background: objects whose owner is gone are deleted, namespaces and definitions on
//! their way out are emptied, old events are dropped.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::admit::DEFINITIONS;
use super::delete::{self, CLEANUP, DeleteOptions, FOREGROUND, ORPHAN};
use super::refusal::Refusal;
use super::selector::Selector;
use super::store::{Change, Key, Range, StoreError, Stored};
use super::{ApiServer, object, view};

/// How long an event is kept after it was last seen.
const EVENTS_LAST: chrono::Duration = chrono::Duration::hours(1);
/// How often old events are looked for, and everything that may have been missed.
const ROUNDS: Duration = Duration::from_mins(5);

/// Works until `stop` is cancelled.
pub async fn run(server: ApiServer, stop: CancellationToken) {
    let mut collector = Collector { server, owned: HashMap::new() };
    let mut rounds = tokio::time::interval(ROUNDS);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !stop.is_cancelled() {
        let from = collector.server.store().version();
        collector.scan().await;
        let Ok(mut changes) = collector.server.store().watch("", None, from) else { continue };
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = rounds.tick() => collector.expire_events().await,
                next = changes.next() => match next {
                    Ok(batch) => for change in batch {
                        collector.follow(&change).await;
                    },
                    // Too far behind: look at everything again.
                    Err(StoreError::Compacted { .. }) => break,
                    Err(error) => {
                        tracing::error!(%error, "the garbage collector cannot read the store");
                        tokio::time::sleep(Duration::from_secs(1)).await;
                        break;
                    }
                },
            }
        }
    }
}

struct Collector {
    server: ApiServer,
    /// By the uid of an owner, what it owns.
    owned: HashMap<String, HashSet<Key>>,
}

impl Collector {
    /// Looks at every object.
    async fn scan(&mut self) {
        self.owned.clear();
        let kinds = self.server.kinds();
        let resources: HashSet<String> = kinds.all().iter().map(super::kind::Kind::resource).collect();
        for resource in resources {
            let Ok(page) = self.server.store().list(&resource, None, Range::default()) else { continue };
            for stored in page.items {
                let Ok(object) = view::parsed(&stored) else { continue };
                if is_of_interest(&object) {
                    let key = key(&resource, &object);
                    self.see(&key, &object, false).await;
                }
            }
        }
    }

    async fn follow(&mut self, change: &Change) {
        if let Some(new) = &change.new {
            if let Ok(object) = view::parsed(new) {
                self.see(&change.key, &object, change.old.is_none()).await;
            }
        } else if let Some(object) = change.old.as_ref().and_then(|old| view::parsed(old).ok()) {
            self.gone(&change.key, &object).await;
        }
    }

    async fn see(&mut self, key: &Key, object: &Value, is_new: bool) {
        let mut owners = 0;
        for owner in object["metadata"]["ownerReferences"].as_array().into_iter().flatten() {
            owners += 1;
            let uid = owner["uid"].as_str().unwrap_or_default().to_owned();
            self.owned.entry(uid).or_default().insert(key.clone());
        }
        if owners > 0 && is_new {
            self.release(key).await;
        }
        if object["metadata"]["deletionTimestamp"].is_string() {
            self.deleting(key, object).await;
        }
    }

    /// An object whose deletion was asked for, and which is still there.
    async fn deleting(&mut self, key: &Key, object: &Value) {
        let has =
            |finalizer: &str| object["metadata"]["finalizers"].as_array().is_some_and(|list| list.iter().any(|name| name == finalizer));
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        if has(ORPHAN) {
            for owned in self.owned.remove(&uid).unwrap_or_default() {
                self.change(&owned, |object| drop_owner(object, &uid)).await;
            }
            self.change(key, |object| object::remove_finalizer(object, ORPHAN)).await;
        }
        if has(FOREGROUND) {
            let owned = self.owned.get(&uid).cloned().unwrap_or_default();
            for owned in &owned {
                self.delete(owned).await;
            }
            if self.still_there(&owned) == 0 {
                self.change(key, |object| object::remove_finalizer(object, FOREGROUND)).await;
            }
        }
        if key.resource == "namespaces" {
            self.empty_namespace(key).await;
        }
        if key.resource == DEFINITIONS && has(CLEANUP) {
            self.empty_definition(key, object).await;
        }
    }

    async fn gone(&mut self, key: &Key, object: &Value) {
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
        for owned in self.owned.remove(uid).unwrap_or_default() {
            self.release(&owned).await;
        }
        // Who waited for this one to go?
        for owner in object["metadata"]["ownerReferences"].as_array().into_iter().flatten() {
            let uid = owner["uid"].as_str().unwrap_or_default();
            if let Some(owned) = self.owned.get_mut(uid) {
                owned.remove(key);
            }
            if let Some((owner, object)) = self.owner(key, owner)
                && object["metadata"]["deletionTimestamp"].is_string()
            {
                Box::pin(self.deleting(&owner, &object)).await;
            }
        }
        if !key.namespace.is_empty() {
            let namespace = Key { resource: "namespaces".into(), namespace: String::new(), name: key.namespace.clone() };
            if self.read(&namespace).is_some_and(|object| object["metadata"]["deletionTimestamp"].is_string()) {
                self.empty_namespace(&namespace).await;
            }
        }
        let definition = Key { resource: DEFINITIONS.into(), namespace: String::new(), name: key.resource.clone() };
        if let Some(object) = self.read(&definition).filter(|object| object["metadata"]["deletionTimestamp"].is_string()) {
            self.empty_definition(&definition, &object).await;
        }
    }

    /// Deletes an object none of whose owners is there; lets go of those that are not.
    async fn release(&mut self, key: &Key) {
        let Some(object) = self.read(key) else { return };
        let owners = object["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default();
        let (there, absent): (Vec<_>, Vec<_>) = owners.into_iter().partition(|owner| self.owner(key, owner).is_some());
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

    /// The object that an owner reference of `key` means, if it is there.
    fn owner(&self, key: &Key, owner: &Value) -> Option<(Key, Value)> {
        let text = |field: &str| owner[field].as_str().unwrap_or_default();
        let kind = self.server.kinds().named(text("apiVersion"), text("kind"))?;
        let namespace = if kind.is_namespaced() { key.namespace.clone() } else { String::new() };
        let owner_key = Key { resource: kind.resource(), namespace, name: text("name").into() };
        let object = self.read(&owner_key)?;
        (object["metadata"]["uid"] == owner["uid"]).then_some((owner_key, object))
    }

    async fn empty_namespace(&self, namespace: &Key) {
        let mut left = 0;
        for kind in self.server.kinds().namespaced() {
            let name = Some(namespace.name.as_str());
            let Ok(page) = self.server.store().list(&kind.resource(), name, Range { limit: Some(1), ..Range::default() }) else { return };
            if page.items.is_empty() {
                continue;
            }
            let done = delete::delete_all(&self.server, &kind, name, &Selector::default(), &DeleteOptions::default()).await;
            told(&done.map(|_| ()), &namespace.name);
            left += self.server.store().list(&kind.resource(), name, Range::default()).map_or(1, |page| page.items.len());
        }
        if left == 0 {
            self.change(namespace, |object| object["spec"] = serde_json::json!({})).await;
        }
    }

    async fn empty_definition(&self, key: &Key, definition: &Value) {
        let kinds = super::custom::kinds(definition).unwrap_or_default();
        let Some(kind) = kinds.first() else { return };
        let done = delete::delete_all(&self.server, kind, None, &Selector::default(), &DeleteOptions::default()).await;
        told(&done.map(|_| ()), &key.name);
        if self.server.store().list(&kind.resource(), None, Range::default()).is_ok_and(|page| page.items.is_empty()) {
            self.change(key, |object| object::remove_finalizer(object, CLEANUP)).await;
        }
    }

    async fn expire_events(&self) {
        let Some(kind) = self.server.kinds().stored_as("events") else { return };
        let Ok(page) = self.server.store().list("events", None, Range::default()) else { return };
        let now = Utc::now();
        for object in page.items.iter().filter_map(|stored| view::parsed(stored).ok()) {
            let last = ["lastTimestamp", "eventTime", "firstTimestamp"].into_iter().find_map(|field| object[field].as_str());
            let last = last.or(object["metadata"]["creationTimestamp"].as_str()).and_then(|time| DateTime::parse_from_rfc3339(time).ok());
            if last.is_none_or(|last| now.signed_duration_since(last) > EVENTS_LAST) {
                let key = delete::key_of(&kind, &object);
                told(&delete::delete(&self.server, &kind, &key, &DeleteOptions::default()).await.map(|_| ()), &key.name);
            }
        }
    }

    fn still_there(&self, keys: &HashSet<Key>) -> usize {
        keys.iter().filter(|key| self.read(key).is_some()).count()
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

fn is_of_interest(object: &Value) -> bool {
    object["metadata"]["ownerReferences"].is_array() || object["metadata"]["deletionTimestamp"].is_string()
}

fn key(resource: &str, object: &Value) -> Key {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    Key { resource: resource.into(), namespace: text("namespace"), name: text("name") }
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
