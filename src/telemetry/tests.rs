#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use serde_json::Value;

use super::capture::Log;
use super::format::is_own;
use super::{MAX_LINE, Metrics, Outcome};
use crate::settings::{Encoding, Level};

fn logged(encoding: Encoding, level: Level, speak: impl FnOnce()) -> String {
    let log = Log::default();
    let guard = log.follow(level, encoding);
    speak();
    drop(guard);
    log.text()
}

fn json(speak: impl FnOnce()) -> Value {
    let text = logged(Encoding::Json, Level::Trace, speak);
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_line_says_which_object_a_pass_is_over() {
    let line = json(|| {
        let span = tracing::info_span!(
            "reconcile",
            kind = "GitRepository",
            namespace = %"uplands",
            name = "brook",
            reconcile_id = "6d9b"
        );
        span.in_scope(|| tracing::info!(revision = "main@sha1:1", count = 3, "stored artifact"));
    });
    let stamp = line["ts"].as_str().unwrap();
    assert!(chrono::NaiveDateTime::parse_from_str(stamp, "%Y-%m-%dT%H:%M:%S%.3fZ").is_ok() && stamp.len() == 24);
    let expected = serde_json::json!({
        "level": "info", "ts": stamp, "msg": "stored artifact",
        "controller": "gitrepository", "controllerGroup": "source.toolkit.fluxcd.io", "controllerKind": "GitRepository",
        "GitRepository": {"name": "brook", "namespace": "uplands"}, "namespace": "uplands", "name": "brook",
        "reconcileID": "6d9b", "revision": "main@sha1:1", "count": 3,
    });
    assert_eq!(line, expected);
}

#[test]
fn errors_are_told_with_their_sources() {
    #[derive(Debug, thiserror::Error)]
    #[error("cannot fetch")]
    struct Outer(#[source] std::fmt::Error);
    let error = Outer(std::fmt::Error);
    let line = json(|| tracing::error!(error = &error as &dyn std::error::Error, "failed"));
    assert_eq!(line["level"], "error");
    let inner = std::fmt::Error.to_string();
    assert_eq!(line["error"], format!("cannot fetch: {inner}"));
}

#[test]
fn warnings_are_infos_and_libraries_are_named() {
    let line = json(|| tracing::warn!(target: "kube_runtime::watcher", "watch restarted"));
    assert_eq!((&line["level"], &line["logger"]), (&"info".into(), &"kube_runtime::watcher".into()));
    assert_eq!(json(|| tracing::info!(logger = "setup", "starting"))["logger"], "setup");
}

#[test]
fn no_crate_of_the_workspace_is_named_as_a_library() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = std::fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let manifests = crates.map(|path| path.join("Cargo.toml")).filter(|manifest| manifest.exists());
    let mut count = 0;
    for manifest in manifests.chain(["api", "storage", "."].map(|folder| root.join(folder).join("Cargo.toml"))) {
        let text = std::fs::read_to_string(&manifest).unwrap();
        let package = text.lines().find_map(|line| line.strip_prefix("name = ")).unwrap().trim_matches('"').replace('-', "_");
        assert!(is_own(&package) && is_own(&format!("{package}::some::module")), "{package}");
        count += 1;
    }
    assert!(count > 5, "{count} crates");
    assert!(!is_own("kube_client::client") && !is_own("headwaters::x") && !is_own("head"));
    let line = json(|| tracing::info!(target: "headwater_apiserver::store", "opened"));
    assert_eq!(line.get("logger"), None);
}

#[test]
fn line_breaks_stay_within_the_line() {
    assert_eq!(json(|| tracing::info!("a\nb\u{7}{{"))["msg"], "a\nb\u{7}{");
}

#[test]
fn a_line_is_never_too_long() {
    let huge = "\u{1}ü\n".repeat(100_000);
    for encoding in [Encoding::Json, Encoding::Console] {
        let text = logged(encoding, Level::Info, || {
            tracing::error!(
                error = %huge, a = %huge, b = %huge, c = %huge, d = %huge, e = %huge, f = %huge, g = %huge, h = %huge,
                "{huge}"
            );
        });
        assert!(text.len() <= MAX_LINE && text.len() > 8 * 1024, "{}", text.len());
        assert_eq!(text.lines().count(), 1);
        if encoding == Encoding::Json {
            let line: Value = serde_json::from_str(&text).unwrap();
            assert!(line["error"].as_str().unwrap().ends_with('…'));
        }
    }
}

#[test]
fn the_level_decides_what_is_written() {
    let speak = || {
        tracing::trace!("1");
        tracing::debug!("2");
        tracing::info!("3");
        tracing::error!("4");
        tracing::info!(target: "hyper", "5");
        tracing::trace!(target: "hyper", "6");
    };
    for (level, lines) in [(Level::Error, 1), (Level::Info, 2), (Level::Debug, 4), (Level::Trace, 5)] {
        assert_eq!(logged(Encoding::Json, level, speak).lines().count(), lines, "{level:?}");
    }
}

#[test]
fn the_console_has_columns() {
    let text = logged(Encoding::Console, Level::Info, || tracing::info!(logger = "setup", port = 9090, "serving"));
    let columns: Vec<_> = text.trim_end().split('\t').skip(1).collect();
    assert_eq!(columns, ["INFO", "setup", "serving", r#"{"port":9090}"#]);

    let text = logged(Encoding::Console, Level::Info, || tracing::info!("{}", "in \"v1\"\nand \\ in \"v2\""));
    assert!(text.ends_with("\tin \"v1\"\\nand \\ in \"v2\"\n"), "{text}");
}

#[test]
fn metrics_come_out_under_fluxs_names() {
    let metrics = Metrics::new();
    metrics.controller("GitRepository", 2);
    let took = Duration::from_millis(20);
    metrics.reconciled("GitRepository", "uplands", "brook", took, Outcome::RequeueAfter);
    metrics.reconciled("GitRepository", "uplands", "brook", took, Outcome::Error);
    let worker = metrics.working("GitRepository");
    let text = metrics.text().unwrap();
    for line in [
        "# TYPE gotk_reconcile_duration_seconds histogram",
        r#"gotk_reconcile_duration_seconds_bucket{le="0.01",kind="GitRepository",name="brook",namespace="uplands"} 0"#,
        r#"gotk_reconcile_duration_seconds_bucket{le="+Inf",kind="GitRepository",name="brook",namespace="uplands"} 2"#,
        r#"gotk_reconcile_duration_seconds_count{kind="GitRepository",name="brook",namespace="uplands"} 2"#,
        "# TYPE controller_runtime_reconcile_total counter",
        r#"controller_runtime_reconcile_total{controller="gitrepository",result="requeue_after"} 1"#,
        r#"controller_runtime_reconcile_total{controller="gitrepository",result="success"} 0"#,
        r#"controller_runtime_reconcile_errors_total{controller="gitrepository"} 1"#,
        r#"controller_runtime_active_workers{controller="gitrepository"} 1"#,
        r#"controller_runtime_max_concurrent_reconciles{controller="gitrepository"} 2"#,
        r#"workqueue_depth{name="gitrepository"} 0"#,
        "# TYPE process_cpu_seconds_total counter",
        "# TYPE process_resident_memory_bytes gauge",
    ] {
        assert!(text.lines().any(|known| known == line), "{line}\nis not in\n{text}");
    }
    for name in ["process_cpu_seconds_total ", "process_start_time_seconds ", "process_open_fds ", "process_max_fds "] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name}\n{text}");
    }
    assert!(!text.contains("# EOF") && !text.contains("leader_election") && !text.contains(".."));
    drop(worker);
    metrics.forget("GitRepository", "uplands", "brook");
    let text = metrics.text().unwrap();
    assert!(text.contains(r#"controller_runtime_active_workers{controller="gitrepository"} 0"#));
    assert!(!text.contains("brook"));
}
