//! Sources over SSH, from OpenSSH's own server.

mod broken;
mod identity;
mod known_hosts;

use std::{fs, path::Path};

use headwater_testing::{
    git::client::clone,
    needs,
    proxy::relay::{Cut, Relay},
    ssh::{Pair, Sshd, write_private},
};
use serde_json::{Value, json};

use crate::support::{
    artifact::{files, listing},
    cluster::{Server, embedded, on_each_server},
    namespace::{message, revision},
    world::World,
};

const FILES: &[(&str, &str)] = &[("a.yaml", "a: 1\n"), ("dir/b.yaml", "b: 1\n")];

/// A world and an SSH server with the repository `r.git` and a Secret `key` that opens it; and the commit in it.
async fn world(test: &str, arguments: &[&str], options: &[&str]) -> (World, Sshd, String) {
    let world = World::with(embedded(), test, arguments).await;
    let sshd = Sshd::with(options).await;
    let head = sshd.repository("r.git").commit(FILES);
    secret(&world, "key", &sshd.client.private, &sshd.known_hosts()).await;
    (world, sshd, head)
}

async fn secret(world: &World, name: &str, identity: &str, known_hosts: &str) {
    world.space.secret(name, &[("identity", identity), ("known_hosts", known_hosts)]).await;
}

/// The branch `main` of a repository, with the Secret of that name.
fn spec(url: &str, secret: &str) -> Value {
    json!({"url": url, "timeout": "10s", "ref": {"branch": "main"}, "secretRef": {"name": secret}})
}

on_each_server!(a_branch_over_ssh_becomes_an_artifact_and_so_does_its_next_commit);
async fn a_branch_over_ssh_becomes_an_artifact_and_so_does_its_next_commit(server: &Server) {
    needs!("sshd");
    let world = World::new(server, "ssh").await;
    let sshd = Sshd::start().await;
    let repository = sshd.repository("r.git");
    let head = repository.commit(FILES);
    secret(&world, "key", &sshd.client.private, &sshd.known_hosts()).await;
    world.space.source("x", spec(&sshd.url("r.git"), "key")).await;
    let object = world.space.ready("x").await;
    assert_eq!(revision(&object), format!("main@sha1:{head}"));
    assert_eq!(files(&listing(&object).await), ["a.yaml", "dir/b.yaml"]);

    let asked = sshd.asked().len();
    let unchanged = world.space.poke("x").await;
    assert_eq!(object["status"]["artifact"], unchanged["status"]["artifact"]);
    assert_eq!(sshd.asked().len() - asked, 1, "a pass is one connection: {:?}", sshd.asked());

    let head = repository.commit(&[("new.yaml", "n: 1\n")]);
    world.space.poke("x").await;
    let object = world.space.ready_at("x", &format!("main@sha1:{head}")).await;
    assert_eq!(files(&listing(&object).await), ["new.yaml"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_name_a_commit_works_with_each_version_of_the_protocol() {
    needs!("sshd");
    // A server that does not accept the variable speaks the oldest version.
    for (test, options, protocol) in [("ssh-v2", &[][..], "version=2"), ("ssh-v0", &["AcceptEnv LANG"][..], "")] {
        let world = World::new(embedded(), test).await;
        let sshd = Sshd::with(options).await;
        let repository = sshd.repository("r.git");
        let one = repository.commit(FILES);
        repository.tag("v1.0.0");
        let two = repository.commit(&[("z", "2")]);
        repository.annotated_tag("v1.2.0");
        repository.set_ref("refs/pull/7/head", &one);
        let three = repository.commit(&[("z", "3")]);
        let branch = repository.commit_to("feature/one", &[("f", "1")]);
        sshd.obey_with(&["GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=uploadpack.allowAnySHA1InWant", "GIT_CONFIG_VALUE_0=false"]);
        secret(&world, "key", &sshd.client.private, &sshd.known_hosts()).await;
        let cases = [
            ("branch", json!({"branch": "main"}), format!("main@sha1:{three}")),
            ("slash", json!({"branch": "feature/one"}), format!("feature/one@sha1:{branch}")),
            ("tag", json!({"tag": "v1.0.0"}), format!("v1.0.0@sha1:{one}")),
            ("annotated", json!({"tag": "v1.2.0"}), format!("v1.2.0@sha1:{two}")),
            ("semver", json!({"semver": ">=1.0.0"}), format!("v1.2.0@sha1:{two}")),
            ("name", json!({"name": "refs/pull/7/head"}), format!("refs/pull/7/head@sha1:{one}")),
            ("commit", json!({"branch": "main", "commit": two}), format!("main@sha1:{two}")),
            ("commit-alone", json!({"commit": two}), format!("sha1:{two}")),
        ];
        for (name, reference, _) in &cases {
            let mut spec = spec(&sshd.url("r.git"), "key");
            spec["ref"] = reference.clone();
            world.space.source(name, spec).await;
        }
        for (name, _, expected) in &cases {
            world.space.ready_at(name, expected).await;
        }
        let asked = sshd.asked();
        assert!(asked.iter().all(|asked| asked.protocol == protocol), "{asked:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_named_in_the_url_is_git() {
    needs!("sshd");
    let (world, sshd, _) = world("ssh-user", &[], &[]).await;
    let path = sshd.url("r.git").split_once('@').unwrap().1.to_owned();
    world.space.source("default", spec(&format!("ssh://{path}"), "key")).await;
    world.space.source("named", spec(&format!("ssh://no-such-user@{path}"), "key")).await;
    // A password in the URL is of no use with a key, and nothing may tell it.
    let path = sshd.url("r.git").replacen('@', ":pa55word-hidden@", 1);
    world.space.source("password", spec(&path, "key")).await;
    world.space.ready("password").await;
    if sshd.user == "git" {
        world.space.ready("default").await;
    } else {
        let object = world.space.failed("default", "GitOperationFailed").await;
        assert!(message(&object, "FetchFailed").contains("unable to authenticate"), "{}", object["status"]);
        let log = sshd.log();
        assert!(log.contains("user git "), "{log}");
    }
    world.space.failed("named", "GitOperationFailed").await;
    assert!(sshd.log().contains("user no-such-user "), "{}", sshd.log());
    assert!(!world.controller.log().contains("pa55word-hidden"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_is_quoted_so_that_no_shell_takes_it_apart() {
    // What stands in the URL, and the folder that it means.
    const PATHS: [(&str, &str, &str); 7] = [
        ("space", "a%20b.git", "a b.git"),
        ("quote", "it%27s.git", "it's.git"),
        ("command", "a%27;%20touch%20touched;%20%27.git", "a'; touch touched; '.git"),
        ("dollar", "$(touch%20touched).git", "$(touch touched).git"),
        ("backtick", "%60touch%20touched%60.git", "`touch touched`.git"),
        ("backslash", "a%5Cb.git", "a\\b.git"),
        ("exclamation", "wow!!%21.git", "wow!!!.git"),
    ];
    needs!("sshd");
    let (world, sshd, _) = world("ssh-quote", &["--concurrent=8"], &[]).await;
    sshd.answer(&format!("cd \"$(mktemp -d -p {})\" && exec sh -c \"$SSH_ORIGINAL_COMMAND\"", sshd.root().display()));
    for (name, path, folder) in PATHS {
        sshd.repository(folder).commit(&[(name, "")]);
        world.space.source(name, spec(&sshd.url(path), "key")).await;
    }
    for (name, _, _) in PATHS {
        let object = world.space.ready(name).await;
        assert_eq!(files(&listing(&object).await), [name]);
    }
    for asked in sshd.asked() {
        let path = asked.command.strip_prefix("git-upload-pack '").unwrap_or_else(|| panic!("{asked:?}"));
        assert!(path.starts_with(sshd.root().to_str().unwrap()), "{asked:?}");
    }
    for folder in fs::read_dir(sshd.root()).unwrap() {
        assert!(!fs::exists(folder.unwrap().path().join("touched")).unwrap(), "a shell took a path apart");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_looks_like_an_option_stays_a_path() {
    const PATHS: [(&str, &str); 4] =
        [("short", "/-u.git"), ("long", "/--upload-pack=touch%20x/r.git"), ("nul", "/r%00.git"), ("line", "/r.git%0Atouch%20x")];
    needs!("sshd");
    let (world, sshd, _) = world("ssh-option", &["--concurrent=4"], &[]).await;
    for (name, path) in PATHS {
        let url = format!("ssh://{}@127.0.0.1:{}{path}", sshd.user, sshd.port);
        world.space.source(name, spec(&url, "key")).await;
    }
    for (name, _) in PATHS {
        let object = world.space.wait(name, "not Ready", |object| !message(object, "FetchFailed").is_empty()).await;
        let text = message(&object, "FetchFailed");
        assert!(!text.contains(['\0', '\n', '\r']), "{text:?}");
        assert!(object["status"]["artifact"].is_null());
    }
    for asked in sshd.asked() {
        let argument = asked.command.strip_prefix("git-upload-pack '/").and_then(|path| path.strip_suffix('\''));
        assert!(argument.is_some_and(|path| !path.contains('\'')), "{asked:?}");
        assert_ne!(argument, Some("r"), "the path ends before its NUL");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_looks_like_an_option_is_a_host_that_is_not_there() {
    needs!("sshd");
    let (world, sshd, _) = world("ssh-host", &[], &[]).await;
    let mark = world.folder.path().join("mark");
    let url = format!("ssh://-oProxyCommand=touch%20{}/r.git", mark.display().to_string().replace('/', "%2F"));
    match world.space.try_source("x", spec(&url, "key")).await {
        Ok(_) => {
            world.space.wait("x", "not Ready", |object| !message(object, "FetchFailed").is_empty()).await;
        }
        Err(error) => assert!(error.to_string().contains("spec.url"), "{error}"),
    }
    assert!(!fs::exists(mark).unwrap());
    assert!(sshd.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_is_not_there_is_not_found() {
    needs!("sshd");
    let (world, sshd, _) = world("ssh-missing", &[], &[]).await;
    world.space.source("x", spec(&sshd.url("none.git"), "key")).await;
    let object = world.space.failed("x", "GitOperationFailed").await;
    assert!(message(&object, "FetchFailed").contains("repository not found"), "{}", object["status"]);
    sshd.repository("none.git").commit(FILES);
    world.space.ready("x").await;

    // Hosts that serve many say it in words of their own.
    sshd.answer("echo 'ERROR: Repository not found.' >&2; echo 'fatal: Could not read from remote repository.' >&2; exit 128");
    world.space.source("hosted", spec(&sshd.url("hosted.git"), "key")).await;
    let object = world.space.failed("hosted", "GitOperationFailed").await;
    assert!(message(&object, "FetchFailed").contains("repository not found"), "{}", object["status"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sources_of_one_host_are_fetched_side_by_side() {
    needs!("sshd");
    let (world, sshd, head) = world("ssh-many", &["--concurrent=10"], &[]).await;
    for n in 0..20 {
        world.space.source(&format!("x{n}"), spec(&sshd.url("r.git"), "key")).await;
    }
    for n in 0..20 {
        world.space.ready_at(&format!("x{n}"), &format!("main@sha1:{head}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn git_itself_gets_in_with_the_right_key_to_the_right_host() {
    needs!("sshd", "ssh", "ssh-keygen");
    let (mut sshd, folder) = (Sshd::start().await, tempfile::tempdir().unwrap());
    sshd.repository("r.git").commit(FILES);
    let (key, known, unknown) = (folder.path().join("key"), folder.path().join("known"), folder.path().join("unknown"));
    write_private(&key, &sshd.client.private);
    fs::write(&known, sshd.known_hosts()).unwrap();
    fs::write(&unknown, "").unwrap();
    let ssh = |hosts: &Path| {
        let options = "-F none -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes -o BatchMode=yes";
        format!("ssh {options} -o UserKnownHostsFile={} -i {}", hosts.display(), key.display())
    };
    let (right, wrong) = (ssh(&known), ssh(&unknown));
    clone(sshd.url("r.git"), &folder.path().join("right"), &[], &[("GIT_SSH_COMMAND", &right)]).await.unwrap();
    assert_eq!(sshd.asked().len(), 1, "{:?}", sshd.asked());
    assert_eq!(sshd.asked()[0].protocol, "version=2");
    assert!(clone(sshd.url("r.git"), &folder.path().join("wrong"), &[], &[("GIT_SSH_COMMAND", &wrong)]).await.is_err());

    let relay = Relay::start(([127, 0, 0, 1], sshd.port).into(), Cut::Close(2_000)).await;
    fs::write(&known, sshd.known_hosts_as(&format!("[127.0.0.1]:{}", relay.port))).unwrap();
    let url = sshd.url_at(relay.port, "r.git");
    assert!(clone(url.clone(), &folder.path().join("cut"), &[], &[("GIT_SSH_COMMAND", &right)]).await.is_err());
    assert_eq!(relay.most(), 2_000);
    relay.set_cut(Cut::Never);
    clone(url, &folder.path().join("whole"), &[], &[("GIT_SSH_COMMAND", &right)]).await.unwrap();

    let authority = Pair::fixed("one");
    fs::write(&known, format!("@cert-authority {} {}\n", sshd.host(), authority.public)).unwrap();
    for (name, principal, trusted) in [("certified", "127.0.0.1", true), ("principal", "example.com", false)] {
        sshd.certify(&authority, &["-h", "-n", principal]).await;
        let result = clone(sshd.url("r.git"), &folder.path().join(name), &[], &[("GIT_SSH_COMMAND", &right)]).await;
        assert_eq!(result.is_ok(), trusted, "{name}: {result:?}");
    }
}
