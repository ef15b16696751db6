//! Credentials that somebody issues for the object, in place of those of a Secret.

use futures::future::BoxFuture;
use headwater_api::git_repository::{self, GitRepository};
use headwater_api::reason;
use kube::ResourceExt;

use super::plan::{Issuer, Plan};
use crate::cluster::tokens::{Named, ServiceAccount};
use crate::fetch::auth::{self, Account, AccountError, Object, Provider, Request, Secret};
use crate::fetch::git::{self, Auth};
use crate::reconcile::Ctx;
use crate::reconcile::failure::Failure;

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

/// How the plan's repository lets us in, once whoever issues credentials for it was asked.
pub async fn auth(object: &GitRepository, plan: &Plan, cx: &Ctx) -> Result<Auth, Failure> {
    let Some(issuer) = &plan.issuer else { return Ok(plan.auth.clone()) };
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
        Issuer::GitHub(_) => Auth { ca: plan.auth.ca.clone(), ..Auth::default() },
        _ => Auth::default(),
    };
    let secrets = plan.url.secrets();
    let failed = |what: String| {
        let what = secrets.redact(&what);
        Failure::fetch(reason::AUTHENTICATION_FAILED, format!("failed to configure authentication options: {what}"))
    };
    let http = git::client(&cx.git_clients, &trust, plan.proxy.as_ref(), &plan.url).map_err(|error| failed(error.to_string()))?;
    let route = format!("{:?} {:?}", trust.ca, plan.proxy.as_ref().map(|proxy| (proxy.url.as_str(), &proxy.basic)));
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
    let (basic, bearer) = match given.secret {
        Secret::Basic { username, password } => (Some((username, password)), None),
        Secret::Bearer(token) => (None, Some(token)),
    };
    Ok(Auth { basic, bearer, identity: Some(given.identity), ..plan.auth.clone() })
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
