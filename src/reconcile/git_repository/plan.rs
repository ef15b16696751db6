//! What to do for an object, worked out from its spec and what it refers to. Pure.

use headwater_api::git_repository::{GitRepository, GitRepositoryRef, GitRepositorySpec, PROVIDER_GENERIC, PROVIDER_GITHUB};
use headwater_api::reason;
use kube::ResourceExt;
use sha2::{Digest, Sha256};
use url::Url;

use super::resolve::References;
use crate::cluster::references::Data;
use crate::fetch::git::{Auth, Reference};
use crate::reconcile::Schedule;
use crate::reconcile::failure::Failure;

/// Why an object cannot be worked on until it changes: it asks for something that is not there yet.
const UNSUPPORTED: &str = "UnsupportedField";

/// All that a fetch needs to know.
#[derive(Debug)]
pub struct Plan {
    /// Where the repository is; without userinfo.
    pub url: Url,
    /// With which credentials.
    pub auth: Auth,
    /// Which revision is wanted.
    pub reference: Reference,
    /// The checksum over everything besides the revision that shapes the artifact.
    pub checksum: String,
}

/// When to reconcile, and for how long.
pub fn schedule(spec: &GitRepositorySpec) -> Result<Schedule, Failure> {
    let unreadable = |field: &str, error| Failure::fetch("InvalidDuration", format!("invalid spec.{field}: {error}")).stalled();
    let interval = spec.interval.get().map_err(|e| unreadable("interval", e))?;
    let timeout = spec.timeout().map_err(|e| unreadable("timeout", e))?;
    Ok(Schedule { interval, timeout })
}

/// Works out what to do.
pub fn plan(object: &GitRepository, references: &References) -> Result<Plan, Failure> {
    let spec = &object.spec;
    let mut url = Url::parse(&spec.url)
        .map_err(|error| Failure::fetch(reason::URL_INVALID, format!("failed to parse url '{}': {error}", shown(&spec.url))).stalled())?;
    proxy(object, references.proxy.as_ref())?;
    let auth = auth(object, &url, references.credentials.as_ref())?;
    supported(spec, &url)?;
    // What the URL carried is in `auth` now, and must not be printed.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Ok(Plan { url, auth, reference: reference(spec.reference.as_ref()), checksum: checksum(spec) })
}

/// A URL as it may be printed: without userinfo, query and fragment, whether or not it is a valid one.
pub fn shown(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => format!("{}{}", &url[..scheme + 3], &url[at + 1..]),
        _ => url.to_owned(),
    }
}

/// The most precise field counts.
fn reference(asked: Option<&GitRepositoryRef>) -> Reference {
    let Some(asked) = asked else { return Reference::Default };
    if let Some(id) = &asked.commit {
        Reference::Commit { id: id.clone(), branch: asked.branch.clone() }
    } else if let Some(name) = &asked.name {
        Reference::Name(name.clone())
    } else if let Some(tag) = &asked.tag {
        Reference::Tag(tag.clone())
    } else if let Some(range) = &asked.semver {
        Reference::Semver(range.clone())
    } else {
        asked.branch.clone().map_or(Reference::Default, Reference::Branch)
    }
}

fn proxy(object: &GitRepository, data: Option<&Data>) -> Result<(), Failure> {
    let (Some(named), Some(data)) = (&object.spec.proxy_secret_ref, data) else { return Ok(()) };
    if data.contains_key("address") {
        return Ok(());
    }
    let message = format!("failed to configure proxy options: secret '{}/{}': key 'address' not found", namespace(object), named.name);
    Err(Failure::fetch(reason::AUTHENTICATION_FAILED, message))
}

/// Credentials: of the Secret, and where it has none, of the URL.
fn auth(object: &GitRepository, url: &Url, data: Option<&Data>) -> Result<Auth, Failure> {
    let secret = || format!("{}/{}", namespace(object), object.spec.secret_ref.as_ref().map_or("", |named| &named.name));
    let misconfigured =
        |what: String| Failure::fetch(reason::AUTHENTICATION_FAILED, format!("failed to configure authentication options: {what}"));
    let text = |key: &str| -> Result<Option<String>, Failure> {
        let Some(value) = data.and_then(|data| data.get(key)).filter(|value| !value.is_empty()) else { return Ok(None) };
        let text =
            String::from_utf8(value.clone()).map_err(|_| misconfigured(format!("key '{key}' of secret '{}' is not UTF-8", secret())))?;
        Ok(Some(text))
    };
    if url.scheme() == "ssh" {
        for key in ["identity", "known_hosts"] {
            if text(key)?.is_none() {
                return Err(misconfigured(format!("invalid 'ssh' auth option: '{key}' is required")));
            }
        }
    }
    if object.spec.provider() == PROVIDER_GITHUB && data.is_none_or(|data| !data.contains_key("githubAppID")) {
        let message = "secretRef with github app data must be specified when provider is set to github";
        let failure = Failure::fetch(reason::INVALID_PROVIDER_CONFIGURATION, message);
        return Err(if data.is_none() { failure.stalled() } else { failure });
    }
    if object.spec.provider() == PROVIDER_GENERIC && text("githubAppID")?.is_some() {
        let message = format!("secretRef '{}' has github app data but provider is not set to github", secret());
        return Err(Failure::fetch(reason::INVALID_PROVIDER_CONFIGURATION, message));
    }
    let bearer = text("bearerToken")?;
    let decoded = |part: &str| percent_decoded(part).filter(|text| !text.is_empty());
    let username = if bearer.is_some() { None } else { text("username")? }.or_else(|| decoded(url.username()));
    let password = if bearer.is_some() { None } else { text("password")? }.or_else(|| url.password().and_then(decoded));
    if bearer.is_some() && (username.is_some() || password.is_some()) {
        return Err(conflict());
    }
    let basic = match (username, password) {
        (None, Some(_)) => {
            let what = format!("invalid '{}' auth option: 'password' requires 'username' to be set", url.scheme());
            return Err(misconfigured(what));
        }
        (None, None) => None,
        (Some(username), password) => Some((username, password.unwrap_or_default())),
    };
    if data.is_some_and(|data| data.contains_key("tls.crt") || data.contains_key("tls.key")) {
        let what = format!(
            "secret '{}' has a client certificate (tls.crt, tls.key), which is not supported yet; remove it from the secret",
            secret()
        );
        return Err(Failure::fetch(UNSUPPORTED, what).stalled());
    }
    let ca = match text("ca.crt")? {
        Some(ca) => Some(ca),
        None => text("caFile")?,
    };
    Ok(Auth { basic, bearer, ca: ca.map(String::into_bytes), ..Auth::default() })
}

fn conflict() -> Failure {
    Failure::fetch(
        reason::GIT_OPERATION_FAILED,
        "failed to checkout and determine revision: basic auth and bearer token cannot be set at the same time",
    )
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = if *first == b'%' {
            tail.get(..2).and_then(|h| std::str::from_utf8(h).ok()).and_then(|h| u8::from_str_radix(h, 16).ok())
        } else {
            None
        };
        bytes.push(hex.unwrap_or(*first));
        rest = if hex.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).ok()
}

/// Refuses what an object asks for and would not get.
fn supported(spec: &GitRepositorySpec, url: &Url) -> Result<(), Failure> {
    let missing = [
        ("spec.url with the scheme ssh", url.scheme() == "ssh"),
        ("spec.provider", spec.provider() != PROVIDER_GENERIC),
        ("spec.serviceAccountName", spec.service_account_name.is_some()),
        ("spec.include", !spec.include.is_empty()),
        ("spec.recurseSubmodules", spec.recurse_submodules),
        ("spec.sparseCheckout", !spec.sparse_checkout.is_empty()),
        ("spec.verify", spec.verify.is_some()),
        ("spec.proxySecretRef", spec.proxy_secret_ref.is_some()),
    ];
    let asked: Vec<&str> = missing.iter().filter(|(_, asked)| *asked).map(|(field, _)| *field).collect();
    if asked.is_empty() {
        return Ok(());
    }
    let message = format!("{} is not supported yet; remove it, or keep source-controller for this object", asked.join(", "));
    Err(Failure::fetch(UNSUPPORTED, message).stalled())
}

/// SHA-256 over canonical JSON of everything besides the upstream revision that shapes the artifact.
fn checksum(spec: &GitRepositorySpec) -> String {
    let shaping = serde_json::json!({
        "ignore": spec.ignore,
        "include": spec.include.iter().map(|i| [i.repository.name.as_str(), i.from_path(), i.to_path()]).collect::<Vec<_>>(),
        "recurseSubmodules": spec.recurse_submodules,
        "sparseCheckout": spec.sparse_checkout,
    });
    format!("sha256:{}", hex(&Sha256::digest(shaping.to_string())))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        use std::fmt::Write;
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn namespace(object: &GitRepository) -> String {
    object.namespace().unwrap_or_default()
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
