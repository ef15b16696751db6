//! Files that Git LFS keeps elsewhere.

use std::fs;

use headwater_git::Content;
use headwater_http::Credentials;
use headwater_testing::{
    command,
    git::{
        front::{Front, pointer},
        server::{Access, GitServer},
    },
    needs, noise,
};

use super::{commit, folders, get, lfs, recursive};
use crate::client::{Client, main};

const ATTRIBUTES: (&str, &str) = (".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");

#[tokio::test(flavor = "multi_thread")]
async fn credentials_go_to_the_servers_own_place_alone() {
    let git = GitServer::start().await;
    git.set_access(Access::Basic("user", "pass"));
    let store = Front::start(&git).await;
    let front = Front::with_store(&git, Some(&store)).await;
    let pointer = store.keep(b"content");
    git.repository("r.git").commit(&[ATTRIBUTES, ("one.bin", &pointer)]);
    // The same host, but another port.
    let config = format!("[lfs]\n\turl = {}/elsewhere/info/lfs\n", store.origin);
    git.repository("named.git").commit(&[ATTRIBUTES, (".lfsconfig", &config), ("one.bin", &pointer)]);
    for name in ["r.git", "named.git"] {
        let mut client = Client::new(&front.url(name));
        client.remote.credentials = Credentials::basic("user", "pass");
        let fetched = client.get_part(&main(), &lfs()).await.unwrap();
        assert_eq!(fetched.files["one.bin"], b"content", "{name}");
    }
    let batches = front.asked();
    assert!(batches.len() == 1 && batches[0].authorization.is_some(), "{batches:?}");
    let stored = store.asked();
    assert!(stored.len() == 3 && stored.iter().all(|asked| asked.authorization.is_none()), "{stored:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_large_files_is_told_of() {
    let git = GitServer::start().await;
    git.repository("r.git").commit(&[ATTRIBUTES, ("one.bin", &pointer(b"content"))]);
    git.repository("plain.git").commit(&[ATTRIBUTES, ("one.bin", "no pointer")]);
    get(&git.url("plain.git"), &lfs()).await.unwrap();
    let text = get(&git.url("r.git"), &lfs()).await.unwrap_err().to_string();
    assert!(text.to_lowercase().contains("lfs"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn git_lfs_itself_gets_the_same_files_from_this_server() {
    needs!("git-lfs");
    let (git, folder) = (GitServer::start().await, tempfile::tempdir().unwrap());
    let front = Front::start(&git).await;
    let content = noise(1 << 10);
    let pointer = front.keep(content.as_bytes());
    git.repository("r.git").commit(&[ATTRIBUTES, ("one.bin", &pointer), ("two.txt", &pointer)]);
    let tree = folder.path().join("tree");
    let mut clone = command("git");
    clone
        .args(["-c", "filter.lfs.process=git-lfs filter-process", "-c", "filter.lfs.required=true", "clone", "-q", "--branch=main"])
        .arg(front.url("r.git"))
        .arg(&tree)
        .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_TERMINAL_PROMPT", "0")])
        .env("HOME", folder.path());
    let output = tokio::task::spawn_blocking(move || clone.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let fetched = get(&front.url("r.git"), &lfs()).await.unwrap();
    for path in ["one.bin", "two.txt"] {
        assert!(fs::read(tree.join(path)).unwrap() == fetched.files[path], "{path}");
    }
    assert!(fetched.files["one.bin"] == content.as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn large_files_of_submodules_are_fetched_and_those_outside_the_folders_are_not() {
    let git = GitServer::start().await;
    let front = Front::start(&git).await;
    let (inner, outer) = (front.keep(b"inner content"), front.keep(b"outer content"));
    let id = git.repository("inner.git").commit(&[ATTRIBUTES, ("in.bin", &inner)]);
    let repository = git.repository("r.git");
    let (attributes, file) = (repository.blob(ATTRIBUTES.1.as_bytes()), repository.blob(outer.as_bytes()));
    let modules = repository.blob(b"[submodule \"inner\"]\n\tpath = inner\n\turl = ../inner.git\n");
    commit(
        &repository,
        &[
            ("100644", ".gitattributes", &attributes),
            ("100644", ".gitmodules", &modules),
            ("160000", "inner", &id),
            ("100644", "out.bin", &file),
        ],
    );
    let found = get(&front.url("r.git"), &Content { submodules: recursive().submodules, ..lfs() }).await.unwrap();
    assert_eq!(found.files["inner/in.bin"], b"inner content");
    assert_eq!(found.files["out.bin"], b"outer content");
    let batches: Vec<_> = front.asked().into_iter().map(|asked| asked.path).filter(|path| path.ends_with("/batch")).collect();
    assert_eq!(batches.len(), 2, "{batches:?}");
    assert!(batches.contains(&"/inner.git/info/lfs/objects/batch".to_owned()), "{batches:?}");

    // Nobody has this one, and nobody asks for it.
    let away = pointer(b"nobody has this");
    git.repository("sparse.git").commit(&[ATTRIBUTES, ("away/a.bin", &away), ("dir/b.bin", &outer)]);
    let found = get(&front.url("sparse.git"), &Content { sparse: folders(&["dir"]).sparse, ..lfs() }).await.unwrap();
    assert_eq!(found.names(), ["dir/b.bin"]);
    assert_eq!(found.files["dir/b.bin"], b"outer content");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_files_have_bounds() {
    let git = GitServer::start().await;
    let front = Front::start(&git).await;
    let pointer = front.keep(noise(256).as_bytes());
    git.repository("r.git").commit(&[ATTRIBUTES, ("one.bin", &pointer)]);
    let mut client = Client::new(&front.url("r.git"));
    client.remote.limits.blob_size = 1_024;
    let text = client.get_part(&main(), &lfs()).await.unwrap_err().to_string();
    assert!(text.contains("\"one.bin\" exceeds --git-max-blob-size"), "{text}");
    assert!(front.asked().is_empty());
}
