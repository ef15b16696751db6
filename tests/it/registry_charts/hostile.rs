//! Registries that mean harm, or are merely broken: each ends in a condition, and touches nothing else.

use std::time::{Duration, Instant};

use axum::{
    body::{Body, Bytes},
    http::Response,
};
use futures::stream;
use headwater_oci::{Digest, IMAGE_MANIFEST};
use headwater_testing::{
    registry::{self, Access, Options, PASSWORD, USER},
    web::never,
};
use serde_json::{Value, json};

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
const MANNERS: [(&str, &str, &str); 16] = [
    ("endless-list", "1.x", "/v2/endless-list/podinfo/tags/list\": the list has more than 200000 entries or 2000 pages"),
    ("long-list", "1.x", "context deadline exceeded"),
    ("large-list", "1.x", "content size "),
    ("loop", "1.x", "the next link leads to the same page again"),
    ("away", "1.x", "refusing a next link to another host"),
    ("html-list", "1.x", "failed to decode response: invalid character '<' looking for beginning of value"),
    ("html", "1.0.0", "manifest does not contain minimum number of descriptors (2), descriptors found: 0"),
    ("large-manifest", "1.0.0", "content size "),
    ("longer", "1.0.0", "failed to perform \"Push\" on destination: trailing data"),
    ("said-longer", "1.0.0", "mismatch Content-Length"),
    ("shorter", "1.0.0", "unexpected EOF"),
    ("wrong", "1.0.0", "failed to perform \"Push\" on destination: mismatched digest"),
    ("other", "1.0.0", "mismatched digest"),
    ("rubbish", "1.0.0", "failed to load chart metadata from written chart: "),
    ("busy", "1.x", "context deadline exceeded"),
    ("hang", "1.0.0", "context deadline exceeded"),
];

/// The first blob that is asked for: the configuration of the chart.
const CONFIG: &str = r#"{"apiVersion":"v2","name":"podinfo","version":"1.0.0"}"#;

fn meddle(asked: &Asked) -> Option<Response<Body>> {
    let folder = asked.line.split('/').nth(2)?;
    let (list, manifest) = (asked.line.ends_with("/tags/list"), asked.line.contains("/manifests/"));
    let blob = asked.line.contains("/blobs/");
    let page = |tags: Value, link: &str| {
        let link = format!("<{link}>; rel=\"next\"");
        let body = json!({"name": "podinfo", "tags": tags}).to_string();
        Some(Response::builder().header("link", link).body(Body::from(body)).unwrap())
    };
    let after = |step: u64| {
        let number = asked.query.trim_start_matches("last=").parse::<u64>().unwrap_or_default() + step;
        format!("/v2/{folder}/podinfo/tags/list?last={number}")
    };
    match folder {
        "endless-list" if list => page(json!(vec!["0.0.1"; 50_000]), &after(50_000)),
        "long-list" if list => {
            std::thread::sleep(Duration::from_millis(2));
            page(json!(["0.0.1"]), &after(1))
        }
        "large-list" if list => Some(endless(b"{\"tags\":[\"1.0.0\",")),
        "loop" if list => page(json!(["1.0.0"]), "list"),
        "away" if list => page(json!(["1.0.0"]), "http://127.0.0.1:1/v2/away/podinfo/tags/list?last=1"),
        "html-list" if list => Some(said(200, "<html>hello</html>")),
        "html" if manifest => Some(Response::builder().header("content-type", "text/html").body(Body::from("<html></html>")).unwrap()),
        "large-manifest" if manifest => Some(endless(b"{}")),
        "longer" if blob => Some(endless(b"more")),
        "said-longer" if blob => Some(said(200, vec![b'x'; 100_000])),
        "shorter" if blob => Some(said(200, Body::from_stream(stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"x"))])))),
        "wrong" if blob => Some(said(200, vec![b'x'; CONFIG.len()])),
        "other" if manifest => {
            let digest = format!("sha256:{}", "0".repeat(64));
            let answer = Response::builder().header("content-type", IMAGE_MANIFEST);
            Some(answer.header("docker-content-digest", digest).body(Body::from("{}")).unwrap())
        }
        "busy" => Some(Response::builder().status(429).header("retry-after", "86400").body(Body::empty()).unwrap()),
        "hang" => Some(never()),
        _ => None,
    }
}

fn endless(piece: &'static [u8]) -> Response<Body> {
    let piece = Bytes::from(piece.repeat(4_000));
    let content = stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone()));
    Response::builder().header("content-type", IMAGE_MANIFEST).body(Body::from_stream(content)).unwrap()
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
    let world = World::with(api, "oci-hostile", &["--concurrent=16", "--min-retry-delay=20s", "--max-retry-delay=20s"]).await;
    for (folder, version, _) in MANNERS {
        let timeout = if ["long-list", "busy", "hang"].contains(&folder) { "1s" } else { "20s" };
        order(&world, folder, with(in_clear(&front.address, folder), &json!({"timeout": timeout})), version).await;
    }
    order(&world, "good", in_clear(&front.address, "good"), "1.x").await;
    charts(&world).ready_at("good", "1.0.0").await;
    for (folder, _, why) in MANNERS {
        let text = unpulled(&world, folder).await;
        assert!(text.contains(why), "{folder}: {text}");
    }
    // Behind all of them, there is room for another.
    charts(&world).source("late", super::podinfo("good", "1.0.0")).await;
    charts(&world).ready_at("late", "1.0.0").await;
}

on_each_server!(a_registry_that_hangs_or_is_busy_ends_at_the_timeout_of_its_object);
async fn a_registry_that_hangs_or_is_busy_ends_at_the_timeout_of_its_object(api: &Server) {
    let front = Front::alone(|asked| {
        let busy = || Response::builder().status(503).header("retry-after", "3600").body(Body::empty()).unwrap();
        Some(if asked.line.contains("busy") { busy() } else { never() })
    })
    .await;
    let world = World::new(api, "oci-hang").await;
    let start = Instant::now();
    for name in ["busy", "hang"] {
        let spec = with(in_clear(&front.address, name), &json!({"timeout": "1s"}));
        order(&world, name, spec, "1.x").await;
    }
    for name in ["busy", "hang"] {
        let text = unpulled(&world, name).await;
        assert_eq!(text, "failed to get chart version for remote reference: context deadline exceeded");
    }
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}

on_each_server!(a_chart_larger_than_the_limit_is_refused_before_it_is_read);
async fn a_chart_larger_than_the_limit_is_refused_before_it_is_read(api: &Server) {
    let Some(server) = registry::start(Options::default()) else { return };
    push(&server, "charts", &["1.0.0"]).await;
    let large = vec![b'x'; 20_000];
    server.push_chart("charts", "podinfo", "2.0.0", &large).await;
    let front = Front::before(&server, |_| None).await;
    let world = World::with(api, "oci-large", &["--helm-chart-max-size=10000"]).await;
    order(&world, "large", in_clear(&front.address, "charts"), "2.0.0").await;
    let text = unpulled(&world, "large").await;
    assert!(text.ends_with(": content size 20000 exceeds the limit of 10000 bytes"), "{text}");
    let unread = front.lines().iter().all(|line| !line.contains(Digest::of(&large).as_str()));
    assert!(unread, "its size is known before");
    charts(&world).source("small", super::podinfo("large", "1.x")).await;
    charts(&world).ready_at("small", "1.0.0").await;
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
