//! Patches, server-side apply among them.

use std::sync::Arc;

use serde_json::Value;

use super::{ATTEMPTS, Managed, Part, Write, Written};
use crate::fields::{self, Force, Operation};
use crate::refusal::Refusal;
use crate::request::{self, MISTAKES};
use crate::store::Key;
use crate::{patch, view};

/// The form of a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchForm {
    /// RFC 7386.
    Merge,
    /// RFC 6902.
    Json,
    /// With directives, for built-in kinds.
    Strategic,
    /// Server-side apply.
    Apply,
}

impl Write<'_> {
    /// `PATCH`: the object changed in some way.
    pub async fn patch(&mut self, form: PatchForm, change: Value) -> Result<Written, Refusal> {
        let key = self.key(&Value::Null)?;
        if form == PatchForm::Apply {
            return self.apply(&key, change).await;
        }
        for _ in 0..ATTEMPTS {
            let stored = self.stored(&key)?;
            let old = view::in_version(&self.kind, view::parsed(&stored)?);
            let mut new = old.clone();
            match form {
                PatchForm::Json => patch::json(&mut new, &change).map_err(of_patch)?,
                PatchForm::Strategic => patch::strategic(&mut new, &change, &self.kind.resource()).map_err(of_patch)?,
                PatchForm::Merge | PatchForm::Apply => patch::merge(&mut new, &change),
            }
            if !new.is_object() {
                return Err(Refusal::unprocessable());
            }
            self.identify(&mut new)?;
            self.decode(&mut new)?;
            let version = new["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
            self.is_current(&version, &stored)?;
            // The patch meant a version only if it named one.
            let meant = change["metadata"]["resourceVersion"].is_string();
            let manager = self.manager(Operation::Update);
            match self.replace(&key, &stored, &old, new, Managed::Changed(manager)).await {
                Err(refusal) if refusal.is_modified() && !meant => {}
                done => return done,
            }
        }
        Err(Refusal::modified(&self.kind, &key.name))
    }

    async fn apply(&mut self, key: &Key, mut config: Value) -> Result<Written, Refusal> {
        if !config["kind"].is_string() || !config["apiVersion"].is_string() {
            return Err(Refusal::bad_request("invalid object type: /, Kind="));
        }
        let named = config["metadata"]["name"].as_str().is_some_and(|name| !name.is_empty());
        let namespace = config["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        self.identify(&mut config)?;
        // What is applied is not completed: defaults would then belong to the one who applies.
        let unknown = self.kind.schema.prune(&mut config);
        if !unknown.is_empty() {
            let told: Vec<_> =
                unknown.iter().take(MISTAKES).map(|path| format!(".{}: field not declared in schema", request::shortened(path))).collect();
            let told = if told.len() > 1 { format!("errors:\n  {}", told.join("\n  ")) } else { told.concat() };
            let (version, kind) = (self.kind.api_version(), &self.kind.kind);
            let why = format!("failed to create typed patch object ({namespace}/{}; {version}, Kind={kind}): {told}", key.name);
            return Err(Refusal::plain(why));
        }
        let force = if self.options.force == Some(true) { Force::Yes } else { Force::No };
        let manager = self.manager(Operation::Apply);
        let kind = Arc::clone(&self.kind);
        let props = kind.schema.props();
        let refused = |error: fields::ApplyError| match error {
            fields::ApplyError::Conflicts(conflicts) => {
                let message = fields::told(&conflicts);
                Refusal::managed(message, conflicts.into_iter().map(|conflict| (conflict.message, conflict.field)))
            }
            fields::ApplyError::Invalid(why) => Refusal::bad_request(why),
            fields::ApplyError::Mistyped(why) => Refusal::plain(why),
        };
        for _ in 0..ATTEMPTS {
            let found = self.server.store().get(key).map_err(|error| Refusal::of_store(error, &self.kind, &key.name))?;
            let version = config["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
            let Some(stored) = found else {
                if !named {
                    let why = format!("the name of the object ({} based on URL) was undeterminable: name must be provided", key.name);
                    return Err(Refusal::bad_request(why));
                }
                if self.part == Part::Status {
                    return Err(Refusal::not_found(&self.kind, &key.name));
                }
                let new = fields::apply(&Value::Null, &config, &manager, force, props, self.endpoint()).map_err(refused)?;
                match self.insert(new, Managed::Done).await {
                    Err(refusal) if refusal.is_exists() => continue,
                    done => return done,
                }
            };
            self.is_current(&version, &stored)?;
            let old = view::in_version(&self.kind, view::parsed(&stored)?);
            let new = fields::apply(&old, &config, &manager, force, props, self.endpoint()).map_err(refused)?;
            match self.replace(key, &stored, &old, new, Managed::Done).await {
                Err(refusal) if refusal.is_modified() && version.is_empty() => {}
                done => return done,
            }
        }
        Err(Refusal::modified(&self.kind, &key.name))
    }
}

fn of_patch(error: patch::PatchError) -> Refusal {
    match error {
        patch::PatchError::Malformed(why) => Refusal::bad_request(why),
        patch::PatchError::Unfit => Refusal::unprocessable(),
        patch::PatchError::TooLarge(why) => Refusal::large_patch(why),
        patch::PatchError::Odd(why) => Refusal::plain(why),
    }
}

/// Reads a patch.
pub fn read_patch(body: &[u8], form: PatchForm) -> Result<Value, Refusal> {
    let media = if form == PatchForm::Apply { "application/yaml" } else { "application/json" };
    let value = request::value(body, media).map_err(|why| match form {
        PatchForm::Apply => Refusal::bad_request(format!("error decoding YAML: {why}")),
        _ => Refusal::bad_request(format!("error decoding patch: {why}")),
    })?;
    match form {
        PatchForm::Json if !value.is_array() => Err(Refusal::bad_request("error decoding patch: a JSON patch is a list of operations")),
        PatchForm::Json => Ok(value),
        _ if !value.is_object() => Err(Refusal::bad_request("error decoding patch: it is not an object")),
        _ => Ok(value),
    }
}
