//! A server in front of a registry: it writes down what is asked, and answers in place of the registry where a test wants that.

use axum::{body::Body, http::Response};
use headwater_testing::{
    registry::Registry,
    tls::{Authority, acceptor_for},
    web::{self, Web, answer},
};

/// One request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Such as `GET /v2/`.
    pub line: String,
    pub query: String,
    pub authorization: Option<String>,
    pub body: String,
}

impl Asked {
    fn of(asked: &web::Asked) -> Self {
        Self {
            line: format!("{} {}", asked.method, asked.path()),
            query: asked.query().to_owned(),
            authorization: asked.authorization().map(str::to_owned),
            body: asked.text(),
        }
    }
}

/// The server; it ends with its owner.
pub struct Front {
    /// Host and port.
    pub address: String,
    web: Web,
}

impl Front {
    /// In front of a registry that speaks plain HTTP; `meddle` may answer in its place.
    pub async fn before(registry: &Registry, meddle: impl Fn(&Asked) -> Option<Response<Body>> + Send + Sync + 'static) -> Self {
        let behind = format!("http://{}", registry.address);
        Self::of(Web::before(&behind, move |asked| meddle(&Asked::of(asked))).await)
    }

    /// Without a registry: what `meddle` does not answer is not there.
    pub async fn alone(meddle: impl Fn(&Asked) -> Option<Response<Body>> + Send + Sync + 'static) -> Self {
        Self::of(Web::start(move |asked| meddle(&Asked::of(asked)).unwrap_or_else(|| said(404, ""))).await)
    }

    /// Like [`Self::alone`], over TLS with a certificate of `authority` for `host`.
    pub async fn alone_tls(
        authority: &Authority,
        host: &str,
        meddle: impl Fn(&Asked) -> Option<Response<Body>> + Send + Sync + 'static,
    ) -> Self {
        let answers = move |asked: &web::Asked| meddle(&Asked::of(asked)).unwrap_or_else(|| said(404, ""));
        Self::of(Web::start_tls(acceptor_for(&[host], authority, None), answers).await)
    }

    fn of(web: Web) -> Self {
        Self { address: web.address.clone(), web }
    }

    /// The requests since the last call.
    pub fn taken(&self) -> Vec<Asked> {
        self.web.take().iter().map(Asked::of).collect()
    }

    /// The lines of the requests since the last call.
    pub fn lines(&self) -> Vec<String> {
        self.taken().into_iter().map(|asked| asked.line).collect()
    }
}

/// An answer with that status and body.
pub fn said(status: u16, body: impl Into<Body>) -> Response<Body> {
    answer(status, &[], body)
}
