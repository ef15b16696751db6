//! What is signed as the object asks becomes an artifact, and nothing else does.

use std::time::Duration;

use headwater_testing::{
    PATIENCE, eventually,
    git::signed::{Key, Signed},
    needs,
};
use serde_json::{Value, json};

use crate::support::{
    artifact::{files, listing},
    cluster::{Server, embedded, on_each_server},
    namespace::{condition, message, revision, status_is},
    world::World,
};

const FILES: &[(&str, &str)] = &[("a.yaml", "a: 1\n")];
const OTHER: &[(&str, &str)] = &[("b.yaml", "b: 1\n")];
const VERIFIED: &str = "SourceVerified";

on_each_server!(a_commit_signed_by_a_key_of_the_secret_is_stored_and_told_of);
async fn a_commit_signed_by_a_key_of_the_secret_is_stored_and_told_of(server: &Server) {
    needs!("gpg");
    let world = World::new(server, "signed").await;
    let (key, repository) = (Key::openpgp(), Signed::init(&world.git));
    let head = repository.commit(&key, FILES);
    world.space.secret("keys", &[("author.asc", &key.public)]).await;
    world.space.source("x", spec(&repository, &json!({"branch": "main"}), "HEAD")).await;
    let object = world.space.ready_at("x", &format!("main@sha1:{head}")).await;
    let expected = format!("verified signature of\n\t- commit '{head}' with key '{}'", key.id);
    verified(&object, "HEAD", &expected);
    assert_eq!(message(&object, "Ready"), format!("stored artifact for revision 'main@sha1:{head}'"));
    assert_eq!(files(&listing(&object).await), ["a.yaml"]);
    let event = world.space.event("x", "Succeeded").await;
    assert_eq!((&event["type"], &event["message"]), (&json!("Normal"), &json!(expected)));
    let posted = world.controller.events.posted();
    assert!(posted.iter().all(|event| event["reason"] != "Succeeded"), "{posted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_both_kinds_sign_commits_and_tags() {
    needs!("gpg", "ssh-keygen");
    let world = World::new(embedded(), "signed-kinds").await;
    let (openpgp, ssh, repository) = (Key::openpgp(), Key::ssh(), Signed::init(&world.git));
    let keys = [("one.asc", openpgp.public.as_str()), ("two.sshpub", &ssh.public)];
    world.space.secret("keys", &keys).await;
    world.space.secret("bare", &[("no-suffix", &openpgp.public)]).await;
    let one = repository.commit(&openpgp, FILES);
    let first = repository.tag(&ssh, "v1.0.0");
    let two = repository.commit(&ssh, OTHER);
    let second = repository.tag(&openpgp, "v2.0.0");
    let three = repository.plain.commit(FILES);
    let third = repository.tag(&ssh, "v3.0.0");
    let tag = |name: &str, id: &str, key: &Key| format!("\n\t- tag '{name}@{id}' with key '{}'", key.id);
    let commit = |id: &str, key: &Key| format!("\n\t- commit '{id}' with key '{}'", key.id);
    let cases = [
        ("branch-head", json!({"commit": two}), "HEAD", format!("sha1:{two}"), commit(&two, &ssh)),
        ("old-spelling", json!({"tag": "v2.0.0"}), "head", format!("v2.0.0@sha1:{two}"), commit(&two, &ssh)),
        (
            "both",
            json!({"tag": "v1.0.0"}),
            "TagAndHEAD",
            format!("v1.0.0@sha1:{one}"),
            tag("v1.0.0", &first, &ssh) + &commit(&one, &openpgp),
        ),
        (
            "semver",
            json!({"semver": "2.x"}),
            "TagAndHEAD",
            format!("v2.0.0@sha1:{two}"),
            tag("v2.0.0", &second, &openpgp) + &commit(&two, &ssh),
        ),
        ("tag-alone", json!({"semver": ">=3"}), "Tag", format!("v3.0.0@sha1:{three}"), tag("v3.0.0", &third, &ssh)),
        ("name", json!({"name": "refs/tags/v3.0.0"}), "Tag", format!("refs/tags/v3.0.0@sha1:{three}"), tag("v3.0.0", &third, &ssh)),
    ];
    for (name, reference, mode, ..) in &cases {
        world.space.source(name, spec(&repository, reference, mode)).await;
    }
    let mut bare = spec(&repository, &json!({"tag": "v1.0.0"}), "HEAD");
    bare["verify"]["secretRef"]["name"] = json!("bare");
    world.space.source("bare", bare).await;
    for (name, _, mode, at, expected) in &cases {
        let object = world.space.ready_at(name, at).await;
        let mode = if *mode == "head" { "HEAD" } else { mode };
        verified(&object, mode, &format!("verified signature of{expected}"));
    }
    let object = world.space.ready("bare").await;
    verified(&object, "HEAD", &format!("verified signature of{}", commit(&one, &openpgp)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_no_key_vouches_for_is_refused_and_never_stored() {
    needs!("gpg", "ssh-keygen");
    let world = World::new(embedded(), "unsigned").await;
    let (openpgp, stranger, expired, ssh, other) = (Key::openpgp(), Key::other_openpgp(), Key::expired(), Key::ssh(), Key::other_ssh());
    let keys: [(&str, &[(&str, &str)]); 7] = [
        ("openpgp", &[("a.asc", &openpgp.public)]),
        ("stranger", &[("a.asc", &stranger.public)]),
        ("expired", &[("a.asc", &expired.public)]),
        ("revoked", &[("a.asc", &Key::revoked())]),
        ("ssh", &[("a.sshpub", &ssh.public)]),
        ("other", &[("a.sshpub", &other.public)]),
        ("garbage", &[("a.asc", "no key"), ("b.sshpub", "no key")]),
    ];
    for (name, data) in keys {
        world.space.secret(name, data).await;
    }
    let repository = Signed::init(&world.git);
    let unsigned = repository.plain.commit(FILES);
    let good = repository.commit(&openpgp, FILES);
    let late = repository.commit(&expired, FILES);
    let secure = repository.commit(&ssh, FILES);
    let no_ring = "unable to verify Git commit: unable to verify payload with any of the given key rings: no matching key";
    let no_ssh =
        "unable to verify Git commit SSH signature: unable to verify payload with any of the given authorized keys: no matching key";
    let cases = [
        ("unsigned", &unsigned, "openpgp", "unsupported signature type: empty"),
        ("wrong-key", &good, "stranger", no_ring),
        ("expired", &late, "expired", no_ring),
        ("revoked", &good, "revoked", no_ring),
        ("garbage", &good, "garbage", "unable to verify Git commit: unable to read armored key ring: "),
        ("wrong-ssh-key", &secure, "other", no_ssh),
        ("ssh-garbage", &secure, "garbage", "unable to verify Git commit SSH signature: unable to parse authorized keys: "),
        ("no-openpgp-keys", &good, "ssh", "PGP signature detected but no PGP public keys found in secret (keys with .asc suffix)"),
        ("no-ssh-keys", &secure, "openpgp", "SSH signature detected but no SSH public keys found in secret (keys with .sshpub suffix)"),
    ];
    for (name, commit, secret, _) in &cases {
        let mut spec = spec(&repository, &json!({"commit": commit}), "HEAD");
        spec["verify"]["secretRef"]["name"] = json!(secret);
        world.space.source(name, spec).await;
    }
    for (name, commit, _, why) in &cases {
        let expected = format!("signature verification of commit '{commit}' failed: {why}");
        let object = refused(&world, name, "InvalidCommitSignature", &expected).await;
        assert_eq!(condition(&object, "Reconciling").unwrap()["reason"], "ProgressingWithRetry", "{name}");
        assert!(object["status"]["artifact"].is_null() && object["status"]["sourceVerificationMode"].is_null(), "{name}");
    }
    // They have been tried again meanwhile, and one that is good shows that storing works.
    world.space.secret("keys", &[("a.asc", &openpgp.public)]).await;
    world.space.source("good", spec(&repository, &json!({"commit": good}), "HEAD")).await;
    world.space.ready("good").await;
    let stored = stored(&world, "");
    assert!(!stored.is_empty() && stored.iter().all(|path| path.contains("/good/")), "{stored:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_no_key_vouches_for_is_refused_and_never_stored() {
    needs!("gpg", "ssh-keygen");
    let world = World::new(embedded(), "unsigned-tag").await;
    let (key, stranger, repository) = (Key::ssh(), Key::other_openpgp(), Signed::init(&world.git));
    world.space.secret("keys", &[("a.sshpub", &key.public), ("b.asc", &Key::openpgp().public)]).await;
    let unsigned = repository.plain.commit(FILES);
    repository.tag(&key, "on-unsigned");
    let head = repository.commit(&key, FILES);
    repository.plain.tag("light");
    repository.plain.annotated_tag("plain");
    let (plain, strange) = (repository.id("plain"), repository.tag(&stranger, "strange"));
    let not_signed = |tag: &str| format!("cannot verify signature of tag '{tag}' since it is not signed");
    let no_key = format!("signature verification of tag 'strange@{strange}' failed: unable to verify Git tag: ");
    let cases = [
        ("light", json!({"tag": "light"}), "Tag", "InvalidGitObject", not_signed("light")),
        ("plain", json!({"tag": "plain"}), "TagAndHEAD", "InvalidGitObject", not_signed(&format!("plain@{plain}"))),
        ("strange", json!({"tag": "strange"}), "TagAndHEAD", "InvalidTagSignature", no_key),
        (
            "on-unsigned",
            json!({"tag": "on-unsigned"}),
            "TagAndHEAD",
            "InvalidCommitSignature",
            format!("signature verification of commit '{unsigned}' failed: unsupported signature type: empty"),
        ),
    ];
    for (name, reference, mode, ..) in &cases {
        world.space.source(name, spec(&repository, reference, mode)).await;
    }
    for (name, _, _, reason, expected) in &cases {
        let object = refused(&world, name, reason, expected).await;
        assert!(condition(&object, "Stalled").is_none(), "{name}: a tag may be signed later");
    }
    // The fault of the object itself is final until it is changed.
    let references =
        [("branch", json!({"branch": "main"})), ("commit", json!({"commit": head})), ("ref", json!({"name": "refs/heads/main"}))];
    for (name, reference) in &references {
        world.space.source(name, spec(&repository, reference, "TagAndHEAD")).await;
    }
    for (name, _) in &references {
        let expected = "cannot verify tag object's signature if a tag reference is not specified";
        let object = refused(&world, name, "InvalidVerificationMode", expected).await;
        assert_eq!(message(&object, "Stalled"), expected, "{name}: {}", object["status"]);
        assert!(condition(&object, "Reconciling").is_none(), "{name}: {}", object["status"]);
        assert_eq!(object["status"]["observedGeneration"], object["metadata"]["generation"]);
    }
    assert_eq!(stored(&world, ""), Vec::<String>::new());
    repository.tag(&key, "plain");
    verified_mode(&world.space.ready("plain").await, "TagAndHEAD");
    world.space.patch("branch", &json!({"spec": {"verify": {"mode": "HEAD"}}})).await;
    let object = world.space.ready("branch").await;
    assert!(condition(&object, "Stalled").is_none());
    verified_mode(&object, "HEAD");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_not_there_is_waited_for() {
    needs!("ssh-keygen");
    let world = World::new(embedded(), "signed-secret").await;
    let (key, repository) = (Key::ssh(), Signed::init(&world.git));
    repository.commit(&key, FILES);
    world.space.source("x", spec(&repository, &json!({"branch": "main"}), "HEAD")).await;
    let object = refused(&world, "x", "VerificationError", "public keys secret error: ").await;
    assert!(message(&object, VERIFIED).contains("\"keys\" not found"), "{}", object["status"]);
    assert_eq!(stored(&world, "x"), Vec::<String>::new());
    world.space.secret("keys", &[("a.sshpub", &key.public)]).await;
    verified_mode(&world.space.ready("x").await, "HEAD");
}

on_each_server!(a_bad_commit_after_a_good_one_leaves_the_artifact_until_a_good_one_comes);
async fn a_bad_commit_after_a_good_one_leaves_the_artifact_until_a_good_one_comes(server: &Server) {
    needs!("ssh-keygen");
    let world = World::new(server, "signed-then").await;
    let (key, repository) = (Key::ssh(), Signed::init(&world.git));
    repository.commit(&key, FILES);
    world.space.secret("keys", &[("a.sshpub", &key.public)]).await;
    world.space.source("x", spec(&repository, &json!({"branch": "main"}), "HEAD")).await;
    let before = world.space.ready("x").await;
    let bad = repository.plain.commit(OTHER);
    world.space.request("x").await;
    let expected = format!("signature verification of commit '{bad}' failed: unsupported signature type: empty");
    let object = refused(&world, "x", "InvalidCommitSignature", &expected).await;
    assert_eq!(object["status"]["artifact"], before["status"]["artifact"]);
    assert_eq!(object["status"]["sourceVerificationMode"], "HEAD");
    assert!(status_is(&object, "ArtifactInStorage", "True") && condition(&object, "FetchFailed").is_none(), "{}", object["status"]);
    assert!(stored(&world, "x").iter().all(|path| !path.contains(&bad)), "{:?}", stored(&world, "x"));
    assert_eq!(files(&listing(&object).await), ["a.yaml"], "the one of before is still served");
    let posted = eventually(PATIENCE, async || {
        let posted = world.controller.events.posted();
        let told = posted.iter().find(|event| event["reason"] == "InvalidCommitSignature").cloned();
        told.ok_or_else(|| format!("no InvalidCommitSignature among {posted:?}"))
    })
    .await;
    assert_eq!((&posted["severity"], &posted["message"]), (&json!("error"), &json!(expected)));

    let good = repository.commit(&key, OTHER);
    let object = world.space.ready_at("x", &format!("main@sha1:{good}")).await;
    verified(&object, "HEAD", &format!("verified signature of\n\t- commit '{good}' with key '{}'", key.id));
    assert_eq!(files(&listing(&object).await), ["b.yaml"]);
    assert!(stored(&world, "x").iter().all(|path| !path.contains(&bad)), "{:?}", stored(&world, "x"));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_mode_verifies_the_same_revision_anew() {
    needs!("ssh-keygen");
    let world = World::new(embedded(), "signed-mode").await;
    let (key, repository) = (Key::ssh(), Signed::init(&world.git));
    let head = repository.commit(&key, FILES);
    let tag = repository.tag(&key, "v1");
    repository.plain.annotated_tag("plain");
    world.space.secret("keys", &[("a.sshpub", &key.public)]).await;
    for name in ["v1", "plain"] {
        world.space.source(name, spec(&repository, &json!({"tag": name}), "HEAD")).await;
    }
    let (before, plain) = (world.space.ready("v1").await, world.space.ready("plain").await);
    let mode = |mode: &str| json!({"spec": {"verify": {"mode": mode}}});
    let commit = format!("\n\t- commit '{head}' with key '{}'", key.id);
    let tag = format!("\n\t- tag 'v1@{tag}' with key '{}'", key.id);
    verified(&before, "HEAD", &format!("verified signature of{commit}"));
    for (asked, expected) in [("Tag", tag.clone()), ("HEAD", commit.clone()), ("TagAndHEAD", format!("{tag}{commit}"))] {
        world.space.patch("v1", &mode(asked)).await;
        let object = world.space.ready("v1").await;
        verified(&object, asked, &format!("verified signature of{expected}"));
        assert_eq!(revision(&object), revision(&before));
        assert_eq!(object["status"]["artifact"]["digest"], before["status"]["artifact"]["digest"]);
    }
    // What was verified before includes this.
    let seen = world.git.seen().len();
    world.space.patch("v1", &mode("Tag")).await;
    let object = world.space.ready("v1").await;
    verified(&object, "TagAndHEAD", &format!("verified signature of{tag}{commit}"));
    assert!(world.git.seen().len() - seen <= 2, "nothing is fetched for it");

    world.space.patch("plain", &mode("TagAndHEAD")).await;
    let expected = "cannot verify signature of tag 'plain@";
    let object = refused(&world, "plain", "InvalidGitObject", expected).await;
    assert_eq!(object["status"]["artifact"], plain["status"]["artifact"]);
    assert_eq!(object["status"]["sourceVerificationMode"], "HEAD");
    world.space.patch("plain", &mode("HEAD")).await;
    let object = world.space.ready("plain").await;
    assert_eq!(object["status"]["artifact"]["digest"], plain["status"]["artifact"]["digest"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn verification_that_comes_later_judges_what_is_there() {
    needs!("ssh-keygen");
    let world = World::new(embedded(), "signed-later").await;
    let (key, repository) = (Key::ssh(), Signed::init(&world.git));
    let unsigned = repository.plain.commit(FILES);
    let signed = repository.commit(&key, FILES);
    world.space.secret("keys", &[("a.sshpub", &key.public)]).await;
    for (name, commit) in [("bad", &unsigned), ("good", &signed)] {
        let mut spec = spec(&repository, &json!({"commit": commit}), "HEAD");
        spec.as_object_mut().unwrap().remove("verify");
        world.space.source(name, spec).await;
    }
    let before = world.space.ready("bad").await;
    assert!(condition(&world.space.ready("good").await, VERIFIED).is_none());
    let verify = json!({"spec": {"verify": {"mode": "HEAD", "secretRef": {"name": "keys"}}}});
    for name in ["bad", "good"] {
        world.space.patch(name, &verify).await;
    }
    let object = refused(&world, "bad", "InvalidCommitSignature", "signature verification of commit").await;
    assert_eq!(object["status"]["artifact"], before["status"]["artifact"]);
    let object = world.space.wait("good", VERIFIED, |object| status_is(object, VERIFIED, "True")).await;
    verified_mode(&object, "HEAD");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_verification_the_next_fetch_forgets_it() {
    needs!("ssh-keygen");
    let world = World::new(embedded(), "signed-forget").await;
    let (key, repository) = (Key::ssh(), Signed::init(&world.git));
    repository.commit(&key, FILES);
    world.space.secret("keys", &[("a.sshpub", &key.public)]).await;
    for name in ["x", "y"] {
        world.space.source(name, spec(&repository, &json!({"branch": "main"}), "HEAD")).await;
        verified_mode(&world.space.ready(name).await, "HEAD");
    }
    let bad = repository.plain.commit(OTHER);
    world.space.request("y").await;
    refused(&world, "y", "InvalidCommitSignature", "signature verification of commit").await;
    for name in ["x", "y"] {
        world.space.patch(name, &json!({"spec": {"verify": null}})).await;
        let object = world.space.ready_at(name, &format!("main@sha1:{bad}")).await;
        assert!(condition(&object, VERIFIED).is_none(), "{}", object["status"]);
        assert!(object["status"]["sourceVerificationMode"].is_null(), "{}", object["status"]);
        assert_eq!(files(&listing(&object).await), ["b.yaml"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verified_revision_is_not_fetched_again() {
    needs!("gpg");
    let mut world = World::new(embedded(), "signed-same").await;
    let (key, repository) = (Key::openpgp(), Signed::init(&world.git));
    repository.commit(&key, FILES);
    repository.tag(&key, "v1");
    world.space.secret("keys", &[("a.asc", &key.public)]).await;
    world.space.source("x", spec(&repository, &json!({"tag": "v1"}), "TagAndHEAD")).await;
    let before = world.space.ready("x").await;
    for _ in 0..2 {
        let seen = world.git.seen().len();
        let after = world.space.poke("x").await;
        assert_eq!(before["status"]["artifact"], after["status"]["artifact"]);
        assert_eq!(condition(&before, VERIFIED), condition(&after, VERIFIED));
        verified_mode(&after, "TagAndHEAD");
        let requests = world.git.seen().split_off(seen);
        assert!((1..=2).contains(&requests.len()), "one advertisement and at most one ls-refs: {requests:?}");
        world.controller.stop().await;
        world.controller.start().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_is_verified_before_it_is_stored_again() {
    needs!("ssh-keygen");
    let world = World::new(embedded(), "signed-lost").await;
    let (key, repository) = (Key::ssh(), Signed::init(&world.git));
    let unsigned = repository.plain.commit(FILES);
    let mut spec = spec(&repository, &json!({"commit": unsigned}), "HEAD");
    spec.as_object_mut().unwrap().remove("verify");
    world.space.secret("keys", &[("a.sshpub", &key.public)]).await;
    world.space.source("x", spec).await;
    let object = world.space.ready("x").await;
    let path = world.controller.storage.join(object["status"]["artifact"]["path"].as_str().unwrap());
    std::fs::remove_file(path).unwrap();
    world.space.patch("x", &json!({"spec": {"verify": {"mode": "HEAD", "secretRef": {"name": "keys"}}}})).await;
    let object = refused(&world, "x", "InvalidCommitSignature", "signature verification of commit").await;
    assert!(object["status"]["artifact"].is_null(), "{}", object["status"]);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(stored(&world, "x").iter().all(|path| !path.ends_with(".tar.gz")), "{:?}", stored(&world, "x"));
}

/// The spec of an object that is verified with the Secret `keys`.
fn spec(repository: &Signed, reference: &Value, mode: &str) -> Value {
    json!({"url": repository.url, "ref": reference, "verify": {"mode": mode, "secretRef": {"name": "keys"}}})
}

/// Panics unless the object says that this was verified.
fn verified(object: &Value, mode: &str, expected: &str) {
    verified_mode(object, mode);
    assert_eq!(message(object, VERIFIED), expected);
}

fn verified_mode(object: &Value, mode: &str) {
    assert!(status_is(object, VERIFIED, "True") && status_is(object, "Ready", "True"), "{}", object["status"]);
    assert_eq!(condition(object, VERIFIED).unwrap()["reason"], "Succeeded");
    assert_eq!(object["status"]["sourceVerificationMode"], mode, "{}", object["status"]);
}

/// The object once it is not ready for that reason, which begins like that and is its signature's alone.
async fn refused(world: &World, name: &str, reason: &str, expected: &str) -> Value {
    let object = world.space.failed(name, reason).await;
    let verified = condition(&object, VERIFIED).unwrap();
    assert_eq!((&verified["status"], &verified["reason"]), (&json!("False"), &json!(reason)), "{name}: {}", object["status"]);
    assert!(message(&object, VERIFIED).starts_with(expected), "{name}: {}", message(&object, VERIFIED));
    assert_eq!(message(&object, "Ready"), message(&object, VERIFIED), "{name}");
    for absent in ["FetchFailed", "StorageOperationFailed"] {
        assert!(condition(&object, absent).is_none(), "{name}: {}", object["status"]);
    }
    object
}

/// The files that are stored for the object, or for all of them where no name is given.
fn stored(world: &World, name: &str) -> Vec<String> {
    let prefix = format!("gitrepository/{}/{name}", world.space.name);
    world.controller.stored().into_iter().filter(|path| path.starts_with(&prefix)).collect()
}
