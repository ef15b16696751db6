//! What a new state has to be like before it is written.

use headwater_golang::quote;
use serde_json::Value;

use super::{Part, Write};
use crate::kind::{Kind, Origin};
use crate::refusal::Refusal;
use crate::request::{self, APPLY, FieldValidation, MISTAKES};
use crate::schema::{Cause, metadata};
use crate::{admit, object};

impl Write<'_> {
    /// Makes sure that the body is what the path says; what it leaves out is filled in.
    pub(super) fn identify(&self, body: &mut Value) -> Result<(), Refusal> {
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
            let cause = Cause::invalid("kind", &named.as_str().into(), &format!("must be {}", kind.kind));
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
    pub(super) fn decode(&mut self, body: &mut Value) -> Result<(), Refusal> {
        self.prune(body)?;
        self.kind.schema.default(body);
        Ok(())
    }

    pub(super) fn prune(&mut self, body: &mut Value) -> Result<(), Refusal> {
        let unknown = self.kind.schema.prune(body);
        let told = unknown.iter().take(MISTAKES).map(|path| format!("unknown field {}", quote(request::shortened(path)))).collect();
        self.unknown(told)
    }

    /// Deals with fields that stand twice in a body of this media type.
    pub fn refuse_duplicates(&mut self, body: &[u8], media_type: &str) -> Result<(), Refusal> {
        // Reading it once more is for nothing where nobody is told.
        if self.options.validation == FieldValidation::Ignore {
            return Ok(());
        }
        if !media_type.ends_with("yaml") {
            return self.unknown(request::duplicates(body));
        }
        let told = request::yaml_duplicates(body);
        if self.options.validation != FieldValidation::Strict || told.is_empty() {
            return self.unknown(told);
        }
        let why = format!("yaml: unmarshal errors:\n  {}", told.join("\n  "));
        Err(if media_type == APPLY {
            Refusal::bad_request(format!("error strict decoding YAML: error converting YAML to JSON: {why}"))
        } else {
            self.unreadable(&format!("strict decoding error: {why}"))
        })
    }

    /// Deals with what a strict reading of the body objects to.
    fn unknown(&mut self, told: Vec<String>) -> Result<(), Refusal> {
        match self.options.validation {
            FieldValidation::Strict if !told.is_empty() => Err(self.unreadable(&format!("strict decoding error: {}", told.join(", ")))),
            FieldValidation::Warn => {
                for line in told {
                    self.warn(line);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn warn(&mut self, line: String) {
        if self.warnings.len() < MISTAKES && !self.warnings.contains(&line) {
            self.warnings.push(line);
        }
    }

    fn unreadable(&self, why: &str) -> Refusal {
        let kind = &self.kind;
        Refusal::bad_request(format!("{} in version \"{}\" cannot be handled as a {}: {why}", kind.kind, kind.version, kind.kind))
    }

    /// New finalizers without a path get a warning on custom objects; on others they are refused.
    pub(super) fn warn_of_finalizers(&mut self, old: &Value, new: &Value) {
        if self.kind.origin == Origin::BuiltIn || self.part == Part::Status {
            return;
        }
        for name in object::added_finalizers(old, new) {
            if name.contains('/') || ["orphan", "foregroundDeletion", "kubernetes"].contains(&&*name) {
                continue;
            }
            let path = if name.contains('.') { " including a path (/)" } else { "" };
            let why = format!("prefer a domain-qualified finalizer name{path} to avoid accidental conflicts with other finalizer writers");
            self.warn(format!("metadata.finalizers: {}: {why}", quote(&name)));
        }
    }

    /// What the server alone decides stays; a client that leaves it out means no change.
    pub(super) fn keeps_identity(&self, old: &Value, new: &mut Value) -> Result<(), Refusal> {
        object::keep_system_fields(old, new);
        let added = object::added_finalizers(old, new);
        if old["metadata"]["deletionTimestamp"].is_string() && !added.is_empty() {
            let added = added.iter().map(|name| quote(name)).collect::<Vec<_>>().join(", ");
            let why = format!("no new finalizers can be added if the object is being deleted, found new finalizers []string{{{added}}}");
            let cause = Cause::forbidden("metadata.finalizers", &why);
            return Err(Refusal::invalid(&self.kind, old["metadata"]["name"].as_str().unwrap_or_default(), &[cause]));
        }
        Ok(())
    }

    /// Refuses what has not even the types of its kind, before anything is written into it.
    pub(super) fn check_types(&self, new: &Value) -> Result<(), Refusal> {
        if let Some(why) = metadata::misfit(&new["metadata"]) {
            return Err(Refusal::bad_request(why));
        }
        if let Some(why) = request::unwieldy(new) {
            return Err(Refusal::bad_request(why));
        }
        if self.kind.origin == Origin::Custom {
            return Ok(());
        }
        // Nothing at all is of any type.
        let is_mistyped = |cause: &Cause| cause.reason == "FieldValueTypeInvalid" && !cause.message.ends_with("\"null\"");
        let mut causes = self.kind.schema.validate(new, None).into_iter().filter(|cause| !is_nothing_in_base64(cause));
        match causes.find(is_mistyped) {
            Some(cause) => Err(self.unreadable(&format!("{}: {}", cause.field, cause.message))),
            None => Ok(()),
        }
    }

    pub(super) fn validate(&self, new: &mut Value, old: Option<&Value>) -> Result<(), Refusal> {
        let kind = &self.kind;
        let mut causes = metadata::validate_metadata(kind, &new["metadata"], old.map(|old| &old["metadata"]));
        causes.extend(admit::validate(kind, new, old));
        let mut shape = match old {
            Some(old) if self.part == Part::Status && kind.origin == Origin::Custom => kind.schema.validate_status(new, old),
            old => kind.schema.validate(new, old),
        };
        if kind.origin != Origin::Custom {
            shape.retain(|cause| !is_nothing_in_base64(cause));
        }
        if kind.origin == Origin::BuiltIn && !shape.is_empty() {
            // A real server cannot even decode such an object.
            let told: Vec<_> = shape.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
            return Err(self.unreadable(&told.join(", ")));
        }
        causes.extend(shape);
        causes.truncate(MISTAKES);
        if causes.is_empty() {
            return Ok(());
        }
        Err(Refusal::invalid(kind, new["metadata"]["name"].as_str().unwrap_or_default(), &causes))
    }
}

/// When an object goes is for the server alone to say.
pub(super) fn keeps_times(kind: &Kind, old: &Value, new: &Value) -> Result<(), Refusal> {
    let changed = ["deletionTimestamp", "deletionGracePeriodSeconds"].into_iter().filter_map(|field| {
        let (before, after) = (&old["metadata"][field], &new["metadata"][field]);
        (!after.is_null() && after != before).then(|| Cause::invalid(&format!("metadata.{field}"), after, "field is immutable"))
    });
    let causes: Vec<_> = changed.collect();
    if causes.is_empty() { Ok(()) } else { Err(Refusal::invalid(kind, old["metadata"]["name"].as_str().unwrap_or_default(), &causes)) }
}

/// Whether all that is wrong is that a text in base64 is empty: a schema refuses that, but the built-in kinds take it.
fn is_nothing_in_base64(cause: &Cause) -> bool {
    cause.message.ends_with("must be of type byte: \"\"")
}
