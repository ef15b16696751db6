//! How challenges are met: basic authentication, and the tokens of the Distribution project's token specification.

use headwater_http::{self as http, printable_url, without_user};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::error::Category;
use url::{Host, Url};

use super::challenge::Challenge;
use super::error::{Error, Place, describe_json_error};
use super::send::Answer;
use super::{Credentials, Registry};

/// The answer of a token endpoint may be this large, in bytes.
const LARGEST: u64 = 128 * 1024;
const CLIENT: &str = "headwater";

/// What a token endpoint answers.
#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl Registry {
    /// The `Authorization` that one of `challenges` asks for. `None` when there is none that is known.
    ///
    /// # Errors
    /// When there are no credentials for it, or the token endpoint gave no token. `place` is where the challenge came from.
    pub(super) async fn meet(&self, challenges: &[Challenge], scope: &str, place: &Place) -> Result<Option<HeaderValue>, Error> {
        let find = |scheme| challenges.iter().find(|challenge| challenge.scheme == scheme);
        let refused = |message: String| Error::Authentication { place: place.clone(), message };
        let credentials = if let Some(bearer) = find("bearer") {
            http::Credentials::Bearer(self.token(bearer, scope, place).await?)
        } else if find("basic").is_some() {
            match &self.credentials {
                Credentials::Anonymous => return Err(refused("basic credential not found".to_owned())),
                Credentials::Basic(basic) if basic.is_complete() => http::Credentials::Basic(basic.clone()),
                _ => return Err(refused("missing username or password for basic auth".to_owned())),
            }
        } else {
            return Ok(None);
        };
        credentials.authorization().map_err(|_| refused("the credentials cannot be sent in a header".to_owned()))
    }

    async fn token(&self, challenge: &Challenge, scope: &str, place: &Place) -> Result<SecretString, Error> {
        if let Credentials::Access(token) = &self.credentials {
            return Ok(token.clone());
        }
        let message = |message| Error::Authentication { place: place.clone(), message };
        let realm = self.realm(challenge.get("realm")).map_err(message)?;
        let mut scopes: Vec<&str> = challenge.get("scope").split(' ').chain([scope]).filter(|scope| !scope.is_empty()).collect();
        scopes.sort_unstable();
        scopes.dedup();
        let service = challenge.get("service");
        let token = match &self.credentials {
            Credentials::Refresh(refresh) => self.refresh(&realm, service, &scopes, refresh.expose_secret()).await,
            _ => self.distribute(&realm, service, &scopes).await,
        };
        token.map_err(|source| Error::Token { place: place.clone(), source: Box::new(source) })
    }

    /// The token endpoint: on any host, but not in the clear for a registry that is not, and not on an address of a private
    /// network unless the registry is there.
    pub(super) fn realm(&self, realm: &str) -> Result<Url, String> {
        let parsed = Url::parse(realm);
        let realm = printable_url(realm);
        let mut url = parsed.map_err(|error| format!("failed to parse bearer realm {realm:?}: {error}"))?;
        match (url.scheme(), self.base.scheme()) {
            ("https", _) | ("http", "http") => {}
            ("http", _) => return Err(format!("bearer realm {realm:?} uses http but registry was contacted over https")),
            (scheme, _) => return Err(format!("bearer realm {realm:?} uses unsupported scheme {scheme:?}")),
        }
        let private = match url.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback() || ip.is_link_local() || ip.is_private() || ip.is_unspecified(),
            Some(Host::Ipv6(ip)) => {
                let inner = ip.to_ipv4_mapped();
                ip.is_loopback()
                    || ip.is_unicast_link_local()
                    || ip.is_unique_local()
                    || ip.is_unspecified()
                    || inner.is_some_and(|ip| ip.is_loopback() || ip.is_link_local() || ip.is_private() || ip.is_unspecified())
            }
            _ => false,
        };
        if private && url.host() != self.base.host() {
            let host = url.host_str().unwrap_or_default();
            return Err(format!("bearer realm host {host:?} is a loopback, link-local, private, or unspecified address"));
        }
        url.set_fragment(None);
        // A user named by the registry is not ours.
        Ok(without_user(url))
    }

    /// A token for a user and a password, or for nobody.
    async fn distribute(&self, realm: &Url, service: &str, scopes: &[&str]) -> Result<SecretString, Error> {
        let mut url = realm.clone();
        if !service.is_empty() {
            url.query_pairs_mut().append_pair("service", service);
        }
        for scope in scopes {
            url.query_pairs_mut().append_pair("scope", scope);
        }
        let authorization = match &self.credentials {
            Credentials::Basic(basic) => basic.authorization().ok(),
            _ => None,
        };
        self.read_token(self.follow(url, &HeaderMap::new(), authorization).await?).await
    }

    /// A token for a refresh token. Redirects are not followed: the refresh token is in the body.
    async fn refresh(&self, realm: &Url, service: &str, scopes: &[&str], refresh: &str) -> Result<SecretString, Error> {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "refresh_token")
            .append_pair("service", service)
            .append_pair("client_id", CLIENT)
            .append_pair("scope", &scopes.join(" "))
            .append_pair("refresh_token", refresh)
            .finish();
        let request = || {
            let request = self.clients.home.post(realm.clone());
            request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.clone())
        };
        self.read_token(self.patiently(Method::POST, realm, request).await?).await
    }

    async fn read_token(&self, mut answer: Answer) -> Result<SecretString, Error> {
        if answer.status() != StatusCode::OK {
            return Err(self.refused(answer).await);
        }
        let body = answer.read(LARGEST).await?;
        // The parser's message may repeat a value, and the value may be a secret.
        let token: Token = serde_json::from_slice(&body).map_err(|error| match error.classify() {
            Category::Syntax => answer.invalid(format!("failed to decode response: {}", describe_json_error(&body, &error))),
            _ => answer.invalid("failed to decode response"),
        })?;
        let token = token.access_token.filter(|token| !token.is_empty()).or(token.token).unwrap_or_default();
        if token.is_empty() {
            return Err(answer.invalid("empty token returned"));
        }
        if http::Credentials::bearer(token.as_str()).authorization().is_err() {
            return Err(answer.invalid("the token cannot be sent in a header"));
        }
        Ok(token.into())
    }
}
