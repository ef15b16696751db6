//! Which host is believed to be the one that is meant.

use std::fs;

use headwater_testing::{
    needs,
    ssh::{Pair, Sshd, keygen},
};
use serde_json::{Value, json};

use super::{secret, spec, world};
use crate::support::{
    namespace::{condition, message, revision, status_is},
    world::World,
};

/// What a refused host is told of: the host, why, and where to change it.
fn refused(object: &Value, sshd: &Sshd, why: &str) {
    let text = message(object, "FetchFailed");
    assert!(text.starts_with("failed to checkout and determine revision: unable to "), "{text}");
    for part in ["127.0.0.1", &sshd.port.to_string(), why] {
        assert!(text.contains(part), "no {part:?} in: {text}");
    }
    assert!(why.ends_with("revoked") || text.contains("known_hosts"), "where to change it is not told: {text}");
    assert!(status_is(object, "FetchFailed", "True"));
}

async fn source(world: &World, sshd: &Sshd, name: &str, known_hosts: &str) {
    secret(world, name, &sshd.client.private, known_hosts).await;
    world.space.source(name, spec(&sshd.url("r.git"), name)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_write_a_host_is_understood() {
    needs!("sshd", "ssh-keygen");
    let (world, sshd, _) = world("ssh-hosts", &["--concurrent=8"], &[]).await;
    let host = sshd.host();
    let port = sshd.port;
    let folder = tempfile::tempdir().unwrap();
    let hashed = folder.path().join("hosts");
    fs::write(&hashed, sshd.known_hosts()).unwrap();
    keygen(&["-q", "-H", "-f", hashed.to_str().unwrap()]);
    let hashed = fs::read_to_string(hashed).unwrap();
    assert!(hashed.starts_with("|1|") && !hashed.contains("127.0.0.1"));

    let other = Pair::fixed("one").public;
    let right = sshd.known_hosts();
    let cases = [
        ("hashed", hashed),
        ("star", sshd.known_hosts_as(&format!("[127.0.0.*]:{port}"))),
        ("question", sshd.known_hosts_as(&format!("[127.0.0.?]:{port}"))),
        ("any", sshd.known_hosts_as(&format!("[*]:{port}"))),
        ("list", sshd.known_hosts_as(&format!("example.com,[example.com]:{port},{host}"))),
        ("excluded-other", sshd.known_hosts_as(&format!("[127.0.0.*]:{port},![127.0.0.2]:{port}"))),
        ("comments", format!("# {host} {other}\n\n   \n{}", right.replace('\n', " a comment\n\t\n"))),
        ("windows", right.replace('\n', "\r\n")),
        ("unended", right.trim_end().to_owned()),
        ("tabs", right.replace(' ', "\t")),
        ("other-hosts", format!("example.com {other}\n127.0.0.1 {other}\n[127.0.0.1]:1 {other}\n{right}")),
        ("revoked-other", format!("@revoked * {other}\n{right}")),
        ("authority-too", format!("@cert-authority * {other}\n{right}")),
        ("ed25519", format!("{host} {}\n", sshd.hosts[0].public)),
        ("ecdsa", format!("{host} {}\n", sshd.hosts[1].public)),
        ("rsa", format!("{host} {}\n", sshd.hosts[2].public)),
    ];
    for (name, known_hosts) in &cases {
        source(&world, &sshd, name, known_hosts).await;
    }
    for (name, _) in &cases {
        world.space.ready(name).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_not_known_is_refused() {
    needs!("sshd");
    let (world, sshd, _) = world("ssh-unknown", &["--concurrent=8"], &[]).await;
    let (host, port) = (sshd.host(), sshd.port);
    let other = Pair::fixed("one").public;
    let cases = [
        ("other-host", format!("example.com {other}\n"), "key is unknown"),
        ("other-port", format!("[127.0.0.1]:1 {}\n", sshd.hosts[0].public), "key is unknown"),
        ("no-port", format!("127.0.0.1 {}\n", sshd.hosts[0].public), "key is unknown"),
        ("excluded", sshd.known_hosts_as(&format!("[127.0.0.*]:{port},!{host}")), "key is unknown"),
        ("other-key", format!("{host} {other}\n"), "key mismatch"),
        ("revoked", format!("{}@revoked {host} {}\n", sshd.known_hosts(), sshd.hosts[0].public), "key is revoked"),
        // The key of an authority signs hosts; it is none of a host.
        ("authority", sshd.known_hosts_as(&format!("@cert-authority {host}")), "knownhosts"),
    ];
    for (name, known_hosts, _) in &cases {
        // Only one type, so that no other one can be agreed upon.
        let lines = known_hosts.lines().filter(|line| line.contains("ssh-ed25519")).collect::<Vec<_>>();
        source(&world, &sshd, name, &format!("{}\n", lines.join("\n"))).await;
    }
    for (name, _, why) in &cases {
        let object = world.space.failed(name, "GitOperationFailed").await;
        refused(&object, &sshd, why);
        assert!(object["status"]["artifact"].is_null());
    }
    assert!(sshd.asked().is_empty());
    // A host that is refused never learns who wanted to log in.
    assert!(!sshd.log().contains("userauth-request"), "{}", sshd.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn known_hosts_that_cannot_be_read_are_refused_before_anything_is_sent() {
    needs!("sshd");
    let (world, sshd, _) = world("ssh-malformed", &[], &[]).await;
    let host = sshd.host();
    let cases = [
        ("word", "nonsense\n".to_owned()),
        ("two", format!("{host} ssh-ed25519\n")),
        ("base64", format!("{host} ssh-ed25519 %%%%\n")),
        ("short", format!("{host} ssh-ed25519 AAAAC3Nz\n")),
        ("binary", "\u{1}\u{2}\u{3} \u{4} \u{5}\n".to_owned()),
    ];
    for (name, known_hosts) in &cases {
        source(&world, &sshd, name, known_hosts).await;
    }
    for (name, _) in &cases {
        let object = world.space.failed(name, "GitOperationFailed").await;
        let text = message(&object, "FetchFailed");
        assert!(text.contains("unable to construct auth method with options: knownhosts: "), "{name}: {text}");
        assert!(!text.contains(['\u{1}', '\n']), "{text:?}");
    }
    assert!(!sshd.log().contains("kex:"));
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
    refused(&object, &sshd, "key mismatch");
    assert_eq!(object["status"]["artifact"], before["status"]["artifact"], "what was fetched stays");
    assert_eq!(sshd.asked().len(), asked);

    sshd.restart(old).await;
    let object = world.space.ready("x").await;
    assert_eq!(revision(&object), format!("main@sha1:{head}"));
    assert!(condition(&object, "FetchFailed").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_an_authority_makes_a_host_known() {
    needs!("sshd", "ssh-keygen");
    let (world, mut sshd, _) = world("ssh-certificate", &["--concurrent=8"], &[]).await;
    let (authority, other) = (Pair::fixed("one"), Pair::fixed("two"));
    let host = sshd.host();
    let trust = format!("@cert-authority {host} {}\n", authority.public);
    // Who knows the key needs no certificate, and who revokes it wants none.
    sshd.certify(&authority, &["-h", "-n", "127.0.0.1"]).await;
    source(&world, &sshd, "trusted", &trust).await;
    source(&world, &sshd, "plain-key", &format!("{host} {}\n", sshd.hosts[0].public)).await;
    source(&world, &sshd, "other-authority", &format!("@cert-authority {host} {}\n", other.public)).await;
    source(&world, &sshd, "other-host", &trust.replace(&host, "example.com")).await;
    source(&world, &sshd, "revoked-authority", &format!("{trust}@revoked * {}\n", authority.public)).await;
    source(&world, &sshd, "revoked-key", &format!("{trust}@revoked * {}\n", sshd.hosts[0].public)).await;
    world.space.ready("trusted").await;
    world.space.ready("plain-key").await;
    for name in ["other-authority", "other-host", "revoked-authority", "revoked-key"] {
        let object = world.space.failed(name, "GitOperationFailed").await;
        assert!(message(&object, "FetchFailed").contains("knownhosts: "), "{name}: {}", object["status"]);
    }

    for (name, arguments) in [
        ("other-principal", &["-h", "-n", "example.com"][..]),
        ("expired", &["-h", "-n", "127.0.0.1", "-V", "20200101:20210101"]),
        ("later", &["-h", "-n", "127.0.0.1", "-V", "20900101:20910101"]),
    ] {
        sshd.certify(&authority, arguments).await;
        source(&world, &sshd, name, &trust).await;
        let object = world.space.failed(name, "GitOperationFailed").await;
        assert!(message(&object, "FetchFailed").contains("knownhosts: "), "{name}: {}", object["status"]);
        assert!(object["status"]["artifact"].is_null());
    }
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

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_has_none_of_the_algorithms_is_refused() {
    needs!("sshd");
    for (test, flag, option) in [
        ("ssh-kex", "--ssh-kex-algos=ecdh-sha2-nistp256", "KexAlgorithms curve25519-sha256"),
        ("ssh-hostkey", "--ssh-hostkey-algos=ssh-ed25519", "HostKeyAlgorithms rsa-sha2-512"),
    ] {
        let (world, sshd, _) = world(test, &[flag], &[option]).await;
        world.space.source("x", spec(&sshd.url("r.git"), "key")).await;
        let object = world.space.failed("x", "GitOperationFailed").await;
        let text = message(&object, "FetchFailed");
        assert!(text.contains("no common algorithm"), "{text}");
        assert!(sshd.asked().is_empty());
    }
}
