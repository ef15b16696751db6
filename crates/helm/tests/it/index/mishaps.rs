//! Servers that answer with something else than an index.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use headwater_helm::web::Access;
use headwater_testing::charts::{Answer, ChartRepository, gzip};

use super::{
    Refusal::{Fetch, Index},
    SMALL, SMALL_JSON, access, index,
};

const PAGE: &str = "<!DOCTYPE html>\n<html>\n<head><title>Sign in: please</title></head>\n<body>\n<p>Welcome</p>\n</body>\n</html>\n";

#[tokio::test]
async fn an_answer_that_is_no_index_is_refused_and_the_next_index_is_taken() {
    let charts = ChartRepository::start().await;
    let (good, zipped) = (Bytes::from(SMALL), gzip(SMALL.as_bytes()));
    let hostile = [b"\x1b[31mred\r\nsecond line\0".as_slice(), "x".repeat(100_000).as_bytes()].concat();
    let broken = |text: &'static str| Answer::Status(200, text.into());
    let status = |name: &str, status: &str| Fetch(format!("failed to fetch {}/index.yaml : {status}", charts.url(name)));
    let get = |name: &str| Fetch(format!("Get \"{}/index.yaml\": ", charts.url(name)));
    let decode = |why: &str| Index(format!("error unmarshaling JSON: while decoding JSON: json: {why}"));
    let yaml = |why: &str| Index(format!("error converting YAML to JSON: yaml: {why}"));
    let read = |why: &str| Index(why.to_owned());
    let cases = [
        ("s404", Answer::Status(404, "".into()), status("s404", "404 Not Found")),
        ("s500", Answer::Status(500, hostile.into()), status("s500", "500 Internal Server Error")),
        ("s204", Answer::Status(204, "".into()), status("s204", "204 No Content")),
        ("s206", Answer::Status(206, good.clone()), status("s206", "206 Partial Content")),
        ("s304", Answer::Status(304, "".into()), status("s304", "304 Not Modified")),
        ("cut", Answer::Cut, get("cut")),
        ("zip-none", Answer::Gzip(good.clone()), get("zip-none")),
        ("zip-half", Answer::Gzip(zipped[..zipped.len() / 2].to_vec().into()), get("zip-half")),
        ("empty", broken(""), read("empty index.yaml file")),
        ("html", broken(PAGE), yaml("line 3: mapping values are not allowed in this context")),
        ("word", broken("nonsense"), decode("cannot unmarshal string into Go value of type repo.IndexFile")),
        ("list", broken("[]"), read("json: cannot unmarshal array into Go value of type repo.IndexFile")),
        ("half", Answer::Status(200, good.slice(..SMALL.find("odx-1.0").unwrap())), yaml("line ")),
        ("no-version", broken("entries: {}"), read("no API version specified")),
        ("no-yaml", broken("apiVersion: [v1"), yaml("line 1: did not find expected ',' or ']'")),
        ("binary", Answer::Status(200, zipped.clone().into()), yaml("")),
        ("unknown", broken("apiVersion: v1\nextra: 1\n"), decode("unknown field \"extra\"")),
        (
            "twice",
            broken("apiVersion: v1\nentries:\n  a: []\n  a: []\n"),
            yaml("unmarshal errors:\n  line 4: key \"a\" already set in map"),
        ),
        ("type", broken("apiVersion: v1\nentries: 7\n"), decode("cannot unmarshal number into Go ")),
    ];
    for (name, answer, why) in cases {
        let (path, repository) = (format!("{name}/index.yaml"), access(&charts.url(name)));
        charts.put(&path, SMALL);
        charts.answer(&path, answer);
        let refused = index(&repository).await.unwrap_err();
        let same = std::mem::discriminant(&refused) == std::mem::discriminant(&why);
        assert!(same && refused.text().starts_with(why.text()), "{name}: {refused:?}\nnot {why:?}");
        charts.behave(&path);
        assert_eq!(index(&repository).await.unwrap(), SMALL_JSON, "{name}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_fails_by_the_timeout_of_the_repository() {
    let (charts, start) = (ChartRepository::start().await, Instant::now());
    let wait = Answer::Redirect("../hang/index.yaml".into());
    for (name, answer) in [("hang", Answer::Hang), ("stall", Answer::Stall), ("sent-there", wait)] {
        charts.put(&format!("{name}/index.yaml"), SMALL);
        charts.answer(&format!("{name}/index.yaml"), answer);
    }
    let late = async |name: &str| {
        let repository = Access { timeout: Duration::from_millis(300), ..access(&charts.url(name)) };
        let why = format!("Get \"{}/index.yaml\": context deadline exceeded", charts.url(name));
        assert_eq!(index(&repository).await, Err(Fetch(why)));
    };
    tokio::join!(late("hang"), late("stall"), late("sent-there"));
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    for name in ["hang", "stall", "sent-there"] {
        charts.behave(&format!("{name}/index.yaml"));
        assert_eq!(index(&access(&charts.url(name))).await.unwrap(), SMALL_JSON);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_as_such() {
    let refused = index(&access("http://127.0.0.1:1/x")).await.unwrap_err();
    assert!(matches!(&refused, Fetch(text) if text.starts_with("Get \"http://127.0.0.1:1/x/index.yaml\": ")), "{refused:?}");
    assert!(refused.text().to_lowercase().contains("connection refused"), "{refused:?}");
}

#[tokio::test]
async fn an_index_may_be_json_and_bad_versions_are_left_out() {
    let charts = ChartRepository::start().await;
    let json = r#"{"apiVersion":"v1","entries":{"a":[{"name":"a","version":"1.0.0","urls":["a.tgz"],"extra":1}]},"extra":2}"#;
    charts.put("json/index.yaml", json);
    let beside = "apiVersion: v1\nentries:\n  a:\n  - {name: a, version: latest}\n  - {name: a, version: 1.0.0}\n  - {name: b/c, version: 2.0.0}\n  -\n";
    charts.put("beside/index.yaml", beside);
    for name in ["json", "beside"] {
        let stored: serde_json::Value = serde_json::from_str(&index(&access(&charts.url(name))).await.unwrap()).unwrap();
        let versions = stored["entries"]["a"].as_array().unwrap();
        assert_eq!((versions.len(), &versions[0]["version"]), (1, &serde_json::json!("1.0.0")), "{stored}");
    }
}
