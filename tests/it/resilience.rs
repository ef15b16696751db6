//! Restarts, crashes, outages and full disks: what was stored stays whole, and what was interrupted is done later.

use std::{
    fs,
    time::{Duration, Instant},
};

use headwater_testing::{PATIENCE, eventually, noise, tmpfs::Tmpfs};
use serde_json::{Value, json};

use crate::support::{
    artifact::{check, download, files, list, listing},
    cluster::{Server, on_each_server},
    controller::Controller,
    namespace::{condition, message, revision},
    proxy::{Conflicts, Outage},
    world::World,
};

const FILES: &[(&str, &str)] = &[("a.yaml", "a: 1\n")];

on_each_server!(a_restart_with_kept_storage_serves_at_once_and_asks_only_for_references);
async fn a_restart_with_kept_storage_serves_at_once_and_asks_only_for_references(server: &Server) {
    let mut world = World::new(server, "restart").await;
    world.git.repository("r.git").commit(FILES);
    world.space.source("x", json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}})).await;
    let before = world.space.ready("x").await;
    world.controller.stop().await;
    let seen = world.git.seen().len();
    world.controller.start().await;
    check(&before, &download(&before).await.unwrap());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = world.space.get("x").await.unwrap();
    assert_eq!(before["status"], after["status"], "the status was touched");
    let asked = world.git.seen().len() - seen;
    assert!(asked <= 2, "more than a list of references was asked for: {asked} requests");
}

on_each_server!(an_artifact_that_was_lost_is_fetched_again_after_a_restart);
async fn an_artifact_that_was_lost_is_fetched_again_after_a_restart(server: &Server) {
    let mut world = World::new(server, "lost").await;
    world.git.repository("r.git").commit(FILES);
    world.space.source("x", json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}})).await;
    let before = world.space.ready("x").await;
    world.controller.stop().await;
    fs::remove_dir_all(&world.controller.storage).unwrap();
    fs::create_dir_all(&world.controller.storage).unwrap();
    world.controller.start().await;
    eventually(PATIENCE, async || download(&before).await).await;
    let after = world.space.ready("x").await;
    assert_eq!(before["status"]["artifact"]["digest"], after["status"]["artifact"]["digest"]);
}

on_each_server!(a_kill_at_any_moment_leaves_no_torn_artifact_and_no_temporary_file, long = "ten kills and recoveries");
async fn a_kill_at_any_moment_leaves_no_torn_artifact_and_no_temporary_file(server: &Server) {
    let mut world = World::new(server, "kill").await;
    let repository = world.git.repository("r.git");
    let content = "some text that takes a moment to compress\n".repeat(100_000);
    repository.commit(&[("big", &content)]);
    world.space.source("x", json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}})).await;
    world.space.ready("x").await;
    let mut head = String::new();
    for round in 0..10_u64 {
        let files: Vec<_> = (0..8).map(|n| (format!("f{n}"), format!("{round} {n} {content}"))).collect();
        let files: Vec<_> = files.iter().map(|(path, content)| (path.as_str(), content.as_str())).collect();
        head = repository.commit(&files);
        let request = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": round.to_string()}}});
        world.space.patch("x", &request).await;
        // Spread over the time that one pass takes, at other moments in every run.
        let noise = u64::from(uuid::Uuid::new_v4().as_bytes()[0]) % 60;
        tokio::time::sleep(Duration::from_millis(round * 60 + noise)).await;
        world.controller.kill();
        world.controller.start().await;

        let temporary: Vec<_> = world.controller.stored().into_iter().filter(|path| is_leftover(path)).collect();
        // A pass that is under way again may be writing: what stays is left over.
        if !temporary.is_empty() {
            eventually(Duration::from_secs(20), async || {
                let left: Vec<_> = temporary.iter().filter(|p| world.controller.storage.join(p).exists()).collect();
                if left.is_empty() { Ok(()) } else { Err(format!("left over after a kill: {left:?}")) }
            })
            .await;
        }
        promised(&world).await;
    }
    let end = world.space.ready_at("x", &format!("main@sha1:{head}")).await;
    assert_eq!(files(&listing(&end).await).len(), 8);
    world.controller.stop().await;
    // Mirrors are there to stay.
    let folders = fs::read_dir(&world.controller.temporary).unwrap().map(|folder| folder.unwrap().path());
    let scratch = folders.filter(|folder| folder.extension().is_none_or(|extension| extension != "mirrors"));
    let left = scratch.flat_map(|folder| fs::read_dir(folder).unwrap());
    assert_eq!(left.count(), 0, "what killed processes fetched is left over");
}

/// Downloads the artifact of the status, whole. It may be gone only if another has taken its place meanwhile.
async fn promised(world: &World) {
    let object = world.space.get("x").await.unwrap();
    match download(&object).await {
        Ok(bytes) => {
            check(&object, &bytes);
            list(&bytes);
        }
        Err(error) => {
            let later = world.space.get("x").await.unwrap();
            assert_ne!(revision(&later), revision(&object), "promised and gone: {error}");
        }
    }
}

/// Whether a path in the storage folder is that of an unfinished write.
fn is_leftover(path: &str) -> bool {
    path.contains("tmp")
}

on_each_server!(a_graceful_stop_ends_with_success_in_good_time);
async fn a_graceful_stop_ends_with_success_in_good_time(server: &Server) {
    let mut world = World::new(server, "stop").await;
    world.git.repository("r.git").commit(FILES);
    world.space.source("x", json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}})).await;
    world.space.ready("x").await;
    let start = Instant::now();
    assert!(world.controller.stop().await.success());
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

on_each_server!(artifacts_are_served_while_the_api_server_is_gone_and_work_goes_on_when_it_is_back);
async fn artifacts_are_served_while_the_api_server_is_gone_and_work_goes_on_when_it_is_back(server: &Server) {
    let mut world = World::idle(server, "outage", &[]).await;
    let mut outage = Outage::start(server, world.folder.path()).await;
    world.controller = Controller::new(world.folder.path(), &outage.kubeconfig, &world.space.selector(), &[]).await;
    world.controller.start().await;
    let repository = world.git.repository("r.git");
    repository.commit(FILES);
    let spec = json!({"url": world.git.url("r.git"), "interval": "1s", "ref": {"branch": "main"}});
    world.space.source("x", spec.clone()).await;
    let before = world.space.ready("x").await;

    outage.begin().await;
    let head = repository.commit(&[("b.yaml", "b: 1\n")]);
    world.space.source("y", spec).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(world.controller.is_running(), "it ended with its API server");
    check_served(&before).await;

    outage.end().await;
    world.space.ready_at("x", &format!("main@sha1:{head}")).await;
    world.space.ready_at("y", &format!("main@sha1:{head}")).await;
}

/// The last artifact is served; a newer one may have been stored meanwhile, but none may be torn.
async fn check_served(object: &Value) {
    if let Ok(bytes) = download(object).await {
        check(object, &bytes);
    } else {
        panic!("not served: {}", object["status"]["artifact"]);
    }
}

on_each_server!(a_conflict_on_a_status_write_is_overcome);
async fn a_conflict_on_a_status_write_is_overcome(server: &Server) {
    let mut world = World::idle(server, "conflict", &[]).await;
    let conflicts = Conflicts::start(server, world.folder.path(), 3).await;
    world.controller = Controller::new(world.folder.path(), &conflicts.kubeconfig, &world.space.selector(), &[]).await;
    world.controller.start().await;
    world.git.repository("r.git").commit(FILES);
    world.space.source("x", json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}})).await;
    let object = world.space.ready("x").await;
    assert_eq!(conflicts.left(), 0);
    assert_eq!(files(&listing(&object).await), ["a.yaml"]);
}

on_each_server!(another_writer_on_the_same_object_loses_nothing_and_hinders_nothing);
async fn another_writer_on_the_same_object_loses_nothing_and_hinders_nothing(server: &Server) {
    let world = World::new(server, "writers").await;
    let repository = world.git.repository("r.git");
    repository.commit(FILES);
    let spec = json!({"url": world.git.url("r.git"), "interval": "1s", "ref": {"branch": "main"}});
    world.space.source("x", spec).await;
    for number in 0..40 {
        world.space.patch("x", &json!({"metadata": {"annotations": {"example.com/n": number.to_string()}}})).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let head = repository.commit(&[("b.yaml", "b: 1\n")]);
    let object = world.space.ready_at("x", &format!("main@sha1:{head}")).await;
    assert_eq!(object["metadata"]["annotations"]["example.com/n"], "39");
}

on_each_server!(a_full_disk_is_a_storage_failure_and_over_when_there_is_room);
async fn a_full_disk_is_a_storage_failure_and_over_when_there_is_room(server: &Server) {
    let mut world = World::idle(server, "disk-full", &[]).await;
    let storage = world.controller.storage.clone();
    let Some(disk) = Tmpfs::mount(&storage, "size=1m") else { return };
    world.controller.start().await;
    world.git.repository("big.git").commit(&[("noise", &noise(600_000))]);
    world.git.repository("small.git").commit(FILES);
    world.space.source("small", json!({"url": world.git.url("small.git"), "ref": {"branch": "main"}})).await;
    let small = world.space.ready("small").await;
    world.space.source("big", json!({"url": world.git.url("big.git"), "ref": {"branch": "main"}})).await;
    let object =
        world.space.wait("big", "not Ready", |object| condition(object, "Ready").is_some_and(|ready| ready["status"] == "False")).await;
    assert!(message(&object, "Ready").to_lowercase().contains("no space"), "{}", object["status"]);
    assert!(object["status"]["artifact"].is_null());
    check_served(&small).await;
    disk.remount("size=64m");
    world.space.ready("big").await;
    world.controller.kill();
}

on_each_server!(a_read_only_storage_folder_is_a_storage_failure_and_serving_goes_on);
async fn a_read_only_storage_folder_is_a_storage_failure_and_serving_goes_on(server: &Server) {
    let mut world = World::idle(server, "read-only", &[]).await;
    let storage = world.controller.storage.clone();
    let Some(disk) = Tmpfs::mount(&storage, "size=64m") else { return };
    world.controller.start().await;
    let repository = world.git.repository("r.git");
    repository.commit(FILES);
    world.space.source("x", json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}})).await;
    let before = world.space.ready("x").await;
    disk.remount("ro");
    let head = repository.commit(&[("b.yaml", "b: 1\n")]);
    let request = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}});
    world.space.patch("x", &request).await;
    let object =
        world.space.wait("x", "not Ready", |object| condition(object, "Ready").is_some_and(|ready| ready["status"] == "False")).await;
    assert!(message(&object, "Ready").to_lowercase().contains("read-only"), "{}", object["status"]);
    assert_eq!(before["status"]["artifact"], object["status"]["artifact"], "the old artifact stays");
    check_served(&before).await;
    disk.remount("rw");
    world.space.ready_at("x", &format!("main@sha1:{head}")).await;
    world.controller.kill();
}
