//! Credentials out of a Docker configuration, as Secrets of type `kubernetes.io/dockerconfigjson` hold one.

use std::collections::BTreeMap;

use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{DecodeError, Engine as _};
use serde::Deserialize;
use url::Url;

use headwater_http::Basic;

use super::Credentials;

/// Under this key Docker keeps what is for Docker Hub.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// Why there are no credentials. Names the Secret, and nothing that is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no Docker configuration.
    #[error("unable to load Docker config from Secret '{secret}': {message}")]
    Unreadable {
        /// The name of the Secret.
        secret: String,
        /// What is wrong with it.
        message: String,
    },
    /// It has nothing for the host.
    #[error("no auth config for '{host}' in the docker-registry Secret '{secret}'")]
    NoHost {
        /// The host of the registry.
        host: String,
        /// The name of the Secret.
        secret: String,
    },
    /// There is a user without a password, or a password without a user.
    #[error("invalid '{secret}' secret data: required fields 'username' and 'password'")]
    Incomplete {
        /// The name of the Secret.
        secret: String,
    },
}

#[derive(Deserialize)]
struct Config {
    auths: Option<BTreeMap<String, Option<Entry>>>,
}

#[derive(Deserialize, Default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

/// The credentials for the registry at `host`, with its port if it has one, in a configuration; `secret` is the name of where
/// it was found. An entry without credentials is one for anonymous access.
///
/// # Errors
/// [`Error`].
pub fn credentials(config: &[u8], host: &str, secret: &str) -> Result<Credentials, Error> {
    let unreadable = |message: String| Error::Unreadable { secret: secret.to_owned(), message };
    let mut stream = serde_json::Deserializer::from_slice(config).into_iter::<Option<Config>>();
    // The parser's message may repeat a value, and the value may be a secret.
    let invalid = |error: &serde_json::Error| unreadable(format!("invalid JSON at line {} column {}", error.line(), error.column()));
    let auths = match stream.next() {
        None => BTreeMap::new(),
        Some(config) => config.map_err(|error| invalid(&error))?.and_then(|config| config.auths).unwrap_or_default(),
    };
    // One entry that cannot be read makes the whole configuration unreadable.
    let mut entries = BTreeMap::new();
    for (key, auth) in auths {
        let mut auth = auth.unwrap_or_default();
        if let Some(text) = auth.auth.take().filter(|text| !text.is_empty()) {
            let (username, password) = decoded(&text).map_err(unreadable)?;
            (auth.username, auth.password) = (Some(username), Some(password));
        }
        entries.insert(key, auth);
    }
    let missing = || Error::NoHost { host: host.to_owned(), secret: secret.to_owned() };
    let key = key(&entries, host).ok_or_else(missing)?;
    let auth = entries.remove(&key).unwrap_or_default();
    let given = |field: Option<String>| field.filter(|text| !text.is_empty());
    let (username, password) = (given(auth.username), given(auth.password));
    match (username, password, given(auth.registrytoken), given(auth.identitytoken)) {
        (Some(username), Some(password), _, _) => Ok(Credentials::Basic(Basic::new(username, password))),
        (_, _, Some(token), _) => Ok(Credentials::Access(token.into())),
        (_, _, None, Some(token)) => Ok(Credentials::Refresh(token.into())),
        (None, None, None, None) => Ok(Credentials::Anonymous),
        _ => Err(Error::Incomplete { secret: secret.to_owned() }),
    }
}

/// The key of what is for `host`: the host itself, or else a URL or a path of it.
fn key(entries: &BTreeMap<String, Entry>, host: &str) -> Option<String> {
    let is_hub = |host: &str| matches!(host, "docker.io" | "index.docker.io" | "registry-1.docker.io");
    let keys = match host {
        "docker.io" | "index.docker.io" => [DOCKER_HUB, host],
        "registry-1.docker.io" => [host, DOCKER_HUB],
        other => [other, other],
    };
    let exact = keys.into_iter().find(|key| entries.contains_key(*key));
    let same = |key: &&String| {
        let named = host_of(key);
        named == host || is_hub(host) && is_hub(&named)
    };
    exact.map(str::to_owned).or_else(|| entries.keys().find(same).cloned())
}

/// The host that a key names, with its port if it has one.
fn host_of(key: &str) -> String {
    if key.contains("://")
        && let Ok(url) = Url::parse(key)
        && let Some(host) = url.host_str()
    {
        // A port that is the scheme's own is written all the same where it was written.
        let authority = key.split_once("://").map_or("", |(_, rest)| rest).split(['/', '?', '#']).next().unwrap_or_default();
        let authority = authority.rsplit('@').next().unwrap_or_default();
        let port = authority.rsplit_once(':').map(|(_, port)| port).filter(|port| port.bytes().all(|b| b.is_ascii_digit()));
        return port.filter(|port| !port.is_empty()).map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    }
    key.split('/').next().unwrap_or_default().to_owned()
}

/// The user and the password in an `auth` field.
fn decoded(text: &str) -> Result<(String, String), String> {
    let engine = GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::RequireCanonical));
    let text: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let bytes = engine.decode(&text).map_err(|error| {
        // Where a last group is no whole one, it is named by its beginning.
        let at = if let DecodeError::InvalidByte(at, _) = error { at } else { text.len().saturating_sub(1) / 4 * 4 };
        format!("illegal base64 data at input byte {at}")
    })?;
    let invalid = || "invalid auth configuration file".to_owned();
    let pair = String::from_utf8(bytes).map_err(|_| invalid())?;
    let (username, password) = pair.split_once(':').filter(|(username, _)| !username.is_empty()).ok_or_else(invalid)?;
    Ok((username.to_owned(), password.trim_matches('\0').to_owned()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    fn found(config: &serde_json::Value, host: &str) -> Result<Credentials, String> {
        credentials(config.to_string().as_bytes(), host, "regcred").map_err(|error| error.to_string())
    }

    fn basic(username: &str, password: &str) -> Credentials {
        Credentials::Basic(Basic::new(username, password))
    }

    #[test]
    fn credentials_are_found_by_host() {
        // bWU6c2VjcmV0 is me:secret, bWU6YTpi is me:a:b.
        let config = json!({"auths": {
            "ghcr.io": {"auth": "bWU6c2VjcmV0", "username": "other", "password": "other"},
            "https://quay.io/v2/": {"username": "q", "password": "p"},
            "localhost:5000/a/b": {"auth": "bWU6\nYTpi"},
            "https://index.docker.io/v1/": {"username": "hub", "password": "p"},
            "http://e.example:80": {"username": "port", "password": "p"},
            "open.example": {},
            "null.example": null,
            "id.example": {"username": "<token>", "identitytoken": "i"},
            "az.example": {"auth": "MDAwMDo=", "identitytoken": "az"},
            "reg.example": {"registrytoken": "r", "identitytoken": "i"},
            "both.example": {"auth": "bWU6c2VjcmV0", "identitytoken": "i"},
            "half.example": {"username": "u"},
        }});
        assert_eq!(found(&config, "ghcr.io"), Ok(basic("me", "secret")));
        assert_eq!(found(&config, "quay.io"), Ok(basic("q", "p")));
        assert_eq!(found(&config, "localhost:5000"), Ok(basic("me", "a:b")));
        for host in ["docker.io", "index.docker.io", "registry-1.docker.io"] {
            assert_eq!(found(&config, host), Ok(basic("hub", "p")), "{host}");
        }
        assert_eq!(found(&config, "e.example:80"), Ok(basic("port", "p")));
        assert_eq!(found(&config, "open.example"), Ok(Credentials::Anonymous));
        assert_eq!(found(&config, "null.example"), Ok(Credentials::Anonymous));
        assert_eq!(found(&config, "id.example"), Ok(Credentials::Refresh("i".into())));
        assert_eq!(found(&config, "az.example"), Ok(Credentials::Refresh("az".into())));
        assert_eq!(found(&config, "reg.example"), Ok(Credentials::Access("r".into())));
        assert_eq!(found(&config, "both.example"), Ok(basic("me", "secret")));
        let half = "invalid 'regcred' secret data: required fields 'username' and 'password'";
        assert_eq!(found(&config, "half.example"), Err(half.into()));
        for host in ["localhost", "localhost:5001", "io", "e.example", ""] {
            assert_eq!(found(&config, host), Err(format!("no auth config for '{host}' in the docker-registry Secret 'regcred'")));
        }
    }

    #[test]
    fn what_is_no_configuration_is_refused_without_repeating_it() {
        let refused = |text: &str| credentials(text.as_bytes(), "h", "regcred").unwrap_err().to_string();
        let unreadable = "unable to load Docker config from Secret 'regcred': ";
        for (text, why) in [
            ("secret", "invalid JSON at line 1 column 1"),
            (r#"{"auths": {"h": "secret"}}"#, "invalid JSON at line 1 column 24"),
            (r#"{"auths": {"x": {"auth": "s!"}}}"#, "illegal base64 data at input byte 1"),
            (r#"{"auths": {"x": {"auth": "bWVtbWU"}}}"#, "illegal base64 data at input byte 4"),
            (r#"{"auths": {"x": {"auth": "bWVtZQ=="}}}"#, "invalid auth configuration file"),
            (r#"{"auths": {"x": {"auth": "OnB3"}}}"#, "invalid auth configuration file"),
        ] {
            assert_eq!(refused(text), format!("{unreadable}{why}"), "{text}");
        }
        for empty in ["", "{}", "null", r#"{"auths": null}"#, r#"{"auths": {}} trailing"#] {
            assert_eq!(refused(empty), "no auth config for 'h' in the docker-registry Secret 'regcred'", "{empty}");
        }
    }
}
