#![expect(clippy::unwrap_used, reason = "tests")]

use headwater_http::Basic;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::*;
use crate::reconcile::failure::Fate;

fn object(spec: &Value) -> GitRepository {
    let mut object = json!({ "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": { "name": "podinfo", "namespace": "apps" } });
    object["spec"] = json!({ "url": "https://git.example/r.git", "interval": "1m" });
    for (key, value) in spec.as_object().unwrap() {
        object["spec"][key] = value.clone();
    }
    serde_json::from_value(object).unwrap()
}

fn secret(entries: &[(&str, &str)]) -> References {
    let data = entries.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect();
    References { credentials: Some(data), proxy: None }
}

#[expect(clippy::needless_pass_by_value, reason = "reads better in the tests")]
fn planned(spec: Value, references: &References) -> Result<Plan, (Fate, &'static str, String)> {
    plan(&object(&spec), references).map_err(|failure| (failure.fate, failure.reason, failure.message()))
}

fn with_secret() -> Value {
    json!({ "secretRef": { "name": "creds" } })
}

#[test]
fn the_most_precise_reference_counts() {
    let asked = |spec: Value| planned(json!({ "ref": spec }), &References::default()).unwrap().reference;
    assert_eq!(planned(json!({}), &References::default()).unwrap().reference, Reference::Default);
    assert_eq!(asked(json!({})), Reference::Default);
    assert_eq!(asked(json!({ "branch": "b" })), Reference::Branch("b".into()));
    assert_eq!(asked(json!({ "branch": "b", "semver": "1" })), Reference::Semver { range: "1".into(), filter: None });
    assert_eq!(asked(json!({ "branch": "b", "semver": "1", "tag": "t" })), Reference::Tag("t".into()));
    assert_eq!(asked(json!({ "tag": "t", "name": "refs/x/y" })), Reference::Name("refs/x/y".into()));
    assert_eq!(asked(json!({ "name": "n", "commit": "c", "branch": "b" })), Reference::Commit { id: "c".into(), branch: Some("b".into()) });
}

#[test]
fn credentials_come_from_the_secret_and_else_from_the_url() {
    let plan = planned(with_secret(), &secret(&[("username", "u"), ("password", "p"), ("ca.crt", "CA"), ("caFile", "old")])).unwrap();
    assert_eq!((plan.credentials, plan.trust.ca), (Credentials::basic("u", "p"), Some(b"CA".to_vec())));
    assert_eq!(planned(with_secret(), &secret(&[("bearerToken", "t")])).unwrap().credentials, Credentials::bearer("t"));
    let plan = planned(json!({ "url": "https://u%40x:p%2Fq@git.example/r" }), &References::default()).unwrap();
    assert_eq!(plan.credentials, Credentials::basic("u@x", "p/q"));
    assert_eq!(plan.url.as_str(), "https://git.example/r");
}

#[test]
fn ssh_takes_its_keys_from_the_secret_and_its_user_from_the_url() {
    let key = secret(&[("identity", "k"), ("known_hosts", "h"), ("password", "p")]);
    let plan = planned(json!({ "url": "ssh://deploy:word@host:2222/r", "secretRef": { "name": "creds" } }), &key).unwrap();
    let ssh = plan.ssh.unwrap();
    assert_eq!((ssh.user.as_str(), ssh.passphrase.unwrap().expose_secret()), ("git", "p"));
    assert_eq!((ssh.identity.expose_secret(), ssh.known_hosts.as_slice()), (&b"k"[..], &b"h"[..]));
    assert_eq!(plan.url.as_str(), "ssh://deploy@host:2222/r");
}

#[test]
fn a_proxy_has_an_address_that_is_understood_and_perhaps_credentials() {
    let through = |entries: &[(&str, &str)]| {
        let data = entries.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect();
        planned(json!({ "proxySecretRef": { "name": "way" } }), &References { proxy: Some(data), credentials: None })
    };
    let proxy = through(&[("address", "http://proxy:3128"), ("username", "u"), ("password", "p")]).unwrap().proxy.unwrap();
    assert_eq!((proxy.url.as_str(), proxy.basic), ("http://proxy:3128/", Some(Basic::new("u", "p"))));
    let proxy = through(&[("address", "socks5://a:b%40@proxy:1080")]).unwrap().proxy.unwrap();
    assert_eq!((proxy.url.as_str(), proxy.basic), ("socks5://proxy:1080", Some(Basic::new("a", "b@"))));
    insta::assert_debug_snapshot!([
        through(&[("username", "u")]).unwrap_err(),
        through(&[("address", "")]).unwrap_err(),
        through(&[("address", "ftp://user:s3cret@proxy")]).unwrap_err(),
        through(&[("address", "user:s3cret@proxy")]).unwrap_err(),
    ]);
}

#[test]
fn what_a_commit_gives_follows_the_spec() {
    let plan = planned(
        json!({ "recurseSubmodules": true, "sparseCheckout": ["a"], "lfs": true, "symlinks": "Keep", "ref": { "semver": "1", "semverFilter": "^v" } }),
        &References::default(),
    )
    .unwrap();
    let content = Content { submodules: Submodules::Recursive, sparse: vec!["a".into()], lfs: Lfs::Files, symlinks: Symlinks::Keep };
    assert_eq!(plan.content, content);
    assert_eq!(plan.reference, Reference::Semver { range: "1".into(), filter: Some("^v".into()) });
    assert_eq!(planned(json!({}), &References::default()).unwrap().content, Content::default());
}

#[test]
fn unusable_secrets_are_refused_with_the_missing_key_and_without_a_value() {
    insta::assert_debug_snapshot!([
        planned(with_secret(), &secret(&[("password", "s3cret")])).unwrap_err(),
        planned(json!({ "url": "ssh://git@host/r" }), &References::default()).unwrap_err(),
        planned(json!({ "provider": "github" }), &References::default()).unwrap_err(),
        planned(with_secret(), &secret(&[("githubAppID", "1")])).unwrap_err(),
        planned(with_secret(), &secret(&[("bearerToken", "s3cret"), ("username", "u")])).err().unwrap_or((
            Fate::Retry,
            "",
            "accepted".into()
        )),
        planned(with_secret(), &secret(&[("tls.crt", "s3cret")])).unwrap_err(),
        planned(with_secret(), &secret(&[("tls.key", "s3cret")])).unwrap_err(),
    ]);
}

#[test]
fn durations_that_cannot_be_read_stall_their_object_alone() {
    let failure = schedule(&object(&json!({ "interval": "99999999999999h" })).spec).unwrap_err();
    assert_eq!(failure.fate, Fate::Stall);
    assert!(failure.message().contains("spec.interval"));
}

#[test]
fn urls_are_printed_without_credentials_and_query() {
    let printed = |url: &str| match planned(json!({ "url": url }), &References::default()) {
        Ok(plan) => format!("{} {:?}", plan.url, plan.url),
        Err((_, _, message)) => message,
    };
    for (url, expected) in [
        ("https://user:p@ss@host/x?token=1#f", "https://host/x"),
        ("https://user:pass@host/team/app@v2", "https://host/team/app@v2"),
        ("https://host/app@v2", "https://host/app@v2"),
        ("http://user/na:me@host/charts", "http://host/charts"),
    ] {
        assert_eq!(printed(url), format!("{expected} {expected:?}"), "{url}");
    }
    for (url, expected) in [
        ("https://u:s3/cret@host/x", "failed to parse url 'https://host/x': invalid port number"),
        ("not a url", "failed to parse url 'not a url': relative URL without a base"),
    ] {
        assert_eq!(printed(url), expected, "{url}");
    }
}

#[test]
fn the_checksum_tells_apart_everything_that_shapes_the_content() {
    let specs = [
        json!({}),
        json!({ "ignore": "" }),
        json!({ "ignore": "a" }),
        json!({ "sparseCheckout": ["a", "b"] }),
        json!({ "sparseCheckout": ["ab"] }),
        json!({ "recurseSubmodules": true }),
        json!({ "lfs": true }),
        json!({ "symlinks": "Keep" }),
        json!({ "include": [{ "repository": { "name": "a" } }] }),
        json!({ "include": [{ "repository": { "name": "a" }, "fromPath": "x" }] }),
    ];
    let mut sums: Vec<_> = specs.iter().map(|spec| checksum(&object(spec).spec, &[])).collect();
    assert_eq!(checksum(&object(&json!({ "interval": "5m", "symlinks": "Skip" })).spec, &[]), sums[0]);
    let included = |revision: &str| Artifact { revision: revision.into(), ..Artifact::default() };
    sums.push(checksum(&object(&specs[8]).spec, &[included("a")]));
    sums.push(checksum(&object(&specs[8]).spec, &[included("b")]));
    sums.sort();
    sums.dedup();
    assert_eq!(sums.len(), specs.len() + 2);
}
