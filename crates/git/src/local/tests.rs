#![expect(clippy::unwrap_used, reason = "tests")]

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::time::Duration;

use headwater_storage::{Algorithm, Ignore, Location, Options, Retention, Storage};
use headwater_testing::git::{git, server::GitServer};
use tokio::time::Instant;

use super::super::tests::{branch, remote, semver};
use super::super::{Content, Limits, fetch, resolve};
use super::*;

fn local(path: &Path) -> Remote {
    Remote { local: LocalRepositories::Allowed, ..remote(Url::from_file_path(path).unwrap().as_str()) }
}

fn at(text: &str) -> Remote {
    Remote { local: LocalRepositories::Allowed, ..remote(text) }
}

fn at_commit(id: &str, branch: Option<&str>) -> Reference {
    Reference::Commit { id: id.into(), branch: branch.map(Into::into) }
}

/// A repository with a working tree `w` as its user has it, and its mirror `r.git`: a branch `main` of two commits, tags, and a pull
/// request's reference. Answers the second commit.
fn sample(at: &Path) -> String {
    git(at, &["init", "-q", "-b", "main", "w"]);
    let work = at.join("w");
    std::fs::create_dir_all(work.join("dir/sub")).unwrap();
    std::fs::write(work.join("a.yaml"), "a: 1\n").unwrap();
    std::fs::write(work.join("dir/sub/run.sh"), "#!/bin/sh\n").unwrap();
    std::fs::write(work.join("dir/.sourceignore"), "*.txt\n").unwrap();
    std::fs::set_permissions(work.join("dir/sub/run.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    git(&work, &["add", "."]);
    git(&work, &["commit", "-qm", "first"]);
    git(&work, &["tag", "v1.0.0", "-am", "annotated"]);
    std::fs::write(work.join("a.yaml"), "a: 2\n").unwrap();
    git(&work, &["commit", "-qam", "second"]);
    git(&work, &["tag", "1.1.0"]);
    git(&work, &["update-ref", "refs/pull/7/head", "HEAD"]);
    git(at, &["clone", "-q", "--mirror", "w", "r.git"]);
    git(&work, &["rev-parse", "HEAD"])
}

/// Every file below a folder: path, inode, length and time of change.
fn listing(folder: &Path) -> Vec<(PathBuf, u64, u64, SystemTime)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let file = std::fs::symlink_metadata(&path).unwrap();
            if file.is_dir() {
                open.push(path.clone());
            }
            found.push((path, file.ino(), file.len(), file.modified().unwrap()));
        }
    }
    found.sort();
    found
}

/// The revision and the digest of the artifact; or the error, without the URL.
async fn artifact(remote: &Remote, reference: &Reference) -> Result<(String, String), String> {
    let told = |error: Error| error.to_string().replace(&remote.url.to_string(), "URL");
    let scratch = tempfile::tempdir().unwrap();
    let head = resolve(remote, reference).await.map_err(told)?;
    let checkout = fetch(remote, &head, &Content::default(), scratch.path()).await.map_err(told)?;
    let root = tempfile::tempdir().unwrap();
    let retention = Retention { ttl: Duration::from_secs(1), records: 1 };
    let options = Options { root: root.path().into(), algorithm: Algorithm::Sha256, retention, threads: 1 };
    let storage = Storage::open(options).unwrap();
    let at = Location::new("gitrepository", "a", "b", "c.tar.gz").unwrap();
    let ignore = Ignore::new(&checkout.sourceignore().unwrap(), None);
    let stored = storage.archive(&at, checkout.entries(), &checkout, &ignore, &AtomicBool::new(false), None).unwrap();
    Ok((head.revision, stored.digest.to_string()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_repository_answers_as_a_server_does_and_stays_as_it_was() {
    let server = GitServer::start().await;
    let root = server.root();
    let second = sample(root);
    let work = root.join("w");
    let first = git(&work, &["rev-parse", "HEAD~"]);
    git(&work, &["tag", "-am", "of a tag", "v0.9.0", "v1.0.0"]);
    git(&work, &["tag", "of-a-tree", "HEAD^{tree}"]);
    git(&work, &["checkout", "-q", "-b", "side/branch", &first]);
    git(&work, &["commit", "-q", "--allow-empty", "-m", "side"]);
    let side = git(&work, &["rev-parse", "HEAD"]);
    git(&work, &["checkout", "-q", "main"]);
    git(&work, &["symbolic-ref", "refs/heads/dangling", "refs/heads/gone"]);
    git(&work, &["symbolic-ref", "refs/heads/alias", "refs/heads/main"]);
    git(&work, &["replace", &second, &first]);
    git(&work, &["worktree", "add", "-q", "--detach", "../linked", "main"]);
    git(&work, &["pack-refs", "--all"]);
    std::fs::write(work.join(".git/refs/heads/broken"), "1".repeat(40)).unwrap();
    std::fs::remove_dir_all(root.join("r.git")).unwrap();
    std::fs::create_dir(root.join("empty folder")).unwrap();
    git(root, &["init", "-q", "--bare", "new.git"]);
    symlink(&work, root.join("link")).unwrap();
    git(root, &["clone", "-q", "--mirror", "--shared", "w", "shared.git"]);
    let before = listing(root);
    let references = [
        branch("main"),
        branch("alias"),
        branch("side/branch"),
        branch("side"),
        branch("main/deeper"),
        branch("dangling"),
        branch("broken"),
        branch("heads/main"),
        branch("../../config"),
        branch("a\nb"),
        Reference::Default,
        Reference::Tag("v1.0.0".into()),
        Reference::Tag("v0.9.0".into()),
        Reference::Tag("1.1.0".into()),
        Reference::Tag("of-a-tree".into()),
        semver(">=1"),
        semver("<1"),
        semver(">=3"),
        semver("a"),
        Reference::Name("HEAD".into()),
        Reference::Name("main".into()),
        Reference::Name("config".into()),
        Reference::Name("refs/pull/7/head".into()),
        Reference::Name("refs/tags/v1.0.0^{}".into()),
        Reference::Name("refs/x/y".into()),
        at_commit(&first, None),
        at_commit(&first, Some("main")),
        at_commit(&second, Some("main")),
        at_commit(&side, Some("main")),
        at_commit(&side, Some("gone")),
        at_commit(&"1".repeat(40), None),
        at_commit("abc", None),
    ];
    for reference in &references {
        let expected = artifact(&remote(&server.url("w/.git")), reference).await;
        for place in ["w", "linked"] {
            assert_eq!(artifact(&local(&root.join(place)), reference).await, expected, "{reference:?} in {place}");
        }
    }
    let expected = artifact(&remote(&server.url("w/.git")), &branch("main")).await;
    for place in ["w/.git", "w/", "link", "linked/.git"] {
        assert_eq!(artifact(&local(&root.join(place)), &branch("main")).await, expected, "{place}");
    }
    let expected = artifact(&remote(&server.url("shared.git")), &branch("main")).await;
    assert_eq!(artifact(&local(&root.join("shared.git")), &branch("main")).await, expected);
    assert!(expected.is_ok());
    for place in ["new.git", "none.git", "empty folder"] {
        let expected = artifact(&remote(&server.url(place)), &branch("main")).await;
        assert_eq!(artifact(&local(&root.join(place)), &branch("main")).await, expected, "{place}");
    }
    assert_eq!(listing(root), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn urls_name_folders_of_this_machine_or_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let id = sample(root.path());
    let odd = root.path().join("ä b%#?");
    std::fs::rename(root.path().join("r.git"), &odd).unwrap();
    let path = Url::from_file_path(&odd).unwrap().path().to_owned();
    let name = path.rsplit('/').next().unwrap();
    for url in [format!("file://{path}"), format!("file://localhost{path}/"), format!("FILE://{path}/../{name}")] {
        assert_eq!(resolve(&at(&url), &branch("main")).await.unwrap().id.to_string(), id, "{url}");
    }
    for (url, wanted) in [
        (format!("file://host{path}"), "without a host"),
        (format!("file://{path}?x=1"), "'%3F'"),
        (format!("file://{path}#x"), "'%23'"),
        ("file:relative/path".into(), "repository not found"),
        ("file:///no%00thing".into(), "repository not found"),
    ] {
        let error = resolve(&at(&url), &branch("main")).await.unwrap_err().to_string();
        assert!(error.starts_with("unable to clone 'file:///") || error.starts_with("unable to clone 'file://host/"), "{error}");
        assert!(error.contains(wanted), "{error}");
    }
    let error = resolve(&remote(&format!("file://{path}")), &branch("main")).await.unwrap_err();
    assert!(matches!(error, Error::UnsupportedScheme { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn shallow_foreign_and_hostile_repositories_can_be_read() {
    let root = tempfile::tempdir().unwrap();
    let second = sample(root.path());
    let bare = root.path().join("r.git");
    let first = git(&bare, &["rev-parse", "main~"]);
    let source = Url::from_file_path(&bare).unwrap();
    git(root.path(), &["clone", "-q", "--depth=1", source.as_str(), "shallow"]);
    let shallow = local(&root.path().join("shallow"));
    assert!(artifact(&shallow, &at_commit(&second, Some("main"))).await.is_ok());
    let error = artifact(&shallow, &at_commit(&first, Some("main"))).await.unwrap_err();
    assert_eq!(error, format!("unable to resolve commit object for '{first}': object not found"));

    let marker = root.path().join("marker");
    let run = format!("touch {}", marker.display());
    for key in ["core.fsmonitor", "core.sshCommand", "core.pager", "uploadpack.packObjectsHook", "core.alternateRefsCommand"] {
        git(&bare, &["config", key, &run]);
    }
    git(&bare, &["config", "core.hooksPath", "/"]);
    git(&bare, &["config", "include.path", "/nonexistent"]);
    let _ = std::os::unix::fs::chown(&bare, Some(12345), Some(12345));
    assert!(artifact(&local(&bare), &branch("main")).await.is_ok());
    assert!(!marker.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_told() {
    let root = tempfile::tempdir().unwrap();
    sample(root.path());
    let bare = root.path().join("r.git");
    git(root.path(), &["init", "-q", "--object-format=sha256", "sha256"]);
    let text = async |path: &Path| artifact(&local(path), &branch("main")).await.unwrap_err();
    let error = text(&root.path().join("sha256")).await;
    assert!(error.contains("Object format is not enabled"), "{error}");
    git(&bare, &["config", "extensions.refStorage", "reftable"]);
    assert_eq!(text(&bare).await, "unable to clone 'URL': references stored as reftable are not supported");
    std::fs::write(bare.join("config"), "[core").unwrap();
    assert!(text(&bare).await.starts_with("unable to clone 'URL': "));
    std::fs::remove_file(bare.join("config")).unwrap();
    assert!(artifact(&local(&bare), &branch("main")).await.is_ok());
    let locked = std::fs::Permissions::from_mode(0o0);
    std::fs::set_permissions(&bare, locked).unwrap();
    if std::fs::read_dir(&bare).is_err() {
        assert!(text(&bare).await.ends_with("permission denied"));
    }
    std::fs::set_permissions(&bare, std::fs::Permissions::from_mode(0o755)).unwrap();
    let blob = git(&bare, &["rev-parse", "main:a.yaml"]);
    std::fs::remove_file(bare.join("objects").join(&blob[..2]).join(&blob[2..])).unwrap();
    assert!(text(&bare).await.ends_with("the file's contents are not there"));
    std::fs::remove_file(bare.join("HEAD")).unwrap();
    assert_eq!(text(&bare).await, "unable to clone 'URL': repository not found");
}

#[tokio::test(flavor = "multi_thread")]
async fn bounds_and_deadlines_hold() {
    let root = tempfile::tempdir().unwrap();
    sample(root.path());
    let place = local(&root.path().join("w"));
    let limits = Limits::default();
    for (limits, setting) in [
        (Limits { blob_size: 1, ..limits }, "--git-max-blob-size"),
        (Limits { entries: 1, ..limits }, "--git-max-entries"),
        (Limits { tree_size: 10, ..limits }, "--git-max-tree-size"),
    ] {
        let error = artifact(&Remote { limits, ..place.clone() }, &branch("main")).await.unwrap_err();
        assert!(error.ends_with(setting), "{error}");
    }
    let interrupt = AtomicBool::new(true);
    let error = super::resolve(&place, &branch("main"), &interrupt).unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    let id = resolve(&place, &branch("main")).await.unwrap().id;
    assert!(matches!(super::obtain(&place, id, None, &interrupt), Err(Error::Cancelled { .. })));
}

/// Packing moves objects and references to other files and removes the old ones; readers do not notice.
#[tokio::test(flavor = "multi_thread")]
async fn a_repository_may_be_written_to_and_packed_meanwhile() {
    let root = tempfile::tempdir().unwrap();
    sample(root.path());
    let work = root.path().join("w");
    let writer = std::thread::spawn({
        let work = work.clone();
        move || {
            for round in 0..12 {
                std::fs::write(work.join("a.yaml"), format!("a: {round}\n")).unwrap();
                git(&work, &["commit", "-qam", "more"]);
                git(&work, &["tag", "-f", "1.1.0", "HEAD"]);
                git(&work, &["gc", "-q", "--prune=now"]);
            }
        }
    });
    let until = Instant::now() + Duration::from_mins(1);
    let mut seen = std::collections::HashSet::new();
    while !writer.is_finished() && Instant::now() < until {
        seen.insert(artifact(&local(&work), &semver(">=1.1")).await.unwrap().0);
        artifact(&local(&work), &branch("main")).await.unwrap();
    }
    writer.join().unwrap();
    assert!(seen.len() > 1, "{seen:?}");
}
