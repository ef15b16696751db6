//! A real OCI registry on loopback, that of the Distribution project, and what a test puts into it.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use headwater::fetch::oci::IMAGE_MANIFEST;
use reqwest::{
    Client, Method, RequestBuilder, StatusCode,
    header::{CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::{cluster::loudly, go, tls::Authority};

/// The one user of a registry that wants to know who comes.
pub const USER: &str = "registrar";
/// The password of it, which is its identity token as well.
pub const PASSWORD: &str = "c0rrect-horse";

const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

/// Whom a registry lets in.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Access {
    /// Everyone.
    #[default]
    Open,
    /// Who shows user and password.
    Basic,
    /// Who shows a token, which is issued at another port.
    Token,
}

/// What a registry is to be like.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    pub access: Access,
    /// Who signs the registry's certificate; without, it speaks plain HTTP.
    pub authority: Option<&'a Authority>,
    /// Who signs the certificates that clients have to show.
    pub clients: Option<&'a Authority>,
    /// How many tags come in a page.
    pub page: Option<u32>,
    /// User and password in place of [`USER`] and [`PASSWORD`].
    pub account: Option<(&'a str, &'a str)>,
}

/// A running registry. It ends with this value.
pub struct Registry {
    /// Host and port.
    pub address: String,
    scheme: &'static str,
    access: Access,
    user: String,
    password: String,
    client: Client,
    /// It ends when its standard input closes.
    _process: Child,
    _folder: TempDir,
}

/// Starts an empty registry. `None` where there is no Go to build it with, which is said loudly and is a failure under `CI`.
pub fn start(options: Options) -> Option<Registry> {
    if !go::installed() {
        assert!(env::var_os("CI").is_none(), "CI is set, and there is no Go to build the registry with");
        loudly("registries are NOT tested: install Go");
        return None;
    }
    let binary = go::program("registry", "registry", |_| Ok("-s -w".to_owned())).unwrap();
    let folder = tempfile::Builder::new().prefix("headwater-registry-").tempdir().unwrap();
    let log = folder.path().join("log");
    let mut command = Command::new(binary);
    let (user, password) = options.account.unwrap_or((USER, PASSWORD));
    command.env("REGISTRY_PASSWORD", password).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(fs::File::create(&log).unwrap());
    match options.access {
        Access::Open => {}
        Access::Basic => drop(command.args(["--auth", "basic", "--user", user])),
        Access::Token => drop(command.args(["--auth", "token", "--user", user])),
    }
    if let Some(page) = options.page {
        command.arg("--page").arg(page.to_string());
    }
    let mut client = Client::builder().no_proxy();
    if let Some(authority) = options.authority {
        let (certificate, key) = authority.issue("127.0.0.1");
        command.arg("--cert").arg(written(folder.path(), "tls.crt", &certificate.pem()));
        command.arg("--key").arg(written(folder.path(), "tls.key", &key.serialize_pem()));
        client = client.tls_certs_merge([reqwest::Certificate::from_pem(authority.pem().as_bytes()).unwrap()]);
    }
    if let Some(clients) = options.clients {
        command.arg("--client-ca").arg(written(folder.path(), "clients.crt", &clients.pem()));
        let (certificate, key) = clients.issue("client.test");
        let both = format!("{}\n{}", certificate.pem(), key.serialize_pem());
        client = client.identity(reqwest::Identity::from_pem(both.as_bytes()).unwrap());
    }
    let mut process = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no registry: {}", fs::read_to_string(&log).unwrap()));
    Some(Registry {
        address: ready["address"].as_str().unwrap().to_owned(),
        scheme: if options.authority.is_some() { "https" } else { "http" },
        access: options.access,
        user: user.to_owned(),
        password: password.to_owned(),
        client: client.build().unwrap(),
        _process: process,
        _folder: folder,
    })
}

impl Registry {
    /// Pushes a chart as Helm does: to `{folder}/{name}`, tagged with its version. Says the digest of the manifest.
    pub async fn push_chart(&self, folder: &str, name: &str, version: &str, archive: &[u8]) -> String {
        let repository = format!("{folder}/{name}");
        let config = json!({"apiVersion": "v2", "name": name, "version": version}).to_string();
        let manifest = json!({
            "schemaVersion": 2,
            "config": {"mediaType": CONFIG, "digest": self.push_blob(&repository, config.as_bytes()).await, "size": config.len()},
            "layers": [{"mediaType": CHART, "digest": self.push_blob(&repository, archive).await, "size": archive.len()}],
            "annotations": {"org.opencontainers.image.title": name, "org.opencontainers.image.version": version},
        });
        self.push_manifest(&repository, &version.replace('+', "_"), IMAGE_MANIFEST, manifest.to_string().as_bytes()).await
    }

    /// Pushes a manifest or an index to a tag or to its digest. Says the digest.
    pub async fn push_manifest(&self, repository: &str, reference: &str, media_type: &str, manifest: &[u8]) -> String {
        let request = self.request(Method::PUT, repository, &format!("manifests/{reference}")).await;
        let answer = request.header(CONTENT_TYPE, media_type).body(manifest.to_vec()).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED, "{}", answer.text().await.unwrap());
        digest(manifest)
    }

    /// Pushes a blob. Says the digest.
    pub async fn push_blob(&self, repository: &str, content: &[u8]) -> String {
        let begun = self.request(Method::POST, repository, "blobs/uploads/").await.send().await.unwrap();
        assert_eq!(begun.status(), StatusCode::ACCEPTED, "{}", begun.text().await.unwrap());
        let mut location = begun.url().join(begun.headers()[LOCATION].to_str().unwrap()).unwrap();
        location.query_pairs_mut().append_pair("digest", &digest(content));
        let request = self.authorized(self.client.put(location), repository).await;
        let answer = request.header(CONTENT_TYPE, "application/octet-stream").body(content.to_vec()).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED, "{}", answer.text().await.unwrap());
        digest(content)
    }

    /// Takes the manifest of a digest away, with all tags that lead to it.
    pub async fn delete_manifest(&self, repository: &str, digest: &str) {
        let answer = self.request(Method::DELETE, repository, &format!("manifests/{digest}")).await.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED, "{}", answer.text().await.unwrap());
    }

    async fn request(&self, method: Method, repository: &str, path: &str) -> RequestBuilder {
        let url = format!("{}://{}/v2/{repository}/{path}", self.scheme, self.address);
        self.authorized(self.client.request(method, url), repository).await
    }

    async fn authorized(&self, request: RequestBuilder, repository: &str) -> RequestBuilder {
        match self.access {
            Access::Open => request,
            Access::Basic => request.basic_auth(&self.user, Some(&self.password)),
            Access::Token => request.bearer_auth(self.token(repository).await),
        }
    }

    async fn token(&self, repository: &str) -> String {
        let asked = self.client.get(format!("{}://{}/v2/", self.scheme, self.address)).send().await.unwrap();
        let challenge = asked.headers()[WWW_AUTHENTICATE].to_str().unwrap();
        let realm = challenge.split('"').nth(1).unwrap();
        let url = format!("{realm}?service=tests&scope=repository:{repository}:pull,push,delete");
        let answer = self.client.get(url).basic_auth(&self.user, Some(&self.password)).send().await.unwrap();
        answer.json::<Value>().await.unwrap()["token"].as_str().unwrap().to_owned()
    }
}

fn written(folder: &Path, name: &str, content: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    path
}

fn digest(content: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(content)))
}
