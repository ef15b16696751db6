//! Harm that comes to mirrors, and disks that are full.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use headwater_testing::{noise, tmpfs::Tmpfs};
use serde_json::{Value, json};

use super::{FILES, below, check_next, main_of, mirrors, next, with_extension};
use crate::support::{
    artifact::{check, download, files, listing},
    cluster::embedded,
    namespace::{condition, message, revision, status_is},
    world::World,
};

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_to_the_files_of_a_mirror_the_next_pass_repairs_it() {
    type Harm = fn(&Path);
    let harms: [(&str, Harm); 11] = [
        ("mirrors are files", |root| {
            for path in fs::read_dir(root.join("0")).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
                fs::remove_dir_all(&path).unwrap();
                fs::write(path, "").unwrap();
            }
        }),
        ("locks are left", |root| {
            for path in below(root).iter().filter(|path| path.ends_with("shallow")) {
                fs::write(path.with_extension("lock"), "").unwrap();
            }
        }),
        ("all is deleted", |root| fs::remove_dir_all(root).unwrap()),
        ("packs are deleted", |root| with_extension(root, "pack").iter().for_each(|path| fs::remove_file(path).unwrap())),
        ("everything is empty", |root| below(root).iter().for_each(|path| fs::write(path, "").unwrap())),
        ("packs are cut in half", |root| {
            for path in with_extension(root, "pack") {
                let half = fs::metadata(&path).unwrap().len() / 2;
                fs::File::options().write(true).open(path).unwrap().set_len(half).unwrap();
            }
        }),
        ("everything is garbage", |root| below(root).iter().for_each(|path| fs::write(path, noise(100)).unwrap())),
        ("indices are garbage", |root| with_extension(root, "idx").iter().for_each(|path| fs::write(path, noise(1000)).unwrap())),
        ("packs are folders", |root| {
            for path in with_extension(root, "pack") {
                fs::remove_file(&path).unwrap();
                fs::create_dir(path).unwrap();
            }
        }),
        ("files lead nowhere", |root| {
            for path in below(root) {
                fs::remove_file(&path).unwrap();
                std::os::unix::fs::symlink("/nowhere", path).unwrap();
            }
        }),
        ("the list of commits promises too much", |root| {
            for path in below(root).iter().filter(|path| path.ends_with("tips")) {
                fs::write(path, format!("{}\n", "1".repeat(40))).unwrap();
            }
        }),
    ];
    let mut world = World::new(embedded(), "harm").await;
    let repository = world.git.repository("r.git");
    let mut number = 1;
    next(&repository, number);
    world.space.source("x", main_of(&world.git.url("r.git"))).await;
    world.space.ready("x").await;
    for (name, harm) in harms {
        let told = |object: &Value| format!("{name}: {}", object["status"]);
        harm(&mirrors(&world));
        number += 1;
        let head = next(&repository, number);
        let poked = tokio::time::timeout(Duration::from_secs(10), world.space.poke("x")).await;
        let object = poked.unwrap_or_else(|_| panic!("not repaired after {name}"));
        assert_eq!(revision(&object), format!("main@sha1:{head}"), "{}", told(&object));
        check_next(&world, "x", &head, number).await;
        // What is there already is harmed, too.
        harm(&mirrors(&world));
        world.space.patch("x", &json!({"spec": {"ignore": format!("# {name}\n")}})).await;
        let poked = tokio::time::timeout(Duration::from_secs(10), world.space.poke("x")).await;
        let object = poked.unwrap_or_else(|_| panic!("not repaired after {name}"));
        assert!(status_is(&object, "Ready", "True"), "{}", told(&object));
        check_next(&world, "x", &head, number).await;
    }
    assert!(world.controller.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harmed_mirror_does_not_keep_the_next_process_from_starting() {
    let mut world = World::new(embedded(), "harm-start").await;
    let repository = world.git.repository("r.git");
    next(&repository, 1);
    world.space.source("x", main_of(&world.git.url("r.git"))).await;
    world.space.ready("x").await;
    let mut number = 1;
    for harm in ["garbage", "links", "folders"] {
        world.controller.kill();
        for path in below(&mirrors(&world)).into_iter().filter(|path| !path.ends_with("lock")) {
            fs::remove_file(&path).unwrap();
            match harm {
                "garbage" => fs::write(path, noise(50)).unwrap(),
                "links" => std::os::unix::fs::symlink("/nowhere/at/all", path).unwrap(),
                _ => fs::create_dir(path).unwrap(),
            }
        }
        world.controller.spawn();
        number += 1;
        let head = next(&repository, number);
        tokio::time::timeout(Duration::from_secs(10), world.space.poke("x")).await.unwrap_or_else(|_| panic!("after {harm}"));
        check_next(&world, "x", &head, number).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_of_mirrors_is_told_and_over_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Tmpfs::mount(folder.path(), "size=1m") else { return };
    let path = format!("--git-mirror-path={}", folder.path().display());
    let mut world = World::with(embedded(), "mirrors-full", &[&path]).await;
    world.git.repository("small.git").commit(FILES);
    let big = world.git.repository("big.git").commit(&[("noise", &noise(250_000))]);
    world.space.source("small", main_of(&world.git.url("small.git"))).await;
    let small = world.space.ready("small").await;
    world.space.source("big", main_of(&world.git.url("big.git"))).await;
    let over = |object: &Value| condition(object, "Ready").is_some_and(|ready| ready["status"] != "Unknown");
    let object = world.space.wait("big", "it is over", over).await;
    if status_is(&object, "Ready", "False") {
        let told = message(&object, "Ready");
        assert!(told.to_lowercase().contains("no space"), "{told}");
        assert!(told.contains(&folder.path().display().to_string()) || told.contains("git-mirror-path"), "where is not told: {told}");
        assert!(object["status"]["artifact"].is_null());
    }
    check(&small, &download(&small).await.unwrap());
    disk.remount("size=64m");
    let object = world.space.ready_at("big", &format!("main@sha1:{big}")).await;
    assert_eq!(files(&listing(&object).await), ["noise"]);
    world.controller.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_made_room_on_by_mirrors_that_nobody_reads() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_disk) = Tmpfs::mount(folder.path(), "size=1m") else { return };
    let path = format!("--git-mirror-path={}", folder.path().display());
    let mut world = World::with(embedded(), "give-way", &[&path]).await;
    let text = noise(80_000);
    for name in ["one", "two", "three"] {
        let head = world.git.repository(&format!("{name}.git")).commit(&[("noise", &format!("{name}{text}"))]);
        world.space.source(name, main_of(&world.git.url(&format!("{name}.git")))).await;
        let over = |object: &Value| condition(object, "Ready").is_some_and(|ready| ready["status"] != "Unknown");
        let object = world.space.wait(name, "it is over", over).await;
        assert_eq!(revision(&object), format!("main@sha1:{head}"), "{}", object["status"]);
    }
    world.controller.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_while_a_mirror_grows_leave_the_right_artifact_and_nothing_else() {
    let mut world = World::new(embedded(), "mirror-kill").await;
    let (repository, big) = (world.git.repository("r.git"), noise(20_000));
    let commit = |round: u64| {
        let files: Vec<_> = (0..6).map(|n| (format!("f{n}"), format!("{round} {n} {big}"))).collect();
        repository.commit(&files.iter().map(|(path, content)| (path.as_str(), content.as_str())).collect::<Vec<_>>())
    };
    commit(0);
    world.space.source("x", main_of(&world.git.url("r.git"))).await;
    world.space.ready("x").await;
    for round in 1..=6 {
        commit(round);
        let request = json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": round.to_string()}}});
        world.space.patch("x", &request).await;
        // Spread over the time that one fetch takes, at other moments in every run.
        let noise = u64::from(uuid::Uuid::new_v4().as_bytes()[0]) % 40;
        tokio::time::sleep(Duration::from_millis(10 + round * 30 + noise)).await;
        world.controller.kill();
        world.controller.spawn();
    }
    let head = commit(7);
    world.space.poke("x").await;
    let object = world.space.ready_at("x", &format!("main@sha1:{head}")).await;
    let listing = listing(&object).await;
    assert_eq!(files(&listing).len(), 6);
    assert_eq!(listing["f5"].content, format!("7 5 {big}").into_bytes());
    world.controller.stop().await;
    let all = below(&mirrors(&world));
    let packs = with_extension(&mirrors(&world), "pack");
    assert_eq!(packs.len(), with_extension(&mirrors(&world), "idx").len(), "{all:#?}");
    let unfinished =
        |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "lock") || path.display().to_string().contains("tmp_");
    let left: Vec<_> = all.iter().filter(unfinished).collect();
    assert!(left.is_empty(), "{left:?}");
}
