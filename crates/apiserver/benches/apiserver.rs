//! The load that a Kubernetes API server can take: `cargo bench -p headwater-apiserver [-- PID]`, against the cluster of `KUBECONFIG`, with the
//! memory of the process PID beside the times. Point it at `headwater standalone` and at a kube-apiserver, and compare.
//!
//! It makes a namespace of 10,000 ConfigMaps of 2 KB, lists them, lets 200 watchers follow 2,000 updates, and deletes them all.
#![expect(clippy::print_stdout, clippy::cast_precision_loss, reason = "a bench is there to print rounded numbers")]

use std::error::Error;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use serde_json::json;

const OBJECTS: usize = 10_000;
const ALONE: usize = 500;
const AT_ONCE: usize = 16;
const WATCHERS: usize = 200;
const UPDATES: usize = 2_000;
const NAMESPACE: &str = "headwater-bench";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let pid = std::env::args().skip(1).find(|arg| arg.parse::<u32>().is_ok());
    let client = Client::try_default().await?;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace = serde_json::from_value(json!({"metadata": {"name": NAMESPACE}}))?;
    drop(namespaces.create(&PostParams::default(), &namespace).await);
    let api: Api<ConfigMap> = Api::namespaced(client, NAMESPACE);
    api.delete_collection(&DeleteParams::default(), &ListParams::default()).await?;

    let start = Instant::now();
    create(&api, 0..ALONE, 1).await?;
    rate("writes/s, one at a time", ALONE, start.elapsed());
    let start = Instant::now();
    create(&api, ALONE..OBJECTS, AT_ONCE).await?;
    rate("writes/s, 16 at a time", OBJECTS - ALONE, start.elapsed());
    memory("written", pid.as_deref());

    let start = Instant::now();
    let found = api.list(&ListParams::default()).await?.items.len();
    rate("objects/s, one list", found, start.elapsed());
    let start = Instant::now();
    let (mut found, mut next) = (0, None);
    loop {
        let page = api.list(&ListParams { limit: Some(500), continue_token: next, ..ListParams::default() }).await?;
        found += page.items.len();
        next = page.metadata.continue_.filter(|token| !token.is_empty());
        if next.is_none() {
            break;
        }
    }
    rate("objects/s, pages of 500", found, start.elapsed());
    memory("listed", pid.as_deref());

    let start = Instant::now();
    let seen = watched(&api).await?;
    rate("events/s, 200 watchers", seen, start.elapsed());
    memory("watched", pid.as_deref());

    let start = Instant::now();
    api.delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
    rate("deletions/s, as a collection", OBJECTS, start.elapsed());
    Ok(())
}

async fn create(api: &Api<ConfigMap>, numbers: std::ops::Range<usize>, at_once: usize) -> Result<(), kube::Error> {
    let text = "x".repeat(1_800);
    stream::iter(numbers)
        .map(|number| {
            let object = json!({"metadata": {"name": format!("o{number:05}"), "labels": {"tenth": (number % 10).to_string()}}, "data": {"text": text}});
            async move { api.create(&PostParams::default(), &serde_json::from_value(object).map_err(kube::Error::SerdeError)?).await }
        })
        .buffer_unordered(at_once)
        .try_for_each(|_| futures::future::ready(Ok(())))
        .await
}

/// How many events all watchers saw together, once each has seen every update.
async fn watched(api: &Api<ConfigMap>) -> Result<usize, Box<dyn Error>> {
    let from = api.list(&ListParams::default().limit(1)).await?.metadata.resource_version.unwrap_or_default();
    let watchers: Vec<_> = (0..WATCHERS)
        .map(|_| {
            let (api, from) = (api.clone(), from.clone());
            tokio::spawn(async move {
                let mut events = api.watch(&WatchParams::default(), &from).await?.boxed();
                let mut seen = 0;
                while let Some(event) = events.try_next().await? {
                    seen += usize::from(matches!(event, WatchEvent::Modified(_)));
                    if seen == UPDATES {
                        break;
                    }
                }
                Ok::<_, kube::Error>(seen)
            })
        })
        .collect();
    let updates = stream::iter(0..UPDATES).map(|number| async move {
        let patch = json!({"data": {"turn": number.to_string()}});
        api.patch(&format!("o{number:05}"), &PatchParams::default(), &Patch::Merge(&patch)).await
    });
    updates.buffer_unordered(AT_ONCE).try_for_each(|_| futures::future::ready(Ok(()))).await?;
    let mut seen = 0;
    for watcher in watchers {
        seen += watcher.await??;
    }
    Ok(seen)
}

fn rate(what: &str, count: usize, time: Duration) {
    println!("{what:<30} {:>10.0}   ({count} in {:.2} s)", count as f64 / time.as_secs_f64(), time.as_secs_f64());
}

fn memory(when: &str, pid: Option<&str>) {
    let Some(pid) = pid else { return };
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("unknown");
    println!("{:<30} {:>10}", format!("resident, {when}"), resident.trim());
}
