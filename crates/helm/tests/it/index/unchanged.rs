//! What an index costs that has not changed, and which servers are believed.

use headwater_helm::web::{Fetched, Validators};
use headwater_testing::charts::{self, ChartRepository};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::{LARGEST, SMALL, SMALL_HEX, SMALL_JSON, access, content, fetch, index};

/// Asks for the index of a folder, unless it is that of `known`.
async fn ask(charts: &ChartRepository, folder: &str, known: Option<&Validators>) -> (Fetched, NamedTempFile) {
    fetch(&access(&charts.url(folder)), known, LARGEST).await.unwrap()
}

/// What the server said of an index that was written.
fn said(fetched: Fetched) -> Validators {
    match fetched {
        Fetched::Written(validators) => validators,
        Fetched::Unchanged => unreachable!("it was not asked for that"),
    }
}

#[tokio::test]
async fn an_unchanged_index_costs_a_header() {
    for (told, shown) in [
        (charts::Validators::Tag, "if-none-match"),
        (charts::Validators::Weak, "if-none-match"),
        (charts::Validators::Date, "if-modified-since"),
    ] {
        let charts = ChartRepository::start().await;
        charts.set_validators(told);
        charts.publish("c", &[("podx", "1.0.0")]);
        let (fetched, first) = ask(&charts, "c", None).await;
        assert!(charts.seen()[0].header(shown).is_none());
        let (known, bytes) = (said(fetched), charts.bytes("c/index.yaml"));
        assert_eq!(content(&first).len(), bytes);
        // What was said is kept as JSON from one process to the next.
        let known: Validators = serde_json::from_str(&serde_json::to_string(&known).unwrap()).unwrap();
        for _ in 0..2 {
            let (fetched, nothing) = ask(&charts, "c", Some(&known)).await;
            assert_eq!((fetched, content(&nothing).len()), (Fetched::Unchanged, 0), "{told:?}");
            assert_eq!(charts.bytes("c/index.yaml"), bytes, "{told:?}");
            assert!(charts.seen().last().unwrap().header(shown).is_some(), "{told:?}");
        }
        assert_eq!(charts.requests("c/index.yaml"), 3, "{told:?}");
        charts.publish("c", &[("podx", "1.0.0"), ("podx", "1.1.0")]);
        let (fetched, second) = ask(&charts, "c", Some(&known)).await;
        assert_ne!(said(fetched), known, "{told:?}");
        assert_ne!(content(&second), content(&first), "{told:?}");
    }
}

#[tokio::test]
async fn another_url_is_asked_for_without_conditions() {
    let charts = ChartRepository::start().await;
    charts.set_validators(charts::Validators::Tag);
    for path in ["x/index.yaml", "y/index.yaml"] {
        charts.put(path, SMALL);
    }
    let known = said(ask(&charts, "x", None).await.0);
    let known = said(ask(&charts, "y", Some(&known)).await.0);
    assert_eq!(charts.bytes("y/index.yaml"), SMALL.len());
    assert_eq!(ask(&charts, "y", Some(&known)).await.0, Fetched::Unchanged);
    assert_eq!((charts.requests("y/index.yaml"), charts.bytes("y/index.yaml")), (2, SMALL.len()));
    let conditions: Vec<_> = charts.seen().iter().map(|seen| seen.header("if-none-match").is_some()).collect();
    assert_eq!(conditions, [false, false, true]);
}

#[tokio::test]
async fn other_contents_are_a_change_whatever_the_server_says() {
    let charts = ChartRepository::start().await;
    charts.set_validators(charts::Validators::Lie);
    charts.publish("lies", &[("podx", "1.0.0")]);
    let (fetched, first) = ask(&charts, "lies", None).await;
    charts.publish("lies", &[("podx", "2.0.0")]);
    let known = said(fetched);
    let (fetched, second) = ask(&charts, "lies", Some(&known)).await;
    assert_eq!(said(fetched), known);
    assert_ne!(content(&second), content(&first));
    assert!(charts.seen().last().unwrap().header("if-none-match").is_some());
}

#[tokio::test]
async fn a_compressed_index_arrives_as_it_was() {
    let charts = ChartRepository::start().await;
    charts.set_validators(charts::Validators::Tag);
    charts.compress("x/index.yaml");
    charts.put("x/index.yaml", SMALL);
    let (fetched, file) = ask(&charts, "x", None).await;
    assert_eq!(hex::encode(Sha256::digest(content(&file))), SMALL_HEX);
    let bytes = charts.bytes("x/index.yaml");
    assert!((1..SMALL.len()).contains(&bytes), "{bytes} bytes");
    assert_eq!(ask(&charts, "x", Some(&said(fetched))).await.0, Fetched::Unchanged);
    assert_eq!((charts.requests("x/index.yaml"), charts.bytes("x/index.yaml")), (2, bytes));
    assert_eq!(index(&access(&charts.url("x"))).await.unwrap(), SMALL_JSON);
}
