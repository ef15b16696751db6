//! Charts in registries: who we are there, and which versions there are.

use std::time::Duration;

use headwater_api::helm_repository::{self, HelmRepository};
use headwater_http::{Basic, SafeUrl, Trust, printable_url};
use kube::ResourceExt;

use crate::cluster::references::Typed;
use crate::reconcile::Ctx;
use crate::reconcile::helm::access::Door;
use headwater_helm::pull::{self, Release};
use headwater_helm::web;
use headwater_identity::{self as auth, Registrar, Request};
use headwater_oci::{Credentials, Manifest, Registry, Scheme, docker_config};

/// The type of Secrets that hold a Docker configuration, and its key in them.
const DOCKER: (&str, &str) = ("kubernetes.io/dockerconfigjson", ".dockerconfigjson");

/// The place in a registry below which a repository keeps its charts.
pub struct Place {
    /// The registry.
    pub registry: Registry,
    /// The path there, without slashes at its ends; may be empty.
    prefix: String,
    timeout: Duration,
    /// The URL of the repository.
    url: SafeUrl,
}

impl Place {
    /// The path of a chart.
    pub fn path(&self, chart: &str) -> String {
        if self.prefix.is_empty() { chart.to_owned() } else { format!("{}/{chart}", self.prefix) }
    }

    /// How messages call a version of a chart.
    pub fn reference(&self, chart: &str, version: &str) -> String {
        if self.url.is_doubtful() {
            return format!("{}/{chart}:{version}", self.url);
        }
        format!("oci://{}/{}:{version}", self.registry.name(), self.path(chart))
    }

    /// The newest version of a chart in a range; a single version is believed to be there.
    pub async fn find(&self, chart: &str, range: &str) -> Result<String, String> {
        let path = self.path(chart);
        self.within(pull::resolve(&self.registry, &path, chart, range)).await
    }

    /// The manifest of a version of a chart.
    pub async fn manifest(&self, chart: &str, version: &str) -> Result<Manifest, String> {
        let path = self.path(chart);
        let release = Release { registry: &self.registry, repository: &path, version };
        self.within(release.manifest()).await
    }

    /// The archive of a version of a chart, up to `limit` bytes. `known` is its manifest, where that was looked up before.
    pub async fn archive(&self, chart: &str, version: &str, known: Option<&Manifest>, limit: u64) -> Result<Vec<u8>, String> {
        let path = self.path(chart);
        let release = Release { registry: &self.registry, repository: &path, version };
        let work = async {
            match known {
                Some(manifest) => release.archive(manifest, limit).await,
                None => release.archive(&release.manifest().await?, limit).await,
            }
        };
        self.within(work).await
    }

    /// Waits for an answer, for no longer than the repository's timeout.
    pub async fn within<T, E: std::fmt::Display>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, String> {
        match tokio::time::timeout(self.timeout, work).await {
            Ok(done) => done.map_err(|error| self.url.secrets().redact(&error.to_string())),
            Err(_) => Err("context deadline exceeded".into()),
        }
    }
}

/// Where the charts of a repository are.
pub async fn place(object: &HelmRepository, door: Door, cx: &Ctx) -> Result<Place, String> {
    let secrets = door.access.url.secrets();
    Box::pin(open(object, door, cx)).await.map_err(|why| secrets.redact(&why))
}

async fn open(object: &HelmRepository, door: Door, cx: &Ctx) -> Result<Place, String> {
    // One reading of the URL: who gets credentials is who they are made out for.
    let url = &door.access.url;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("invalid OCI registry URL: {}: it has a query or a fragment", printable_url(&object.spec.url)));
    }
    let host = url.host_str().unwrap_or_default();
    let host = &url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let path = url.path();
    let clients = cx.clients.pair(&door.access.trust, None).map_err(|why| web::unusable(url, &why))?;
    let credentials = credentials(object, &door, host, cx).await?;
    let scheme = if object.spec.insecure { Scheme::Http } else { Scheme::Https };
    let registry = Registry::new(clients, host, scheme, credentials, cx.helm.limits.registry).map_err(|error| error.to_string())?;
    Ok(Place { registry, prefix: path.trim_matches('/').to_owned(), timeout: door.access.timeout, url: url.clone() })
}

/// Who we are: by the Secret, or else by the provider.
async fn credentials(object: &HelmRepository, door: &Door, host: &str, cx: &Ctx) -> Result<Credentials, String> {
    if let Some(secret) = &door.secret {
        let name = object.spec.secret_ref.as_ref().map_or("", |named| &named.name);
        return of_secret(secret, host, name).map_err(|why| format!("failed to configure OCI registry authentication: {why}"));
    }
    let provider = object.spec.provider();
    let registrar = match provider {
        helm_repository::PROVIDER_AWS => Registrar::Aws,
        helm_repository::PROVIDER_AZURE => Registrar::Azure,
        helm_repository::PROVIDER_GCP => Registrar::Gcp,
        _ => return Ok(Credentials::Anonymous),
    };
    let failed = |why: String| format!("unable to get authentication data from OIDC: {why}");
    let http = cx.clients.get(&Trust::default(), None).map_err(|why| failed(web::unusable(&door.access.url, &why)))?;
    let counted = auth::Object { kind: helm_repository::KIND, namespace: object.namespace().unwrap_or_default(), name: object.name_any() };
    let request = Request {
        url: &door.access.url,
        account: None,
        http: &http,
        route: "",
        environment: &cx.identities.environment,
        cache: &cx.identities.cache,
        object: &counted,
    };
    let issued = auth::registry_credentials(registrar, &request).await.map_err(|error| failed(error.to_string()))?;
    Ok(issued.credentials.into())
}

fn of_secret(secret: &Typed, host: &str, name: &str) -> Result<Credentials, String> {
    let (docker, key) = DOCKER;
    if secret.type_ == docker {
        let config = secret.data.get(key).map(Vec::as_slice).unwrap_or_default();
        return docker_config::credentials(config, host, name).map_err(|error| error.to_string());
    }
    let text = |key: &str| secret.data.get(key).map(|value| String::from_utf8_lossy(value).into_owned()).filter(|text| !text.is_empty());
    match (text("username"), text("password")) {
        (Some(username), Some(password)) => Ok(Credentials::Basic(Basic::new(username, password))),
        (None, None) => Ok(Credentials::Anonymous),
        _ => Err(format!("invalid '{name}' secret data: required fields 'username' and 'password'")),
    }
}
