//! Servers and repositories that mean harm, or are merely broken: each ends in a condition, and touches nothing else.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use headwater_testing::{
    git::server::{At, GitServer, Mode},
    noise,
};
use serde_json::{Value, json};

use crate::support::{
    artifact::{files, listing},
    cluster::{Server, on_each_server},
    namespace::{condition, message, status_is},
    world::World,
};

const FILES: &[(&str, &str)] = &[("a.yaml", "a: 1\n")];

/// Lets a Git server misbehave from the first request on, and answers the failed object and the seconds that it took.
async fn fetch_from(server: &Server, test: &str, mode: Mode) -> (Value, Duration) {
    let world = World::new(server, test).await;
    let noise = noise(60_000);
    world.git.repository("r.git").commit(&[("noise", &noise)]);
    world.git.set_mode(mode);
    let start = Instant::now();
    let spec = json!({"url": world.git.url("r.git"), "timeout": "2s", "ref": {"branch": "main"}});
    world.space.source("x", spec).await;
    let object = world.space.failed("x", "GitOperationFailed").await;
    let took = start.elapsed();
    assert!(status_is(&object, "FetchFailed", "True"), "{}", object["status"]);
    assert!(object["status"]["artifact"].is_null());
    assert!(message(&object, "Ready").len() < 4_096, "a message of {} bytes", message(&object, "Ready").len());

    // The object recovers as soon as the server does, and nothing of the failure stays behind.
    world.git.set_mode(Mode::Serve);
    let recovered = world.space.ready("x").await;
    assert_eq!(files(&listing(&recovered).await), ["noise"]);
    assert!(condition(&recovered, "FetchFailed").is_none());
    (object, took)
}

on_each_server!(a_server_that_hangs_at_the_refs_fails_by_the_timeout_of_the_object);
async fn a_server_that_hangs_at_the_refs_fails_by_the_timeout_of_the_object(server: &Server) {
    let (_, took) = fetch_from(server, "hang-refs", Mode::Hang(At::Refs)).await;
    assert!(took < Duration::from_secs(15), "{took:?}");
}

on_each_server!(a_server_that_hangs_at_the_pack_fails_by_the_timeout_of_the_object);
async fn a_server_that_hangs_at_the_pack_fails_by_the_timeout_of_the_object(server: &Server) {
    let (_, took) = fetch_from(server, "hang-pack", Mode::Hang(At::Pack)).await;
    assert!(took < Duration::from_secs(15), "{took:?}");
}

on_each_server!(a_connection_reset_in_the_middle_of_the_pack_fails_the_fetch);
async fn a_connection_reset_in_the_middle_of_the_pack_fails_the_fetch(server: &Server) {
    fetch_from(server, "reset", Mode::Reset).await;
}

on_each_server!(garbage_instead_of_refs_fails_the_fetch);
async fn garbage_instead_of_refs_fails_the_fetch(server: &Server) {
    fetch_from(server, "garbage-refs", Mode::Garbage(At::Refs)).await;
}

on_each_server!(garbage_instead_of_a_pack_fails_the_fetch);
async fn garbage_instead_of_a_pack_fails_the_fetch(server: &Server) {
    fetch_from(server, "garbage-pack", Mode::Garbage(At::Pack)).await;
}

on_each_server!(refs_without_end_fail_the_fetch);
async fn refs_without_end_fail_the_fetch(server: &Server) {
    fetch_from(server, "endless-refs", Mode::Endless(At::Refs)).await;
}

on_each_server!(a_pack_without_end_fails_the_fetch);
async fn a_pack_without_end_fails_the_fetch(server: &Server) {
    fetch_from(server, "endless-pack", Mode::Endless(At::Pack)).await;
}

on_each_server!(an_error_status_with_a_hostile_body_fails_the_fetch_in_one_clean_message);
async fn an_error_status_with_a_hostile_body_fails_the_fetch_in_one_clean_message(server: &Server) {
    let body = Bytes::from([b"\x1b[31mred\r\nsecond line\0".as_slice(), "x".repeat(100_000).as_bytes()].concat());
    let (object, _) = fetch_from(server, "status", Mode::Status(503, body)).await;
    let text = message(&object, "FetchFailed");
    assert!(!text.contains(['\x1b', '\0', '\r']), "{text:?}");
}

on_each_server!(a_redirect_that_leads_back_to_itself_fails_the_fetch);
async fn a_redirect_that_leads_back_to_itself_fails_the_fetch(server: &Server) {
    let world = World::new(server, "redirect-loop").await;
    world.git.set_mode(Mode::Redirect(world.git.origin.clone()));
    let spec = json!({"url": world.git.url("r.git"), "timeout": "2s", "ref": {"branch": "main"}});
    world.space.source("x", spec).await;
    world.space.failed("x", "GitOperationFailed").await;
}

on_each_server!(no_tree_entry_leads_out_of_the_archive);
async fn no_tree_entry_leads_out_of_the_archive(server: &Server) {
    let world = World::new(server, "trees").await;
    let names: [(&str, &[u8]); 6] =
        [("dotdot", b".."), ("dot", b"."), ("dot-git", b".git"), ("slash", b"a/../../evil"), ("absolute", b"/etc/evil"), ("empty", b"")];
    for (name, entry) in names {
        let repository = world.git.repository(&format!("{name}.git"));
        let (blob, inner) = (repository.blob(b"evil"), repository.blob(b"fine"));
        let folder = repository.raw_tree(&[("100644", b"evil", &blob)]);
        let tree = if matches!(name, "dotdot" | "dot" | "dot-git") {
            repository.raw_tree(&[("40000", entry, &folder), ("100644", b"fine", &inner)])
        } else {
            repository.raw_tree(&[("100644", entry, &blob), ("100644", b"fine", &inner)])
        };
        repository.commit_tree("main", &tree);
        let url = world.git.url(&format!("{name}.git"));
        world.space.source(name, json!({"url": url, "timeout": "5s", "ref": {"branch": "main"}})).await;
    }
    for (name, _) in names {
        let object = world
            .space
            .wait(name, "it is over", |object| condition(object, "Ready").is_some_and(|ready| ready["status"] != "Unknown"))
            .await;
        if status_is(&object, "Ready", "True") {
            let listing = listing(&object).await;
            let unsafe_path = |path: &String| path.starts_with('/') || path.split('/').any(|part| matches!(part, "" | "." | ".." | ".git"));
            assert!(!listing.keys().any(unsafe_path), "{name}: {:?}", listing.keys());
        } else {
            assert!(object["status"]["artifact"].is_null(), "{name}: {}", object["status"]);
        }
    }
}

on_each_server!(a_tree_entry_with_a_nul_in_its_name_is_no_entry_of_the_archive);
async fn a_tree_entry_with_a_nul_in_its_name_is_no_entry_of_the_archive(server: &Server) {
    let world = World::new(server, "nul").await;
    let repository = world.git.repository("r.git");
    let blob = repository.blob(b"evil");
    // The name ends at its NUL, so that what follows is read as the object and then as the next mode.
    let tree = repository.raw_tree(&[("100644", b"a\0b", &blob)]);
    repository.commit_tree("main", &tree);
    let spec = json!({"url": world.git.url("r.git"), "timeout": "5s", "ref": {"branch": "main"}});
    world.space.source("x", spec).await;
    let object =
        world.space.wait("x", "not Ready", |object| condition(object, "Ready").is_some_and(|ready| ready["status"] == "False")).await;
    assert!(object["status"]["artifact"].is_null(), "{}", object["status"]);
}

on_each_server!(control_characters_in_a_reference_reach_no_message_and_no_request);
async fn control_characters_in_a_reference_reach_no_message_and_no_request(server: &Server) {
    let world = World::new(server, "ref-controls").await;
    world.git.repository("r.git").commit(FILES);
    let url = world.git.url("r.git");
    let references = [
        ("branch", json!({"branch": "ma\nin\u{7}"})),
        ("tag", json!({"tag": "v1\r\n0032want"})),
        ("name", json!({"name": "refs/heads/\u{1b}[31m"})),
    ];
    for (name, reference) in references {
        // The API server may refuse it as well: then there is nothing to reconcile.
        if world.space.try_source(name, json!({"url": url, "timeout": "5s", "ref": reference})).await.is_err() {
            continue;
        }
        let object =
            world.space.wait(name, "not Ready", |object| condition(object, "Ready").is_some_and(|ready| ready["status"] == "False")).await;
        let text = message(&object, "Ready");
        assert!(!text.contains(|c: char| c.is_control()), "{text:?}");
    }
}

on_each_server!(fifty_good_objects_become_ready_beside_broken_ones);
async fn fifty_good_objects_become_ready_beside_broken_ones(server: &Server) {
    let world = World::new(server, "fifty").await;
    let hanging = GitServer::start().await;
    hanging.set_mode(Mode::Hang(At::Refs));
    for number in 0..3 {
        let spec = json!({"url": hanging.url("r.git"), "timeout": "3s", "ref": {"branch": "main"}});
        world.space.source(&format!("bad-{number}"), spec).await;
    }
    world.git.repository("r.git").commit(FILES);
    let good = json!({"url": world.git.url("r.git"), "ref": {"branch": "main"}});
    for number in 0..50 {
        world.space.source(&format!("good-{number}"), good.clone()).await;
    }
    for number in 0..50 {
        world.space.ready(&format!("good-{number}")).await;
    }
    for number in 0..3 {
        world.space.failed(&format!("bad-{number}"), "GitOperationFailed").await;
    }
}
