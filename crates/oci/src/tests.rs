//! Registries that do what the real ones do, and what they must not do.
#![expect(clippy::unwrap_used, reason = "tests")]

mod access;
mod content;
mod lists;

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use headwater_http::{Basic, ClientPair, Clients, Proxies, Trust};
pub(super) use headwater_testing::web::{Asked, Web as Fake, answer, body};

use super::*;

pub(super) const USER: &str = "me";
pub(super) const PASSWORD: &str = "pa55w0rd";

/// Clients of a server.
pub(super) trait Registries {
    fn registry(&self, credentials: Credentials) -> Registry {
        self.limited(credentials, Limits::default())
    }

    fn limited(&self, credentials: Credentials, limits: Limits) -> Registry;
}

impl Registries for Fake {
    fn limited(&self, credentials: Credentials, limits: Limits) -> Registry {
        Registry::new(clients(), &self.address, Scheme::Http, credentials, limits).unwrap()
    }
}

pub(super) fn clients() -> ClientPair {
    Clients::new(Ok(Proxies::default())).pair(&Trust::default(), None).unwrap()
}

pub(super) fn basic() -> Credentials {
    Credentials::Basic(Basic::new(USER, PASSWORD))
}

pub(super) fn encoded() -> String {
    Basic::new(USER, PASSWORD).authorization().unwrap().to_str().unwrap().to_owned()
}

pub(super) fn json(body: impl Into<Body>) -> Response<Body> {
    answer(200, &[("content-type", "application/json")], body)
}

pub(super) fn descriptor(content: &[u8]) -> Descriptor {
    Descriptor {
        media_type: "application/octet-stream".into(),
        digest: Digest::of(content),
        size: content.len() as u64,
        artifact_type: None,
        annotations: BTreeMap::new(),
    }
}

pub(super) const QUICK: Duration = Duration::from_millis(200);

#[test]
fn nothing_secret_is_printed() {
    for credentials in [basic(), Credentials::Refresh(PASSWORD.into()), Credentials::Access(PASSWORD.into())] {
        let registry = Registry::new(clients(), "host:5000", Scheme::Https, credentials, Limits::default()).unwrap();
        assert!(!format!("{registry:?}").contains(PASSWORD));
    }
}

#[test]
fn the_registry_of_docker_hub_is_found_and_what_is_no_host_is_refused() {
    let at = |host: &str| Registry::new(clients(), host, Scheme::Https, Credentials::Anonymous, Limits::default());
    assert_eq!(at("docker.io").unwrap().base.as_str(), "https://registry-1.docker.io/v2/");
    assert_eq!(at("docker.io").unwrap().name(), "docker.io");
    for bad in ["", "a/b", "u@h", "h:x", "h?q"] {
        assert_eq!(at(bad).unwrap_err().to_string(), format!("invalid reference: invalid registry {bad:?}"));
    }
    let registry = at("h").unwrap();
    assert!(registry.url("a/../b", ["tags", "list"]).is_err());
    assert_eq!(registry.url("a/b", ["tags", "list"]).unwrap().as_str(), "https://h/v2/a/b/tags/list");
}
