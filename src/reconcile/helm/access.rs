//! How a `HelmRepository` lets us in: its URL, and what its Secrets say.

use headwater_api::helm_repository::{HelmRepository, HelmRepositorySpec};
use headwater_http::{Audience, Basic, ClientCertificate, SafeUrl, Trust, has_certificates, printable_url};
use kube::ResourceExt;

use crate::cluster::references::{self, Data, Typed};
use headwater_helm::web::Access;

/// Why a repository cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its URL is none.
    #[error("{0}")]
    Url(String),
    /// Its Secrets are missing, or do not say what they should.
    #[error("{0}")]
    Credentials(String),
}

/// A repository as it can be reached.
pub struct Door {
    /// Where it is, with basic authentication, certificates and trust.
    pub access: Access,
    /// The Secret of `spec.secretRef`.
    pub secret: Option<Typed>,
}

/// Reads the Secrets that a repository names.
pub async fn door(object: &HelmRepository, client: &kube::Client) -> Result<Door, Error> {
    let namespace = object.namespace().unwrap_or_default();
    let spec = &object.spec;
    let (in_url, url) = url(&spec.url)?.split();
    let (mut trust, mut basic) = (Trust::default(), None);
    if let Some(named) = &spec.cert_secret_ref {
        let name = format!("{namespace}/{}", named.name);
        let data = references::secret(client, &namespace, &named.name).await;
        let data =
            data.map_err(|error| Error::Credentials(format!("failed to get TLS authentication secret '{name}': {}", error.why())))?;
        let told = |why| Error::Credentials(format!("failed to construct Helm client's TLS config: {why}"));
        let given = tls(&data, &name).map_err(|misfit| told(misfit.to_string()))?;
        trust = with_usable_ca(given).map_err(told)?;
    }
    let mut secret = None;
    if let Some(named) = &spec.secret_ref {
        let name = format!("{namespace}/{}", named.name);
        let found = references::typed(client, &namespace, &named.name).await;
        let found = found.map_err(|error| Error::Credentials(format!("failed to get authentication secret '{name}': {}", error.why())))?;
        let told = |why| Error::Credentials(format!("failed to detect authentication methods: {why}"));
        basic = self::basic(&found.data, &name).map_err(told)?;
        // What is incomplete here was never an error.
        if let Ok(given) = tls(&found.data, &name)
            && spec.cert_secret_ref.is_none()
        {
            tracing::info!(
                "warning: specifying TLS authentication data via `.spec.secretRef` is deprecated, please use `.spec.certSecretRef` instead"
            );
            trust = with_usable_ca(given).map_err(told)?;
        }
        secret = Some(found);
    }
    let timeout = spec.timeout().map_err(|error| Error::Credentials(format!("invalid spec.timeout: {error}")))?;
    Ok(Door { access: Access { url, basic: basic.or(in_url), trust, audience: audience(spec), timeout }, secret })
}

/// A repository that is known by its URL alone.
pub fn open(url: &str, timeout: std::time::Duration) -> Result<Access, Error> {
    let (basic, url) = self::url(url)?.split();
    Ok(Access { url, basic, trust: Trust::default(), audience: Audience::Home, timeout })
}

fn audience(spec: &HelmRepositorySpec) -> Audience {
    if spec.pass_credentials { Audience::Everywhere } else { Audience::Home }
}

/// Reads a URL, strictly: what is no percent-encoding is refused, as by those who follow it.
pub fn url(text: &str) -> Result<SafeUrl, Error> {
    let printed = printable_url(text);
    let unusable = |why: &str| Error::Url(format!("parse \"{printed}\": {why}"));
    for (at, _) in text.match_indices('%') {
        let digits = text.as_bytes().get(at + 1..at + 3).unwrap_or_default();
        if digits.len() < 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
            let escape = text.get(at..(at + 3).min(text.len())).unwrap_or("%");
            // It may be a part of a password.
            let escape = if printed.contains(escape) { format!(" {escape:?}") } else { String::new() };
            return Err(unusable(&format!("invalid URL escape{escape}")));
        }
    }
    let url = SafeUrl::parse(text).map_err(|error| Error::Url(error.to_string()))?;
    if url.cannot_be_a_base() || url.host_str().is_none_or(str::is_empty) {
        return Err(unusable("no host in URL"));
    }
    Ok(url)
}

/// The form in which URLs of repositories are compared: with a slash at the end, but for those of registries.
pub fn normalised(text: &str) -> String {
    let (base, query) = text.split_at(text.find(['?', '#']).unwrap_or(text.len()));
    let slash = if text.starts_with("oci://") || base.is_empty() { "" } else { "/" };
    format!("{}{slash}{query}", base.trim_end_matches('/'))
}

/// Why a Secret has nothing for TLS.
#[derive(Debug, thiserror::Error)]
enum Misfit {
    #[error("secret '{0}' contains 'tls.crt' but missing 'tls.key'")]
    NoKey(String),
    #[error("secret '{0}' contains 'tls.key' but missing 'tls.crt'")]
    NoCertificate(String),
    #[error("secret '{0}' must contain either 'ca.crt' or both 'tls.crt' and 'tls.key'")]
    Nothing(String),
}

/// The certificates that a Secret has.
fn tls(data: &Data, name: &str) -> Result<Trust, Misfit> {
    // The second names are those of earlier times.
    let get = |key: &str, earlier: &str| data.get(key).or_else(|| data.get(earlier)).filter(|value| !value.is_empty()).cloned();
    let ca = get("ca.crt", "caFile");
    let certificate = match (get("tls.crt", "certFile"), get("tls.key", "keyFile")) {
        (Some(chain), Some(key)) => Some(ClientCertificate::new(chain, key)),
        (Some(_), None) => return Err(Misfit::NoKey(name.to_owned())),
        (None, Some(_)) => return Err(Misfit::NoCertificate(name.to_owned())),
        (None, None) if ca.is_none() => return Err(Misfit::Nothing(name.to_owned())),
        (None, None) => None,
    };
    Ok(Trust { ca, certificate })
}

/// Refuses authorities that are no PEM certificates.
fn with_usable_ca(trust: Trust) -> Result<Trust, String> {
    if trust.ca.as_ref().is_some_and(|ca| !has_certificates(ca)) { Err("failed to parse CA certificate".into()) } else { Ok(trust) }
}

fn basic(data: &Data, name: &str) -> Result<Option<Basic>, String> {
    let text = |key: &str| data.get(key).map(|value| String::from_utf8_lossy(value).into_owned());
    let malformed = |has: &str, lacks: &str| Err(format!("secret '{name}': malformed basic auth - has '{has}' but missing '{lacks}'"));
    match (text("username"), text("password")) {
        (Some(user), Some(password)) => Ok(Some(Basic::new(user, password))),
        (Some(_), None) => malformed("username", "password"),
        (None, Some(_)) => malformed("password", "username"),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn urls_compare_with_a_slash_at_the_end() {
        for (given, expected) in [
            ("http://h", "http://h/"),
            ("http://h/a//", "http://h/a/"),
            ("http://h/a?x=1", "http://h/a/?x=1"),
            ("oci://h/a/", "oci://h/a"),
            ("@name", "@name/"),
            ("", ""),
        ] {
            assert_eq!(normalised(given), expected, "{given}");
        }
    }

    #[test]
    fn a_url_that_nobody_could_follow_is_refused_without_its_secrets() {
        for (given, why) in [
            ("http://h/%zz", "parse \"http://h/%zz\": invalid URL escape \"%zz\""),
            ("http://u:p@h/%", "parse \"http://h/%\": invalid URL escape \"%\""),
            ("http://", "parse \"http://\": empty host"),
            ("https://user:pa/ss@host/charts", "parse \"https://host/charts\": invalid port number"),
            ("https://user:pa%/ss@host/charts", "parse \"https://host/charts\": invalid URL escape"),
        ] {
            assert_eq!(url(given).unwrap_err().to_string(), why);
        }
        assert!(url("http://h/%20a").is_ok());
        assert_eq!(url("http://user/na:me@host/charts").unwrap().to_string(), "http://host/charts");
    }

    #[test]
    fn what_a_secret_lacks_is_said() {
        let data = |keys: &[&str]| keys.iter().map(|key| ((*key).to_owned(), b"x".to_vec())).collect::<Data>();
        let tls = |keys: &[&str]| {
            tls(&data(keys), "ns/s").map(|tls| (tls.ca.is_some(), tls.certificate.is_some())).map_err(|misfit| misfit.to_string())
        };
        assert_eq!(tls(&["caFile"]), Ok((true, false)));
        assert_eq!(tls(&["tls.crt", "keyFile"]), Ok((false, true)));
        assert_eq!(tls(&["tls.crt"]), Err("secret 'ns/s' contains 'tls.crt' but missing 'tls.key'".into()));
        assert_eq!(tls(&["tls.key"]), Err("secret 'ns/s' contains 'tls.key' but missing 'tls.crt'".into()));
        assert_eq!(tls(&[]), Err("secret 'ns/s' must contain either 'ca.crt' or both 'tls.crt' and 'tls.key'".into()));
        assert_eq!(
            basic(&data(&["password"]), "ns/s"),
            Err("secret 'ns/s': malformed basic auth - has 'password' but missing 'username'".into())
        );
    }
}
