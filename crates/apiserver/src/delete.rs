//! Deleting: at once, or by a mark where finalizers or contents keep an object.

use serde_json::{Value, json};

use super::admit::DEFINITIONS;
use super::kind::Kind;
use super::refusal::Refusal;
use super::request::{DryRun, Query};
use super::selector::Selector;
use super::store::{Key, Stored};
use super::write::ATTEMPTS;
use super::{ApiServer, object, read, view};

/// Kept while objects that it owns are deleted.
pub const FOREGROUND: &str = "foregroundDeletion";
/// Kept while objects that it owns are let go.
pub const ORPHAN: &str = "orphan";
/// Kept while there are objects of the kind.
pub const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Namespaces that stay.
const PERMANENT: [&str; 2] = ["default", "kube-system"];

/// What becomes of the objects that an object owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Propagation {
    /// They are deleted afterwards.
    #[default]
    Background,
    /// They are deleted before.
    Foreground,
    /// They stay.
    Orphan,
}

/// How to delete.
#[derive(Debug, Clone, Default)]
pub struct DeleteOptions {
    propagation: Propagation,
    uid: Option<String>,
    version: Option<String>,
    dry_run: bool,
}

impl DeleteOptions {
    /// Reads the parameters and the body; the body counts.
    pub fn parse(query: &Query, body: &Value, dry_run: DryRun) -> Result<Self, Refusal> {
        let said = body["propagationPolicy"].as_str().unwrap_or(query.text("propagationPolicy"));
        let orphans = body["orphanDependents"].as_bool().unwrap_or(query.text("orphanDependents") == "true");
        if !said.is_empty() && body["orphanDependents"].is_boolean() {
            let message = format!(
                "Invalid value: {}: orphanDependents and deletionPropagation cannot be both set",
                headwater_golang::json::string(said)
            );
            return Err(Refusal::options("DeleteOptions", "FieldValueInvalid", "propagationPolicy", &message));
        }
        let propagation = match said {
            "" if orphans => Propagation::Orphan,
            "" | "Background" => Propagation::Background,
            "Foreground" => Propagation::Foreground,
            "Orphan" => Propagation::Orphan,
            other => {
                let message = format!(
                    "Unsupported value: {}: supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\"",
                    headwater_golang::json::string(other)
                );
                return Err(Refusal::options("DeleteOptions", "FieldValueNotSupported", "propagationPolicy", &message));
            }
        };
        let text = |field: &str| body["preconditions"][field].as_str().map(str::to_owned);
        let dry_run = dry_run == DryRun::All || body["dryRun"].as_array().is_some_and(|list| list.iter().any(|entry| entry == "All"));
        Ok(Self { propagation, uid: text("uid"), version: text("resourceVersion"), dry_run })
    }
}

/// Deletes one object. Answers the object where it is kept for now, and a `Status` where it is gone.
pub async fn delete(server: &ApiServer, kind: &Kind, key: &Key, options: &DeleteOptions) -> Result<Value, Refusal> {
    if kind.resource() == "namespaces" && PERMANENT.contains(&&*key.name) {
        return Err(Refusal::forbidden(kind, &key.name, "this namespace may not be deleted"));
    }
    for _ in 0..ATTEMPTS {
        let found = server.store().get(key).map_err(|error| Refusal::of_store(error, kind, &key.name))?;
        let stored = found.ok_or_else(|| Refusal::not_found(kind, &key.name))?;
        let old = view::in_version(kind, view::parsed(&stored)?);
        meets(kind, key, &stored, &old, options)?;
        let mut new = old.clone();
        object::mark_deleted(&mut new, &kept_by(kind, &old, options.propagation));
        let of_its_own = kind.resource() == DEFINITIONS || kind.resource() == "namespaces";
        if let Some(metadata) = new["metadata"].as_object_mut().filter(|_| of_its_own) {
            metadata.remove("deletionGracePeriodSeconds");
        }
        if kind.resource() == DEFINITIONS {
            new["metadata"]["generation"] = old["metadata"]["generation"].clone();
            super::custom::terminating(&mut new);
        }
        let released = object::is_released(&new);
        if options.dry_run || (!released && new == old) {
            return Ok(if released { gone(kind, &old) } else { new });
        }
        let next = (!released).then_some(new);
        match server.write(kind, key.clone(), Some(stored.version), next).await {
            Ok(written) if released && kind.resource() == "serviceaccounts" => {
                let mut last = old;
                last["metadata"]["resourceVersion"] = written.version.to_string().into();
                return Ok(last);
            }
            Ok(_) if released => return Ok(gone(kind, &old)),
            Ok(written) => return view::parsed(&written).map(|object| view::in_version(kind, object)),
            Err(refusal) if refusal.is_modified() => {}
            Err(refusal) => return Err(refusal),
        }
    }
    Err(Refusal::modified(kind, &key.name))
}

/// Deletes all objects that are selected and answers what they were.
pub async fn delete_all(
    server: &ApiServer,
    kind: &Kind,
    namespace: Option<&str>,
    selector: &Selector,
    options: &DeleteOptions,
) -> Result<Vec<Stored>, Refusal> {
    let mut items = Vec::new();
    for stored in read::selected(server.store(), kind, namespace, selector)? {
        let object = view::parsed(&stored)?;
        match delete(server, kind, &Key::of(kind.resource(), &object), options).await {
            Err(refusal) if !refusal.is_not_found() => return Err(refusal),
            _ => items.push(stored),
        }
    }
    Ok(items)
}

fn meets(kind: &Kind, key: &Key, stored: &Stored, old: &Value, options: &DeleteOptions) -> Result<(), Refusal> {
    if let Some(uid) = options.uid.as_deref().filter(|uid| old["metadata"]["uid"] != **uid) {
        let record = old["metadata"]["uid"].as_str().unwrap_or_default();
        let why = format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({record}). The object might have been deleted and then recreated"
        );
        return Err(Refusal::precondition(kind, &key.name, &why));
    }
    let current = stored.version.to_string();
    if let Some(version) = options.version.as_deref().filter(|version| *version != current) {
        let why = format!(
            "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({current}). The object might have been modified"
        );
        return Err(Refusal::precondition(kind, &key.name, &why));
    }
    Ok(())
}

fn kept_by(kind: &Kind, old: &Value, propagation: Propagation) -> Vec<&'static str> {
    let mut kept = Vec::new();
    if !old["metadata"]["deletionTimestamp"].is_string() {
        match propagation {
            Propagation::Background => {}
            Propagation::Foreground => kept.push(FOREGROUND),
            Propagation::Orphan => kept.push(ORPHAN),
        }
        if kind.resource() == DEFINITIONS {
            kept.push(CLEANUP);
        }
    }
    kept
}

fn gone(kind: &Kind, object: &Value) -> Value {
    let mut details = json!({"name": object["metadata"]["name"], "kind": kind.plural, "uid": object["metadata"]["uid"]});
    if !kind.group.is_empty() {
        details["group"] = kind.group.clone().into();
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}
