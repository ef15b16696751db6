//! All kinds that are served at a moment.

use std::sync::Arc;

use super::kind::{Kind, Scope};

/// An immutable set of kinds; a new one takes its place when a definition changes.
#[derive(Debug, Default)]
pub struct Kinds(Vec<Arc<Kind>>);

impl Kinds {
    /// A set in which the first of two of the same name counts.
    pub fn new(kinds: Vec<Kind>) -> Self {
        let mut all = Self::default();
        for kind in kinds {
            if all.find(&kind.group, &kind.version, &kind.plural).is_none() {
                all.0.push(Arc::new(kind));
            }
        }
        all
    }

    /// Every version of every kind.
    pub fn all(&self) -> &[Arc<Kind>] {
        &self.0
    }

    /// The kind with that plural.
    pub fn find(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Kind>> {
        self.0.iter().find(|kind| kind.group == group && kind.version == version && kind.plural == plural).cloned()
    }

    /// Any version of the kind that an owner reference names.
    pub fn named(&self, api_version: &str, kind: &str) -> Option<Arc<Kind>> {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        self.0.iter().find(|found| found.group == group && found.kind == kind).cloned()
    }

    /// The kind whose objects are stored under that name.
    pub fn stored_as(&self, resource: &str) -> Option<Arc<Kind>> {
        self.0.iter().find(|kind| kind.resource() == resource).cloned()
    }

    /// One version of each kind whose objects live in namespaces.
    pub fn namespaced(&self) -> Vec<Arc<Kind>> {
        let mut found: Vec<Arc<Kind>> = Vec::new();
        for kind in self.0.iter().filter(|kind| kind.scope == Scope::Namespaced) {
            if !found.iter().any(|k| k.group == kind.group && k.plural == kind.plural) {
                found.push(Arc::clone(kind));
            }
        }
        found
    }
}
