//! Feature gates: a fixed set, an unknown one is an error.

use std::str::FromStr;

use super::parse;

/// A gate and the state it was given, as in `CacheSecretsAndConfigMaps=true`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Whether Secrets and ConfigMaps are cached.
    CacheSecretsAndConfigMaps(bool),
    /// Whether objects may name the service account they authenticate as.
    ObjectLevelWorkloadIdentity(bool),
}

impl FromStr for Gate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or_else(|| format!("missing state of {text:?}: expected Name=true or Name=false"))?;
        let state = parse::switch(value.trim()).map_err(|error| format!("invalid state of {name:?}: {error}"))?;
        match name.trim() {
            "CacheSecretsAndConfigMaps" => Ok(Self::CacheSecretsAndConfigMaps(state)),
            "ObjectLevelWorkloadIdentity" => Ok(Self::ObjectLevelWorkloadIdentity(state)),
            name => Err(format!("feature-gate '{name}' not supported")),
        }
    }
}

/// The state of every gate; all are off unless turned on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gates {
    /// Whether Secrets and ConfigMaps are cached.
    pub cache_secrets_and_config_maps: bool,
    /// Whether objects may name the service account they authenticate as.
    pub object_level_workload_identity: bool,
}

impl Gates {
    /// The defaults with `given` laid over them, the last of a name winning.
    pub(super) fn with(given: &[Gate]) -> Self {
        let mut gates = Self::default();
        for gate in given {
            match *gate {
                Gate::CacheSecretsAndConfigMaps(state) => gates.cache_secrets_and_config_maps = state,
                Gate::ObjectLevelWorkloadIdentity(state) => gates.object_level_workload_identity = state,
            }
        }
        gates
    }
}
