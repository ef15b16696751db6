//! Objects that a source refers to by name.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::api::Api;

use crate::telemetry;

/// The data of a Secret.
pub type Data = BTreeMap<String, Vec<u8>>;

/// Why a Secret could not be read. Never holds its contents.
#[derive(Debug, thiserror::Error)]
#[error("failed to get secret '{namespace}/{name}': {why}")]
pub struct Error {
    namespace: String,
    name: String,
    why: String,
    missing: bool,
}

impl Error {
    /// Whether there is no such Secret.
    pub fn is_missing(&self) -> bool {
        self.missing
    }

    /// What the server said, without the name of the Secret.
    pub fn why(&self) -> &str {
        &self.why
    }
}

/// A Secret with its type, which says what its keys mean.
#[derive(Clone, Default)]
pub struct Typed {
    /// The type.
    pub type_: String,
    /// The data.
    pub data: Data,
}

/// Reads the data of a Secret.
pub async fn secret(client: &kube::Client, namespace: &str, name: &str) -> Result<Data, Error> {
    Ok(typed(client, namespace, name).await?.data)
}

/// Reads a Secret.
pub async fn typed(client: &kube::Client, namespace: &str, name: &str) -> Result<Typed, Error> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let found = api.get(name).await.map_err(|error| Error {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        why: telemetry::told(&error),
        missing: matches!(&error, kube::Error::Api(status) if status.code == 404),
    })?;
    let data = found.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect();
    Ok(Typed { type_: found.type_.unwrap_or_default(), data })
}
