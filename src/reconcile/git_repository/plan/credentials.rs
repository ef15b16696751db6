//! What an object's Secrets say of how to be let in.

use headwater_api::git_repository::{GitRepository, PROVIDER_AWS, PROVIDER_AZURE, PROVIDER_GITHUB};
use headwater_api::reason;
use headwater_http::{Basic, ClientCertificate, Credentials, Proxy, SafeUrl, Trust, decode};
use kube::ResourceExt;
use url::Url;

use super::Issuer;
use crate::cluster::references::Data;
use crate::reconcile::failure::Failure;
use headwater_git::Ssh;
use headwater_identity::App;

/// The key of a GitHub App's id in a Secret.
const GITHUB_APP: &str = "githubAppID";
/// The schemes that a proxy's address may have.
const PROXY_SCHEMES: [&str; 3] = ["http", "https", "socks5"];
/// The longest address of a proxy, in bytes.
const MAX_PROXY: usize = 2048;
/// The user of ssh where the URL names none.
const SSH_USER: &str = "git";

/// The proxy that the object names.
pub(super) fn proxy(object: &GitRepository, data: Option<&Data>) -> Result<Option<Proxy>, Failure> {
    let (Some(named), Some(data)) = (&object.spec.proxy_secret_ref, data) else { return Ok(None) };
    let secret = format!("secret '{}/{}'", namespace(object), named.name);
    let refused =
        |what: String| Failure::fetch(reason::AUTHENTICATION_FAILED, format!("failed to configure proxy options: {secret}: {what}"));
    let text = |key: &str| data.get(key).map(|value| String::from_utf8_lossy(value).into_owned());
    let address = text("address").ok_or_else(|| refused("key 'address' not found".into()))?;
    if address.is_empty() {
        return Err(refused("proxy address is empty".into()));
    }
    if address.len() > MAX_PROXY {
        return Err(refused(format!("proxy URL exceeds maximum length of {MAX_PROXY} characters")));
    }
    let url = SafeUrl::parse(address.trim()).map_err(|error| refused(format!("failed to parse proxy address: {}", error.cause)))?;
    if !PROXY_SCHEMES.contains(&url.scheme()) {
        let schemes = PROXY_SCHEMES.join(", ");
        return Err(refused(format!("proxy URL must use one of the supported schemes ({schemes}), got '{}'", url.scheme())));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(refused("the proxy address names no host".into()));
    }
    let mut proxy = Proxy::at(url);
    if let Some(user) = text("username") {
        proxy.basic = Some(Basic::new(user, text("password").unwrap_or_default()));
    }
    Ok(Some(proxy))
}

/// Credentials for http and https: of the Secret, and where it has none, of the URL.
pub(super) fn credentials(object: &GitRepository, url: &Url, data: Option<&Data>) -> Result<Credentials, Failure> {
    let secret = Secret { object, data };
    let bearer = secret.text("bearerToken")?;
    let has_bearer = data.is_some_and(|data| data.contains_key("bearerToken"));
    let in_url = |part: &str| Some(decode(part)).filter(|text| !text.is_empty());
    let username = if has_bearer { None } else { secret.text("username")? }.or_else(|| in_url(url.username()));
    let password = if has_bearer { None } else { secret.text("password")? }.or_else(|| url.password().and_then(in_url));
    if bearer.is_some() && (username.is_some() || password.is_some()) {
        return Err(Failure::fetch(
            reason::GIT_OPERATION_FAILED,
            "failed to checkout and determine revision: basic auth and bearer token cannot be set at the same time",
        ));
    }
    match (username, password) {
        (None, Some(_)) => {
            let what = format!("invalid '{}' auth option: 'password' requires 'username' to be set", url.scheme());
            Err(misconfigured(&what))
        }
        (None, None) => Ok(bearer.map_or(Credentials::Anonymous, Credentials::bearer)),
        (Some(username), password) => Ok(Credentials::basic(username, password.unwrap_or_default())),
    }
}

/// The certificates of the Secret.
pub(super) fn trust(object: &GitRepository, data: Option<&Data>) -> Result<Trust, Failure> {
    let secret = Secret { object, data };
    let certificate = match (secret.bytes("tls.crt"), secret.bytes("tls.key")) {
        (None, None) => None,
        (Some(chain), Some(key)) => Some(ClientCertificate::new(chain.clone(), key.clone())),
        (Some(_), None) => return Err(misconfigured(&format!("'tls.crt' of secret '{}' requires 'tls.key' to be set", secret.name()))),
        (None, Some(_)) => return Err(misconfigured(&format!("'tls.key' of secret '{}' requires 'tls.crt' to be set", secret.name()))),
    };
    let ca = secret.bytes("ca.crt").or_else(|| secret.bytes("caFile")).cloned();
    Ok(Trust { ca, certificate })
}

/// Credentials and trust for ssh, out of the Secret.
pub(super) fn ssh(object: &GitRepository, url: &Url, data: Option<&Data>) -> Result<Ssh, Failure> {
    let secret = Secret { object, data };
    let required = |key: &str| {
        let what = || misconfigured(&format!("invalid 'ssh' auth option: '{key}' is required"));
        secret.bytes(key).cloned().ok_or_else(what)
    };
    if url.host_str().is_none_or(str::is_empty) {
        return Err(misconfigured("invalid 'ssh' auth option: 'host' is required"));
    }
    let (identity, known_hosts) = (required("identity")?, required("known_hosts")?);
    let passphrase = secret.text("password")?.map(Into::into);
    let ssh = Ssh { user: SSH_USER.to_owned(), identity: identity.into(), passphrase, known_hosts };
    if ssh.lacks_passphrase() {
        let what = format!("SSH identity key is encrypted but no 'password' field was provided in the secret '{}'", secret.name());
        return Err(Failure::fetch(reason::AUTHENTICATION_FAILED, what));
    }
    Ok(ssh)
}

/// Who issues credentials for the object.
pub(super) fn issuer(object: &GitRepository, data: Option<&Data>) -> Result<Option<Issuer>, Failure> {
    let misplaced = |what: &str| Failure::fetch(reason::INVALID_PROVIDER_CONFIGURATION, what.to_owned());
    match object.spec.provider() {
        PROVIDER_AZURE => Ok(Some(Issuer::Azure)),
        PROVIDER_AWS => Ok(Some(Issuer::Aws)),
        PROVIDER_GITHUB => {
            let wanted = "secretRef with github app data must be specified when provider is set to github";
            let Some(data) = data else { return Err(misplaced(wanted).stalled()) };
            match App::from_data(data) {
                Ok(Some(app)) => Ok(Some(Issuer::GitHub(Box::new(app)))),
                Ok(None) => Err(misplaced(wanted)),
                Err(misfit) => {
                    let name = Secret { object, data: Some(data) }.name();
                    Err(Failure::fetch(reason::AUTHENTICATION_FAILED, format!("secret '{name}' {misfit}")))
                }
            }
        }
        _ if data.and_then(|data| data.get(GITHUB_APP)).is_some_and(|id| !id.is_empty()) => {
            let name = Secret { object, data }.name();
            Err(misplaced(&format!("secretRef '{name}' has github app data but provider is not set to github")))
        }
        _ => Ok(None),
    }
}

/// The Secret of `spec.secretRef`, if there is one.
struct Secret<'a> {
    object: &'a GitRepository,
    data: Option<&'a Data>,
}

impl Secret<'_> {
    fn name(&self) -> String {
        format!("{}/{}", namespace(self.object), self.object.spec.secret_ref.as_ref().map_or("", |named| &named.name))
    }

    /// The value of a key, unless it is empty.
    fn bytes(&self, key: &str) -> Option<&Vec<u8>> {
        self.data.and_then(|data| data.get(key)).filter(|value| !value.is_empty())
    }

    fn text(&self, key: &str) -> Result<Option<String>, Failure> {
        let text = self.bytes(key).map(|value| String::from_utf8(value.clone())).transpose();
        text.map_err(|_| misconfigured(&format!("key '{key}' of secret '{}' is not UTF-8", self.name())))
    }
}

fn misconfigured(what: &str) -> Failure {
    Failure::fetch(reason::AUTHENTICATION_FAILED, format!("failed to configure authentication options: {what}"))
}

fn namespace(object: &GitRepository) -> String {
    object.namespace().unwrap_or_default()
}
