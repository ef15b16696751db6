//! What a kind of objects is: its names, where it lives, and what its objects look like.

use std::sync::Arc;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceColumnDefinition;

use super::schema::Schema;

/// One version of one kind, as clients see it.
#[derive(Debug, Clone)]
#[expect(clippy::struct_field_names, reason = "kind and list kind are what the API calls them")]
pub struct Kind {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version, such as `v1`.
    pub version: String,
    /// The name of the kind, such as `GitRepository`.
    pub kind: String,
    /// The name of its lists, such as `GitRepositoryList`.
    pub list_kind: String,
    /// The name in paths, such as `gitrepositories`.
    pub plural: String,
    /// The name for one, in lower case.
    pub singular: String,
    /// What kubectl takes instead of the plural.
    pub short_names: Vec<String>,
    /// Groups of kinds that kubectl lists together, such as `all`.
    pub categories: Vec<String>,
    /// Whether its objects live in namespaces.
    pub scope: Scope,
    /// Whether the status has an endpoint of its own, and is then written nowhere else.
    pub status: Status,
    /// Whether objects of this kind have a generation.
    pub generation: Generation,
    /// What its objects look like.
    pub schema: Arc<Schema>,
    /// What `kubectl get` shows beside the name. Empty for kinds with columns of their own code and for those that show their age only.
    pub columns: Vec<CustomResourceColumnDefinition>,
    /// Where it comes from.
    pub origin: Origin,
    /// A warning for those who still use this version.
    pub deprecation: Option<String>,
}

/// Whether objects live in namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// In one.
    Namespaced,
    /// In none.
    Cluster,
}

/// Whether there is a status endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Written only there.
    Subresource,
    /// A field like any other.
    Field,
}

/// Whether objects count their changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// Every change besides metadata and status counts.
    Counted,
    /// Not at all.
    Absent,
}

/// Where a kind comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Known to every server.
    BuiltIn,
    /// Defined by a CustomResourceDefinition.
    Custom,
}

impl Kind {
    /// `apiVersion` of its objects.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The name under which its objects are stored, whatever their version: `gitrepositories.source.toolkit.fluxcd.io`, `secrets`.
    pub fn resource(&self) -> String {
        if self.group.is_empty() { self.plural.clone() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// Whether its objects live in namespaces.
    pub fn is_namespaced(&self) -> bool {
        self.scope == Scope::Namespaced
    }
}
