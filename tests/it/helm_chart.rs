//! A HelmChart becomes an artifact: which version of which chart, from a repository or a tree of files.

mod dependencies;
mod downloads;
mod failing;
mod git;
mod hostile;
mod life;
mod sources;
mod twins;
mod values;
mod versions;

use headwater_testing::{charts::ChartRepository, git::Repository};
use serde_json::{Value, json};

use crate::support::{
    cluster::Server,
    namespace::{Namespace, condition, message},
    world::World,
};

/// Upstream's words for a chart that no repository has.
const NO_VERSION: &str = "failed to get chart version for remote reference";
const TEMPLATE: &str = "\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  r: \"{{ .Values.replicas }}\"
";
const VALUES: &str = "replicas: 1\nimage: one\n";

/// Files by their paths.
type Files = Vec<(String, Vec<u8>)>;

/// What becomes of an object after a failure.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// It waits for a change.
    Stalls,
    /// It is tried again.
    Retries,
}

/// A world with a repository of charts, and its namespace as a place for Helm's kinds.
struct Set {
    world: World,
    web: ChartRepository,
    repositories: Namespace,
    charts: Namespace,
}

impl Set {
    async fn new(server: &Server, test: &str) -> Self {
        Self::with(server, test, &[]).await
    }

    /// Like [`Self::new`], with more arguments for the controller.
    async fn with(server: &Server, test: &str, arguments: &[&str]) -> Self {
        let world = World::with(server, test, arguments).await;
        let (repositories, charts) = (world.space.of("HelmRepository"), world.space.of("HelmChart"));
        Self { world, web: ChartRepository::start().await, repositories, charts }
    }

    /// Makes a HelmRepository of the repository in that folder, and waits for it.
    async fn repository(&self, name: &str, folder: &str) -> Value {
        self.repositories.source(name, json!({"url": self.web.url(folder)})).await;
        self.repositories.ready(name).await
    }

    /// Makes a GitRepository `g` of these files, and waits for it.
    async fn git(&self, files: &Files) -> Repository {
        let repository = self.world.git.repository("g.git");
        repository.commit_bytes(files);
        self.world.space.source("g", json!({"url": self.world.git.url("g.git"), "ref": {"branch": "main"}})).await;
        self.world.space.ready("g").await;
        repository
    }

    /// Commits these files to the repository that `g` is made of, and has `g` take them.
    async fn commit(&self, repository: &Repository, files: &Files) -> String {
        let head = repository.commit_bytes(files);
        self.world.space.poke("g").await;
        self.world.space.ready_at("g", &format!("main@sha1:{head}")).await;
        head
    }

    /// Makes a HelmChart, which is `podx` from the HelmRepository `h` unless `spec` says otherwise.
    async fn take(&self, name: &str, spec: &Value) {
        let mut whole = json!({"chart": "podx", "sourceRef": {"kind": "HelmRepository", "name": "h"}});
        for (key, value) in spec.as_object().unwrap() {
            whole[key] = value.clone();
        }
        self.charts.source(name, whole).await;
    }

    /// Like [`Self::take`], from the GitRepository `g`.
    async fn take_path(&self, name: &str, path: &str, spec: &Value) {
        let mut whole = spec.clone();
        whole["chart"] = path.into();
        whole["sourceRef"] = json!({"kind": "GitRepository", "name": "g"});
        self.take(name, &whole).await;
    }

    /// Waits until the chart has failed for that reason, and panics unless it says `words` and has that fate.
    async fn fails(&self, name: &str, reason: &str, fate: Fate, words: &str) -> Value {
        let object = self.charts.failed(name, reason).await;
        assert_eq!(message(&object, "Ready"), words, "{name}");
        let stalled = condition(&object, "Stalled").is_some();
        assert_eq!(stalled, fate == Fate::Stalls, "{name}: {}", object["status"]);
        assert_eq!(condition(&object, "Reconciling").is_some(), fate == Fate::Retries, "{name}: {}", object["status"]);
        object
    }
}

/// The files of a chart in a folder, with `extra` at the end of its Chart.yaml.
fn folder(path: &str, name: &str, version: &str, extra: &str) -> Files {
    let metadata = format!("apiVersion: v2\nname: {name}\nversion: {version}\nappVersion: \"1\"\ndescription: a chart\n{extra}");
    let files = [("Chart.yaml", metadata.as_str()), ("values.yaml", VALUES), ("templates/cm.yaml", TEMPLATE)];
    files.map(|(file, content)| (format!("{path}/{file}"), content.as_bytes().to_vec())).into()
}

/// The dependency of a chart on another, as its Chart.yaml has it.
fn dependency(name: &str, version: &str, repository: &str) -> String {
    format!("- name: {name}\n  version: \"{version}\"\n  repository: \"{repository}\"\n")
}

/// The `dependencies:` of a Chart.yaml.
fn dependencies(list: &[String]) -> String {
    format!("dependencies:\n{}", list.concat())
}

fn file(path: &str, content: impl Into<Vec<u8>>) -> (String, Vec<u8>) {
    (path.to_owned(), content.into())
}
