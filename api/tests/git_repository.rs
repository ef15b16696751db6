//! Decoding and encoding of `GitRepository` objects.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use chrono::DateTime;
use headwater_api::condition::{self, Status};
use headwater_api::{Artifact, Condition, GitRepository, GitRepositorySpec, GitRepositoryStatus, duration, reason};
use kube::core::ObjectList;
use serde_json::{Value, json};

fn decode(value: Value) -> GitRepository {
    serde_json::from_value(value).unwrap()
}

/// Every field of spec and status.
fn full() -> Value {
    let artifact = |name: &str| {
        json!({
            "path": format!("gitrepository/brook/{name}/0a1b.tar.gz"),
            "url": format!("http://weir.brook.svc/gitrepository/brook/{name}/0a1b.tar.gz"),
            "revision": "main@sha1:0a1b",
            "digest": "sha256:4f2c",
            "lastUpdateTime": "2024-02-29T23:59:58Z",
            "size": 1234,
            "metadata": { "origin": "hill" }
        })
    };
    let include = json!([{ "repository": { "name": "pond" }, "fromPath": "reeds", "toPath": "bank" }]);
    json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": { "name": "spring", "namespace": "brook", "generation": 3 },
        "spec": {
            "url": "https://hill.example/spring",
            "secretRef": { "name": "key" },
            "provider": "azure",
            "serviceAccountName": "warden",
            "interval": "1h30m",
            "timeout": "90s",
            "ref": { "branch": "main", "tag": "v1", "semver": ">=1", "semverFilter": "^v", "name": "refs/heads/main", "commit": "0a1b" },
            "verify": { "mode": "TagAndHEAD", "secretRef": { "name": "ring" } },
            "proxySecretRef": { "name": "sluice" },
            "ignore": "",
            "suspend": true,
            "recurseSubmodules": true,
            "include": include,
            "sparseCheckout": ["./reeds", "moss"],
            "lfs": true,
            "symlinks": "Keep"
        },
        "status": {
            "observedGeneration": 3,
            "conditions": [{
                "type": "Ready",
                "status": "True",
                "observedGeneration": 3,
                "lastTransitionTime": "2024-02-29T23:59:59Z",
                "reason": "Succeeded",
                "message": "stored artifact for revision 'main@sha1:0a1b'"
            }],
            "artifact": artifact("spring"),
            "includedArtifacts": [artifact("pond")],
            "observedIgnore": "",
            "observedRecurseSubmodules": true,
            "observedInclude": include,
            "observedSparseCheckout": ["./reeds", "moss"],
            "sourceVerificationMode": "TagAndHEAD",
            "lastHandledReconcileAt": "now",
            "contentConfigChecksum": "sha256:77aa"
        }
    })
}

#[test]
fn a_full_object_comes_back_as_it_was() {
    let object = decode(full());
    assert_eq!(serde_json::to_value(&object).unwrap(), full());
    assert_eq!(object.spec.interval.get(), Ok(Duration::from_mins(90)));
    assert_eq!(object.spec.timeout(), Ok(Duration::from_secs(90)));
    let status = object.status.unwrap();
    assert!(condition::find(&status.conditions, condition::READY).is_some_and(Condition::is_true));
    assert_eq!(status.conditions[0].reason, reason::SUCCEEDED);
    assert_eq!(status.artifact.unwrap().revision, "main@sha1:0a1b");
}

#[test]
fn the_test_object_has_every_field_of_the_schema() {
    let crd = serde_json::to_value(headwater_api::crd::all()).unwrap();
    let schema = &crd[0]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    for part in ["spec", "status"] {
        let known: Vec<&String> = schema[part]["properties"].as_object().unwrap().keys().collect();
        let object = full();
        let used: Vec<&String> = object[part].as_object().unwrap().keys().collect();
        assert_eq!(used, known);
    }
}

#[test]
fn what_is_not_set_is_not_written() {
    let empty = json!({});
    assert_eq!(serde_json::to_value(GitRepositoryStatus::default()).unwrap(), empty);
    let spec = serde_json::to_value(GitRepositorySpec::default()).unwrap();
    assert_eq!(spec, json!({ "url": "", "interval": "" }));
}

#[test]
fn one_odd_object_leaves_its_list_readable() {
    let odd = [
        json!({}),
        json!({ "metadata": { "name": "bare" } }),
        json!({ "spec": {}, "status": {} }),
        json!({ "status": null }),
        json!({ "spec": { "interval": "99999999999999h", "url": "x", "depth": 7, "gitImplementation": "libgit2" } }),
        json!({ "spec": { "provider": "dowser", "verify": { "mode": "Never" }, "include": [{}], "ref": {} } }),
        json!({ "spec": { "url": null, "interval": null, "suspend": null, "include": null, "sparseCheckout": null } }),
        json!({ "status": { "conditions": [{}, { "status": "Perhaps", "lastTransitionTime": null }], "artifact": {} } }),
        json!({ "status": { "artifact": { "lastUpdateTime": "yesterday", "size": null, "metadata": null } } }),
        json!({ "status": { "conditions": null, "includedArtifacts": null, "observedInclude": null } }),
    ];
    let count = odd.len();
    let items: Vec<Value> = odd.into_iter().chain([full()]).collect();
    let list = json!({ "apiVersion": "v1", "kind": "List", "metadata": {}, "items": items });
    let list: ObjectList<GitRepository> = serde_json::from_value(list).unwrap();
    assert_eq!(list.items.len(), count + 1);
    assert_eq!(list.items[count], decode(full()));
}

#[test]
fn an_unreadable_interval_is_an_error_of_its_own() {
    let spec = decode(json!({ "spec": { "interval": "99999999999999h" } })).spec;
    assert_eq!(spec.interval.get(), Err(duration::Error::TooLong("99999999999999h".into())));
    assert_eq!(spec.timeout(), Ok(Duration::from_mins(1)));
}

#[test]
fn empty_text_is_as_good_as_none_except_for_ignore() {
    let spec = decode(json!({ "spec": {
        "provider": "", "serviceAccountName": "", "ignore": "",
        "ref": { "branch": "", "tag": "", "semver": "", "name": "", "commit": "" },
        "include": [{ "repository": { "name": "pond" }, "fromPath": "", "toPath": "" }]
    } }))
    .spec;
    assert_eq!(spec.provider(), "generic");
    assert_eq!(spec.service_account_name, None);
    assert_eq!(spec.ignore.as_deref(), Some(""));
    assert_eq!(spec.reference, Some(headwater_api::git_repository::GitRepositoryRef::default()));
    assert_eq!((spec.include[0].from_path(), spec.include[0].to_path()), ("", "pond"));
}

#[test]
fn any_mode_but_tag_verifies_the_commit() {
    for (written, meant) in [("head", "HEAD"), ("HEAD", "HEAD"), ("Tag", "Tag"), ("TagAndHEAD", "TagAndHEAD"), ("Never", "HEAD")] {
        let spec = decode(json!({ "spec": { "verify": { "mode": written } } })).spec;
        assert_eq!(spec.verify.unwrap().mode(), meant);
    }
}

#[test]
fn times_are_whole_seconds_in_utc() {
    let artifact: Artifact = serde_json::from_value(json!({ "lastUpdateTime": "2024-03-01T01:00:00.987+02:00" })).unwrap();
    let written = serde_json::to_value(&artifact).unwrap();
    assert_eq!(written["lastUpdateTime"], "2024-02-29T23:00:00Z");
    let unreadable: Artifact = serde_json::from_value(json!({ "lastUpdateTime": "yesterday" })).unwrap();
    assert_eq!(unreadable.last_update_time, DateTime::UNIX_EPOCH);
}

#[test]
fn a_status_is_one_of_three_words() {
    for (text, status) in [("True", Status::True), ("False", Status::False), ("Unknown", Status::Unknown)] {
        assert_eq!(serde_json::to_value(status).unwrap(), text);
        assert_eq!(status.to_string(), text);
        assert_eq!(serde_json::from_value::<Status>(json!(text)).unwrap(), status);
    }
    assert_eq!(serde_json::from_value::<Status>(json!("Perhaps")).unwrap(), Status::Unknown);
}
