//! Environment variables that providers read.

use std::collections::BTreeMap;
use std::fmt;

/// The environment of this process, as far as it speaks of identities: the variables of AWS, Azure and Google Cloud.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// A variable that is set and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(variables: T) -> Self {
        let concerns = |name: &str| {
            ["AWS_", "AZURE_", "GCE_METADATA_", "GOOGLE_", "CLOUDSDK_API_ENDPOINT_OVERRIDES_"].iter().any(|prefix| name.starts_with(prefix))
        };
        Self(variables.into_iter().filter(|(name, _)| concerns(name)).collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
