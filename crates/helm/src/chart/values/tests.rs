#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::super::load::tests::{Tree, chart_yaml};
use super::*;

fn tree() -> Tree {
    Tree::of(&[
        ("c/Chart.yaml", chart_yaml("tide")),
        ("c/values.yaml", "a: {x: 1, w: 2}\nlist: [1]\n".to_owned()),
        ("c/prod.yaml", "a: {x: 1.50}\nlist: [2]\nbig: 12345678901234567890\n".to_owned()),
        ("c/bad.yaml", "- x".to_owned()),
        ("c/empty.yaml", String::new()),
        ("shared/values.yaml", "a: {z: yes}\n".to_owned()),
    ])
}

fn chart() -> Chart {
    Chart::load(&tree(), "c", &Limits::default()).unwrap()
}

fn paths(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn files_of_a_chart_are_merged_in_order() {
    let limits = Limits::default();
    let merged = chart().merge_values(&paths(&["./values.yaml", "x/../prod.yaml", "empty.yaml"]), Absent::Refused, &limits).unwrap();
    assert_eq!(Value::Object(merged.values), json!({"a": {"x": 1.5, "w": 2}, "list": [2], "big": 12_345_678_901_234_567_000_u64}));
    assert_eq!(merged.files, ["./values.yaml", "x/../prod.yaml", "empty.yaml"]);
    let merged = chart().merge_values(&paths(&["nope.yaml", "prod.yaml"]), Absent::Ignored, &limits).unwrap();
    assert_eq!(merged.files, ["prod.yaml"]);
    for (path, problem) in [
        ("nope.yaml", "no values file found at path 'nope.yaml'"),
        ("../shared/values.yaml", "no values file found at path '../shared/values.yaml'"),
        ("Chart.yaml", "no values file found at path 'Chart.yaml'"),
        (
            "bad.yaml",
            "unmarshaling values from 'bad.yaml' failed: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array \
             into Go value of type map[string]interface {}",
        ),
    ] {
        let error = chart().merge_values(&paths(&[path]), Absent::Refused, &limits).unwrap_err();
        assert_eq!(error.to_string(), format!("values files merge error: failed to merge chart values: {problem}"));
    }
}

#[test]
fn files_of_a_source_are_looked_for_from_its_root() {
    let limits = Limits::default();
    let merged = merge_files(&tree(), &paths(&["c/values.yaml", "../../shared/values.yaml"]), Absent::Refused, &limits).unwrap();
    assert_eq!(Value::Object(merged.values), json!({"a": {"x": 1, "w": 2, "z": true}, "list": [1]}));
    assert!(merge_files(&tree(), &paths(&["values.yaml"]), Absent::Ignored, &limits).unwrap().files.is_empty());
    for (path, absent, problem) in [
        ("values.yaml", Absent::Refused, "no values file found at path '/values.yaml' (reference 'values.yaml')"),
        ("../x", Absent::Refused, "no values file found at path '/x' (reference '../x')"),
        ("shared", Absent::Ignored, "no values file found at path '/shared' (reference 'shared')"),
    ] {
        let error = merge_files(&tree(), &paths(&[path]), absent, &limits).unwrap_err();
        assert_eq!(error.to_string(), format!("values files merge error: {problem}"));
    }
}

#[test]
fn default_values_are_replaced_where_they_differ() {
    let Value::Object(values) = json!({"b": "1", "a": {"x": 1}}) else { unreachable!("a map") };
    let mut chart = chart();
    assert_eq!(chart.set_values(values.clone()), Ok(true));
    assert_eq!(chart.raw_values[0].data, b"a:\n  x: 1\nb: \"1\"\n");
    assert_eq!(chart.values(), Some(&values));
    assert_eq!(chart.set_values(values), Ok(false));
    assert_eq!(chart.set_values(Map::new()), Ok(true));
    assert_eq!(chart.raw_values[0].data, b"");

    let mut without = Chart::load(&Tree::of(&[("c/Chart.yaml", chart_yaml("tide"))]), "c", &Limits::default()).unwrap();
    assert_eq!(
        without.set_values(Map::new()).unwrap_err().to_string(),
        "values files merge error: failed to locate values file: values.yaml"
    );
}
