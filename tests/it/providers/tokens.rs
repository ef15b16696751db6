//! The cache of tokens, as its metrics tell of it.

use headwater_testing::{PATIENCE, eventually};

use super::{
    github::{App, TOKEN, issued, spec, world},
    issuer::Issuer,
};
use crate::support::world::World;

async fn metrics(world: &World) -> Vec<String> {
    let text = reqwest::get(format!("{}/metrics", world.controller.metrics)).await.unwrap().text().await.unwrap();
    text.lines().filter(|line| line.contains("gotk_token_")).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cache_is_counted_as_fluxs_dashboards_expect() {
    let world = world("token-metrics", &["--token-cache-max-size=1"]).await;
    let before = metrics(&world).await;
    let samples: Vec<_> = before.iter().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(samples, ["gotk_token_cached_items 0", "gotk_token_cache_evictions_total 0"]);
    let app = App::new();
    let github = Issuer::start(|asked| match asked.line.as_str() {
        "POST /app/installations/9/access_tokens" => super::issuer::said(404, &"{}"),
        _ => issued(TOKEN, 3600),
    })
    .await;
    for id in ["7", "8", "9"] {
        let name = format!("x{id}");
        world.space.secret(&name, &app.data(&github.origin, &[("githubAppInstallationID", id)])).await;
    }
    let url = world.git.url("r.git");
    world.space.source("x7", spec(&url, "x7")).await;
    world.space.ready("x7").await;
    world.space.poke("x7").await;
    world.space.source("x8", spec(&url, "x8")).await;
    world.space.ready("x8").await;
    world.space.source("x9", spec(&url, "x9")).await;
    super::refused(&world, "x9").await;

    let (lines, ns) = (metrics(&world).await, &world.space.name);
    let event = |kind: &str, name: &str| {
        let labels = format!("event_type=\"{kind}\",kind=\"GitRepository\",name=\"{name}\",namespace=\"{ns}\",operation=\"reconcile\"");
        let start = format!("gotk_token_cache_events_total{{{labels}}} ");
        lines.iter().find_map(|line| line.strip_prefix(&start)?.parse::<u64>().ok()).unwrap_or_default()
    };
    assert!(event("cache_miss", "x7") == 1 && event("cache_hit", "x7") >= 1, "{lines:#?}");
    assert!(event("cache_miss", "x8") == 1 && event("cache_miss", "x9") >= 1 && event("cache_hit", "x9") == 0, "{lines:#?}");
    for line in [
        "gotk_token_cached_items 1",
        "gotk_token_cache_evictions_total 1",
        "# TYPE gotk_token_cached_items gauge",
        "# TYPE gotk_token_cache_events_total counter",
        "# TYPE gotk_token_cache_requests_total counter",
        "# TYPE gotk_token_cache_evictions_total counter",
        "# HELP gotk_token_cache_events_total Total number of cache retrieval events for a Gitops Toolkit resource reconciliation.",
    ] {
        assert!(lines.iter().any(|found| found == line), "{line} in {lines:#?}");
    }
    let requests = |status: &str| {
        let start = format!("gotk_token_cache_requests_total{{status=\"{status}\"}} ");
        lines.iter().find_map(|line| line.strip_prefix(&start)?.parse::<u64>().ok()).unwrap_or_default()
    };
    assert!(requests("success") >= 3 && requests("failure") >= 1, "{lines:#?}");

    // An object that is gone is counted no more.
    world.space.delete("x9").await;
    eventually(PATIENCE, async || {
        let lines = metrics(&world).await;
        if lines.iter().any(|line| line.contains("name=\"x9\"")) { Err(format!("{lines:#?}")) } else { Ok(()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_cache_every_pass_asks_and_nothing_is_counted() {
    let world = world("token-off", &["--token-cache-max-size=0"]).await;
    let app = App::new();
    let github = Issuer::start(|_| issued(TOKEN, 3600)).await;
    world.space.secret("app", &app.data(&github.origin, &[("githubAppInstallationID", "56")])).await;
    world.space.source("x", spec(&world.git.url("r.git"), "app")).await;
    world.space.ready("x").await;
    let asked = github.asked().len();
    world.space.poke("x").await;
    assert!(github.asked().len() > asked);
    assert_eq!(metrics(&world).await, Vec::<String>::new());
}
