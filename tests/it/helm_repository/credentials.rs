//! User names and passwords, and where they must not turn up.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;

use super::{FETCH, Stage};
use crate::support::{
    cluster::{Server, on_each_server},
    namespace::revision,
};

const USER: &str = "user";
const PASSWORD: &str = "h1dden/p@ss:word";

on_each_server!(each_way_to_sign_in_opens_a_repository_and_tells_no_secret);
async fn each_way_to_sign_in_opens_a_repository_and_tells_no_secret(server: &Server) {
    let stage = Stage::with(server, "helm-basic", &["--log-level=trace"]).await;
    stage.charts.admit(USER, PASSWORD);
    let space = &stage.world.space;
    space.secret("right", &[("username", USER), ("password", PASSWORD)]).await;
    space.secret("wrong", &[("username", USER), ("password", "h1dden-wrong")]).await;
    space.secret("username", &[("username", USER)]).await;
    space.secret("password", &[("password", PASSWORD)]).await;
    space.secret("other", &[("token", PASSWORD)]).await;
    let encoded: String = url::form_urlencoded::byte_serialize(PASSWORD.as_bytes()).collect();
    let signed = |folder: &str, password: &str| stage.charts.url(folder).replace("://", &format!("://{USER}:{password}@"));
    let failed = |folder: &str| format!("{FETCH}failed to fetch {}/index.yaml : 401 Unauthorized", stage.charts.url(folder));
    let half = |has: &str, lacks: &str| {
        let secret = format!("secret '{}/{has}'", space.name);
        format!("failed to detect authentication methods: {secret}: malformed basic auth - has '{has}' but missing '{lacks}'")
    };
    let missing = format!("failed to get authentication secret '{}/gone': secrets \"gone\" not found", space.name);
    let invalid = "invalid Helm repository URL: parse \"https://host/charts\": invalid port number";
    let elsewhere = format!("{FETCH}failed to fetch http://host/charts/index.yaml : 401 Unauthorized");
    let good = [
        ("secret", stage.charts.url("secret"), Some("right")),
        ("query", format!("{}?token=h1dden", stage.charts.url("query")), Some("right")),
        ("url", signed("url", &encoded), None),
        // The Secret has nothing to say, so that the URL does.
        ("other", signed("other", &encoded), Some("other")),
        // The Secret wins.
        ("both", signed("both", "h1dden-other"), Some("right")),
    ];
    let bad = [
        ("none", stage.charts.url("none"), None, "Failed", failed("none")),
        ("wrong", stage.charts.url("wrong"), Some("wrong"), "Failed", failed("wrong")),
        ("wrong-url", signed("wrong-url", "h1dden-other"), None, "Failed", failed("wrong-url")),
        ("gone", stage.charts.url("gone"), Some("gone"), "AuthenticationFailed", missing),
        ("username", stage.charts.url("username"), Some("username"), "AuthenticationFailed", half("username", "password")),
        ("password", stage.charts.url("password"), Some("password"), "AuthenticationFailed", half("password", "username")),
        // A password with a slash in it, in a URL that is none, and in one whose path it is.
        ("slash", format!("https://{USER}:h1dden/word@host/charts"), None, "URLInvalid", invalid.into()),
        ("path", stage.charts.url("na:h1dden@host/charts"), None, "Failed", elsewhere),
    ];
    let all = good.iter().map(|(name, url, secret)| (*name, url, secret));
    for (name, url, secret) in all.chain(bad.iter().map(|(name, url, secret, ..)| (*name, url, secret))) {
        stage.charts.publish(name, &[("podx", "1.0.0")]);
        let mut spec = json!({"url": url});
        if let Some(secret) = secret {
            spec["secretRef"] = json!({"name": secret});
        }
        stage.helm.source(name, spec).await;
    }
    let mut told = String::new();
    for (name, ..) in good {
        let object = stage.helm.ready(name).await;
        told += &object["status"].to_string();
        stage.helm.event(name, "NewArtifact").await;
    }
    for (name, _, _, reason, why) in bad {
        assert_eq!(stage.refused(name).await, (reason.to_owned(), why), "{name}");
        stage.helm.event(name, reason).await;
        told += &stage.helm.get(name).await.unwrap()["status"].to_string();
    }
    let posted = format!("{:?}", stage.world.controller.events.posted());
    told += &[format!("{:?}", stage.helm.events().await), stage.world.controller.log(), posted].concat();
    let basic = BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"));
    for secret in ["h1dden", basic.as_str(), &BASE64_STANDARD.encode(format!("{USER}:h1dden-wrong"))] {
        let at = told.find(secret).map(|at| &told[at.saturating_sub(200)..(at + 100).min(told.len())]);
        assert!(at.is_none(), "{at:?}");
    }
    // What is noted beside an artifact is not served.
    for file in stage.world.controller.stored().into_iter().filter(|file| file.starts_with("helmrepository/")) {
        let url = format!("{}/{file}", stage.world.controller.origin);
        let answer = reqwest::get(&url).await.unwrap();
        let hidden = file.rsplit('/').next().unwrap().starts_with('.');
        assert_eq!(answer.status() == 200, !hidden, "{url}");
        assert!(!answer.text().await.unwrap().contains("h1dden"), "{url}");
    }
}

on_each_server!(a_changed_secret_counts_from_the_next_pass_on);
async fn a_changed_secret_counts_from_the_next_pass_on(server: &Server) {
    let stage = Stage::new(server, "helm-secret").await;
    stage.charts.admit(USER, PASSWORD);
    stage.world.space.secret("s", &[("username", USER), ("password", "old")]).await;
    stage.charts.publish("x", &[("podx", "1.0.0")]);
    stage.source("x", json!({"secretRef": {"name": "s"}})).await;
    stage.refused("x").await;
    stage.world.space.change_secret("s", &[("password", PASSWORD)]).await;
    let before = stage.helm.ready("x").await;
    stage.charts.admit(USER, "newer");
    stage.helm.request("x").await;
    stage.refused("x").await;
    let failing = stage.helm.get("x").await.unwrap();
    assert_eq!(failing["status"]["artifact"], before["status"]["artifact"]);
    stage.world.space.change_secret("s", &[("password", "newer")]).await;
    let after = stage.helm.ready("x").await;
    assert_eq!(revision(&after), revision(&before));
}
