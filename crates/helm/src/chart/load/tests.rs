#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use super::*;

/// A tree in memory.
#[derive(Default)]
pub(in super::super) struct Tree(BTreeMap<String, Vec<u8>>);

impl Tree {
    /// A tree of files, each a path and its contents.
    pub(in super::super) fn of<C: AsRef<[u8]>>(files: &[(&str, C)]) -> Self {
        Self(files.iter().map(|(path, data)| ((*path).to_owned(), data.as_ref().to_vec())).collect())
    }
}

impl Source for Tree {
    fn kind(&self, path: &str) -> Result<Option<Kind>, Problem> {
        assert!(!path.starts_with('/') && !path.split('/').any(|part| part == ".."), "{path} is not within the root");
        if let Some(data) = self.0.get(path) {
            return Ok(Some(Kind::File { size: data.len() as u64 }));
        }
        let folder = if path.is_empty() { String::new() } else { format!("{path}/") };
        Ok(self.0.keys().any(|file| file.starts_with(&folder)).then_some(Kind::Folder))
    }

    fn list(&self, folder: &str) -> Result<Vec<(String, u64)>, Problem> {
        let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        // The order is nobody's business; this one is not the walk's.
        let below = self.0.iter().rev();
        Ok(below.filter_map(|(path, data)| Some((path.strip_prefix(&folder)?.to_owned(), data.len() as u64))).collect())
    }

    fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, Problem> {
        let data = self.0.get(path).ok_or_else(|| Problem::new("no such file"))?;
        if data.len() as u64 > limit { Err(Problem::new("too large")) } else { Ok(data.clone()) }
    }
}

/// A `Chart.yaml` with what is required.
pub(in super::super) fn chart_yaml(name: &str) -> String {
    format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n")
}

fn load(files: &[(&str, &str)]) -> Result<Chart, String> {
    Chart::load(&Tree::of(files), "c", &Limits::default()).map_err(|problem| problem.to_string())
}

fn names(files: &[File]) -> Vec<&str> {
    files.iter().map(|file| file.name.as_str()).collect()
}

#[test]
fn a_folder_is_loaded_in_the_order_of_the_walk() {
    let chart = load(&[
        ("c/Chart.yaml", "\u{feff}name: tide\nversion: 1\n"),
        ("c/values.yaml", "a: {x: 1}\n---\na: {w: 2}\n"),
        ("c/templates/a.yaml", "\u{feff}x"),
        ("c/templates/.hidden", "x"),
        ("c/templates/a/z.yaml", "z"),
        ("c/README.md", "read"),
        ("c/ci/x.txt", "ci"),
        ("c/.helmignore", "/ci/\n"),
        ("c/charts/sub/Chart.yaml", "name: sub\nversion: 2\n"),
        ("c/charts/_off/Chart.yaml", "junk"),
        ("c/charts/.off/x", "junk"),
        ("c/charts/sub.tgz.prov", "signed"),
        ("other/file", "x"),
    ])
    .unwrap();
    assert_eq!(names(&chart.templates), ["templates/a/z.yaml", "templates/a.yaml"]);
    assert_eq!(chart.templates[1].data, b"x");
    assert_eq!(names(&chart.files), [".helmignore", "README.md", "charts/sub.tgz.prov"]);
    assert_eq!(chart.dependencies.iter().map(Chart::name).collect::<Vec<_>>(), ["sub"]);
    assert_eq!(chart.values.as_ref().unwrap()["a"], serde_json::json!({"x": 1, "w": 2}));
    assert_eq!(chart.metadata.api_version, V1);
}

#[test]
fn what_is_wrong_with_a_folder_is_said_as_upstream_says_it() {
    let sound = chart_yaml("tide");
    for (files, problem) in [
        (vec![("c/x", "")], "failed to load chart from /c/: Chart.yaml file is missing"),
        (
            vec![("c/requirements.yaml", "dependencies: []")],
            "failed to load chart from /c/: validation: chart.metadata.apiVersion is required",
        ),
        (
            vec![("c/Chart.yaml", "name: ../x\nversion: 1\n")],
            "failed to load chart from /c/: validation: chart.metadata.name \"../x\" is invalid",
        ),
        (
            vec![("c/Chart.yaml", &sound), (("c/.helmignore"), "a/**")],
            "cannot load ignore rules for chart: double-star (**) syntax is not supported",
        ),
        (
            vec![("c/Chart.yaml", &sound), ("c/values.yaml", "- a")],
            "failed to load chart from /c/: cannot load values.yaml: cannot unmarshal yaml document: error unmarshaling JSON: \
             while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}",
        ),
        (
            vec![("c/Chart.yaml", &sound), ("c/values.yaml", "a: 1\n--- x\n")],
            "failed to load chart from /c/: cannot load values.yaml: error reading yaml document: invalid Yaml document separator: x",
        ),
        (
            vec![("c/Chart.yaml", &sound), ("c/charts/README.md", "")],
            "failed to load chart from /c/: error unpacking subchart README.md in tide: Chart.yaml file is missing",
        ),
        (
            vec![("c/Chart.yaml", &sound), ("c/charts/x.tgz", "junk")],
            "failed to load chart from /c/: error unpacking subchart x.tgz in tide: unexpected EOF",
        ),
        (
            vec![("c/Chart.yaml", &sound), ("c/charts/x.tgz/y", "junk")],
            "failed to load chart from /c/: error unpacking subchart tar in tide: expected x.tgz, got x.tgz/y",
        ),
        (vec![("d/x", "")], "lstat /c: no such file or directory"),
        (vec![("c", "not an archive")], "file '/c' does not appear to be a gzipped archive; got 'application/octet-stream'"),
    ] {
        assert_eq!(load(&files).unwrap_err(), problem);
    }
}

#[test]
fn large_files_are_refused_unless_they_are_ignored() {
    let limits = Limits { file: 100, total: 150, ..Limits::default() };
    let big = "x".repeat(101);
    let sound = chart_yaml("tide");
    let load = |files: &[(&str, &str)]| Chart::load(&Tree::of(files), "c", &limits).map_err(|problem| problem.to_string());
    assert_eq!(
        load(&[("c/Chart.yaml", &sound), ("c/big", &big)]).unwrap_err(),
        "failed to load files from /c/: cannot load file big as file size (101) exceeds limit (100)"
    );
    assert!(load(&[("c/Chart.yaml", &sound), ("c/big", &big), ("c/.helmignore", "big")]).is_ok());
    let half = "x".repeat(60);
    assert!(load(&[("c/Chart.yaml", &sound), ("c/a", &half), ("c/b", &half)]).unwrap_err().contains("more than 150 bytes"));
}

#[test]
fn charts_within_charts_end_somewhere() {
    let nested = |levels: usize| {
        let mut files = vec![("c/Chart.yaml".to_owned(), chart_yaml("tide"))];
        for level in 1..=levels {
            files.push((format!("c/{}Chart.yaml", "charts/x/".repeat(level)), chart_yaml("x")));
        }
        Tree(files.into_iter().map(|(path, text)| (path, text.into_bytes())).collect())
    };
    let limits = Limits { depth: 4, ..Limits::default() };
    assert!(Chart::load(&nested(3), "c", &limits).is_ok());
    assert!(Chart::load(&nested(4), "c", &limits).unwrap_err().to_string().contains("subcharts within subcharts"));
    let limits = Limits { charts: 3, ..Limits::default() };
    assert!(Chart::load(&nested(2), "c", &limits).is_ok());
    assert!(Chart::load(&nested(3), "c", &limits).unwrap_err().to_string().contains("too many subcharts"));
}

#[test]
fn old_charts_keep_their_requirements() {
    let requirements = "dependencies: [{name: a, version: 1}]\n";
    let old = load(&[
        ("c/Chart.yaml", "name: tide\nversion: 1\n"),
        ("c/requirements.yaml", requirements),
        ("c/requirements.lock", "digest: d\n"),
    ])
    .unwrap();
    assert_eq!(names(&old.files), ["requirements.lock", "requirements.yaml"]);
    assert_eq!(old.metadata.dependencies.len(), 1);
    let new = load(&[("c/Chart.yaml", &chart_yaml("tide")), ("c/requirements.yaml", requirements)]).unwrap();
    assert_eq!(names(&new.files), Vec::<&str>::new());
    assert_eq!(new.metadata.dependencies.len(), 1);
}

#[test]
fn metadata_is_read_from_folders_and_archives() {
    let sound = chart_yaml("tide");
    let read = |files: &[(&str, &str)]| Metadata::of(&Tree::of(files), "./x/../../c/", &Limits::default()).map_err(|p| p.to_string());
    assert_eq!(read(&[("c/Chart.yaml", &sound)]).unwrap().name, "tide");
    for (files, problem) in [
        (vec![("d", "")], "stat /c: no such file or directory"),
        (vec![("c/x", "")], "open /c/Chart.yaml: no such file or directory"),
        (vec![("c/Chart.yaml", &*sound), ("c/requirements.yaml/x", "")], "'requirements.yaml' is a directory"),
        (vec![("c", "not an archive")], "gzip: invalid header"),
        (
            vec![("c/Chart.yaml", "a: [")],
            "cannot load 'Chart.yaml': error converting YAML to JSON: yaml: line 1: did not find expected node content",
        ),
    ] {
        assert_eq!(read(&files).unwrap_err(), problem);
    }
    let limits = Limits { archive: 3, file: 3, ..Limits::default() };
    let large = |files: &[(&str, &str)], path| Metadata::of(&Tree::of(files), path, &limits).unwrap_err().to_string();
    assert_eq!(large(&[("x/c.tgz", "1234")], "x/c.tgz"), "size of chart 'c.tgz' exceeds '3' bytes limit");
    assert_eq!(large(&[("x/Chart.yaml", "1234")], "x"), "size of 'Chart.yaml' exceeds '3' bytes limit");
}
