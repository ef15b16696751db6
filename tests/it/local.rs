//! Repositories that are folders of this machine: read in place where there is no cluster, refused where there is one.

use std::path::Path;

use headwater_apiserver::{
    Place,
    testing::{Garbage, LoopbackServer},
};
use headwater_testing::{
    PATIENCE, command, eventually,
    git::{Repository, server::GitServer},
};
use serde_json::{Value, json};

use crate::support::{
    artifact,
    cluster::{Server, on_each_server},
    controller::{Controller, kubeconfig},
    standalone::{Standalone, condition, file_url, source},
    world::World,
};

fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut git = command("git");
    git.args(["-c", "user.name=T", "-c", "user.email=t@example.com"]).args(arguments).current_dir(folder);
    let output = git.env("GIT_CONFIG_GLOBAL", "/dev/null").output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_repository_is_read_in_place_and_followed() {
    let server = Standalone::started().await;
    let path = server.folder.path().join("r.git");
    let repository = Repository::init(&path);
    let first = repository.commit(&[("a.yaml", "a: 1\n"), ("dir/b.yaml", "b: 1\n")]);
    server.write("x.yaml", &source("x", &file_url(&path)));
    let object = server.ready("x", &first).await;
    let listing = artifact::listing(&object).await;
    assert_eq!(artifact::files(&listing), ["a.yaml", "dir/b.yaml"]);
    assert_eq!(listing["a.yaml"].content, b"a: 1\n");

    let second = repository.commit(&[("a.yaml", "a: 2\n")]);
    let objects = git(&path, &["count-objects"]);
    let object = server.poke("x", "1").await;
    assert_eq!(object["status"]["artifact"]["revision"], format!("main@sha1:{second}"));
    assert_eq!(artifact::listing(&object).await["a.yaml"].content, b"a: 2\n");
    // Nothing was written there.
    assert_eq!(git(&path, &["count-objects"]), objects);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_working_tree_is_read_as_it_was_committed() {
    let server = Standalone::started().await;
    let path = server.folder.path().join("work tree");
    std::fs::create_dir(&path).unwrap();
    git(&path, &["init", "-q", "-b", "main"]);
    std::fs::write(path.join("a.yaml"), "a: 1\n").unwrap();
    git(&path, &["add", "-A"]);
    git(&path, &["commit", "-q", "-m", "one"]);
    let commit = git(&path, &["rev-parse", "HEAD"]);
    std::fs::write(path.join("a.yaml"), "a: not committed\n").unwrap();
    std::fs::write(path.join("b.yaml"), "b: not committed\n").unwrap();
    let url = file_url(&path).replace(' ', "%20");
    server.write("x.yaml", &source("x", &url));
    let object = server.ready("x", &commit).await;
    let listing = artifact::listing(&object).await;
    assert_eq!(artifact::files(&listing), ["a.yaml"]);
    assert_eq!(listing["a.yaml"].content, b"a: 1\n");

    // A second working tree of the same repository, as `git worktree` makes them.
    let other = server.folder.path().join("other");
    git(&path, &["worktree", "add", "-q", "--detach", other.to_str().unwrap()]);
    server.write("other.yaml", &source("other", &file_url(&other)));
    let again = server.ready("other", &commit).await;
    assert_eq!(again["status"]["artifact"]["digest"], object["status"]["artifact"]["digest"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_of_the_bytes_makes_no_difference() {
    let server = Standalone::started().await;
    let files = [("a.yaml", "a: 1\n"), ("dir/b.yaml", "b: 1\n"), ("dir/sub/c.txt", "c")];
    let path = server.folder.path().join("r.git");
    let (http, here) = (GitServer::start().await, Repository::init(&path));
    let commit = here.commit(&files);
    assert_eq!(http.repository("r.git").commit(&files), commit);
    server.write("here.yaml", &source("here", &file_url(&path)));
    server.write("http.yaml", &source("http", &http.url("r.git")));
    let (here, http) = (server.ready("here", &commit).await, server.ready("http", &commit).await);
    assert_eq!(here["status"]["artifact"]["digest"], http["status"]["artifact"]["digest"]);
    artifact::listing(&here).await;
    artifact::listing(&http).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_repository_is_told_and_mended() {
    let server = Standalone::started().await;
    let path = server.folder.path().join("r.git");
    server.write("x.yaml", &source("x", &format!("file://{}", path.display())));
    let uri = "/apis/source.toolkit.fluxcd.io/v1/namespaces/default/gitrepositories/x";
    let failed = server.until(uri, "failing", |object| condition(object, "Ready") == "False").await;
    assert!(failed["status"]["artifact"].is_null(), "{failed:#}");
    let commit = Repository::init(&path).commit(&[("a.yaml", "a: 1\n")]);
    server.ready("x", &commit).await;
}

on_each_server!(clusters_refuse_folders_of_the_controllers_machine);
async fn clusters_refuse_folders_of_the_controllers_machine(server: &Server) {
    let world = World::new(server, "file").await;
    let refusal = world.space.try_source("x", json!({"url": "file:///etc"})).await.unwrap_err().to_string();
    assert!(refusal.contains("spec.url"), "{}: {refusal}", server.name);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_refuses_them_even_where_the_api_server_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.git");
    Repository::init(&path).commit(&[("a.yaml", "a: 1\n")]);

    let server = LoopbackServer::start(Place::Folder(folder.path().join("api")), Garbage::Left).await;
    let url = server.url();
    let (http, json_type) = (reqwest::Client::new(), "application/json");
    for definition in headwater_api::crd::all() {
        let mut definition = serde_json::to_value(definition).unwrap();
        if definition["spec"]["names"]["kind"] == "GitRepository" {
            definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["url"]["pattern"] =
                json!(".*");
        }
        let request = http.post(format!("{url}/apis/apiextensions.k8s.io/v1/customresourcedefinitions"));
        let answer = request.header("content-type", json_type).body(definition.to_string()).send().await.unwrap();
        assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    }
    let kubeconfig = kubeconfig(folder.path(), url);
    let mut controller = Controller::new(folder.path(), &kubeconfig, "", &[]).await;
    controller.start().await;

    let sources = format!("{url}/apis/source.toolkit.fluxcd.io/v1/namespaces/default/gitrepositories");
    let object = json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": {"name": "x"},
        "spec": {"interval": "1h", "url": file_url(&path), "ref": {"branch": "main"}},
    });
    let answer = http.post(&sources).header("content-type", json_type).body(object.to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    let refused = eventually(PATIENCE, async || {
        let object: Value = http.get(format!("{sources}/x")).send().await.unwrap().json().await.unwrap();
        if condition(&object, "Ready") == "False" { Ok(object) } else { Err(format!("not refused: {object:#}\n{}", controller.log())) }
    })
    .await;
    assert!(refused["status"]["conditions"].to_string().contains("unsupported scheme 'file'"), "{refused:#}");
    assert!(refused["status"]["artifact"].is_null(), "{refused:#}");
    assert_eq!(controller.stored(), Vec::<String>::new());
}
