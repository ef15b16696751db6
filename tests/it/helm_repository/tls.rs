//! Private authorities and client certificates.

use headwater_testing::{charts::ChartRepository, tls::Authority};
use serde_json::json;

use super::{FETCH, Stage};
use crate::support::cluster::{Server, on_each_server};

/// The keys of a Secret with their values.
type Data<'a> = &'a [(&'a str, &'a str)];

/// What a failure to read a Secret for TLS begins with.
const CONFIG: &str = "failed to construct Helm client's TLS config: ";

on_each_server!(certificates_are_shown_and_checked_and_what_is_none_is_said);
async fn certificates_are_shown_and_checked_and_what_is_none_is_said(server: &Server) {
    let stage = Stage::with(server, "helm-tls", &["--log-level=trace"]).await;
    let (authority, clients) = (Authority::new(), Authority::new());
    let charts = ChartRepository::start_tls(&authority, Some(&clients)).await;
    charts.publish("c", &[("podx", "1.0.0")]);
    let ((certificate, key), (stranger, its_key)) = (clients.issue("client.test"), Authority::new().issue("client.test"));
    let (certificate, key, ca) = (certificate.pem(), key.serialize_pem(), authority.pem());
    let (stranger, its_key) = (stranger.pem(), its_key.serialize_pem());
    let (crt, key_of_it, trusted) = (("tls.crt", certificate.as_str()), ("tls.key", key.as_str()), ("ca.crt", ca.as_str()));
    let space = &stage.world.space;
    let unfit = |name: &str, why: &str| format!("{CONFIG}secret '{}/{name}' {why}", space.name);
    let nothing = "must contain either 'ca.crt' or both 'tls.crt' and 'tls.key'";
    let good: &[(&str, Data)] =
        &[("right", &[crt, key_of_it, trusted]), ("earlier", &[("certFile", &certificate), ("keyFile", &key), ("caFile", &ca)])];
    let bad: &[(&str, Data, &str, String)] = &[
        ("stranger", &[("tls.crt", &stranger), ("tls.key", &its_key), trusted], "Failed", FETCH.into()),
        ("bad-ca", &[("ca.crt", "nonsense")], "AuthenticationFailed", format!("{CONFIG}failed to parse CA certificate")),
        ("no-key", &[crt, trusted], "AuthenticationFailed", unfit("no-key", "contains 'tls.crt' but missing 'tls.key'")),
        ("no-crt", &[key_of_it, trusted], "AuthenticationFailed", unfit("no-crt", "contains 'tls.key' but missing 'tls.crt'")),
        ("empty", &[("other", "x")], "AuthenticationFailed", unfit("empty", nothing)),
        ("nonsense", &[("tls.crt", "x"), ("tls.key", "y")], "AuthenticationFailed", CONFIG.into()),
        ("no-pair", &[crt, ("tls.key", &its_key), trusted], "AuthenticationFailed", CONFIG.into()),
    ];
    let all = good.iter().map(|(name, data)| (name, data)).chain(bad.iter().map(|(name, data, ..)| (name, data)));
    for (name, data) in all {
        space.secret(name, data).await;
        stage.helm.source(name, json!({"url": charts.url("c"), "certSecretRef": {"name": name}, "timeout": "5s"})).await;
    }
    stage.helm.source("gone", json!({"url": charts.url("c"), "certSecretRef": {"name": "nowhere"}})).await;
    for (name, _) in good {
        stage.helm.ready(name).await;
    }
    let mut told = String::new();
    for (name, _, reason, why) in bad {
        let (said, text) = stage.refused(name).await;
        assert!(said == *reason && text.starts_with(why), "{name}: {said}: {text}");
        told += &text;
    }
    let missing = format!("failed to get TLS authentication secret '{}/nowhere': secrets \"nowhere\" not found", space.name);
    assert_eq!(stage.refused("gone").await, ("AuthenticationFailed".to_owned(), missing));
    told += &[format!("{:?}", stage.helm.events().await), stage.world.controller.log()].concat();
    for line in key.lines().chain(its_key.lines()).filter(|line| line.len() > 20 && !line.contains('-')) {
        assert!(!told.contains(line), "a line of a key is told");
    }
    // A Secret that is put right is read again.
    space.change_secret("no-key", &[("tls.key", &key)]).await;
    stage.helm.ready("no-key").await;
}

on_each_server!(a_secret_for_the_password_may_hold_certificates_as_well_where_no_other_does);
async fn a_secret_for_the_password_may_hold_certificates_as_well_where_no_other_does(server: &Server) {
    let stage = Stage::new(server, "helm-tls-old").await;
    let (authority, clients) = (Authority::new(), Authority::new());
    let charts = ChartRepository::start_tls(&authority, Some(&clients)).await;
    charts.publish("c", &[("podx", "1.0.0")]);
    charts.admit("user", "pass");
    let (certificate, key) = clients.issue("client.test");
    let (certificate, key, ca) = (certificate.pem(), key.serialize_pem(), authority.pem());
    let tls = [("tls.crt", certificate.as_str()), ("tls.key", &key), ("ca.crt", &ca)];
    let basic = [("username", "user"), ("password", "pass")];
    stage.world.space.secret("all", &[&tls[..], &basic].concat()).await;
    stage.world.space.secret("tls", &tls).await;
    stage.world.space.secret("basic", &basic).await;
    stage.world.space.secret("ca", &tls[2..]).await;
    for (name, secret, certificates) in [("one", "all", None), ("two", "basic", Some("tls")), ("no", "all", Some("ca"))] {
        let mut spec = json!({"url": charts.url("c"), "secretRef": {"name": secret}, "timeout": "5s"});
        if let Some(name) = certificates {
            spec["certSecretRef"] = json!({"name": name});
        }
        stage.helm.source(name, spec).await;
    }
    for name in ["one", "two"] {
        stage.helm.ready(name).await;
    }
    // Where there is a Secret for certificates, the other has none.
    let (reason, text) = stage.refused("no").await;
    assert!(reason == "Failed" && text.starts_with(FETCH), "{reason}: {text}");
    assert!(stage.world.controller.log().contains("is deprecated"));
}
