//! Registries that mean harm, or are merely busy: each ends in a condition at the latest when its time is over, and touches nothing else.

use axum::{body::Body, http::Response};
use headwater_testing::{
    registry::{self, Access, Options, PASSWORD, USER},
    web::never,
};
use serde_json::json;

use super::{
    archive, charts,
    front::{Asked, Front, said},
    in_clear, order, push, tells_none_of, unpulled, with,
};
use crate::support::{
    artifact::download,
    cluster::{Server, on_each_server},
    namespace::message,
    world::World,
};

/// How a folder of the registry misbehaves, the version that is asked for, and what is told of it in the end.
const MANNERS: [(&str, &str, &str); 5] = [
    ("endless-list", "1.x", "/v2/endless-list/podinfo/tags/list\": the list has more than 200000 entries or 2000 pages"),
    ("wrong", "1.0.0", "failed to perform \"Push\" on destination: mismatched digest"),
    ("rubbish", "1.0.0", "failed to load chart metadata from written chart: "),
    ("busy", "1.x", "failed to get chart version for remote reference: context deadline exceeded"),
    ("hang", "1.x", "failed to get chart version for remote reference: context deadline exceeded"),
];

/// The first blob that is asked for: the configuration of the chart.
const CONFIG: &str = r#"{"apiVersion":"v2","name":"podinfo","version":"1.0.0"}"#;

fn meddle(asked: &Asked) -> Option<Response<Body>> {
    let folder = asked.line.split('/').nth(2)?;
    match folder {
        "endless-list" if asked.line.ends_with("/tags/list") => {
            let number = asked.query.trim_start_matches("last=").parse::<u64>().unwrap_or_default() + 50_000;
            let link = format!("</v2/{folder}/podinfo/tags/list?last={number}>; rel=\"next\"");
            let tags = json!({"name": "podinfo", "tags": vec!["0.0.1"; 50_000]}).to_string();
            Some(Response::builder().header("link", link).body(Body::from(tags)).unwrap())
        }
        "wrong" if asked.line.contains("/blobs/") => Some(said(200, vec![b'x'; CONFIG.len()])),
        "busy" => Some(Response::builder().status(429).header("retry-after", "86400").body(Body::empty()).unwrap()),
        "hang" => Some(never()),
        _ => None,
    }
}

on_each_server!(each_hostile_registry_ends_in_a_condition_and_disturbs_no_other);
async fn each_hostile_registry_ends_in_a_condition_and_disturbs_no_other(api: &Server) {
    let Some(server) = registry::start(Options::default()) else { return };
    for (folder, ..) in MANNERS.into_iter().filter(|(folder, ..)| *folder != "rubbish") {
        push(&server, folder, &["1.0.0"]).await;
    }
    push(&server, "good", &["1.0.0"]).await;
    server.push_chart("rubbish", "podinfo", "1.0.0", b"<html>").await;
    let front = Front::before(&server, meddle).await;
    let world = World::with(api, "oci-hostile", &["--concurrent=5", "--min-retry-delay=20s", "--max-retry-delay=20s"]).await;
    for (folder, version, _) in MANNERS {
        let timeout = if ["busy", "hang"].contains(&folder) { "1s" } else { "20s" };
        order(&world, folder, with(in_clear(&front.address, folder), &json!({"timeout": timeout})), version).await;
    }
    order(&world, "good", in_clear(&front.address, "good"), "1.x").await;
    charts(&world).ready_at("good", "1.0.0").await;
    for (folder, _, why) in MANNERS {
        let text = unpulled(&world, folder).await;
        assert!(text.contains(why), "{folder}: {text}");
        assert!(why.ends_with("exceeded") == (text == why), "{folder}: {text}");
    }
    // Behind all of them, there is room for another.
    charts(&world).source("late", super::podinfo("good", "1.0.0")).await;
    charts(&world).ready_at("late", "1.0.0").await;
}

on_each_server!(credentials_stay_home_when_blobs_are_elsewhere);
async fn credentials_stay_home_when_blobs_are_elsewhere(api: &Server) {
    let Some(server) = registry::start(Options { access: Access::Basic, ..Options::default() }) else { return };
    push(&server, "charts", &["1.0.0"]).await;
    let Some(open) = registry::start(Options::default()) else { return };
    push(&open, "charts", &["1.0.0"]).await;
    // Two of the registries that keep blobs elsewhere: one says where, with a signature; the other asks for more.
    let store = std::sync::Arc::new(Front::before(&open, |asked| asked.query.is_empty().then(|| said(403, ""))).await);
    let greedy = Front::alone(|_| {
        Some(Response::builder().status(401).header("www-authenticate", "Basic realm=\"give\"").body(Body::empty()).unwrap())
    })
    .await;
    let to = [store.address.clone(), greedy.address.clone()];
    let front = Front::before(&server, move |asked| {
        let path = asked.line.strip_prefix("GET ").filter(|path| path.contains("/blobs/") && asked.authorization.is_some())?;
        let to = if path.contains("/greedy/") { &to[1] } else { &to[0] };
        let location = format!("http://someone:else@{to}{path}?sig=h1dden-signature");
        Some(Response::builder().status(307).header("location", location).body(Body::empty()).unwrap())
    })
    .await;
    push(&server, "greedy", &["1.0.0"]).await;
    let world = World::with(api, "oci-away", &["--log-level=trace"]).await;
    world.space.secret("s", &[("username", USER), ("password", PASSWORD)]).await;
    for folder in ["charts", "greedy"] {
        let spec = with(in_clear(&front.address, folder), &json!({"secretRef": {"name": "s"}}));
        order(&world, folder, spec, "1.0.0").await;
    }
    let object = charts(&world).ready_at("charts", "1.0.0").await;
    assert_eq!(download(&object).await.unwrap(), archive("1.0.0"));
    let object = charts(&world).failed("greedy", "Unknown").await;
    assert!(message(&object, "Ready").contains("response status code 401"), "{object}");
    for elsewhere in [&store, &greedy] {
        let asked = elsewhere.taken();
        assert!(!asked.is_empty() && asked.iter().all(|asked| asked.authorization.is_none()), "{asked:?}");
    }
    tells_none_of(&world, &world.controller.log(), &["charts", "greedy"], &[PASSWORD, "h1dden-signature", "someone:else"]).await;
}
