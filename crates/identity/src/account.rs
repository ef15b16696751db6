//! Service accounts.

use std::collections::BTreeMap;

use futures::future::BoxFuture;

/// Whatever an [`Account`] failed with. Must hold no secret.
pub type AccountError = Box<dyn std::error::Error + Send + Sync>;

/// A service account whose identity is used in place of the controller's.
pub trait Account: Send + Sync {
    /// Its namespace.
    fn namespace(&self) -> &str;
    /// Its name.
    fn name(&self) -> &str;
    /// Its annotations, which say what it is to a provider.
    fn annotations(&self) -> BoxFuture<'_, Result<BTreeMap<String, String>, AccountError>>;
    /// A new token of it, for `audience`.
    fn token<'a>(&'a self, audience: &'a str) -> BoxFuture<'a, Result<String, AccountError>>;
}
