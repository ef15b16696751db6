//! A HelmRepository becomes the artifact of its index: the life of the object.

mod cache;
mod credentials;
mod kinds;
mod large;
mod mishaps;
mod redirects;
mod tls;
mod unchanged;

use headwater_testing::{PATIENCE, charts::ChartRepository, eventually};
use serde_json::{Value, json};

use crate::support::{
    artifact::{check, download},
    cluster::{Server, on_each_server},
    namespace::{Namespace, condition, message, revision, status_is},
    world::World,
};

/// A world, a chart repository, and the HelmRepositories of the namespace.
struct Stage {
    world: World,
    charts: ChartRepository,
    helm: Namespace,
}

impl Stage {
    async fn new(server: &Server, test: &str) -> Self {
        Self::with(server, test, &[]).await
    }

    async fn with(server: &Server, test: &str, arguments: &[&str]) -> Self {
        let world = World::with(server, test, arguments).await;
        let helm = world.space.of("HelmRepository");
        Self { world, charts: ChartRepository::start().await, helm }
    }

    /// Creates a HelmRepository of the folder of that name, with more in its spec.
    async fn source(&self, name: &str, more: Value) {
        let mut spec = json!({"url": self.charts.url(name)});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.helm.source(name, spec).await;
    }

    /// Creates a HelmRepository of the folder of that name, with an index, and waits until it is Ready.
    async fn ready(&self, name: &str) -> Value {
        self.charts.publish(name, &[("podx", "1.0.0")]);
        self.source(name, json!({})).await;
        self.helm.ready(name).await
    }

    /// The files in storage of an object, without those that are not served.
    fn stored(&self, name: &str) -> Vec<String> {
        let prefix = format!("helmrepository/{}/{name}/", self.world.space.name);
        let stored = self.world.controller.stored().into_iter();
        stored.filter_map(|path| path.strip_prefix(&prefix).map(str::to_owned)).filter(|file| !file.starts_with('.')).collect()
    }

    /// What was posted about an object, as reasons and messages.
    fn posted(&self, name: &str) -> Vec<(String, String)> {
        let posted = self.world.controller.events.posted().into_iter();
        let about = posted.filter(|event| event["involvedObject"]["name"] == name);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        about.map(|event| (text(&event["reason"]), text(&event["message"]))).collect()
    }

    /// Waits until the object says why its index could not be fetched, and answers reason and message.
    async fn refused(&self, name: &str) -> (String, String) {
        let failed = |object: &Value| status_is(object, "FetchFailed", "True") && status_is(object, "Ready", "False");
        let object = self.helm.wait(name, "not Ready", failed).await;
        let failed = condition(&object, "FetchFailed").unwrap();
        assert_eq!(message(&object, "Ready"), failed["message"]);
        let text = failed["message"].as_str().unwrap().to_owned();
        assert!(text.len() < 2_000 && !text.contains(['\0', '\r', '\x1b']), "{text:?}");
        (failed["reason"].as_str().unwrap().to_owned(), text)
    }
}

/// What every failure to fetch an index begins with.
const FETCH: &str = "failed to fetch Helm repository index: failed to cache index to temporary file: ";
/// What every failure to read one begins with.
const LOAD: &str = "failed to load Helm repository from index YAML: failed to load index: ";

const SMALL: &str = include_str!("../../crates/helm/tests/it/index/small.yaml");
/// The digest of that.
const SMALL_HEX: &str = "c157b8079ad158d2a60d5797ff583c34d449886f1373303cd75afa5aecdee147";

on_each_server!(an_index_becomes_an_artifact_byte_for_byte);
async fn an_index_becomes_an_artifact_byte_for_byte(server: &Server) {
    let stage = Stage::new(server, "helm-first").await;
    stage.charts.put("x/index.yaml", SMALL);
    stage.source("x", json!({})).await;
    let object = stage.helm.ready("x").await;
    let (path, origin) = (format!("helmrepository/{}/x", stage.world.space.name), &stage.world.controller.origin);
    let (status, artifact) = (&object["status"], &object["status"]["artifact"]);
    assert_eq!(revision(&object), format!("sha256:{SMALL_HEX}"));
    assert_eq!(artifact["path"], format!("{path}/index-{SMALL_HEX}.yaml"));
    assert_eq!(artifact["url"], format!("{origin}/{path}/index-{SMALL_HEX}.yaml"));
    assert_eq!(status["url"], format!("{origin}/{path}/index.yaml"));
    assert_eq!(object["metadata"]["finalizers"], json!(["finalizers.fluxcd.io"]));
    assert_eq!(status["conditions"].as_array().unwrap().len(), 2, "{status}");
    for kind in ["Ready", "ArtifactInStorage"] {
        assert!(status_is(&object, kind, "True") && condition(&object, kind).unwrap()["reason"] == "Succeeded", "{status}");
        assert_eq!(message(&object, kind), format!("stored artifact: revision 'sha256:{SMALL_HEX}'"));
    }
    let stored = download(&object).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&stored), include_str!("../../crates/helm/tests/it/index/small.json"));
    check(&object, &stored);
    let linked = reqwest::get(status["url"].as_str().unwrap()).await.unwrap().bytes().await.unwrap();
    assert_eq!(linked, stored);
    assert_eq!(stage.charts.requests("x/index.yaml"), 1);
    assert!(stage.charts.seen()[0].header("authorization").is_none());
}

on_each_server!(a_changed_index_is_told_once_by_event_and_by_post);
async fn a_changed_index_is_told_once_by_event_and_by_post(server: &Server) {
    let stage = Stage::new(server, "helm-events").await;
    stage.charts.put("x/index.yaml", SMALL);
    // The slash at the end is in what is told, and in nothing else.
    stage.source("x", json!({"url": stage.charts.url("x/")})).await;
    let first = stage.helm.ready("x").await;
    stage.charts.publish("x", &[]);
    let second = stage.helm.poke("x").await;
    assert_ne!(revision(&first), revision(&second));
    assert_ne!(first["status"]["artifact"]["path"], second["status"]["artifact"]["path"]);
    assert_eq!(first["status"]["url"], second["status"]["url"]);
    let linked = reqwest::get(second["status"]["url"].as_str().unwrap()).await.unwrap().bytes().await.unwrap();
    check(&second, &linked);
    let third = stage.helm.poke("x").await;
    assert_eq!(second["status"]["artifact"], third["status"]["artifact"]);

    let unchanged = stage.helm.event("x", "ArtifactUpToDate").await;
    assert_eq!(unchanged["message"], format!("artifact up-to-date with remote revision: '{}'", revision(&second)));
    let told = |size: &str| format!("stored fetched index of size {size} from '{}/x/'", stage.charts.origin);
    let told = [told("1.5kB"), told("80B")].map(|message| ("NewArtifact".to_owned(), message));
    eventually(PATIENCE, async || {
        let (posted, events) = (stage.posted("x"), stage.helm.events().await);
        let event = |message: &str| events.iter().any(|event| event["message"] == message && event["type"] == "Normal");
        if posted == told && told.iter().all(|(_, message)| event(message)) { Ok(()) } else { Err(format!("{posted:?} {events:?}")) }
    })
    .await;
    for (event, object) in stage.world.controller.events.posted().iter().zip([&first, &second]) {
        assert_eq!((event["severity"].as_str(), event["involvedObject"]["kind"].as_str()), (Some("info"), Some("HelmRepository")));
        assert_eq!(event["metadata"]["source.toolkit.fluxcd.io/revision"], revision(object));
        assert_eq!(event["metadata"]["source.toolkit.fluxcd.io/digest"], object["status"]["artifact"]["digest"]);
    }
}

on_each_server!(a_failing_repository_keeps_its_artifact_and_tells_of_its_recovery);
async fn a_failing_repository_keeps_its_artifact_and_tells_of_its_recovery(server: &Server) {
    let stage = Stage::new(server, "helm-recovers").await;
    stage.charts.put("x/index.yaml", SMALL);
    stage.source("x", json!({})).await;
    let before = stage.helm.ready("x").await;
    stage.charts.put("x/index.yaml", "nonsense");
    stage.helm.request("x").await;
    let (reason, text) = stage.refused("x").await;
    let wrong = "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal string into Go value of type repo.IndexFile";
    assert_eq!((reason.as_str(), text.as_str()), ("IndexationFailed", format!("{LOAD}{wrong}").as_str()));
    let failing = stage.helm.get("x").await.unwrap();
    assert_eq!(failing["status"]["artifact"], before["status"]["artifact"]);
    assert!(status_is(&failing, "ArtifactInStorage", "True"), "{}", failing["status"]);
    assert!(download(&failing).await.is_ok());
    stage.helm.event("x", "IndexationFailed").await;

    stage.charts.put("x/index.yaml", SMALL);
    let after = stage.helm.ready("x").await;
    assert_eq!(after["status"]["artifact"], before["status"]["artifact"]);
    assert!(condition(&after, "FetchFailed").is_none() && condition(&after, "Reconciling").is_none(), "{}", after["status"]);
    let recovered = stage.helm.event("x", "Succeeded").await;
    let stored = format!("stored fetched index of size 1.5kB from '{}/x'", stage.charts.origin);
    assert_eq!(recovered["message"], stored);
    eventually(PATIENCE, async || {
        let reasons: Vec<_> = stage.posted("x").into_iter().map(|(reason, _)| reason).collect();
        if reasons == ["NewArtifact", "IndexationFailed", "Succeeded"] { Ok(()) } else { Err(format!("{reasons:?}")) }
    })
    .await;
}

on_each_server!(a_new_index_is_stored_when_the_interval_is_over_and_not_while_suspended);
async fn a_new_index_is_stored_when_the_interval_is_over_and_not_while_suspended(server: &Server) {
    let stage = Stage::new(server, "helm-interval").await;
    stage.charts.publish("often", &[("podx", "1.0.0")]);
    stage.source("often", json!({"interval": "1s"})).await;
    let (often, rests) = (stage.helm.ready("often").await, stage.ready("rests").await);
    stage.helm.patch("rests", &json!({"spec": {"suspend": true}})).await;
    for folder in ["often", "rests"] {
        stage.charts.publish(folder, &[("podx", "2.0.0")]);
    }
    stage.helm.request("rests").await;
    let new = stage.helm.wait("often", "the new index", |object| revision(object) != revision(&often)).await;
    assert!(download(&new).await.is_ok());
    assert_eq!(stage.charts.requests("rests/index.yaml"), 1);
    assert_eq!(stage.helm.get("rests").await.unwrap()["status"]["artifact"], rests["status"]["artifact"]);
    stage.helm.patch("rests", &json!({"spec": {"suspend": false}})).await;
    stage.helm.wait("rests", "the new index", |object| revision(object) == revision(&new)).await;
}

on_each_server!(a_deleted_repository_goes_with_its_files);
async fn a_deleted_repository_goes_with_its_files(server: &Server) {
    let stage = Stage::new(server, "helm-delete").await;
    let object = stage.ready("x").await;
    assert_eq!(stage.stored("x").len(), 2, "{:?}", stage.stored("x"));
    stage.helm.delete("x").await;
    eventually(PATIENCE, async || match stage.helm.get("x").await {
        None => Ok(()),
        Some(object) => Err(format!("still there: {}", object["metadata"])),
    })
    .await;
    let prefix = format!("helmrepository/{}/", stage.world.space.name);
    let left: Vec<_> = stage.world.controller.stored().into_iter().filter(|path| path.starts_with(&prefix)).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(download(&object).await.is_err());
    let gone = stage.helm.event("x", "GarbageCollectionSucceeded").await;
    assert_eq!(gone["message"], "garbage collected artifacts for deleted resource");
}
