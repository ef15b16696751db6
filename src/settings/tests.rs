#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use clap::Parser;

use super::{Controller, Encoding, Error, Gates, Level};

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    controller: Controller,
}

fn parse(flags: &[&str]) -> Result<Controller, clap::Error> {
    Line::try_parse_from(["headwater"].iter().chain(flags)).map(|line| line.controller)
}

fn refusal(flags: &[&str]) -> String {
    parse(flags).unwrap_err().to_string()
}

#[test]
fn the_command_is_sound() {
    use clap::CommandFactory;
    Line::command().debug_assert();
}

#[test]
fn the_stock_deployment_parses() {
    let parsed = parse(&[
        "--events-addr=http://notification-controller.flux-system.svc.cluster.local.",
        "--watch-all-namespaces",
        "--log-level=info",
        "--log-encoding=json",
        "--enable-leader-election",
        "--storage-path=/data",
        "--storage-adv-addr=source-controller.flux-system.svc.cluster.local.",
    ])
    .unwrap();
    assert_eq!(parsed.events.addr, "http://notification-controller.flux-system.svc.cluster.local.");
    assert!(parsed.reconciling.watch_all_namespaces && parsed.leader.enable);
    assert_eq!(parsed.storage.advertised().unwrap(), "source-controller.flux-system.svc.cluster.local.");
    assert_eq!(parsed.check(), Ok(()));
    assert!(parsed.without_effect().is_empty());
}

#[test]
fn the_defaults_are_those_of_source_controller() {
    let parsed = parse(&[]).unwrap();
    assert_eq!(parsed.storage.path.to_str(), Some("/data"));
    assert_eq!((parsed.storage.addr.as_str(), parsed.storage.adv_addr.as_str()), (":9090", ""));
    assert_eq!(parsed.storage.advertised().unwrap(), "localhost:9090");
    assert_eq!(parsed.storage.retention_ttl, Duration::from_mins(1));
    assert_eq!((parsed.storage.retention_records, parsed.storage.digest_algo.as_str()), (2, "sha256"));
    assert_eq!(parsed.observe.metrics(), Some(":8080"));
    assert_eq!(parsed.observe.health(), Some(":9440"));
    assert_eq!((parsed.observe.log_level, parsed.observe.log_encoding), (Level::Info, Encoding::Json));
    assert!((parsed.client.qps - 50.0).abs() < f32::EPSILON);
    assert_eq!(parsed.client.burst, 300);
    assert_eq!((parsed.reconciling.concurrent, parsed.reconciling.interval_jitter_percentage), (2, 5));
    assert_eq!(parsed.reconciling.requeue_dependency, Duration::from_secs(30));
    assert!(parsed.reconciling.watch_all_namespaces);
    assert_eq!(parsed.reconciling.min_retry_delay, Duration::from_millis(750));
    assert_eq!(parsed.reconciling.max_retry_delay, Duration::from_mins(15));
    assert!(!parsed.leader.enable && parsed.leader.release_on_cancel);
    assert_eq!(parsed.leader.lease_duration, Duration::from_secs(35));
    assert_eq!(parsed.leader.renew_deadline, Duration::from_secs(30));
    assert_eq!(parsed.leader.retry_period, Duration::from_secs(5));
    assert_eq!(parsed.helm.index_max_size, 52_428_800);
    assert_eq!(parsed.auth.token_cache_max_size, 100);
    assert_eq!(parsed.gates(), Gates::default());
}

#[test]
fn flags_take_their_value_apart_or_joined() {
    let parsed = parse(&["--concurrent", "20", "--requeue-dependency=1h0m0s", "--kube-api-qps", "12.5"]).unwrap();
    assert_eq!(parsed.reconciling.concurrent, 20);
    assert_eq!(parsed.reconciling.requeue_dependency, Duration::from_hours(1));
    assert!((parsed.client.qps - 12.5).abs() < f32::EPSILON);
}

#[test]
fn a_switch_never_takes_the_next_argument() {
    let parsed = parse(&["--watch-all-namespaces", "--concurrent=3"]).unwrap();
    assert!(parsed.reconciling.watch_all_namespaces);
    assert_eq!(parsed.reconciling.concurrent, 3);
    assert!(!parse(&["--watch-all-namespaces=false"]).unwrap().reconciling.watch_all_namespaces);
    assert!(!parse(&["--leader-election-release-on-cancel=F"]).unwrap().leader.release_on_cancel);
    assert!(refusal(&["--enable-leader-election=yes"]).contains("expected true or false"));
    assert!(parse(&["--enable-leader-election", "false"]).is_err());
}

#[test]
fn the_last_of_a_repeated_flag_wins() {
    let parsed = parse(&["--concurrent=2", "--watch-all-namespaces", "--concurrent=9", "--watch-all-namespaces=false"]);
    let parsed = parsed.unwrap();
    assert_eq!((parsed.reconciling.concurrent, parsed.reconciling.watch_all_namespaces), (9, false));
}

#[test]
fn one_namespace_is_watched_only_when_told_so() {
    let parsed = parse(&["--watch-all-namespaces=false", "--runtime-namespace=reservoirs"]).unwrap();
    assert_eq!(parsed.reconciling.namespace(), Some("reservoirs"));
    assert_eq!(parse(&["--runtime-namespace=reservoirs"]).unwrap().reconciling.namespace(), None);
}

#[test]
fn feature_gates_merge_and_unknown_ones_are_refused() {
    let parsed = parse(&["--feature-gates=CacheSecretsAndConfigMaps=true,ObjectLevelWorkloadIdentity=true"]).unwrap();
    assert!(parsed.gates().cache_secrets_and_config_maps && parsed.gates().object_level_workload_identity);
    assert_eq!(parsed.without_effect().len(), 1);
    let both = ["--feature-gates=CacheSecretsAndConfigMaps=true", "--feature-gates=ObjectLevelWorkloadIdentity=true"];
    let both = parse(&both).unwrap().gates();
    assert!(both.cache_secrets_and_config_maps && both.object_level_workload_identity);
    assert!(refusal(&["--feature-gates=Levitation=true"]).contains("feature-gate 'Levitation' not supported"));
    assert!(refusal(&["--feature-gates=CacheSecretsAndConfigMaps"]).contains("missing state"));
}

#[test]
fn caches_and_algorithms_are_set_and_what_does_nothing_yet_is_named() {
    let parsed = parse(&[
        "--helm-cache-max-size=10",
        "--helm-cache-ttl=60m",
        "--helm-cache-purge-interval=1m",
        "--ssh-kex-algos=curve25519-sha256,ecdh-sha2-nistp256",
        "--token-cache-max-size=100",
        "--helm-chart-digest=enforce",
        "--feature-gates=CacheSecretsAndConfigMaps=true",
    ])
    .unwrap();
    assert_eq!((parsed.helm.cache_max_size, parsed.helm.chart_digest), (10, crate::settings::DigestCheck::Enforce));
    assert_eq!(parsed.without_effect(), ["feature-gates CacheSecretsAndConfigMaps"]);
    assert_eq!(parsed.auth.ssh_kex_algos, ["curve25519-sha256", "ecdh-sha2-nistp256"]);
}

#[test]
fn bad_values_are_refused_by_name() {
    for flag in [
        "--interval-jitter-percentage=100",
        "--interval-jitter-percentage=-1",
        "--concurrent=0",
        "--artifact-digest-algo=md5",
        "--artifact-retention-ttl=soon",
        "--log-level=loud",
        "--log-encoding=xml",
        "--watch-label-selector=a in b",
        "--watch-label-selector=a b",
        "--kube-api-qps=many",
        "--helm-cache-ttl=x",
    ] {
        let name = flag.split('=').next().unwrap();
        assert!(refusal(&[flag]).contains(name), "{flag}");
    }
    assert!(parse(&["--no-such-flag"]).is_err());
}

#[test]
fn label_selectors_of_every_form_are_taken() {
    for selector in [
        "sharding.fluxcd.io/key=shard1",
        "!sharding.fluxcd.io/key",
        "sharding.fluxcd.io/key in (shard1, shard2),tier!=dev",
        "sharding.fluxcd.io/key notin (shard1)",
        "tier",
        "tier==",
    ] {
        let parsed = parse(&["--watch-label-selector", selector]).unwrap();
        assert_eq!(parsed.reconciling.watch_label_selector, selector);
    }
}

#[test]
fn each_shard_has_its_own_lease() {
    let leader = parse(&[]).unwrap().leader;
    assert_eq!(leader.lease_name(""), "source-controller-leader-election");
    assert_eq!(leader.lease_name("sharding.fluxcd.io/key=shard1"), "source-controller-leader-election-73fdc1be");
}

#[test]
fn contradictions_are_found() {
    let durations = ["--enable-leader-election", "--leader-election-lease-duration=30s"];
    let error = parse(&durations).unwrap().check().unwrap_err();
    assert_eq!(error.to_string(), "--leader-election-lease-duration (30s) must be longer than --leader-election-renew-deadline (30s)");
    assert_eq!(parse(&["--default-service-account=x"]).unwrap().check(), Err(Error::WorkloadIdentity));
    let address = parse(&["--storage-addr=nowhere"]).unwrap().check();
    assert_eq!(address, Err(Error::StorageAddress("nowhere".to_owned())));
}
