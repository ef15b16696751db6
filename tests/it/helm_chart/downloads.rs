//! Downloads of charts: what servers may do wrong, who is shown credentials, and digests.

use axum::body::Bytes;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use headwater_testing::{
    PATIENCE,
    charts::{Answer, ChartRepository, chart, index},
    eventually, noise,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Fate, Set, dependencies, dependency, folder};
use crate::support::{
    cluster::{Server, on_each_server},
    namespace::{message, status_is},
};

const DOWNLOAD: &str = "chart pull error: failed to download chart for remote reference";
const METADATA: &str = "chart pull error: failed to load chart metadata from written chart";

on_each_server!(a_chart_that_does_not_come_whole_is_no_artifact_until_it_does);
async fn a_chart_that_does_not_come_whole_is_no_artifact_until_it_does(server: &Server) {
    let names = ["html", "big", "urlless", "denied"];
    let set = Set::with(server, "chart-downloads", &["--helm-chart-max-size=100000"]).await;
    let charts: Vec<_> = names.into_iter().map(|name| (name, "1.0.0")).collect();
    set.web.publish("r", &charts);
    set.web.put("r/big-1.0.0.tgz", chart("big", "1.0.0", &[("noise", &noise(40_000))]));
    let index = index(&charts.iter().map(|(name, version)| (*name, *version, [].as_slice())).collect::<Vec<_>>());
    set.web.put("r/index.yaml", index.replace("    urls:\n    - urlless-1.0.0.tgz\n", ""));
    let at = |name: &str| format!("r/{name}-1.0.0.tgz");
    set.web.answer(&at("html"), Answer::Status(200, Bytes::from_static(b"<html>no</html>")));
    set.web.answer(&at("denied"), Answer::Status(401, Bytes::new()));
    set.repository("h", "r").await;
    for name in names {
        set.take(name, &json!({"chart": name})).await;
    }
    let fetch = |name: &str| format!("{DOWNLOAD}: failed to fetch {}", set.web.url(&at(name)));
    let denied = format!("failed to authenticate with the Helm repository: {} : 401 Unauthorized", fetch("denied"));
    let cases = [
        ("html", "ChartPullError", format!("{METADATA}: gzip: invalid header")),
        ("urlless", "ChartPullError", format!("{DOWNLOAD}: chart 'urlless' has no downloadable URLs")),
        ("denied", "Unknown", format!("unknown build error: {denied}")),
    ];
    for (name, reason, words) in &cases {
        set.fails(name, reason, Fate::Retries, words).await;
    }
    assert_eq!(set.charts.event("denied", "AuthenticationFailed").await["message"], *denied);
    let size = format!("{DOWNLOAD}: chart exceeds the maximum chart file size of 100000 bytes (--helm-chart-max-size)");
    set.fails("big", "ChartPullError", Fate::Retries, &size).await;
    let stored = set.world.controller.stored();
    assert!(!stored.iter().any(|path| path.starts_with("helmchart/") && path.contains(".tgz")), "{stored:?}");
    for name in ["html", "denied"] {
        set.web.behave(&at(name));
    }
    for name in ["html", "denied"] {
        set.charts.ready_at(name, "1.0.0").await;
    }
}

on_each_server!(credentials_stay_with_their_host_unless_they_may_be_passed_on);
async fn credentials_stay_with_their_host_unless_they_may_be_passed_on(server: &Server) {
    let set = Set::new(server, "chart-credentials").await;
    let other = ChartRepository::start().await;
    set.web.admit("user", "pass");
    other.put("absolute.tgz", chart("absolute", "1.0.0", &[]));
    set.web.publish("r", &[("home", "1.0.0")]);
    let archives = ["home", "absolute"].map(|name| (name, chart(name, "1.0.0", &[])));
    let index = index(&archives.iter().map(|(name, archive)| (*name, "1.0.0", archive.as_slice())).collect::<Vec<_>>());
    set.web.put("r/index.yaml", index.replace("absolute-1.0.0.tgz", &other.url("absolute.tgz")));
    set.charts.secret("s", &[("username", "user"), ("password", "pass")]).await;
    let value = format!("Basic {}", BASE64_STANDARD.encode("user:pass"));
    for (repository, passes, expected) in [("keeps", false, None), ("passes", true, Some(value))] {
        let spec = json!({"url": set.web.url("r"), "secretRef": {"name": "s"}, "passCredentials": passes});
        set.repositories.source(repository, spec).await;
        set.repositories.ready(repository).await;
        let before = other.seen().len();
        for name in ["home", "absolute"] {
            let spec = json!({"chart": name, "sourceRef": {"kind": "HelmRepository", "name": repository}});
            set.take(&format!("{repository}-{name}"), &spec).await;
        }
        for name in ["home", "absolute"] {
            set.charts.ready(&format!("{repository}-{name}")).await;
        }
        let seen = other.seen().split_off(before);
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert!(seen.iter().all(|seen| seen.header("authorization") == expected), "{repository}: {seen:?}");
    }
}

on_each_server!(a_chart_whose_digest_is_another_is_taken_with_a_warning_or_refused);
async fn a_chart_whose_digest_is_another_is_taken_with_a_warning_or_refused(server: &Server) {
    for check in ["warn", "enforce"] {
        let set = Set::with(server, "chart-digest", &[&format!("--helm-chart-digest={check}")]).await;
        let (right, wrong) = (chart("right", "1.0.0", &[]), chart("wrong", "1.0.0", &[]));
        set.web.publish("r", &[("right", "1.0.0"), ("wrong", "1.0.0")]);
        set.web.put("r/index.yaml", index(&[("right", "1.0.0", &right), ("wrong", "1.0.0", &right)]));
        set.repository("h", "r").await;
        for name in ["right", "wrong"] {
            set.take(name, &json!({"chart": name})).await;
        }
        let digest = |object: &Value| object["status"]["artifact"]["digest"].as_str().unwrap().to_owned();
        let promised = digest(&set.charts.ready("right").await);
        let actual = hex::encode(Sha256::digest(&wrong));
        let told =
            format!("chart 'wrong' with version '1.0.0' has digest sha256:{actual}, but the index of its repository says {promised}");
        if check == "warn" {
            assert_eq!(digest(&set.charts.ready("wrong").await), format!("sha256:{actual}"));
            eventually(PATIENCE, async || set.world.controller.log().contains(&told).then_some(()).ok_or_else(|| told.clone())).await;
        } else {
            let object = set.fails("wrong", "ChartPullError", Fate::Retries, &format!("{DOWNLOAD}: {told}")).await;
            assert!(object["status"]["artifact"].is_null());
            set.web.put("r/index.yaml", index(&[("right", "1.0.0", &right), ("wrong", "1.0.0", &wrong)]));
            set.repositories.poke("h").await;
            set.charts.ready("wrong").await;
        }
    }
}

on_each_server!(a_repository_that_hangs_holds_up_its_own_charts_only);
async fn a_repository_that_hangs_holds_up_its_own_charts_only(server: &Server) {
    let set = Set::new(server, "chart-hang").await;
    let slow = ChartRepository::start().await;
    slow.publish("r", &[("podx", "1.0.0")]);
    set.web.publish("r", &[("podx", "1.0.0")]);
    set.repository("h", "r").await;
    set.repositories.source("slow", json!({"url": slow.url("r"), "timeout": "1s"})).await;
    set.repositories.ready("slow").await;
    slow.answer("r/podx-1.0.0.tgz", Answer::Hang);
    for number in 0..3 {
        set.take(&format!("slow-{number}"), &json!({"sourceRef": {"kind": "HelmRepository", "name": "slow"}})).await;
    }
    for number in 0..10 {
        set.take(&format!("good-{number}"), &json!({})).await;
    }
    for number in 0..10 {
        set.charts.ready(&format!("good-{number}")).await;
    }
    let object = set.charts.failed("slow-0", "ChartPullError").await;
    assert!(message(&object, "Ready").ends_with("context deadline exceeded"), "{}", object["status"]);
    slow.behave("r/podx-1.0.0.tgz");
    let object = set.charts.wait("slow-0", "Ready", |object| status_is(object, "Ready", "True")).await;
    assert_eq!(object["status"]["artifact"]["revision"], "1.0.0");
}

on_each_server!(no_secret_shows_when_a_chart_or_a_dependency_is_not_to_be_had);
async fn no_secret_shows_when_a_chart_or_a_dependency_is_not_to_be_had(server: &Server) {
    const SECRETS: [&str; 4] = ["u5er-hidden", "pa55word-hidden", "qu3ry-hidden", "s3cret-hidden"];
    let [user, password, query, stored] = SECRETS;
    let set = Set::with(server, "chart-secrets", &["--log-level=trace"]).await;
    let host = set.web.origin.trim_start_matches("http://");
    let full = |path: &str| format!("http://{user}:{password}@{host}/{path}?key={query}");
    let archive = chart("podx", "1.0.0", &[]);
    let charts = ["absolute", "closed", "relative"].map(|name| (name, "1.0.0", archive.as_slice()));
    let index = index(&charts).replace("absolute-1.0.0.tgz", &full("none.tgz"));
    let closed = format!("http://{user}:{password}@127.0.0.1:1/closed.tgz?key={query}");
    set.web.put("r/index.yaml", index.replace("closed-1.0.0.tgz", &closed));
    set.charts.secret("s", &[("username", user), ("password", stored)]).await;
    set.repositories.source("h", json!({"url": full("r"), "secretRef": {"name": "s"}, "passCredentials": true})).await;
    set.repositories.ready("h").await;
    let needs = |path: &str| dependencies(&[dependency("podx", "1.x", &full(path))]);
    set.git(&[folder("none", "app", "1.0.0", &needs("none")), folder("chart", "app", "1.0.0", &needs("r"))].concat()).await;
    let names = ["absolute", "closed", "relative"];
    for name in names {
        set.take(name, &json!({"chart": name})).await;
    }
    for name in ["none", "chart"] {
        set.take_path(name, name, &json!({})).await;
    }
    let mut output = String::new();
    for name in names.into_iter().chain(["none", "chart"]) {
        output += &set.charts.wait(name, "failed", |object| status_is(object, "Ready", "False")).await["status"].to_string();
    }
    set.charts.event("chart", "DependencyBuildError").await;
    let events = set.charts.events().await;
    output += &json!([events, set.world.controller.events.posted()]).to_string();
    output += &set.world.controller.log();
    let encoded = [password, stored].map(|password| BASE64_STANDARD.encode(format!("{user}:{password}")));
    for secret in SECRETS.into_iter().chain(encoded.iter().map(String::as_str)) {
        if let Some(at) = output.find(secret) {
            panic!("{secret} shows after: {}", String::from_utf8_lossy(&output.as_bytes()[at.saturating_sub(300)..at]));
        }
    }
}
