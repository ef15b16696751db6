//! Credentials, and the header that carries them.

use base64::Engine as _;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use crate::fingerprint::fingerprint;
use crate::{Secrets, decode};

/// The credentials for a server.
///
/// Compared by digests.
#[derive(Clone, Debug, Default)]
pub enum Credentials {
    /// None.
    #[default]
    Anonymous,
    /// A user and a password.
    Basic(Basic),
    /// A bearer token (RFC 6750).
    Bearer(SecretString),
}

/// A user and a password, for basic authentication (RFC 7617). Compared by digests. The user is a secret, too: some servers take tokens there.
#[derive(Clone, Debug, Default)]
pub struct Basic {
    /// The user.
    pub user: SecretString,
    /// The password.
    pub password: SecretString,
}

/// The credentials hold characters that no header can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the credentials cannot be sent in an HTTP header")]
pub struct Unsendable;

impl Credentials {
    /// A user and a password.
    pub fn basic(user: impl Into<SecretString>, password: impl Into<SecretString>) -> Self {
        Self::Basic(Basic::new(user, password))
    }

    /// A token.
    pub fn bearer(token: impl Into<SecretString>) -> Self {
        Self::Bearer(token.into())
    }

    /// The user and the password, if that is what there is.
    pub fn as_basic(&self) -> Option<&Basic> {
        if let Self::Basic(basic) = self { Some(basic) } else { None }
    }

    /// The token, if that is what there is.
    pub fn as_bearer(&self) -> Option<&SecretString> {
        if let Self::Bearer(token) = self { Some(token) } else { None }
    }

    /// The value of `Authorization`; `None` for nobody.
    ///
    /// # Errors
    /// [`Unsendable`].
    pub fn authorization(&self) -> Result<Option<HeaderValue>, Unsendable> {
        match self {
            Self::Anonymous => Ok(None),
            Self::Basic(basic) => basic.authorization().map(Some),
            Self::Bearer(token) => sensitive(&format!("Bearer {}", token.expose_secret())).map(Some),
        }
    }

    /// The texts that give these credentials away.
    pub fn secrets(&self) -> Secrets {
        match self {
            Self::Anonymous => Secrets::default(),
            Self::Basic(basic) => basic.secrets(),
            Self::Bearer(token) => [token.expose_secret()].into_iter().collect(),
        }
    }

    fn fingerprint(&self) -> [u8; 32] {
        match self {
            Self::Anonymous => fingerprint([]),
            Self::Basic(basic) => basic.fingerprint(),
            Self::Bearer(token) => fingerprint([token.expose_secret().as_bytes()]),
        }
    }
}

impl From<Option<Basic>> for Credentials {
    fn from(basic: Option<Basic>) -> Self {
        basic.map_or(Self::Anonymous, Self::Basic)
    }
}

impl Basic {
    /// A user and a password.
    pub fn new(user: impl Into<SecretString>, password: impl Into<SecretString>) -> Self {
        Self { user: user.into(), password: password.into() }
    }

    /// The user and the password that `url` holds, if either is there and not empty.
    pub fn of_url(url: &Url) -> Option<Self> {
        let (user, password) = (decode(url.username()), decode(url.password().unwrap_or_default()));
        (!user.is_empty() || !password.is_empty()).then(|| Self::new(user, password))
    }

    /// True where both the user and the password are empty.
    pub fn is_empty(&self) -> bool {
        self.user.expose_secret().is_empty() && self.password.expose_secret().is_empty()
    }

    /// True where neither the user nor the password is empty.
    pub fn is_complete(&self) -> bool {
        !self.user.expose_secret().is_empty() && !self.password.expose_secret().is_empty()
    }

    /// The value of `Authorization`.
    ///
    /// # Errors
    /// [`Unsendable`].
    pub fn authorization(&self) -> Result<HeaderValue, Unsendable> {
        sensitive(&format!("Basic {}", self.encode()))
    }

    /// The texts that give the password away.
    pub fn secrets(&self) -> Secrets {
        [self.encode().as_str(), self.password.expose_secret()].into_iter().collect()
    }

    /// User and password as the header has them.
    fn encode(&self) -> String {
        let plain = format!("{}:{}", self.user.expose_secret(), self.password.expose_secret());
        base64::engine::general_purpose::STANDARD.encode(plain)
    }

    fn fingerprint(&self) -> [u8; 32] {
        fingerprint([self.user.expose_secret().as_bytes(), self.password.expose_secret().as_bytes()])
    }
}

impl PartialEq for Basic {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint() == other.fingerprint()
    }
}

impl Eq for Basic {}

impl PartialEq for Credentials {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint() == other.fingerprint()
    }
}

impl Eq for Credentials {}

/// A header that is printed nowhere.
fn sensitive(text: &str) -> Result<HeaderValue, Unsendable> {
    let mut value = HeaderValue::from_str(text).map_err(|_| Unsendable)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn headers_are_those_of_the_specifications_and_print_nothing() {
        let basic = Credentials::basic("Aladdin", "open sesame").authorization().unwrap().unwrap();
        assert_eq!(basic.to_str().unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        let bearer = Credentials::bearer("t0ken").authorization().unwrap().unwrap();
        assert_eq!(bearer.to_str().unwrap(), "Bearer t0ken");
        assert_eq!(format!("{basic:?} {bearer:?}"), "Sensitive Sensitive");
        assert_eq!(Credentials::Anonymous.authorization(), Ok(None));
        assert_eq!(Credentials::bearer("a\nb").authorization(), Err(Unsendable));
    }

    #[test]
    fn neither_users_nor_passwords_nor_tokens_are_printed() {
        let printed = format!("{:?} {:?}", Credentials::basic("s3cret-user", "s3cret"), Credentials::bearer("s3cret"));
        assert!(!printed.contains("s3cret"), "{printed}");
    }

    #[test]
    fn credentials_compare_by_their_values() {
        assert_eq!(Credentials::basic("u", "p"), Credentials::basic("u", "p"));
        assert_ne!(Credentials::basic("u", "p"), Credentials::basic("up", ""));
        assert_ne!(Credentials::bearer("a"), Credentials::bearer("b"));
        assert_ne!(Credentials::bearer(""), Credentials::Anonymous);
    }

    #[test]
    fn what_gives_credentials_away_is_redacted() {
        let secrets = Basic::new("Aladdin", "open sesame").secrets();
        assert_eq!(secrets.redact("open sesame, QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), "***, ***");
        assert_eq!(Credentials::bearer("t0ken").secrets().redact("a t0ken"), "a ***");
        assert_eq!(Credentials::Anonymous.secrets().redact("nothing"), "nothing");
    }
}
