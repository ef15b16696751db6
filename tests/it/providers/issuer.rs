//! A server that stands for those who issue credentials.

use std::collections::BTreeMap;

use axum::{body::Body, http::Response};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use headwater_testing::{
    tls::{Authority, acceptor},
    web::{self, Web, answer},
};
use serde_json::Value;

/// A request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Such as `POST /path`.
    pub line: String,
    pub authorization: Option<String>,
    /// The fields of a form.
    pub form: BTreeMap<String, String>,
}

impl Asked {
    fn of(asked: &web::Asked) -> Self {
        Self {
            line: format!("{} {}", asked.method, asked.path()),
            authorization: asked.authorization().map(str::to_owned),
            form: url::form_urlencoded::parse(&asked.body).into_owned().collect(),
        }
    }
}

/// The server; it ends with its owner.
pub struct Issuer {
    pub origin: String,
    web: Web,
}

impl Issuer {
    pub async fn start(answers: impl Fn(&Asked) -> Response<Body> + Send + Sync + 'static) -> Self {
        Self::of(Web::start(move |asked| answers(&Asked::of(asked))).await)
    }

    /// Over TLS with a certificate of that authority.
    pub async fn start_tls(authority: &Authority, answers: impl Fn(&Asked) -> Response<Body> + Send + Sync + 'static) -> Self {
        Self::of(Web::start_tls(acceptor(authority, None), move |asked| answers(&Asked::of(asked))).await)
    }

    fn of(web: Web) -> Self {
        Self { origin: web.origin.clone(), web }
    }

    /// The requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.web.asked().iter().map(Asked::of).collect()
    }

    /// The lines of the requests so far.
    pub fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

/// An answer with that status and body.
pub fn said(status: u16, body: &impl ToString) -> Response<Body> {
    answer(status, &[], body.to_string())
}

/// The claims of a JSON web token.
pub fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// Now and that many seconds, as in RFC 3339.
pub fn after(seconds: i64) -> String {
    (chrono::Utc::now() + chrono::TimeDelta::seconds(seconds)).to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}
