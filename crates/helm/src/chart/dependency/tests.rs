#![expect(clippy::unwrap_used, reason = "tests")]

use super::super::load::tests::{Tree, chart_yaml};
use super::*;

/// A source with a chart at `apps/tide` that has these dependencies, and some charts beside it.
fn source(dependencies: &str) -> Tree {
    Tree::of(&[
        ("apps/tide/Chart.yaml", format!("{}dependencies:\n{dependencies}", chart_yaml("tide"))),
        ("apps/moon/Chart.yaml", chart_yaml("moon")),
        (
            "lib/sun/Chart.yaml",
            format!("{}dependencies: [{{name: tide, repository: file://../../apps/tide, version: 1}}]\n", chart_yaml("sun")),
        ),
        ("lib/bad/Chart.yaml", "name: bad\n".to_owned()),
    ])
}

fn add(dependency: &str) -> Result<Vec<String>, String> {
    let source = source(&format!("- {dependency}\n"));
    let limits = Limits::default();
    let mut chart = Chart::load(&source, "apps/tide", &limits).unwrap();
    for missing in chart.missing() {
        chart.add_local(&source, "apps/tide", &missing, &limits).map_err(|error| error.to_string())?;
    }
    Ok(chart.dependencies().iter().map(|chart| chart.name().to_owned()).collect())
}

#[test]
fn local_charts_are_found_within_the_source() {
    for (dependency, name) in [
        ("{name: moon, version: '*', repository: file://../moon}", "moon"),
        ("{name: moon, version: ^1, repository: file://../moon, alias: luna}", "luna"),
        ("{name: sun, version: '>=1', repository: file://../../../../../lib/sun}", "sun"),
        ("{name: sun, version: 1.x, repository: 'file:///../../lib/%73un?x#y'}", "sun"),
        // A chart that depends on itself or in a circle: what is added brings nothing of its own along.
        ("{name: tide, version: 1, repository: file://.}", "tide"),
    ] {
        assert_eq!(add(dependency), Ok(vec![name.to_owned()]), "{dependency}");
    }
}

#[test]
fn what_is_not_found_is_named() {
    for (dependency, problem) in [
        ("{name: sea, version: 1}", "'sea': no chart found at '/apps/tide/charts/sea' (reference '')"),
        ("{name: sea, alias: a, repository: file://../../../../etc}", "'a': no chart found at '/etc' (reference 'file://../../../../etc')"),
        ("{name: moon, version: ^2, repository: file://../moon}", "'moon': can't get a valid version for constraint '^2'"),
        (
            "{name: moon, version: x y, repository: file://../moon}",
            "'moon': invalid version/constraint format 'x y': improper constraint: \"x y\"",
        ),
        (
            "{name: bad, version: 1, repository: file://../../lib/bad}",
            "'bad': failed to load chart from '/lib/bad' (reference 'file://../../lib/bad'): failed to load chart from /lib/bad/: \
             validation: chart.metadata.version is required",
        ),
        (
            "{name: moon, version: 1, repository: file://../%zz}",
            "'moon': failed to parse alleged local chart reference: parse \"file://../%zz\": invalid URL escape \"%zz\"",
        ),
    ] {
        assert_eq!(add(dependency), Err(format!("dependency build error: failed to add local dependency {problem}")));
    }
}

#[test]
fn the_lock_file_comes_first_and_numbers_alone_decide() {
    let limits = Limits::default();
    let chart = |lock: &str| {
        let files = [
            ("c/Chart.yaml", format!("{}dependencies: [{{name: a}}, {{name: b, alias: z}}]\n", chart_yaml("tide"))),
            ("c/charts/a/Chart.yaml", chart_yaml("a")),
            ("c/Chart.lock", lock.to_owned()),
        ];
        Chart::load(&Tree::of(&files), "c", &limits).unwrap()
    };
    let missing = |lock: &str| chart(lock).missing().into_iter().map(|missing| missing.name).collect::<Vec<_>>();
    assert_eq!(missing(""), ["z"]);
    assert_eq!(missing("dependencies: [{name: x}, {name: a}, {name: y, alias: a}, null]\n"), ["x"]);
    // As many charts as dependencies: none is missing, whatever they are called.
    assert_eq!(missing("dependencies: [{name: x}]\n"), Vec::<String>::new());
    assert_eq!(missing("digest: d\n"), Vec::<String>::new());
}

#[test]
fn repositories_are_local_or_remote() {
    for (repository, local) in [("", true), ("file://../x", true), ("https://x", false), ("@x", false), ("File://x", false)] {
        assert_eq!(Dependency { repository: repository.to_owned(), ..Dependency::default() }.is_local(), local);
    }
    let missing = Missing { name: "x".to_owned(), dependency: Dependency { repository: "https://x".to_owned(), ..Dependency::default() } };
    assert_eq!(missing.local_path("c").unwrap_err().to_string(), "'https://x' is not a local chart reference");
}
