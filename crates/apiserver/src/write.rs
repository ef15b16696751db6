//! Create, update and patch: every way to a new state of an object leads through the same steps.
//!
//! The new state is computed from the stored one and written only if that is still the stored one; otherwise it is computed
//! again, unless the client said which version it means.

mod checks;
mod patching;

use std::sync::Arc;

use headwater_golang::quote;
use serde_json::Value;

use super::fields::{self, Endpoint, Manager, Operation};
use super::kind::{Generation, Kind, Status};
use super::object;
use super::refusal::Refusal;
use super::request::{DryRun, Target, WriteOptions};
use super::schema::Cause;
use super::store::{Key, Stored};
use super::{ApiServer, admit, view};
use checks::keeps_times;
pub use patching::{PatchForm, read_patch};

/// How often a write is computed again when others were faster.
pub const ATTEMPTS: usize = 8;

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
            let cause = Cause::invalid("metadata.resourceVersion", &0.into(), "must be specified for an update");
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

    /// Writes an object that is not there yet.
    async fn insert(&mut self, mut new: Value, managed: Managed) -> Result<Written, Refusal> {
        let kind = Arc::clone(&self.kind);
        self.check_types(&new)?;
        admit::namespace_takes_content(self.server, &kind, &new)?;
        self.warn_of_finalizers(&Value::Null, &new);
        object::stamp(&kind, &mut new);
        // Nothing has had a status before.
        let mut new = object::with_status_of(&kind, new, &Value::Null);
        admit::complete(&kind, &mut new, &Value::Null);
        if let Managed::Changed(manager) = managed {
            fields::updated(&Value::Null, &mut new, &manager, kind.schema.props(), self.endpoint());
        }
        admit::establish(&kind, &mut new, &Value::Null);
        kind.schema.default(&mut new);
        self.validate(&mut new, None)?;
        admit::fill(&kind, &mut new);
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
        self.check_types(&new)?;
        let mut new = new;
        keeps_times(&kind, old, &new)?;
        self.warn_of_finalizers(old, &new);
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
        admit::fill(&kind, &mut new);
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
            Err(_) => Err(Refusal::plain(format!("strconv.ParseUint: parsing {}: invalid syntax", quote(version)))),
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
}

/// How the owners of fields come about.
enum Managed {
    /// Whatever changed belongs to the one who changed it.
    Changed(Manager),
    /// They are said in the object already.
    Done,
}
