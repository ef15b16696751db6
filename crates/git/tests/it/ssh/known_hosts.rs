//! Hosts that are believed to be the one that is meant, and those that are refused.

use std::fs;

use futures::future::join_all;
use headwater_git::{Algorithms, Error};
use headwater_testing::{
    needs,
    ssh::{Pair, Sshd, keygen},
};

use super::{client, guest, server};
use crate::client::{Client, main};

/// Panics unless a refusal tells the host, why, and where to change it.
fn assert_refused(error: &Error, sshd: &Sshd, why: &str) {
    let text = error.to_string();
    assert!(text.starts_with("unable to "), "{text}");
    for part in ["127.0.0.1", &sshd.port.to_string(), why] {
        assert!(text.contains(part), "no {part:?} in: {text}");
    }
    assert!(why.ends_with("revoked") || text.contains("known_hosts"), "where to change it is not told: {text}");
}

/// A client that may log in, and that knows these hosts.
fn knowing(sshd: &Sshd, known_hosts: &str) -> Client {
    client(&sshd.url("r.git"), &sshd.client.private, known_hosts)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_write_a_host_is_understood() {
    needs!("sshd", "ssh-keygen");
    let (sshd, _) = server(&[]).await;
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
    let cases = cases.iter().map(async |(name, known_hosts)| {
        knowing(&sshd, known_hosts).get(&main()).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    });
    join_all(cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_not_known_is_refused() {
    needs!("sshd");
    let (sshd, _) = server(&[]).await;
    let (host, port) = (sshd.host(), sshd.port);
    let other = Pair::fixed("one").public;
    let cases = [
        (format!("example.com {other}\n"), "key is unknown"),
        (format!("[127.0.0.1]:1 {}\n", sshd.hosts[0].public), "key is unknown"),
        (format!("127.0.0.1 {}\n", sshd.hosts[0].public), "key is unknown"),
        (sshd.known_hosts_as(&format!("[127.0.0.*]:{port},!{host}")), "key is unknown"),
        (format!("{host} {other}\n"), "key mismatch"),
        (format!("{}@revoked {host} {}\n", sshd.known_hosts(), sshd.hosts[0].public), "key is revoked"),
        // The key of an authority signs hosts; it is none of a host.
        (sshd.known_hosts_as(&format!("@cert-authority {host}")), "knownhosts"),
    ];
    for (known_hosts, why) in &cases {
        // Only one type, so that no other one can be agreed upon.
        let lines = known_hosts.lines().filter(|line| line.contains("ssh-ed25519")).collect::<Vec<_>>();
        let error = knowing(&sshd, &format!("{}\n", lines.join("\n"))).get(&main()).await.unwrap_err();
        assert_refused(&error, &sshd, why);
    }
    assert!(sshd.asked().is_empty());
    // A host that is refused never learns who wanted to log in.
    assert!(!sshd.log().contains("userauth-request"), "{}", sshd.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn known_hosts_that_cannot_be_read_are_refused_before_anything_is_sent() {
    needs!("sshd");
    let (sshd, _) = server(&[]).await;
    let host = sshd.host();
    let cases = [
        "nonsense\n".to_owned(),
        format!("{host} ssh-ed25519\n"),
        format!("{host} ssh-ed25519 %%%%\n"),
        format!("{host} ssh-ed25519 AAAAC3Nz\n"),
        "\u{1}\u{2}\u{3} \u{4} \u{5}\n".to_owned(),
    ];
    for known_hosts in &cases {
        let text = knowing(&sshd, known_hosts).get(&main()).await.unwrap_err().to_string();
        assert!(text.contains("unable to construct auth method with options: knownhosts: "), "{known_hosts:?}: {text}");
        assert!(!text.contains(['\u{1}', '\n']), "{text:?}");
    }
    assert!(!sshd.log().contains("kex:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_key_that_changes_is_refused_until_it_is_the_old_one_again() {
    needs!("sshd");
    let (mut sshd, head) = server(&[]).await;
    let client = guest(&sshd, &sshd.url("r.git"));
    client.get(&main()).await.unwrap();
    let asked = sshd.asked().len();

    let old = sshd.hosts.clone();
    let impostor = vec![Pair::fixed("one"), Pair::fixed("other-ecdsa")];
    sshd.restart(impostor).await;
    let error = client.get(&main()).await.unwrap_err();
    assert_refused(&error, &sshd, "key mismatch");
    assert_eq!(sshd.asked().len(), asked);

    sshd.restart(old).await;
    assert_eq!(client.get(&main()).await.unwrap().revision, format!("main@sha1:{head}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_an_authority_makes_a_host_known() {
    needs!("sshd", "ssh-keygen");
    let (mut sshd, _) = server(&[]).await;
    let (authority, other) = (Pair::fixed("one"), Pair::fixed("two"));
    let host = sshd.host();
    let trust = format!("@cert-authority {host} {}\n", authority.public);
    // Who knows the key needs no certificate, and who revokes it wants none.
    sshd.certify(&authority, &["-h", "-n", "127.0.0.1"]).await;
    knowing(&sshd, &trust).get(&main()).await.unwrap();
    knowing(&sshd, &format!("{host} {}\n", sshd.hosts[0].public)).get(&main()).await.unwrap();
    for (name, known_hosts) in [
        ("other-authority", format!("@cert-authority {host} {}\n", other.public)),
        ("other-host", trust.replace(&host, "example.com")),
        ("revoked-authority", format!("{trust}@revoked * {}\n", authority.public)),
        ("revoked-key", format!("{trust}@revoked * {}\n", sshd.hosts[0].public)),
    ] {
        let error = knowing(&sshd, &known_hosts).get(&main()).await.unwrap_err();
        assert!(error.to_string().contains("knownhosts: "), "{name}: {error}");
    }

    for (name, arguments) in [
        ("other-principal", &["-h", "-n", "example.com"][..]),
        ("expired", &["-h", "-n", "127.0.0.1", "-V", "20200101:20210101"]),
        ("later", &["-h", "-n", "127.0.0.1", "-V", "20900101:20910101"]),
    ] {
        sshd.certify(&authority, arguments).await;
        let error = knowing(&sshd, &trust).get(&main()).await.unwrap_err();
        assert!(error.to_string().contains("knownhosts: "), "{name}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_has_none_of_the_algorithms_is_refused() {
    needs!("sshd");
    let key_exchange = Algorithms { key_exchange: vec!["ecdh-sha2-nistp256".into()], ..Algorithms::default() };
    let host_keys = Algorithms { host_keys: vec!["ssh-ed25519".into()], ..Algorithms::default() };
    for (algorithms, option) in [(key_exchange, "KexAlgorithms curve25519-sha256"), (host_keys, "HostKeyAlgorithms rsa-sha2-512")] {
        let (sshd, _) = server(&[option]).await;
        let mut client = guest(&sshd, &sshd.url("r.git"));
        client.remote.algorithms = algorithms;
        let text = client.get(&main()).await.unwrap_err().to_string();
        assert!(text.contains("no common algorithm"), "{text}");
        assert!(sshd.asked().is_empty());
    }
}
