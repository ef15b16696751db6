//! Charts that others depend on: beside them, in repositories, or in them already.

use headwater_testing::charts::{ChartRepository, chart};
use serde_json::json;

use super::{Fate, Files, Set, dependencies, dependency, file, folder};
use crate::support::{
    artifact::{Listing, listing},
    cluster::{Server, on_each_server},
    namespace::message,
};

/// The metadata files of charts within charts.
fn subcharts(listing: &Listing) -> Vec<&str> {
    listing.keys().map(String::as_str).filter(|path| path.contains("/charts/") && path.ends_with("Chart.yaml")).collect()
}

fn text<'a>(listing: &'a Listing, path: &str) -> &'a str {
    std::str::from_utf8(&listing[path].content).unwrap()
}

/// A chart `app` in `apps/NAME` that depends on others.
fn app(name: &str, needs: &[String]) -> Files {
    folder(&format!("apps/{name}"), "app", "0.3.0", &dependencies(needs))
}

on_each_server!(charts_beside_a_chart_go_into_it);
async fn charts_beside_a_chart_go_into_it(server: &Server) {
    let set = Set::new(server, "chart-beside").await;
    let common = |version: &str| dependency("common", version, "file://../../common");
    let packed = chart("common", "1.2.0", &[]);
    let v1 = "name: app\nversion: 0.3.0\n";
    let files = [
        folder("common", "common", "1.2.0", &dependencies(&[dependency("far", "1.x", "file://../far")])),
        app("one", &[common("1.x")]),
        app("two", &[common(">=1.0.0"), dependency("other", "*", "file://../../other")]),
        folder("other", "other", "7.0.0", ""),
        app("vendored", &[dependency("common", "1.x", "http://127.0.0.1:1/none")]),
        vec![file("apps/vendored/charts/common-1.2.0.tgz", packed)],
        vec![file("apps/old/Chart.yaml", v1), file("apps/old/requirements.yaml", dependencies(&[common("1.x")]))],
        folder("a", "a", "1.0.0", &dependencies(&[dependency("b", "1.x", "file://../b")])),
        folder("b", "b", "1.0.0", &dependencies(&[dependency("a", "1.x", "file://../a")])),
        folder("self", "self", "1.0.0", &dependencies(&[dependency("self", "1.x", "file://../self")])),
    ];
    set.git(&files.concat()).await;
    let cases = [
        ("one", "apps/one", &["app/charts/common/Chart.yaml"][..]),
        ("two", "apps/two", &["app/charts/common/Chart.yaml", "app/charts/other/Chart.yaml"]),
        ("vendored", "apps/vendored", &["app/charts/common/Chart.yaml"]),
        ("old", "apps/old", &["app/charts/common/Chart.yaml"]),
        // What a chart beside it needs itself is not looked for, so that no circle is run through.
        ("circle", "a", &["a/charts/b/Chart.yaml"]),
        ("itself", "self", &["self/charts/self/Chart.yaml"]),
    ];
    for (name, path, _) in cases {
        set.take_path(name, path, &json!({})).await;
    }
    for (name, _, expected) in cases {
        assert_eq!(subcharts(&listing(&set.charts.ready(name).await).await), expected, "{name}");
    }
    assert_eq!(set.charts.event("two", "ResolvedDependencies").await["message"], "resolved 2 chart dependencies");
}

on_each_server!(what_is_not_beside_a_chart_or_not_within_its_source_is_said);
async fn what_is_not_beside_a_chart_or_not_within_its_source_is_said(server: &Server) {
    let set = Set::new(server, "chart-not-beside").await;
    let cases = [
        ("missing", "1.x", "file://../none", "no chart found at '/apps/none' (reference 'file://../none')"),
        ("outside", "1.x", "file://../../../../../etc", "no chart found at '/etc' (reference 'file://../../../../../etc')"),
        ("version", "2.x", "file://../../common", "can't get a valid version for constraint '2.x'"),
    ];
    let mut files: Files = folder("common", "common", "1.2.0", "");
    for (name, version, at, _) in cases {
        files.extend(app(name, &[dependency("common", version, at)]));
    }
    let repository = set.git(&files).await;
    for (name, ..) in cases {
        set.take_path(name, &format!("apps/{name}"), &json!({})).await;
    }
    for (name, _, _, why) in cases {
        let words = format!("dependency build error: failed to add local dependency 'common': {why}");
        set.fails(name, "DependencyBuildError", Fate::Retries, &words).await;
        assert_eq!(set.charts.event(name, "DependencyBuildError").await["message"], *words);
    }
    // The root of all paths is that of the source.
    let mut all = [files, folder("etc", "common", "1.0.0", "")].concat();
    all.retain(|(path, _)| !path.starts_with("common/"));
    all.extend(folder("common", "common", "2.0.0", ""));
    set.commit(&repository, &all).await;
    for name in ["version", "outside"] {
        set.charts.ready_at(name, "0.3.0").await;
    }
}

on_each_server!(charts_of_repositories_go_into_the_chart_that_needs_them);
async fn charts_of_repositories_go_into_the_chart_that_needs_them(server: &Server) {
    let set = Set::new(server, "chart-needs").await;
    let stranger = ChartRepository::start().await;
    stranger.publish("r", &[("stranger", "3.1.0")]);
    set.web.admit("user", "pass");
    set.web.publish("r", &[("podx", "1.0.0"), ("podx", "1.1.0"), ("podx", "2.0.0-rc.1"), ("other", "0.1.0")]);
    set.charts.secret("s", &[("username", "user"), ("password", "pass")]).await;
    set.repositories.source("h", json!({"url": set.web.url("r"), "secretRef": {"name": "s"}})).await;
    set.repositories.ready("h").await;
    let url = set.web.url("r");
    let podx = dependency("podx", "1.x", &url);
    let lock = format!(
        "dependencies:\n- name: podx\n  repository: {url}\n  version: 1.0.0\ndigest: sha256:00\ngenerated: \"2024-01-01T00:00:00Z\"\n"
    );
    let files = [
        app("plain", &[podx.clone(), dependency("stranger", "~3.1", &stranger.url("r"))]),
        app("slash", &[dependency("podx", "1.x", &format!("{url}/"))]),
        app("alias", &[podx.clone(), format!("{podx}  alias: second\n"), dependency("other", "*", &url)]),
        app("lock", std::slice::from_ref(&podx)),
        vec![file("apps/lock/Chart.lock", lock)],
        app("at", &[dependency("podx", "1.0.0", "@h")]),
        app("named", &[dependency("podx", "1.0.0", "alias:h")]),
    ];
    set.git(&files.concat()).await;
    let cases = [
        ("plain", &[("podx", "1.1.0"), ("stranger", "3.1.0")][..]),
        ("slash", &[("podx", "1.1.0")]),
        ("alias", &[("other", "0.1.0"), ("podx", "1.1.0"), ("second", "1.1.0")]),
        ("lock", &[("podx", "1.0.0")]),
        ("at", &[("podx", "1.0.0")]),
        ("named", &[("podx", "1.0.0")]),
    ];
    for (name, _) in cases {
        set.take_path(name, &format!("apps/{name}"), &json!({})).await;
    }
    for (name, expected) in cases {
        let listing = listing(&set.charts.ready(name).await).await;
        let paths: Vec<_> = expected.iter().map(|(chart, _)| format!("app/charts/{chart}/Chart.yaml")).collect();
        assert_eq!(subcharts(&listing), paths, "{name}");
        for (path, (chart, version)) in paths.iter().zip(expected) {
            assert_eq!(text(&listing, path), format!("apiVersion: v2\nname: {chart}\nversion: {version}\n"));
        }
    }
    assert_eq!(set.web.requests("r/index.yaml"), 1, "the index of the HelmRepository is used");
    assert!(stranger.seen().iter().all(|seen| seen.header("authorization").is_none()));
}

on_each_server!(what_repositories_do_not_have_or_do_not_give_is_said);
async fn what_repositories_do_not_have_or_do_not_give_is_said(server: &Server) {
    let set = Set::new(server, "chart-refused").await;
    let private = ChartRepository::start().await;
    private.admit("user", "pass");
    private.publish("r", &[("podx", "1.0.0")]);
    set.web.publish("r", &[("podx", "1.0.0")]);
    let (url, none, closed) = (set.web.url("r"), set.web.url("none"), private.url("r"));
    let get = |chart: &str, url: &str| format!("failed to get chart '{chart}' version '7.x' from '{url}'");
    let index = |url: &str| format!("failed to cache index: failed to cache index to temporary file: failed to fetch {url}/index.yaml");
    let cases = [
        ("chart", "nothing", url.as_str(), format!("{}: no chart name found", get("nothing", &url))),
        ("version", "podx", &url, format!("{}: no 'podx' chart with version matching '7.x' found", get("podx", &url))),
        ("repository", "podx", &none, format!("{}: {} : 404 Not Found", get("podx", &none), index(&none))),
        ("private", "podx", &closed, format!("{}: {} : 401 Unauthorized", get("podx", &closed), index(&closed))),
        ("scheme", "podx", "ftp://x/y", "invalid dependency repository URL: ftp://x/y/".to_owned()),
        ("unknown", "podx", "@gone", "aliased repository dependency is not supported: @gone/".to_owned()),
    ];
    let files: Files = cases.iter().flat_map(|(name, chart, url, _)| app(name, &[dependency(chart, "7.x", url)])).collect();
    let repository = set.git(&files).await;
    for (name, ..) in &cases {
        set.take_path(name, &format!("apps/{name}"), &json!({})).await;
    }
    for (name, chart, _, why) in &cases {
        let words = format!("dependency build error: failed to add remote dependency '{chart}': {why}");
        set.fails(name, "DependencyBuildError", Fate::Retries, &words).await;
    }
    // What comes later is found by trying again, and what the chart asks for by the source's trigger.
    set.web.publish("r", &[("podx", "1.0.0"), ("podx", "7.0.0"), ("nothing", "7.0.0")]);
    let later = app("scheme", &[dependency("podx", "7.x", &url)]);
    let rest = files.into_iter().filter(|(path, _)| !path.starts_with("apps/scheme/"));
    set.commit(&repository, &rest.chain(later).collect()).await;
    for name in ["chart", "version", "scheme"] {
        let object = set.charts.ready(name).await;
        assert_eq!(message(&object, "Ready"), "packaged 'app' chart with version '0.3.0'");
    }
}
