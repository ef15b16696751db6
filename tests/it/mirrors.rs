//! What is fetched is kept: it is asked for once, it costs its difference, and whatever happens to it, artifacts are right.

mod harm;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use headwater_testing::{
    git::{
        Repository,
        middleman::{Middleman, Step},
        server::{Access, Dialect, Wants},
    },
    noise,
};
use serde_json::{Value, json};

use crate::support::{
    artifact::{check, download, files, listing},
    cluster::embedded,
    namespace::{message, revision, status_is},
    world::World,
};

const FILES: &[(&str, &str)] = &[("a.yaml", "a: 1\n"), ("dir/b.yaml", "b: 1\n")];
/// A server that gives away only what references lead to; that of the second version gives away all that it has.
const NAMED: Dialect = Dialect { version: 0, wants: Wants::References, ..Dialect::NEWEST };
/// What `update-ref` takes for nothing.
const NOTHING: &str = "0000000000000000000000000000000000000000";

fn main_of(url: &str) -> Value {
    json!({"url": url, "ref": {"branch": "main"}})
}

/// The folder of mirrors that a controller makes by itself.
fn mirrors(world: &World) -> PathBuf {
    let entries = fs::read_dir(&world.controller.temporary).unwrap().map(|entry| entry.unwrap().path());
    entries.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "mirrors")).unwrap()
}

/// All files below a folder.
fn below(folder: &Path) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        for path in fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

fn with_extension(folder: &Path, wanted: &str) -> Vec<PathBuf> {
    below(folder).into_iter().filter(|path| path.extension().is_some_and(|extension| extension == wanted)).collect()
}

/// Commits a file that tells which commit it is, beside others that stay the same.
fn next(repository: &Repository, number: u32) -> String {
    let text = number.to_string();
    repository.commit(&[("number", &text), ("same/a.yaml", "a: 1\n"), ("same/b.yaml", "b: 1\n")])
}

async fn check_next(world: &World, name: &str, head: &str, number: u32) {
    let object = world.space.ready_at(name, &format!("main@sha1:{head}")).await;
    let listing = listing(&object).await;
    assert_eq!(files(&listing), ["number", "same/a.yaml", "same/b.yaml"]);
    assert_eq!(listing["number"].content, number.to_string().into_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ten_objects_ask_for_at_once_is_asked_for_and_fetched_once() {
    let mut world = World::idle(embedded(), "share", &[]).await;
    let head = world.git.repository("r.git").commit(FILES);
    for number in 0..10 {
        world.space.source(&format!("x{number}"), main_of(&world.git.url("r.git"))).await;
    }
    world.controller.start().await;
    for number in 0..10 {
        let object = world.space.ready_at(&format!("x{number}"), &format!("main@sha1:{head}")).await;
        assert_eq!(files(&listing(&object).await), ["a.yaml", "dir/b.yaml"]);
    }
    let seen = world.git.seen();
    assert_eq!(seen.len(), 3, "a greeting, a list and a pack: {seen:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_later_hears_what_is_new_and_the_new_is_fetched_once() {
    let world = World::new(embedded(), "later").await;
    let middleman = Middleman::start(&world.git).await;
    let repository = world.git.repository("r.git");
    next(&repository, 1);
    for number in 0..5 {
        world.space.source(&format!("x{number}"), main_of(&middleman.url("r.git"))).await;
    }
    for number in 0..5 {
        world.space.ready(&format!("x{number}")).await;
    }
    for round in 2..5 {
        let (before, head) = (middleman.packs(), next(&repository, round));
        for number in 0..5 {
            let request = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": round.to_string()}}});
            world.space.patch(&format!("x{number}"), &request).await;
        }
        for number in 0..5 {
            check_next(&world, &format!("x{number}"), &head, round).await;
        }
        assert_eq!(middleman.packs() - before, 1, "{:#?}", middleman.answered());
    }
    let greetings = middleman.answered().iter().filter(|answered| answered.step == Step::Greeting).count();
    assert_eq!(greetings, 1, "{:#?}", middleman.answered());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_serves_nobody_who_has_not_these_credentials() {
    let world = World::new(embedded(), "others").await;
    world.git.repository("r.git").commit(FILES);
    let middleman = Middleman::start(&world.git).await;
    world.git.set_access(Access::Basic("user", "right"));
    world.space.secret("right", &[("username", "user"), ("password", "right")]).await;
    world.space.secret("wrong", &[("username", "user"), ("password", "wrong")]).await;
    let spec = |secret: &str| json!({"url": middleman.url("r.git"), "ref": {"branch": "main"}, "secretRef": {"name": secret}});
    world.space.source("right", spec("right")).await;
    world.space.ready("right").await;
    world.space.source("wrong", spec("wrong")).await;
    world.space.source("none", main_of(&middleman.url("r.git"))).await;
    for name in ["wrong", "none"] {
        let object = world.space.failed(name, "GitOperationFailed").await;
        assert!(message(&object, "Ready").contains("authentication required"), "{}", object["status"]);
        assert!(object["status"]["artifact"].is_null());
    }
    let packs = middleman.packs();
    assert_eq!(packs, 1 + middleman.answered().iter().filter(|answered| answered.step == Step::Pack && answered.bytes == 0).count());

    // Nor does it serve him whose credentials were good yesterday.
    world.git.set_access(Access::Basic("user", "other"));
    world.space.patch("right", &json!({"spec": {"ignore": "a.yaml\n"}})).await;
    let object = world.space.failed("right", "GitOperationFailed").await;
    assert!(message(&object, "Ready").contains("authentication required"), "{}", object["status"]);

    // The same repository under new credentials is another one.
    world.git.set_access(Access::Basic("user", "wrong"));
    let object = world.space.ready("wrong").await;
    assert_eq!(files(&listing(&object).await), ["a.yaml", "dir/b.yaml"]);
    assert_eq!(middleman.packs(), packs + 1);
    let names: Vec<_> = below(&mirrors(&world)).iter().map(|path| path.display().to_string()).collect();
    assert!(!names.iter().any(|name| name.contains("user") || name.contains("right") || name.contains("127.0.0.1")), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_commit_costs_its_difference() {
    let world = World::new(embedded(), "delta").await;
    let middleman = Middleman::start(&world.git).await;
    let (repository, big) = (world.git.repository("r.git"), noise(60_000));
    repository.commit(&[("big", &big), ("small", "1")]);
    world.space.source("x", main_of(&middleman.url("r.git"))).await;
    world.space.ready("x").await;
    let first = middleman.pack_bytes();
    let head = repository.commit(&[("big", &big), ("small", "2")]);
    world.space.poke("x").await;
    let object = world.space.ready_at("x", &format!("main@sha1:{head}")).await;
    let cost = middleman.pack_bytes() - first;
    assert!(first > 200_000 && cost < 2_000, "{first} bytes at first, {cost} for a new commit");
    let listing = listing(&object).await;
    assert_eq!((listing["small"].content.as_slice(), listing["big"].content.len()), (b"2".as_slice(), big.len()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_on_with_what_was_kept() {
    let mut world = World::new(embedded(), "goes-on").await;
    let middleman = Middleman::start(&world.git).await;
    let (repository, big) = (world.git.repository("r.git"), noise(60_000));
    repository.commit(&[("big", &big), ("small", "1")]);
    world.space.source("x", main_of(&middleman.url("r.git"))).await;
    world.space.ready("x").await;
    for (round, graceful) in [(2, true), (3, false)] {
        if graceful {
            world.controller.stop().await;
        } else {
            world.controller.kill();
        }
        let before = middleman.pack_bytes();
        let head = repository.commit(&[("big", &big), ("small", &round.to_string())]);
        world.controller.start().await;
        world.space.poke("x").await;
        let object = world.space.ready_at("x", &format!("main@sha1:{head}")).await;
        assert_eq!(listing(&object).await["big"].content, big.as_bytes());
        let cost = middleman.pack_bytes() - before;
        assert!(cost < 2_000, "{cost} bytes after a restart, graceful {graceful}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_for_mirrors_nothing_is_kept_and_all_works() {
    let world = World::with(embedded(), "none-kept", &["--git-mirror-max-size=0"]).await;
    let repository = world.git.repository("r.git");
    world.space.source("x", main_of(&world.git.url("r.git"))).await;
    for round in 1..4 {
        let head = next(&repository, round);
        world.space.poke("x").await;
        check_next(&world, "x", &head, round).await;
    }
    let left = below(&world.controller.temporary);
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_is_too_old_is_made_anew_and_the_old_one_goes() {
    let world = World::with(embedded(), "old", &["--git-mirror-max-age=500ms"]).await;
    let middleman = Middleman::start(&world.git).await;
    let (repository, big) = (world.git.repository("r.git"), noise(20_000));
    repository.commit(&[("big", &big), ("small", "0")]);
    world.space.source("x", main_of(&middleman.url("r.git"))).await;
    world.space.ready("x").await;
    for round in 1..3 {
        tokio::time::sleep(Duration::from_millis(600)).await;
        let before = middleman.pack_bytes();
        repository.commit(&[("big", &big), ("small", &round.to_string())]);
        let object = world.space.poke("x").await;
        assert_eq!(listing(&object).await["small"].content, round.to_string().into_bytes());
        assert!(middleman.pack_bytes() - before > 70_000, "all of it is fetched");
        let packs = with_extension(&mirrors(&world), "pack");
        assert_eq!(packs.len(), 1, "{packs:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mirrors_take_no_more_room_than_they_may() {
    const MOST: u64 = 500_000;
    let world = World::with(embedded(), "room", &[&format!("--git-mirror-max-size={MOST}")]).await;
    let text = noise(40_000);
    for number in 0..6 {
        let name = format!("r{number}");
        let repository = world.git.repository(&format!("{name}.git"));
        repository.commit(&[("noise", &format!("{number}{text}"))]);
        world.space.source(&name, main_of(&world.git.url(&format!("{name}.git")))).await;
        world.space.ready(&name).await;
    }
    let files = below(&mirrors(&world));
    let size: u64 = files.iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(size <= MOST + 10_000, "{size} bytes: {files:#?}");
    assert!(with_extension(&mirrors(&world), "pack").len() >= 2, "{files:#?}");
    // Those that went are fetched anew.
    let head = next(&world.git.repository("r0.git"), 7);
    world.space.poke("r0").await;
    check_next(&world, "r0", &head, 7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn branches_that_are_forced_tags_that_move_and_branches_that_go_are_followed() {
    let world = World::new(embedded(), "moves").await;
    let middleman = Middleman::start(&world.git).await;
    let repository = world.git.repository("r.git");
    let one = repository.commit(&[("one", "1")]);
    repository.annotated_tag("v1");
    let other = repository.commit_to("other", &[("other", "o")]);
    world.space.source("main", main_of(&middleman.url("r.git"))).await;
    world.space.source("tag", json!({"url": middleman.url("r.git"), "ref": {"tag": "v1"}})).await;
    world.space.source("other", json!({"url": middleman.url("r.git"), "ref": {"branch": "other"}})).await;
    world.space.ready_at("main", &format!("main@sha1:{one}")).await;
    world.space.ready_at("tag", &format!("v1@sha1:{one}")).await;
    let kept = world.space.ready_at("other", &format!("other@sha1:{other}")).await;

    // The history of another branch, which is here already.
    let packs = middleman.packs();
    repository.set_ref("refs/heads/main", &other);
    repository.set_ref("refs/tags/v1", &other);
    for (name, revision) in [("main", format!("main@sha1:{other}")), ("tag", format!("v1@sha1:{other}"))] {
        world.space.poke(name).await;
        let object = world.space.ready_at(name, &revision).await;
        assert_eq!(files(&listing(&object).await), ["other"]);
    }
    assert_eq!(middleman.packs(), packs, "what is here is not fetched again");
    // And back, and on.
    repository.set_ref("refs/heads/main", &one);
    world.space.poke("main").await;
    let object = world.space.ready_at("main", &format!("main@sha1:{one}")).await;
    assert_eq!(files(&listing(&object).await), ["one"]);
    let two = repository.commit(&[("two", "2")]);
    world.space.poke("main").await;
    let object = world.space.ready_at("main", &format!("main@sha1:{two}")).await;
    assert_eq!(files(&listing(&object).await), ["two"]);

    repository.set_ref("refs/heads/other", NOTHING);
    world.space.patch("other", &json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}})).await;
    let object = world.space.failed("other", "GitOperationFailed").await;
    assert!(message(&object, "FetchFailed").ends_with("couldn't find remote ref \"refs/heads/other\""), "{}", object["status"]);
    assert_eq!(object["status"]["artifact"], kept["status"]["artifact"]);
    check(&kept, &download(&kept).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_commit_that_is_gone_upstream_keeps_its_artifact() {
    let mut world = World::new(embedded(), "gone").await;
    let repository = world.git.repository("r.git");
    let pinned = repository.commit(FILES);
    world.space.source("x", json!({"url": world.git.url("r.git"), "ref": {"commit": pinned}})).await;
    let before = world.space.ready_at("x", &format!("sha1:{pinned}")).await;
    let other = repository.commit_to("new", &[("new", "n")]);
    repository.set_ref("refs/heads/main", &other);
    world.git.set_dialect(NAMED);

    let object = world.space.poke("x").await;
    assert!(status_is(&object, "Ready", "True"), "{}", object["status"]);
    assert_eq!(object["status"]["artifact"], before["status"]["artifact"]);
    // What is kept will do for another content, too.
    world.space.patch("x", &json!({"spec": {"ignore": "a.yaml\n"}})).await;
    let object = world.space.ready("x").await;
    assert_eq!(files(&listing(&object).await), ["dir/b.yaml"]);

    world.controller.stop().await;
    fs::remove_dir_all(mirrors(&world)).unwrap();
    world.controller.start().await;
    let still = world.space.poke("x").await;
    assert_eq!(still["status"]["artifact"], object["status"]["artifact"], "{}", still["status"]);
    assert!(status_is(&still, "Ready", "True"), "nothing has to be fetched: {}", still["status"]);
    world.space.patch("x", &json!({"spec": {"ignore": "# another\n"}})).await;
    let failed = world.space.failed("x", "GitOperationFailed").await;
    assert!(message(&failed, "Ready").contains("object not found"), "{}", failed["status"]);
    assert_eq!(failed["status"]["artifact"], object["status"]["artifact"]);
    check(&object, &download(&object).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_controllers_with_one_folder_of_mirrors_do_not_disturb_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = format!("--git-mirror-path={}", folder.path().display());
    let mut one = World::with(embedded(), "two-one", &[&path]).await;
    let two = World::with(embedded(), "two-two", &[&path]).await;
    let repository = one.git.repository("r.git");
    next(&repository, 1);
    for world in [&one, &two] {
        world.space.source("x", main_of(&one.git.url("r.git"))).await;
    }
    for world in [&one, &two] {
        world.space.ready("x").await;
    }
    for round in 2..6 {
        let head = next(&repository, round);
        if round == 4 {
            one.controller.kill();
            one.controller.spawn();
        }
        tokio::join!(one.space.poke("x"), two.space.poke("x"));
        check_next(&one, "x", &head, round).await;
        check_next(&two, "x", &head, round).await;
    }
    let slots: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(slots.len(), 2, "{slots:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_after_five_commits_is_byte_for_byte_that_of_a_fresh_controller() {
    let grown = World::new(embedded(), "grown").await;
    let fresh = World::new(embedded(), "fresh").await;
    let repository = grown.git.repository("r.git");
    // Enough for several pieces that can be taken over.
    let text = noise(50_000);
    let noises: Vec<_> = (0..8).map(|n| format!("{n}{}", &text[n * 8..])).collect();
    let commit = |round: usize| {
        let mut files: Vec<_> = noises.iter().enumerate().map(|(n, text)| (format!("dir{}/f{n}", n % 3), text.clone())).collect();
        files[round].1.push_str("changed");
        files.push((format!("new/{round}"), round.to_string()));
        files.retain(|(path, _)| round < 4 || !path.ends_with("f7"));
        repository.commit(&files.iter().map(|(path, content)| (path.as_str(), content.as_str())).collect::<Vec<_>>())
    };
    let url = grown.git.url("r.git");
    let mut head = commit(0);
    grown.space.source("x", main_of(&url)).await;
    grown.space.ready("x").await;
    for round in 1..=5 {
        head = commit(round);
        grown.space.poke("x").await;
    }
    fresh.space.source("x", main_of(&url)).await;
    let at = format!("main@sha1:{head}");
    let (ours, theirs) = (grown.space.ready_at("x", &at).await, fresh.space.ready_at("x", &at).await);
    assert_eq!(ours["status"]["artifact"]["digest"], theirs["status"]["artifact"]["digest"]);
    let bytes = download(&ours).await.unwrap();
    check(&ours, &bytes);
    assert!(bytes == download(&theirs).await.unwrap());
    assert_eq!(files(&listing(&ours).await).len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_moves_between_list_and_pack_gives_what_it_was_or_what_it_is() {
    for (test, dialect) in [("race-all", Dialect::NEWEST), ("race-named", NAMED)] {
        let world = World::new(embedded(), test).await;
        world.git.set_dialect(dialect);
        let middleman = Middleman::start(&world.git).await;
        let repository = world.git.repository("r.git");
        let first = repository.commit(&[("first", "1")]);
        let (told, heard) = std::sync::mpsc::channel();
        middleman.before_pack(move || {
            // Forced, so that nothing leads to the first one any more.
            let forced = repository.commit_to("next", &[("second", "2")]);
            repository.set_ref("refs/heads/main", &forced);
            repository.set_ref("refs/heads/next", NOTHING);
            told.send(forced).unwrap();
        });
        world.space.source("x", main_of(&middleman.url("r.git"))).await;
        let object = world.space.ready("x").await;
        let second = heard.recv().unwrap();
        let (id, file) = if dialect.wants == Wants::Anything { (&first, "first") } else { (&second, "second") };
        assert_eq!(revision(&object), format!("main@sha1:{id}"));
        assert_eq!(files(&listing(&object).await), [file]);
        assert!(!world.controller.log().contains("Reconciler error"), "it is no failure");
        world.space.poke("x").await;
        let object = world.space.ready_at("x", &format!("main@sha1:{second}")).await;
        assert_eq!(files(&listing(&object).await), ["second"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_the_fetch_of_another_waits_no_longer_than_he_may() {
    let world = World::new(embedded(), "waits").await;
    let middleman = Middleman::start(&world.git).await;
    let head = world.git.repository("r.git").commit(FILES);
    middleman.set_deaf(true);
    for name in ["x", "y", "z"] {
        let spec = json!({"url": middleman.url("r.git"), "timeout": "1s", "ref": {"branch": "main"}});
        world.space.source(name, spec).await;
    }
    for name in ["x", "y", "z"] {
        let object = world.space.failed(name, "GitOperationFailed").await;
        let told = message(&object, "Ready");
        assert!(told.contains("timed out") || told.contains("deadline exceeded"), "{told}");
    }
    middleman.set_deaf(false);
    for name in ["x", "y", "z"] {
        world.space.ready_at(name, &format!("main@sha1:{head}")).await;
    }
}
