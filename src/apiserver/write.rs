//! Create, update and patch: every way to a new state of an object leads through the same steps.
//!
//! The new state is computed from the stored one and written only if that is still the stored one; otherwise it is computed
//! again, unless the client said which version it means.

use std::sync::Arc;

use serde_json::Value;

use super::fields::{self, Endpoint, Force, Manager, Operation};
use super::kind::{Generation, Kind, Origin, Status};
use super::object;
use super::refusal::Refusal;
use super::request::{self, DryRun, FieldValidation, Target, WriteOptions};
use super::schema::Cause;
use super::schema::metadata;
use super::store::{Key, Stored};
use super::{ApiServer, admit, patch, view};

/// How often a write is computed again when others were faster.
const ATTEMPTS: usize = 8;

/// Which part of an object a path writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All, or all but the status where that has an endpoint of its own.
    Main,
    /// The status alone.
    Status,
}

/// A write under way.
pub struct Write<'a> {
    /// The server.
    pub server: &'a ApiServer,
    /// The kind of the object.
    pub kind: Arc<Kind>,
    /// What the path names.
    pub target: &'a Target,
    /// Which part of it is written.
    pub part: Part,
    /// How.
    pub options: WriteOptions,
    /// What the client is told beside the answer.
    pub warnings: Vec<String>,
}

/// What came of a write.
pub struct Written {
    /// The object as it is now.
    pub object: Value,
    /// Whether it was not there before.
    pub created: bool,
}

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
    /// `POST`: a new object.
    pub async fn create(&mut self, mut body: Value) -> Result<Written, Refusal> {
        self.identify(&mut body)?;
        self.decode(&mut body)?;
        if body["metadata"]["resourceVersion"].as_str().is_some_and(|version| !version.is_empty()) {
            return Err(Refusal::plain("resourceVersion should not be set on objects to be created"));
        }
        if body["metadata"]["name"].as_str().unwrap_or_default().is_empty()
            && let Some(prefix) = body["metadata"]["generateName"].as_str().filter(|prefix| !prefix.is_empty())
        {
            body["metadata"]["name"] = object::generated_name(prefix).into();
        }
        let manager = self.manager(Operation::Update);
        self.insert(body, Managed::Changed(manager)).await
    }

    /// `PUT`: the object as the client wants it.
    pub async fn update(&mut self, mut body: Value) -> Result<Written, Refusal> {
        self.identify(&mut body)?;
        let key = self.key(&body)?;
        self.decode(&mut body)?;
        let version = body["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
        if version.is_empty() && !admit::updates_unconditionally(&self.kind) {
            self.stored(&key)?;
            let cause = Cause {
                reason: "FieldValueInvalid",
                message: "Invalid value: 0: must be specified for an update".into(),
                field: "metadata.resourceVersion".into(),
            };
            return Err(Refusal::unacceptable(&self.kind.group, &self.kind.plural, &key.name, &[cause]));
        }
        for _ in 0..ATTEMPTS {
            let stored = self.stored(&key)?;
            self.is_current(&version, &stored)?;
            let old = view::parsed(&stored)?;
            let manager = self.manager(Operation::Update);
            match self.replace(&key, &stored, &old, body.clone(), Managed::Changed(manager)).await {
                Err(refusal) if refusal.is_modified() && version.is_empty() => {}
                done => return done,
            }
        }
        Err(Refusal::modified(&self.kind, &key.name))
    }

    /// `PATCH`: the object changed in some way.
    pub async fn patch(&mut self, form: PatchForm, change: Value) -> Result<Written, Refusal> {
        let name = self.target.name.clone().ok_or_else(|| Refusal::bad_request("name must be provided"))?;
        let key = Key { resource: self.kind.resource(), namespace: self.namespace(), name };
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
        self.identify(&mut config)?;
        // What is applied is not completed: defaults would then belong to the one who applies.
        self.prune(&mut config)?;
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

    /// Writes an object that is not there yet.
    async fn insert(&mut self, mut new: Value, managed: Managed) -> Result<Written, Refusal> {
        let kind = Arc::clone(&self.kind);
        admit::namespace_takes_content(self.server, &kind, &new)?;
        object::stamp(&kind, &mut new);
        if kind.status == Status::Subresource
            && let Some(fields) = new.as_object_mut()
        {
            fields.remove("status");
        }
        admit::complete(&kind, &mut new, &Value::Null);
        if let Managed::Changed(manager) = managed {
            fields::updated(&Value::Null, &mut new, &manager, kind.schema.props(), self.endpoint());
        }
        admit::establish(&kind, &mut new, &Value::Null);
        kind.schema.default(&mut new);
        self.validate(&mut new, None)?;
        let key = self.key(&new)?;
        if self.options.dry_run == DryRun::All {
            if self.server.store().get(&key).is_ok_and(|found| found.is_some()) {
                return Err(Refusal::exists(&kind, &key.name));
            }
            return Ok(Written { object: new, created: true });
        }
        let object = self.store(&key, None, Some(new)).await?;
        Ok(Written { object, created: true })
    }

    /// Writes a new state of an object. A state that is no different is not written.
    async fn replace(&mut self, key: &Key, stored: &Stored, old: &Value, new: Value, managed: Managed) -> Result<Written, Refusal> {
        let kind = Arc::clone(&self.kind);
        let mut new = new;
        if self.part == Part::Main {
            admit::complete(&kind, &mut new, old);
        }
        if let Managed::Changed(manager) = managed {
            fields::updated(old, &mut new, &manager, kind.schema.props(), self.endpoint());
        }
        let mut new = match self.part {
            Part::Main => object::with_status_of(&kind, new, old),
            Part::Status => object::with_only_status_of(old, &new),
        };
        self.keeps_identity(old, &mut new)?;
        if self.part == Part::Main {
            admit::establish(&kind, &mut new, old);
        }
        kind.schema.default(&mut new);
        if kind.generation == Generation::Counted {
            object::count(&kind, old, &mut new);
        }
        self.validate(&mut new, Some(old))?;
        new["metadata"]["resourceVersion"] = stored.version.to_string().into();
        if new == *old || self.options.dry_run == DryRun::All {
            return Ok(Written { object: new, created: false });
        }
        if object::is_released(&new) {
            self.store(key, Some(stored.version), None).await?;
            return Ok(Written { object: new, created: false });
        }
        let object = self.store(key, Some(stored.version), Some(new)).await?;
        Ok(Written { object, created: false })
    }

    async fn store(&self, key: &Key, expected: Option<u64>, new: Option<Value>) -> Result<Value, Refusal> {
        let written = self.server.write(&self.kind, key.clone(), expected, new).await?;
        view::parsed(&written).map(|object| view::in_version(&self.kind, object))
    }

    fn stored(&self, key: &Key) -> Result<Stored, Refusal> {
        let found = self.server.store().get(key).map_err(|error| Refusal::of_store(error, &self.kind, &key.name))?;
        found.ok_or_else(|| Refusal::not_found(&self.kind, &key.name))
    }

    fn is_current(&self, version: &str, stored: &Stored) -> Result<(), Refusal> {
        match version.parse::<u64>() {
            _ if version.is_empty() => Ok(()),
            Ok(0) => Ok(()),
            Ok(version) if version == stored.version => Ok(()),
            Ok(_) => Err(Refusal::modified(&self.kind, self.target.name.as_deref().unwrap_or_default())),
            Err(_) => Err(Refusal::plain(format!("strconv.ParseUint: parsing \"{version}\": invalid syntax"))),
        }
    }

    fn manager(&self, operation: Operation) -> Manager {
        Manager {
            name: self.options.manager.clone(),
            operation,
            subresource: if self.part == Part::Status { "status".into() } else { String::new() },
            api_version: self.kind.api_version(),
            time: object::now(),
        }
    }

    fn endpoint(&self) -> Endpoint {
        match (self.kind.status, self.part) {
            (Status::Field, _) => Endpoint::Whole,
            (Status::Subresource, Part::Main) => Endpoint::Main,
            (Status::Subresource, Part::Status) => Endpoint::Status,
        }
    }

    fn namespace(&self) -> String {
        self.target.namespace.clone().unwrap_or_default()
    }

    fn key(&self, object: &Value) -> Result<Key, Refusal> {
        let name = match &self.target.name {
            Some(name) => name.clone(),
            None => object["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
        };
        if name.is_empty() {
            return Err(Refusal::bad_request("name must be provided"));
        }
        Ok(Key { resource: self.kind.resource(), namespace: self.namespace(), name })
    }

    /// Makes sure that the body is what the path says; what it leaves out is filled in.
    fn identify(&self, body: &mut Value) -> Result<(), Refusal> {
        let (kind, expected) = (&*self.kind, self.kind.api_version());
        let api_version = body["apiVersion"].as_str().unwrap_or_default();
        if !api_version.is_empty() && api_version != expected {
            return Err(Refusal::bad_request(format!(
                "the API version in the data ({api_version}) does not match the expected API version ({expected})"
            )));
        }
        let named = body["kind"].as_str().unwrap_or_default().to_owned();
        let name = body["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        if !named.is_empty() && named != kind.kind {
            let cause = Cause {
                reason: "FieldValueInvalid",
                message: format!("Invalid value: \"{named}\": must be {}", kind.kind),
                field: "kind".into(),
            };
            return Err(Refusal::unacceptable(&kind.group, &named, &name, &[cause]));
        }
        body["apiVersion"] = expected.into();
        body["kind"] = kind.kind.clone().into();
        if !body["metadata"].is_object() {
            if !body["metadata"].is_null() {
                return Err(Refusal::bad_request("metadata: must be an object"));
            }
            body["metadata"] = Value::Object(<_>::default());
        }
        match &self.target.name {
            Some(expected) if !name.is_empty() && *expected != name => {
                let why = format!("the name of the object ({name}) does not match the name on the URL ({expected})");
                return Err(Refusal::bad_request(why));
            }
            Some(expected) => body["metadata"]["name"] = expected.clone().into(),
            None => {}
        }
        match (&self.target.namespace, body["metadata"]["namespace"].as_str().unwrap_or_default()) {
            (Some(expected), given) if !given.is_empty() && given != expected => {
                let why = "the namespace of the provided object does not match the namespace sent on the request";
                return Err(Refusal::bad_request(why));
            }
            (Some(expected), _) => body["metadata"]["namespace"] = expected.clone().into(),
            (None, given) if kind.is_namespaced() && self.target.name.is_none() && given.is_empty() => {
                return Err(Refusal::bad_request("an empty namespace may not be set during creation"));
            }
            (None, _) => {
                if let Some(metadata) = body["metadata"].as_object_mut() {
                    metadata.remove("namespace");
                }
            }
        }
        Ok(())
    }

    /// Drops what the schema does not know, as asked for, and fills in defaults.
    fn decode(&mut self, body: &mut Value) -> Result<(), Refusal> {
        self.prune(body)?;
        self.kind.schema.default(body);
        Ok(())
    }

    fn prune(&mut self, body: &mut Value) -> Result<(), Refusal> {
        let unknown = self.kind.schema.prune(body);
        let told: Vec<_> = unknown.iter().map(|path| format!("unknown field \"{path}\"")).collect();
        self.unknown(told)
    }

    /// Deals with what a strict reading of the body objects to.
    pub fn unknown(&mut self, told: Vec<String>) -> Result<(), Refusal> {
        match self.options.validation {
            FieldValidation::Strict if !told.is_empty() => Err(self.unreadable(&format!("strict decoding error: {}", told.join(", ")))),
            FieldValidation::Warn => {
                for line in told {
                    if !self.warnings.contains(&line) {
                        self.warnings.push(line);
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn unreadable(&self, why: &str) -> Refusal {
        let kind = &self.kind;
        Refusal::bad_request(format!("{} in version \"{}\" cannot be handled as a {}: {why}", kind.kind, kind.version, kind.kind))
    }

    /// What the server alone decides stays; a client that leaves it out means no change.
    fn keeps_identity(&self, old: &Value, new: &mut Value) -> Result<(), Refusal> {
        object::keep_system_fields(old, new);
        let added = object::added_finalizers(old, new);
        if old["metadata"]["deletionTimestamp"].is_string() && !added.is_empty() {
            let cause = Cause {
                reason: "FieldValueForbidden",
                message: format!(
                    "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                    added.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
                ),
                field: "metadata.finalizers".into(),
            };
            return Err(Refusal::invalid(&self.kind, old["metadata"]["name"].as_str().unwrap_or_default(), &[cause]));
        }
        Ok(())
    }

    fn validate(&self, new: &mut Value, old: Option<&Value>) -> Result<(), Refusal> {
        let kind = &self.kind;
        if let Some(why) = metadata::misfit(&new["metadata"]) {
            return Err(Refusal::bad_request(why));
        }
        let mut causes = metadata::validate_metadata(kind, &new["metadata"], old.map(|old| &old["metadata"]));
        causes.extend(admit::validate(kind, new, old));
        let shape = match old {
            Some(old) if self.part == Part::Status && kind.origin == Origin::Custom => kind.schema.validate_status(new, old),
            old => kind.schema.validate(new, old),
        };
        if kind.origin == Origin::BuiltIn && !shape.is_empty() {
            // A real server cannot even decode such an object.
            let told: Vec<_> = shape.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
            return Err(self.unreadable(&told.join(", ")));
        }
        causes.extend(shape);
        if causes.is_empty() {
            return Ok(());
        }
        Err(Refusal::invalid(kind, new["metadata"]["name"].as_str().unwrap_or_default(), &causes))
    }
}

/// How the owners of fields come about.
enum Managed {
    /// Whatever changed belongs to the one who changed it.
    Changed(Manager),
    /// They are said in the object already.
    Done,
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
