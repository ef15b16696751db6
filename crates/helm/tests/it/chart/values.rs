//! Values files: what is merged, and what the chart says then.

use headwater_helm::chart::{Absent, effective_values_files};
use headwater_testing::charts::chart;

use super::{Packaged, Refusal};

const CHART: &str = "apiVersion: v2\nname: podx\nversion: 1.0.0\nappVersion: \"1\"\ndescription: a chart\n";
const TEMPLATE: &str = "kind: ConfigMap\ndata:\n  r: \"{{ .Values.replicas }}\"\n";
const VALUES: &str = "replicas: 1\nimage: one\n";
const FILES: &[(&str, &str)] = &[
    ("Chart.yaml", CHART),
    ("values.yaml", VALUES),
    ("templates/cm.yaml", TEMPLATE),
    ("prod.yaml", "# a comment\nreplicas: 3\nextra: {a: 1, b: [1, 2.5, yes]}\n"),
    ("bad.yaml", "a: ["),
    ("list.yaml", "- a\n"),
    ("empty.yaml", ""),
    ("same.yaml", VALUES),
];

fn merged(files: &[&str], absent: Absent) -> Result<Packaged, Refusal> {
    Packaged::of(&chart("podx", "1.0.0", FILES), "1.0.0+1", files, absent)
}

#[test]
fn values_files_of_the_chart_are_merged_into_its_values() {
    let all = "extra:\n  a: 1\n  b:\n  - 1\n  - 2.5\n  - true\nimage: one\nreplicas: 3\n";
    let prod = "extra:\n  a: 1\n  b:\n  - 1\n  - 2.5\n  - true\nreplicas: 3\n";
    let reverse = all.replace('3', "1");
    let cases: [(&[&str], &str); 5] = [
        (&["values.yaml", "prod.yaml"], all),
        (&["prod.yaml"], prod),
        (&["prod.yaml", "same.yaml"], &reverse),
        (&["same.yaml"], "image: one\nreplicas: 1\n"),
        (&["empty.yaml"], ""),
    ];
    for (files, values) in cases {
        let packaged = merged(files, Absent::Refused).unwrap();
        assert_eq!(packaged.values_files, files);
        let listing = packaged.listing();
        let text = |path: &str| std::str::from_utf8(&listing[path]).unwrap();
        assert_eq!(text("podx/values.yaml"), values, "{files:?}");
        let metadata = "apiVersion: v2\nappVersion: \"1\"\ndescription: a chart\nname: podx\nversion: 1.0.0+1\n";
        assert_eq!(text("podx/Chart.yaml"), metadata, "{files:?}");
        assert_eq!(listing.len(), FILES.len());
        for (path, content) in &FILES[2..] {
            assert_eq!(text(&format!("podx/{path}")), *content);
        }
        assert_eq!(packaged.bytes, merged(files, Absent::Refused).unwrap().bytes, "the same chart is the same bytes");
    }
}

#[test]
fn the_own_values_alone_are_no_values_files() {
    let effective = |files: &[&str]| effective_values_files(&files.iter().map(|file| (*file).to_owned()).collect::<Vec<_>>()).len();
    assert_eq!([effective(&[]), effective(&["values.yaml"]), effective(&["./values.yaml"])], [0; 3]);
}

#[test]
fn values_files_that_cannot_be_merged_are_refused_with_the_reason() {
    let decoding =
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}";
    let parsing = "error converting YAML to JSON: yaml: line 1: did not find expected node content";
    let missing = |path: &str| format!("no values file found at path '{path}'");
    let cases = [
        ("nope.yaml", missing("nope.yaml")),
        ("../x.yaml", missing("../x.yaml")),
        ("templates/cm.yaml", missing("templates/cm.yaml")),
        ("bad.yaml", format!("unmarshaling values from 'bad.yaml' failed: {parsing}")),
        ("list.yaml", format!("unmarshaling values from 'list.yaml' failed: {decoding}")),
    ];
    for (path, why) in cases {
        let Err(Refusal::Build(error)) = merged(&["values.yaml", path], Absent::Refused) else { unreachable!("{path} is taken") };
        assert_eq!(error.to_string(), format!("values files merge error: failed to merge chart values: {why}"));
    }
}

#[test]
fn missing_values_files_may_be_passed_over_and_are_told() {
    let some = merged(&["values.yaml", "none.yaml", "prod.yaml"], Absent::Ignored).unwrap();
    assert_eq!(some.values_files, ["values.yaml", "prod.yaml"]);
    let none = merged(&["none.yaml", "no.yaml"], Absent::Ignored).unwrap();
    assert!(none.values_files.is_empty());
    assert_eq!(none.listing()["podx/values.yaml"], b"");
    assert!(matches!(merged(&["values.yaml", "none.yaml"], Absent::Refused), Err(Refusal::Build(_))));
}
