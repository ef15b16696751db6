//! `headwater standalone`, started as its user would start it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitStatus,
    time::{Duration, Instant},
};

use headwater_testing::{PATIENCE, command, eventually, port, process::Process};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Where the GitRepositories of the namespace `default` are.
const SOURCES: &str = "/apis/source.toolkit.fluxcd.io/v1/namespaces/default/gitrepositories";
/// Where its ConfigMaps are.
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// A process with all that it keeps; that outlives a restart.
pub struct Standalone {
    // Ends before its folder goes.
    process: Process,
    /// The folder of manifests.
    pub manifests: PathBuf,
    /// Where tests may put what they like.
    pub folder: TempDir,
    /// The address of the API, such as `http://127.0.0.1:80`.
    pub url: String,
    http: Client,
    arguments: Vec<String>,
}

impl Standalone {
    /// One that is not running yet, with these arguments beside those of the harness.
    pub fn new(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (manifests, listen, storage) = (folder.path().join("manifests"), port::address(), port::address());
        fs::create_dir_all(&manifests).unwrap();
        fs::create_dir_all(folder.path().join("tmp")).unwrap();
        let mut arguments = vec![
            "standalone".to_owned(),
            format!("--manifests={}", manifests.display()),
            format!("--data={}", folder.path().join("data").display()),
            format!("--listen={listen}"),
            format!("--storage-addr={storage}"),
            "--interval-jitter-percentage=0".to_owned(),
            "--min-retry-delay=200ms".to_owned(),
            "--max-retry-delay=1s".to_owned(),
        ];
        arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        let process = Process::new(folder.path().join("log"));
        Self { manifests, url: format!("http://{listen}"), http: Client::new(), arguments, folder, process }
    }

    /// Starts the process, waits for the API's first answer, and says how long that took.
    pub async fn start(&mut self) -> Duration {
        let start = Instant::now();
        let mut headwater = command(env!("CARGO_BIN_EXE_headwater"));
        self.process.spawn(headwater.args(&self.arguments).env_clear().env("TMPDIR", self.folder.path().join("tmp")));
        while !matches!(self.http.get(format!("{}/readyz", self.url)).send().await, Ok(answer) if answer.status() == 200) {
            assert!(self.process.is_running() && start.elapsed() < PATIENCE, "it does not start: {}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        start.elapsed()
    }

    /// A started one.
    pub async fn started() -> Self {
        let mut this = Self::new(&[]);
        this.start().await;
        this
    }

    /// Kills the process as a power cut would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Asks the process to end, and answers how it ended.
    pub async fn stop(&mut self, signal: &str) -> ExitStatus {
        self.process.stop(signal).await
    }

    /// Writes a manifest, or another file below the folder of manifests.
    pub fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.manifests.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// Removes a manifest.
    pub fn remove(&self, path: &str) {
        fs::remove_file(self.manifests.join(path)).unwrap();
    }

    /// Everything that it has written on its standard streams.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Waits until the log has a line with all of these words.
    pub async fn logged(&self, words: &[&str]) -> String {
        eventually(PATIENCE, async || {
            let log = self.log();
            let line = log.lines().find(|line| words.iter().all(|word| line.contains(word)));
            line.map(str::to_owned).ok_or_else(|| format!("no line with {words:?} in\n{log}"))
        })
        .await
    }

    /// Sends a request; the answer's status and body.
    pub async fn send(&self, method: Method, path: &str, content_type: &str, body: &Value) -> (u16, Value) {
        let request = self.http.request(method, format!("{}{path}", self.url)).header("content-type", content_type);
        let request = if body.is_null() { request } else { request.body(body.to_string()) };
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    /// An object; nothing when there is none.
    pub async fn get(&self, path: &str) -> Option<Value> {
        let (status, body) = self.send(Method::GET, path, "application/json", &Value::Null).await;
        assert!(status == 200 || status == 404, "{path}: {status} {body}");
        (status == 200).then_some(body)
    }

    /// The ConfigMap of that name.
    pub async fn map(&self, name: &str) -> Option<Value> {
        self.get(&format!("{MAPS}/{name}")).await
    }

    /// Makes a ConfigMap as someone else.
    pub async fn create_map(&self, object: &Value) {
        let (status, body) = self.send(Method::POST, &format!("{MAPS}?fieldManager=someone"), "application/json", object).await;
        assert_eq!(status, 201, "{body}");
    }

    /// Waits until that ConfigMap has this value under `key`, and answers it.
    pub async fn has(&self, name: &str, value: &str) -> Value {
        self.until(&format!("{MAPS}/{name}"), value, |map| map["data"]["key"] == value).await
    }

    /// Waits until that ConfigMap is gone.
    pub async fn has_not(&self, name: &str) {
        eventually(PATIENCE, async || self.map(name).await.map_or(Ok(()), |map| Err(format!("still there: {map}\n{}", self.log())))).await;
    }

    /// The GitRepository of that name.
    pub async fn source(&self, name: &str) -> Option<Value> {
        self.get(&format!("{SOURCES}/{name}")).await
    }

    /// Waits until the GitRepository is Ready with the artifact of that commit.
    pub async fn ready(&self, name: &str, commit: &str) -> Value {
        let revision = format!("main@sha1:{commit}");
        self.until(&format!("{SOURCES}/{name}"), &revision, |object| {
            object["status"]["artifact"]["revision"] == *revision && condition(object, "Ready") == "True"
        })
        .await
    }

    /// Asks for a reconcile by annotation and waits until that is handled.
    pub async fn poke(&self, name: &str, token: &str) -> Value {
        let change = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": token}}});
        let path = format!("{SOURCES}/{name}");
        let (code, body) = self.send(Method::PATCH, &path, "application/merge-patch+json", &change).await;
        assert_eq!(code, 200, "{body}");
        self.until(&path, token, |object| object["status"]["lastHandledReconcileAt"] == token).await
    }

    /// Waits until an object is as `accept` wants it.
    pub async fn until(&self, path: &str, what: &str, accept: impl Fn(&Value) -> bool) -> Value {
        eventually(PATIENCE, async || {
            let object = self.get(path).await.unwrap_or_default();
            if accept(&object) { Ok(object) } else { Err(format!("{path} is not {what}: {object:#}\n{}", self.log())) }
        })
        .await
    }
}

/// The status of a condition, or nothing.
pub fn condition<'a>(object: &'a Value, kind: &str) -> &'a str {
    let conditions = object["status"]["conditions"].as_array();
    let found = conditions.into_iter().flatten().find(|condition| condition["type"] == kind);
    found.and_then(|condition| condition["status"].as_str()).unwrap_or_default()
}

/// A ConfigMap with a value under `key`, as a document.
pub fn map(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  key: \"{value}\"\n")
}

/// A GitRepository, as a document.
pub fn source(name: &str, url: &str) -> String {
    format!(
        "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata:\n  name: {name}\nspec:\n  interval: 1h\n  url: {url}\n  \
         ref:\n    branch: main\n"
    )
}

/// The URL of a folder of this machine.
pub fn file_url(path: &Path) -> String {
    format!("file://{}", path.canonicalize().unwrap().display())
}
