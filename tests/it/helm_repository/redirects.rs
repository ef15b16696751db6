//! Servers that send us to others: credentials stay home unless the repository says otherwise.

use headwater_testing::charts::{Answer, ChartRepository};
use serde_json::json;

use super::Stage;
use crate::support::cluster::{Server, on_each_server};

on_each_server!(credentials_stay_home_unless_the_object_lets_them_be_passed);
async fn credentials_stay_home_unless_the_object_lets_them_be_passed(server: &Server) {
    let (stage, away) = (Stage::new(server, "helm-away").await, ChartRepository::start().await);
    stage.world.space.secret("s", &[("username", "user"), ("password", "h1dden")]).await;
    stage.charts.admit("user", "h1dden");
    for name in ["kept", "passed"] {
        away.publish(name, &[("podx", "1.0.0")]);
        let there = format!("{}?token=h1dden", away.url(&format!("{name}/index.yaml")));
        stage.charts.answer(&format!("{name}/index.yaml"), Answer::Redirect(there));
    }
    stage.source("kept", json!({"secretRef": {"name": "s"}})).await;
    stage.source("passed", json!({"secretRef": {"name": "s"}, "passCredentials": true})).await;
    for name in ["kept", "passed"] {
        stage.helm.ready(name).await;
    }
    for seen in away.seen() {
        assert_eq!(seen.header("authorization").is_some(), seen.path.starts_with("passed"), "{}", seen.path);
    }
    stage.charts.answer("circle/index.yaml", Answer::Redirect("index.yaml".into()));
    stage.source("circle", json!({"secretRef": {"name": "s"}})).await;
    let (reason, text) = stage.refused("circle").await;
    assert!(reason == "Failed" && text.starts_with(super::FETCH) && text.ends_with("stopped after 10 redirects"), "{reason}: {text}");
}
