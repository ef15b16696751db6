//! Credentials of a registry.

use headwater_http::{self as http, Basic};
use secrecy::SecretString;

/// Credentials, used once the registry asks for them.
#[derive(Clone, Debug, Default)]
pub enum Credentials {
    /// Not at all; an anonymous token is fetched where the registry wants one.
    #[default]
    Anonymous,
    /// A user and a password, shown to the registry or to its token endpoint.
    Basic(Basic),
    /// A refresh token, which Docker calls an identity token: the token endpoint gives access tokens for it.
    Refresh(SecretString),
    /// An access token, shown to the registry as it is.
    Access(SecretString),
}

impl Credentials {
    /// The same as HTTP knows them, and true if they are a refresh token, which HTTP does not know.
    pub(crate) fn as_http(&self) -> (http::Credentials, bool) {
        match self {
            Self::Anonymous => (http::Credentials::Anonymous, false),
            Self::Basic(basic) => (http::Credentials::Basic(basic.clone()), false),
            Self::Refresh(token) => (http::Credentials::Bearer(token.clone()), true),
            Self::Access(token) => (http::Credentials::Bearer(token.clone()), false),
        }
    }
}

impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        self.as_http() == other.as_http()
    }
}

impl Eq for Credentials {}

impl From<http::Credentials> for Credentials {
    fn from(credentials: http::Credentials) -> Self {
        match credentials {
            http::Credentials::Anonymous => Self::Anonymous,
            http::Credentials::Basic(basic) => Self::Basic(basic),
            http::Credentials::Bearer(token) => Self::Access(token),
        }
    }
}
