//! Credentials that somebody issues for the object, in place of those of a Secret.

use futures::future::BoxFuture;
use headwater_api::git_repository::{self, GitRepository};
use headwater_api::reason;
use headwater_http::{Basic, Credentials, Proxy, Trust};
use kube::ResourceExt;
use secrecy::ExposeSecret as _;

use super::plan::{Issuer, Plan};
use crate::cluster::tokens::{Named, ServiceAccount};
use crate::reconcile::Ctx;
use crate::reconcile::failure::Failure;
use headwater_git as git;
use headwater_identity::{self as auth, Account, AccountError, Object, Provider, Request};

/// What this process is to those who issue credentials.
#[derive(Clone)]
pub struct Identities {
    /// What its environment says.
    pub environment: auth::Environment,
    /// What was issued before.
    pub cache: auth::Cache,
    /// The service account of objects that name none; the process itself where this is empty.
    pub default_account: String,
    /// Whether objects may name a service account.
    pub named_accounts: NamedAccounts,
}

/// Whether objects may name a service account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NamedAccounts {
    /// Their objects stall.
    #[default]
    Refused,
    /// They are used.
    Allowed,
}

/// The credentials for the plan's repository, once whoever issues them was asked; and where they are issued, whose they are.
pub async fn credentials(object: &GitRepository, plan: &Plan, cx: &Ctx) -> Result<(Credentials, Option<String>), Failure> {
    let Some(issuer) = &plan.issuer else { return Ok((plan.credentials.clone(), None)) };
    let identities = &cx.identities;
    let namespace = object.namespace().unwrap_or_default();
    let account = match (issuer, object.spec.service_account_name.as_deref()) {
        (Issuer::GitHub(_), _) => None,
        (_, Some(name)) if identities.named_accounts == NamedAccounts::Allowed => Some((name, Named::ByObject)),
        (_, Some(_)) => {
            let message = "to use spec.serviceAccountName for provider authentication please enable the ObjectLevelWorkloadIdentity feature \
                           gate in the controller";
            return Err(Failure::fetch(reason::FEATURE_GATE_DISABLED, message).stalled());
        }
        (_, None) => Some((identities.default_account.as_str(), Named::ByDefault))
            .filter(|(name, _)| !name.is_empty() && identities.named_accounts == NamedAccounts::Allowed),
    };
    let account = account.map(|(name, named)| ServiceAccount::new(&cx.client, &namespace, name, named));
    let provider = match issuer {
        Issuer::GitHub(app) => Provider::GitHub((**app).clone()),
        Issuer::Azure => Provider::Azure,
        Issuer::Aws => Provider::Aws,
    };
    let trust = match issuer {
        Issuer::GitHub(_) => plan.trust.without_certificate(),
        _ => Trust::default(),
    };
    let secrets = plan.url.secrets();
    let failed = |what: String| {
        let what = secrets.redact(&what);
        Failure::fetch(reason::AUTHENTICATION_FAILED, format!("failed to configure authentication options: {what}"))
    };
    let http = cx.clients.get(&trust, plan.proxy.as_ref());
    let http = http.map_err(|why| failed(git::Error::unusable(&plan.url, why).to_string()))?;
    let route = route(&trust, plan.proxy.as_ref());
    let request = Request {
        url: &plan.url,
        account: account.as_ref().map(|account| account as &dyn Account),
        http: &http,
        route: &route,
        environment: &identities.environment,
        cache: &identities.cache,
        object: &cached(&namespace, &object.name_any()),
    };
    let given = auth::credentials(&provider, &request).await.map_err(|error| failed(error.to_string()))?;
    Ok((given.credentials, Some(given.identity)))
}

/// Tells ways to an issuer apart. A part of what mirrors on disk are named after, so it stays as it is.
fn route(trust: &Trust, proxy: Option<&Proxy>) -> String {
    let basic = |basic: &Basic| (basic.user.expose_secret().to_owned(), basic.password.expose_secret().to_owned());
    format!("{:?} {:?}", trust.ca, proxy.map(|proxy| (proxy.url.as_str(), proxy.basic.as_ref().map(basic))))
}

/// How the cache of tokens calls an object.
pub fn cached(namespace: &str, name: &str) -> Object {
    Object { kind: git_repository::KIND, namespace: namespace.to_owned(), name: name.to_owned() }
}

impl Account for ServiceAccount {
    fn namespace(&self) -> &str {
        &self.namespace
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn annotations(&self) -> BoxFuture<'_, Result<std::collections::BTreeMap<String, String>, AccountError>> {
        Box::pin(async move { Self::annotations(self).await.map_err(Into::into) })
    }

    fn token<'a>(&'a self, audience: &'a str) -> BoxFuture<'a, Result<String, AccountError>> {
        Box::pin(async move { Self::token(self, audience).await.map_err(Into::into) })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use headwater_http::SafeUrl;

    use super::*;

    #[test]
    fn ways_to_an_issuer_are_called_as_they_always_were() {
        let ca = Trust { ca: Some(b"CA".to_vec()), certificate: None };
        let proxy = |url: &str| Proxy::at(SafeUrl::parse(url).unwrap());
        assert_eq!(route(&Trust::default(), None), "None None");
        assert_eq!(route(&ca, Some(&proxy("http://u:p@proxy"))), r#"Some([67, 65]) Some(("http://proxy/", Some(("u", "p"))))"#);
        assert_eq!(route(&Trust::default(), Some(&proxy("http://proxy"))), r#"None Some(("http://proxy/", None))"#);
    }
}
