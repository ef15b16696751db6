//! Additions to Flux's API under CRDs that do not know them.

use headwater_apiserver::{
    Place,
    testing::{Garbage, LoopbackServer},
};
use headwater_testing::{
    PATIENCE, eventually,
    git::{front::pointer, server::GitServer},
};
use serde_json::{Value, json};

use super::commit;
use crate::support::{
    artifact,
    controller::{Controller, kubeconfig},
    namespace::{condition, revision},
};

#[tokio::test(flavor = "multi_thread")]
async fn an_object_with_additions_is_what_it_is_without_them() {
    let folder = tempfile::tempdir().unwrap();
    let git = GitServer::start().await;
    let repository = git.repository("r.git");
    let (attributes, link) = (repository.blob(b"*.bin filter=lfs\n"), repository.blob(b"a.yaml"));
    let (large, file) = (repository.blob(pointer(b"nowhere").as_bytes()), repository.blob(b"a: 1\n"));
    for name in ["v1.0.0", "2.0.0"] {
        let entries = [
            ("100644", ".gitattributes", &attributes),
            ("100644", "a.yaml", &file),
            ("120000", "link", &link),
            ("100644", "z.bin", &large),
        ];
        commit(&repository, &entries.map(|(mode, name, id)| (mode, name, id.as_str())));
        repository.tag(name);
    }

    let server = LoopbackServer::start(Place::Folder(folder.path().join("api")), Garbage::Left).await;
    let url = server.url();
    let http = reqwest::Client::new();
    let post = async |path: &str, body: &Value| {
        let request = http.post(format!("{url}/apis/{path}")).header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await.unwrap();
        assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    };
    for definition in headwater_api::crd::all() {
        let mut definition = serde_json::to_value(definition).unwrap();
        if definition["spec"]["names"]["kind"] != "GitRepository" {
            continue;
        }
        let schema = &mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
        let added = [("/spec/properties", "lfs"), ("/spec/properties", "symlinks"), ("/spec/properties/ref/properties", "semverFilter")];
        for (place, name) in added.into_iter().chain([("/status/properties", "contentConfigChecksum")]) {
            schema.pointer_mut(place).unwrap().as_object_mut().unwrap().remove(name).unwrap();
        }
        post("apiextensions.k8s.io/v1/customresourcedefinitions", &definition).await;
    }
    let kubeconfig = kubeconfig(folder.path(), url);
    let mut controller = Controller::new(folder.path(), &kubeconfig, "", &[]).await;
    controller.start().await;

    let sources = "source.toolkit.fluxcd.io/v1/namespaces/default/gitrepositories";
    let with = json!({"lfs": true, "symlinks": "Keep", "ref": {"semver": ">=1.0.0", "semverFilter": "^v"}});
    for (name, more) in [("with", with), ("without", json!({"ref": {"semver": ">=1.0.0"}}))] {
        let mut object = json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": {"name": name},
            "spec": {"interval": "1h", "url": git.url("r.git")},
        });
        object["spec"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        post(sources, &object).await;
    }
    let ready = async |name: &str, handled: Option<&str>| {
        eventually(PATIENCE, async || {
            let object: Value = http.get(format!("{url}/apis/{sources}/{name}")).send().await.unwrap().json().await.unwrap();
            let is_ready = condition(&object, "Ready").is_some_and(|ready| ready["status"] == "True");
            let is_handled = handled.is_none_or(|token| object["status"]["lastHandledReconcileAt"] == token);
            if is_ready && is_handled { Ok(object) } else { Err(format!("not Ready: {object:#}\n{}", controller.log())) }
        })
        .await
    };
    let (with, without) = (ready("with", None).await, ready("without", None).await);
    assert!(revision(&with).starts_with("2.0.0@sha1:"), "{with:#}");
    assert_eq!(with["status"]["artifact"]["digest"], without["status"]["artifact"]["digest"]);
    assert!(with["spec"]["lfs"].is_null() && with["status"]["contentConfigChecksum"].is_null(), "{with:#}");
    let listing = artifact::listing(&with).await;
    assert_eq!(artifact::files(&listing), ["a.yaml", "z.bin"]);
    assert_eq!(listing["z.bin"].content, pointer(b"nowhere").as_bytes());

    // A pass without news stores nothing.
    let change = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "1"}}});
    let request = http.patch(format!("{url}/apis/{sources}/with")).header("content-type", "application/merge-patch+json");
    assert_eq!(request.body(change.to_string()).send().await.unwrap().status(), 200);
    let after = ready("with", Some("1")).await;
    assert_eq!(after["status"]["artifact"], with["status"]["artifact"]);
    drop(controller);
    server.end().await;
}
