//! Sources over SSH, from OpenSSH's own server.

use headwater_testing::{
    needs,
    ssh::{Pair, Sshd},
};
use serde_json::{Value, json};

use crate::support::{
    artifact::{files, listing},
    cluster::{Server, embedded, on_each_server},
    namespace::{condition, message, revision, status_is},
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
async fn the_passphrase_of_a_key_is_in_the_secret_and_no_secret_is_told() {
    const PASSPHRASE: &str = "pa55phrase-hidden";
    needs!("sshd", "ssh-keygen");
    let (world, sshd, _) = world("ssh-passphrase", &["--log-level=trace"], &[]).await;
    // Few rounds of the key derivation, because they cost time on purpose.
    let key = sshd.client.rewritten(&["-N", PASSPHRASE, "-a", "2"]);
    let known_hosts = sshd.known_hosts();
    for (name, passphrase) in [("right", Some(PASSPHRASE)), ("wrong", Some("wr0ng-hidden")), ("missing", None), ("empty", Some(""))] {
        let mut data = vec![("identity", key.private.as_str()), ("known_hosts", known_hosts.as_str())];
        data.extend(passphrase.map(|passphrase| ("password", passphrase)));
        world.space.secret(name, &data).await;
        world.space.source(name, spec(&sshd.url("r.git"), name)).await;
    }
    // Neither is a password in the URL, which is of no use with a key.
    let url = sshd.url("r.git").replacen('@', ":pa55word-hidden@", 1);
    world.space.source("password", spec(&url, "key")).await;
    world.space.ready("password").await;
    world.space.ready("right").await;
    let object = world.space.failed("wrong", "GitOperationFailed").await;
    let text = message(&object, "FetchFailed");
    let start = "failed to checkout and determine revision: unable to construct auth method with options: ";
    assert!(text.starts_with(start), "{text}");
    assert!(text.contains("decryption password incorrect"), "{text}");
    for name in ["missing", "empty"] {
        let object = world.space.failed(name, "AuthenticationFailed").await;
        let secret = format!("{}/{name}", world.space.name);
        let wanted = format!("SSH identity key is encrypted but no 'password' field was provided in the secret '{secret}'");
        assert_eq!(message(&object, "FetchFailed"), wanted);
    }
    let told = format!("{:?}{}{:?}", world.space.events().await, world.controller.log(), world.controller.events.posted());
    let inside = sshd.client.private.lines().nth(2).unwrap();
    for hidden in [PASSPHRASE, "wr0ng-hidden", "pa55word-hidden", inside] {
        assert!(!told.contains(hidden), "{hidden} is told");
    }
}

/// A name, what the Secret holds, and what it lacks.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_lacks_a_part_is_told_which() {
    needs!("sshd");
    let (world, sshd, _) = world("ssh-parts", &[], &[]).await;
    let (private, known_hosts) = (sshd.client.private.clone(), sshd.known_hosts());
    let cases: [Case; 4] = [
        ("no-hosts", &[("identity", &private)], "known_hosts"),
        ("empty-hosts", &[("identity", &private), ("known_hosts", "")], "known_hosts"),
        ("no-identity", &[("known_hosts", &known_hosts)], "identity"),
        ("basic", &[("username", "u"), ("password", "p")], "identity"),
    ];
    for (name, data, _) in cases {
        world.space.secret(name, data).await;
        world.space.source(name, spec(&sshd.url("r.git"), name)).await;
    }
    let mut none = spec(&sshd.url("r.git"), "");
    none.as_object_mut().unwrap().remove("secretRef");
    world.space.source("none", none).await;
    for (name, part) in cases.iter().map(|(name, _, part)| (*name, *part)).chain([("none", "identity")]) {
        let object = world.space.failed(name, "AuthenticationFailed").await;
        let wanted = format!("failed to configure authentication options: invalid 'ssh' auth option: '{part}' is required");
        assert_eq!(message(&object, "FetchFailed"), wanted, "{name}");
    }
    assert!(sshd.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_key_that_changes_is_refused_until_it_is_the_old_one_again() {
    needs!("sshd");
    let (world, mut sshd, head) = world("ssh-changed", &[], &[]).await;
    world.space.source("x", spec(&sshd.url("r.git"), "key")).await;
    let before = world.space.ready("x").await;
    let asked = sshd.asked().len();

    let old = sshd.hosts.clone();
    let impostor = vec![Pair::fixed("one"), Pair::fixed("other-ecdsa")];
    sshd.restart(impostor).await;
    world.space.patch("x", &json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}})).await;
    let object = world.space.failed("x", "GitOperationFailed").await;
    assert!(message(&object, "FetchFailed").contains("key mismatch"), "{}", object["status"]);
    assert!(status_is(&object, "FetchFailed", "True"));
    assert_eq!(object["status"]["artifact"], before["status"]["artifact"], "what was fetched stays");
    assert_eq!(sshd.asked().len(), asked);

    sshd.restart(old).await;
    let object = world.space.ready("x").await;
    assert_eq!(revision(&object), format!("main@sha1:{head}"));
    assert!(condition(&object, "FetchFailed").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_algorithms_of_the_command_line_are_those_that_are_used() {
    needs!("sshd");
    let flags = ["--ssh-kex-algos=ecdh-sha2-nistp384,ecdh-sha2-nistp256", "--ssh-hostkey-algos=rsa-sha2-512"];
    let (world, sshd, _) = world("ssh-algorithms", &flags, &[]).await;
    world.space.source("x", spec(&sshd.url("r.git"), "key")).await;
    world.space.ready("x").await;
    let log = sshd.log();
    for line in ["kex: algorithm: ecdh-sha2-nistp384", "kex: host key algorithm: rsa-sha2-512"] {
        assert!(log.contains(line), "no {line:?} in {log}");
    }
}
