//! Service accounts that sources act as: what their annotations say, and tokens of them.

use std::collections::BTreeMap;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1;
use kube::api::{Api, PostParams};

use crate::telemetry;

/// Who named a service account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// The object itself.
    ByObject,
    /// The controller's setting for objects that name none.
    ByDefault,
}

/// Why a service account could not be read or no token of it was issued. Holds no token.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be read.
    #[error("failed to get service account '{account}': {why}")]
    Read {
        /// Namespace and name.
        account: String,
        /// What the server said.
        why: String,
    },
    /// The controller's default does not exist where the object is.
    #[error(
        "failed to get service account '{account}': the specified default service account does not exist in the object namespace. your \
         cluster is subject to multi-tenant workload identity lockdown, reach out to your cluster administrator for help"
    )]
    NoDefault {
        /// Namespace and name.
        account: String,
    },
    /// No token was issued.
    #[error("failed to create kubernetes token for service account '{account}': {why}")]
    Token {
        /// Namespace and name.
        account: String,
        /// What the server said.
        why: String,
    },
}

/// A service account.
#[derive(Clone)]
pub struct ServiceAccount {
    api: Api<v1::ServiceAccount>,
    /// Where it lives.
    pub namespace: String,
    /// What it is called.
    pub name: String,
    named: Named,
}

impl ServiceAccount {
    /// The account of this name, which need not exist.
    pub fn new(client: &kube::Client, namespace: &str, name: &str, named: Named) -> Self {
        let api = Api::namespaced(client.clone(), namespace);
        Self { api, namespace: namespace.to_owned(), name: name.to_owned(), named }
    }

    /// Its annotations.
    ///
    /// # Errors
    /// [`Error::Read`], and [`Error::NoDefault`] where the controller's default is missing.
    pub async fn annotations(&self) -> Result<BTreeMap<String, String>, Error> {
        let account = || format!("{}/{}", self.namespace, self.name);
        match self.api.get(&self.name).await {
            Ok(found) => Ok(found.metadata.annotations.unwrap_or_default()),
            Err(kube::Error::Api(status)) if status.code == 404 => Err(match self.named {
                Named::ByObject => Error::Read { account: account(), why: format!("ServiceAccount \"{}\" not found", self.name) },
                Named::ByDefault => Error::NoDefault { account: account() },
            }),
            Err(error) => Err(Error::Read { account: account(), why: telemetry::told(&error) }),
        }
    }

    /// A new token of it for `audience`, good for as long as the API server sees fit; by default that is an hour.
    ///
    /// # Errors
    /// [`Error::Token`].
    pub async fn token(&self, audience: &str) -> Result<String, Error> {
        let failed = |why| Error::Token { account: format!("{}/{}", self.namespace, self.name), why };
        let spec = TokenRequestSpec { audiences: Some(vec![audience.to_owned()]), ..TokenRequestSpec::default() };
        let wanted = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
        let issued = self.api.create_token_request(&self.name, &PostParams::default(), &wanted).await;
        let issued = issued.map_err(|error| failed(telemetry::told(&error)))?;
        issued
            .status
            .and_then(|status| status.token)
            .filter(|token| !token.is_empty())
            .ok_or_else(|| failed("the answer holds no token".into()))
    }
}

#[cfg(test)]
mod tests;
