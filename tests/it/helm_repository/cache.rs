//! The cache of indexes, in numbers.

use headwater_testing::{PATIENCE, eventually};
use serde_json::json;

use super::Stage;
use crate::support::cluster::{Server, on_each_server};

/// The lines of the metrics that begin so.
async fn lines(stage: &Stage, beginning: &str) -> Vec<String> {
    let text = reqwest::get(format!("{}/metrics", stage.world.controller.metrics)).await.unwrap().text().await.unwrap();
    text.lines().filter(|line| line.starts_with(beginning)).map(str::to_owned).collect()
}

async fn becomes(stage: &Stage, beginning: &str, wanted: &[String]) {
    eventually(PATIENCE, async || {
        let found = lines(stage, beginning).await;
        if found == wanted { Ok(()) } else { Err(format!("{found:?} is not {wanted:?}")) }
    })
    .await;
}

on_each_server!(a_cached_index_serves_all_charts);
async fn a_cached_index_serves_all_charts(server: &Server) {
    let flags = ["--helm-cache-max-size=1", "--helm-cache-ttl=1h", "--helm-cache-purge-interval=1s"];
    let stage = Stage::with(server, "helm-cache", &flags).await;
    let charts = stage.world.space.of("HelmChart");
    becomes(&stage, "gotk_cached_items", &["gotk_cached_items 0".to_owned()]).await;
    for name in ["one", "two"] {
        stage.ready(name).await;
    }
    let spec = |repository: &str| json!({"chart": "podx", "version": "1.0.0", "sourceRef": {"kind": "HelmRepository", "name": repository}});
    for name in ["a", "b"] {
        charts.source(name, spec("one")).await;
        charts.ready(name).await;
    }
    // There is room for one only.
    charts.source("c", spec("two")).await;
    charts.ready("c").await;
    becomes(&stage, "gotk_cached_items", &["gotk_cached_items 1".to_owned()]).await;
    let namespace = &stage.world.space.name;
    let events = |event: &str, name: &str, count: u32| {
        format!("gotk_cache_events_total{{event_type=\"cache_{event}\",name=\"{name}\",namespace=\"{namespace}\"}} {count}")
    };
    let all = [events("hit", "one", 2), events("miss", "two", 1)];
    becomes(&stage, "gotk_cache_events_total", &all).await;
    // Of what is deleted, nothing is counted any more.
    stage.helm.delete("one").await;
    becomes(&stage, "gotk_cache_events_total", &all[1..]).await;
}

on_each_server!(a_cache_that_is_off_has_no_numbers_and_one_that_is_on_forgets);
async fn a_cache_that_is_off_has_no_numbers_and_one_that_is_on_forgets(server: &Server) {
    let off = Stage::new(server, "helm-cache-off").await;
    assert!(lines(&off, "gotk_cache").await.is_empty());
    let stage =
        Stage::with(server, "helm-cache-ttl", &["--helm-cache-max-size=9", "--helm-cache-ttl=1s", "--helm-cache-purge-interval=1s"]).await;
    stage.ready("one").await;
    let charts = stage.world.space.of("HelmChart");
    let spec = json!({"chart": "podx", "sourceRef": {"kind": "HelmRepository", "name": "one"}});
    for count in 1..=2 {
        becomes(&stage, "gotk_cached_items", &["gotk_cached_items 0".to_owned()]).await;
        let name = format!("chart-{count}");
        charts.source(&name, spec.clone()).await;
        charts.ready(&name).await;
        let namespace = &stage.world.space.name;
        let miss = format!("gotk_cache_events_total{{event_type=\"cache_miss\",name=\"one\",namespace=\"{namespace}\"}} {count}");
        becomes(&stage, "gotk_cache_events_total", &[miss]).await;
    }
}
