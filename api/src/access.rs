//! Who, outside of an object's namespace, may refer to it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::lenient;

/// The namespaces whose objects may refer to this one. Part of the API, but without effect so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(!default)]
pub struct AccessFrom {
    /// Selectors of namespaces; a namespace that one of them matches has access.
    #[serde(deserialize_with = "lenient::or_default")]
    pub namespace_selectors: Vec<NamespaceSelector>,
}

/// Selects namespaces by their labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(!default)]
pub struct NamespaceSelector {
    /// Labels that a namespace must have, all of them, with these values. Without any, every namespace matches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub match_labels: Option<BTreeMap<String, String>>,
}
