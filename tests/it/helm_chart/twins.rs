//! Repositories of the same name in two namespaces, and several charts on one repository.

use headwater_testing::{charts::ChartRepository, git::server::GitServer};
use serde_json::json;

use crate::support::{
    artifact::{download, listing},
    cluster::{Server, on_each_server},
    controller::Controller,
    namespace::{LABEL, Namespace, message, revision},
};

on_each_server!(repositories_of_the_same_name_in_two_namespaces_have_nothing_in_common);
async fn repositories_of_the_same_name_in_two_namespaces_have_nothing_in_common(server: &Server) {
    let folder = tempfile::tempdir().unwrap();
    let (git, open, private) = (GitServer::start().await, ChartRepository::start().await, ChartRepository::start().await);
    open.publish("r", &[("podx", "1.0.0")]);
    private.publish("r", &[("podx", "1.5.0"), ("secret", "1.0.0")]);
    private.admit("user", "pass");
    let spaces = [Namespace::new(server, "twin-one").await, Namespace::new(server, "twin-two").await];
    let selector = format!("{LABEL} in ({},{})", spaces[0].name, spaces[1].name);
    let mut controller = Controller::new(folder.path(), &server.kubeconfig, &selector, &[]).await;
    controller.start().await;
    let needs = format!("dependencies:\n- name: secret\n  version: 1.x\n  repository: {}\n", private.url("r"));
    let metadata = format!("apiVersion: v2\nname: app\nversion: 0.3.0\n{needs}");
    git.repository("r.git").commit(&[("app/Chart.yaml", metadata.as_str())]);
    spaces[1].secret("s", &[("username", "user"), ("password", "pass")]).await;
    let specs = [json!({"url": open.url("r")}), json!({"url": private.url("r"), "secretRef": {"name": "s"}})];
    for (space, spec) in spaces.iter().zip(specs) {
        space.of("HelmRepository").source("h", spec).await;
        space.source("g", json!({"url": git.url("r.git"), "ref": {"branch": "main"}})).await;
        let charts = space.of("HelmChart");
        let helm = json!({"kind": "HelmRepository", "name": "h"});
        charts.source("c", json!({"chart": "podx", "sourceRef": helm})).await;
        charts.source("secret", json!({"chart": "secret", "sourceRef": helm})).await;
        charts.source("app", json!({"chart": "app", "sourceRef": {"kind": "GitRepository", "name": "g"}})).await;
    }
    let [one, two] = [&spaces[0], &spaces[1]].map(|space| space.of("HelmChart"));
    let first = one.ready_at("c", "1.0.0").await;
    two.ready_at("c", "1.5.0").await;
    two.ready_at("secret", "1.0.0").await;
    one.failed("secret", "InvalidChartReference").await;
    let object = two.ready("app").await;
    assert!(listing(&object).await.contains_key("app/charts/secret/Chart.yaml"));
    // Nobody is let in by what another namespace has.
    let object = one.failed("app", "DependencyBuildError").await;
    assert!(message(&object, "Ready").ends_with("401 Unauthorized"), "{}", object["status"]);
    private.publish("r", &[("podx", "1.6.0"), ("secret", "1.0.0")]);
    spaces[1].of("HelmRepository").poke("h").await;
    two.ready_at("c", "1.6.0").await;
    let after = one.get("c").await.unwrap();
    assert_eq!((revision(&after), &after["status"]), ("1.0.0", &first["status"]));
    spaces[1].of("HelmRepository").delete("h").await;
    two.delete("c").await;
    download(&one.poke("c").await).await.unwrap();
}
