//! GitHub Apps: a key that signs a claim, which buys a token for an installation.
//!
//! See GitHub's "Authenticating as a GitHub App installation"; the claim is a JSON Web Token.

use std::collections::BTreeMap;

use aws_lc_rs::rsa::KeyPair;
use chrono::{DateTime, TimeDelta, Utc};
use headwater_http::{Credentials, Excerpt, SafeUrl, quote};
use reqwest::{Method, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use serde::Deserialize;

use super::answer::{self, Answer, ask};
use super::issue::{Token, digest};
use super::{Error, Issued, Request, jwt};

const ID: &str = "githubAppID";
const OWNER: &str = "githubAppInstallationOwner";
const INSTALLATION: &str = "githubAppInstallationID";
const KEY: &str = "githubAppPrivateKey";
const BASE: &str = "githubAppBaseURL";

const PUBLIC: &str = "https://api.github.com";
const USERNAME: &str = "x-access-token";
/// Clocks may differ by this much.
const DRIFT: TimeDelta = TimeDelta::seconds(30);
/// The life of a claim, from the time that it names.
const LIFE: TimeDelta = TimeDelta::minutes(2);

/// A GitHub App, as a Secret describes it. Whether it is usable shows when it is used.
#[derive(Clone, Debug)]
pub struct App {
    id: i64,
    owner: String,
    installation: i64,
    key: SecretSlice<u8>,
    base: SecretString,
}

/// The Secret names both the owner and the id of an installation, or neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must contain exactly one of '{OWNER}' or '{INSTALLATION}'")]
pub struct Misfit;

impl App {
    /// The app that a Secret's data describes; `None` where it has no app id or no key.
    pub fn from_data(data: &BTreeMap<String, Vec<u8>>) -> Result<Option<Self>, Misfit> {
        if !data.contains_key(ID) || !data.contains_key(KEY) {
            return Ok(None);
        }
        if data.contains_key(OWNER) == data.contains_key(INSTALLATION) {
            return Err(Misfit);
        }
        let text = |key: &str| data.get(key).map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default();
        Ok(Some(Self {
            id: text(ID).parse().unwrap_or_default(),
            owner: text(OWNER),
            installation: text(INSTALLATION).parse().unwrap_or_default(),
            key: data.get(KEY).cloned().unwrap_or_default().into(),
            base: text(BASE).into(),
        }))
    }

    /// The key, if all is there.
    fn usable(&self) -> Result<KeyPair, Error> {
        let lacking = |what: &str| Error::new(format!("{what} must be provided to use github app authentication"));
        if self.id == 0 {
            return Err(lacking("app ID"));
        }
        if self.owner.is_empty() && self.installation == 0 {
            return Err(lacking("app installation owner or ID"));
        }
        let key = self.key.expose_secret();
        if key.is_empty() {
            return Err(lacking("private key"));
        }
        jwt::key(key).map_err(|why| Error::new(format!("could not parse private key: {why}")))
    }

    fn api(&self) -> Result<SafeUrl, Error> {
        let base = Some(self.base.expose_secret()).filter(|base| !base.is_empty()).unwrap_or(PUBLIC);
        answer::web(base).map_err(|why| Error::new(format!("invalid API URL: {why}")))
    }
}

pub(super) async fn credentials(app: &App, request: &Request<'_>) -> Result<Issued, Error> {
    let pair = app.usable()?;
    let identity = digest(&[
        "github",
        &app.id.to_string(),
        &app.owner,
        &app.installation.to_string(),
        app.base.expose_secret(),
        &String::from_utf8_lossy(app.key.expose_secret()),
        request.route,
    ]);
    let token = request.cache.get(&identity, request.object, token(app, &pair, request)).await?;
    Ok(Issued { credentials: Credentials::basic(USERNAME, token.secret), expires: token.expires, identity })
}

async fn token(app: &App, pair: &KeyPair, request: &Request<'_>) -> Result<Token, Error> {
    #[derive(Deserialize)]
    struct Granted {
        #[serde(default)]
        token: String,
        expires_at: Option<String>,
    }

    let api = Api { base: app.api()?, claim: claim(app.id, pair, Utc::now())?, http: request.http };
    let installation = match app.installation {
        0 => api.installation(&app.owner).await?,
        id => id,
    };
    let answer = api.ask(Method::POST, &["app", "installations", &installation.to_string(), "access_tokens"]).await?;
    let issued: Granted = answer.json()?;
    if issued.token.is_empty() {
        return Err(answer.lacks("token"));
    }
    Ok(Token { secret: issued.token, expires: answer::time(issued.expires_at.as_deref()), ..Token::default() })
}

/// GitHub's API, asked in the name of an app.
struct Api<'a> {
    base: SafeUrl,
    claim: String,
    http: &'a reqwest::Client,
}

impl Api<'_> {
    /// The installation at an organization or, failing that, at a user.
    async fn installation(&self, owner: &str) -> Result<i64, Error> {
        let organization = match self.installed(&["orgs", owner, "installation"]).await {
            Ok(id) => return Ok(id),
            Err(error) => error.within("failed to find organization installation"),
        };
        self.installed(&["users", owner, "installation"])
            .await
            .map_err(|user| Error::new(format!("{organization}\n{}", user.within("failed to find user installation"))))
    }

    async fn installed(&self, path: &[&str]) -> Result<i64, Error> {
        #[derive(Deserialize)]
        struct Installation {
            id: i64,
        }
        self.ask(Method::GET, path).await?.json::<Installation>().map(|found| found.id)
    }

    async fn ask(&self, method: Method, path: &[&str]) -> Result<Answer, Error> {
        let url = answer::extended(&self.base, path).ok_or_else(|| Error::new("invalid API URL: it has no path"))?;
        let answer = ask(self.http, method, url, |request| {
            request
                .bearer_auth(&self.claim)
                .header(header::ACCEPT, "application/vnd.github+json")
                .header("X-GitHub-Api-Version", "2022-11-28")
        })
        .await?;
        if matches!(answer.status, StatusCode::OK | StatusCode::CREATED) { Ok(answer) } else { Err(self.refused(&answer)) }
    }

    fn refused(&self, answer: &Answer) -> Error {
        #[derive(Deserialize)]
        struct Refusal {
            message: String,
        }
        let message = answer.json::<Refusal>().map(|refusal| refusal.message).unwrap_or_default();
        let message = quote(message, &[&self.claim].into_iter().collect(), Excerpt::Line);
        Error::new(format!("{}: {} {message} []", answer.place, answer.status.as_u16()))
    }
}

/// The signed claim to be the app.
fn claim(id: i64, pair: &KeyPair, now: DateTime<Utc>) -> Result<String, Error> {
    let made = now - DRIFT;
    let claims = serde_json::json!({ "iat": made.timestamp(), "exp": (made + LIFE).timestamp(), "iss": id.to_string() });
    jwt::signed(r#"{"alg":"RS256","typ":"JWT"}"#, &claims, pair)
}

#[cfg(test)]
mod tests;
