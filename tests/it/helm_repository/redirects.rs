//! Servers that send us to others: credentials stay home unless the repository says otherwise.

use headwater_testing::{
    charts::{Answer, ChartRepository},
    tls::Authority,
};
use serde_json::json;

use super::{FETCH, Stage};
use crate::support::{
    cluster::{Server, on_each_server},
    namespace::status_is,
};

const SECRET: &[(&str, &str)] = &[("username", "user"), ("password", "h1dden")];

on_each_server!(credentials_stay_home_unless_they_are_to_be_passed);
async fn credentials_stay_home_unless_they_are_to_be_passed(server: &Server) {
    let (stage, away) = (Stage::new(server, "helm-away").await, ChartRepository::start().await);
    stage.world.space.secret("s", SECRET).await;
    stage.charts.admit("user", "h1dden");
    for name in ["kept", "passed", "in-url"] {
        away.publish(name, &[("podx", "1.0.0")]);
        let there = format!("{}?token=h1dden", away.url(&format!("{name}/index.yaml")));
        stage.charts.answer(&format!("{name}/index.yaml"), Answer::Redirect(there));
    }
    // From one folder to another, nobody has left.
    stage.charts.publish("inside", &[("podx", "1.0.0")]);
    stage.charts.answer("moved/index.yaml", Answer::Redirect("../inside/index.yaml".into()));
    for name in ["kept", "moved"] {
        stage.source(name, json!({"secretRef": {"name": "s"}})).await;
    }
    stage.source("passed", json!({"secretRef": {"name": "s"}, "passCredentials": true})).await;
    let url = stage.charts.url("in-url").replace("://", "://user:h1dden@");
    stage.source("in-url", json!({"url": url})).await;
    for name in ["kept", "moved", "passed", "in-url"] {
        stage.helm.ready(name).await;
    }
    for seen in away.seen() {
        assert_eq!(seen.header("authorization").is_some(), seen.path.starts_with("passed"), "{}", seen.path);
        assert!(seen.header("referer").is_none(), "{seen:?}");
    }
    // Who was away gets nothing when sent back.
    stage.charts.answer("back/index.yaml", Answer::Redirect(away.url("back/index.yaml")));
    away.answer("back/index.yaml", Answer::Redirect(stage.charts.url("inside/index.yaml")));
    stage.source("back", json!({"secretRef": {"name": "s"}})).await;
    let (_, text) = stage.refused("back").await;
    assert!(text.ends_with("401 Unauthorized"), "{text}");
    assert!(stage.charts.seen().last().unwrap().header("authorization").is_none());
}

on_each_server!(a_client_certificate_stays_home_unless_it_is_to_be_passed);
async fn a_client_certificate_stays_home_unless_it_is_to_be_passed(server: &Server) {
    let stage = Stage::new(server, "helm-mtls-away").await;
    let (authority, clients) = (Authority::new(), Authority::new());
    let home = ChartRepository::start_tls(&authority, Some(&clients)).await;
    let away = ChartRepository::start_tls(&authority, Some(&clients)).await;
    let open = ChartRepository::start_tls(&authority, None).await;
    let (certificate, key) = clients.issue("client.test");
    let data = [("tls.crt", certificate.pem()), ("tls.key", key.serialize_pem()), ("ca.crt", authority.pem())];
    stage.world.space.secret("s", &data.each_ref().map(|(name, text)| (*name, text.as_str()))).await;
    for (name, to) in [("kept", &away), ("passed", &away), ("open", &open)] {
        to.publish(name, &[("podx", "1.0.0")]);
        home.answer(&format!("{name}/index.yaml"), Answer::Redirect(to.url(&format!("{name}/index.yaml"))));
        let spec = json!({"url": home.url(name), "certSecretRef": {"name": "s"}, "passCredentials": name == "passed", "timeout": "5s"});
        stage.helm.source(name, spec).await;
    }
    // The server's authority is trusted wherever we are sent.
    for name in ["passed", "open"] {
        stage.helm.ready(name).await;
    }
    let (reason, text) = stage.refused("kept").await;
    assert!(reason == "Failed" && text.starts_with(FETCH), "{reason}: {text}");
    assert!(away.seen().iter().all(|seen| seen.path.starts_with("passed")));
}

on_each_server!(redirects_in_a_circle_to_nowhere_or_out_of_tls_are_refused);
async fn redirects_in_a_circle_to_nowhere_or_out_of_tls_are_refused(server: &Server) {
    let stage = Stage::new(server, "helm-circle").await;
    let authority = Authority::new();
    let safe = ChartRepository::start_tls(&authority, None).await;
    stage.world.space.secret("ca", &[("ca.crt", &authority.pem())]).await;
    let target = |url: &str| Answer::Redirect(url.to_owned());
    stage.charts.publish("plain", &[("podx", "1.0.0")]);
    stage.charts.answer("circle/index.yaml", target("index.yaml"));
    stage.charts.answer("file/index.yaml", target("file:///etc/passwd"));
    stage.charts.answer("registry/index.yaml", target("oci://127.0.0.1:1/x"));
    stage.charts.answer("nothing/index.yaml", Answer::Status(302, "".into()));
    for name in ["circle", "file", "registry", "nothing"] {
        stage.source(name, json!({})).await;
    }
    safe.answer("plain/index.yaml", target(&stage.charts.url("plain/index.yaml")));
    stage.helm.source("plain", json!({"url": safe.url("plain"), "certSecretRef": {"name": "ca"}})).await;
    for (name, why) in [
        ("circle", "stopped after 10 redirects"),
        ("file", "refusing a redirect from http to file"),
        ("registry", "refusing a redirect from http to oci"),
        ("nothing", "a redirect without a usable location"),
        ("plain", "refusing a redirect from https to http"),
    ] {
        let (reason, text) = stage.refused(name).await;
        assert!(reason == "Failed" && text.starts_with(FETCH) && text.ends_with(why), "{name}: {reason}: {text}");
        assert!(!status_is(&stage.helm.get(name).await.unwrap(), "Stalled", "True"));
    }
    assert_eq!(stage.charts.requests("plain/index.yaml"), 0);
}
