//! Servers that answer with something else than an index: each ends in a condition, and recovers.

use std::time::{Duration, Instant};

use axum::body::Bytes;
use headwater_testing::charts::{Answer, gzip};
use serde_json::json;

use super::{FETCH, LOAD, SMALL, Stage};
use crate::support::{
    artifact::{check, download},
    cluster::{Server, on_each_server},
    namespace::condition,
};

const PAGE: &str = "<!DOCTYPE html>\n<html>\n<head><title>Sign in: please</title></head>\n<body>\n<p>Welcome</p>\n</body>\n</html>\n";

on_each_server!(an_answer_that_is_no_index_fails_the_pass_and_the_next_index_recovers_it);
async fn an_answer_that_is_no_index_fails_the_pass_and_the_next_index_recovers_it(server: &Server) {
    let stage = Stage::new(server, "helm-mishaps").await;
    let (good, zipped) = (Bytes::from(SMALL), gzip(SMALL.as_bytes()));
    let hostile = [b"\x1b[31mred\r\nsecond line\0".as_slice(), "x".repeat(100_000).as_bytes()].concat();
    let broken = |text: &'static str| Answer::Status(200, text.into());
    let status = |name: &str, status: &str| format!("{FETCH}failed to fetch {}/index.yaml : {status}", stage.charts.url(name));
    let get = |name: &str| format!("{FETCH}Get \"{}/index.yaml\": ", stage.charts.url(name));
    let decode = |why: &str| format!("{LOAD}error unmarshaling JSON: while decoding JSON: json: {why}");
    let yaml = |why: &str| format!("{LOAD}error converting YAML to JSON: yaml: {why}");
    let cases = [
        ("s404", Answer::Status(404, "".into()), "Failed", status("s404", "404 Not Found")),
        ("s500", Answer::Status(500, hostile.into()), "Failed", status("s500", "500 Internal Server Error")),
        ("s204", Answer::Status(204, "".into()), "Failed", status("s204", "204 No Content")),
        ("s206", Answer::Status(206, good.clone()), "Failed", status("s206", "206 Partial Content")),
        ("s304", Answer::Status(304, "".into()), "Failed", status("s304", "304 Not Modified")),
        ("cut", Answer::Cut, "Failed", get("cut")),
        ("zip-none", Answer::Gzip(good.clone()), "Failed", get("zip-none")),
        ("zip-half", Answer::Gzip(zipped[..zipped.len() / 2].to_vec().into()), "Failed", get("zip-half")),
        ("empty", broken(""), "IndexationFailed", format!("{LOAD}empty index.yaml file")),
        ("html", broken(PAGE), "IndexationFailed", yaml("line 3: mapping values are not allowed in this context")),
        ("word", broken("nonsense"), "IndexationFailed", decode("cannot unmarshal string into Go value of type repo.IndexFile")),
        ("list", broken("[]"), "IndexationFailed", format!("{LOAD}json: cannot unmarshal array into Go value of type repo.IndexFile")),
        ("half", Answer::Status(200, good.slice(..SMALL.find("odx-1.0").unwrap())), "IndexationFailed", yaml("line ")),
        ("no-version", broken("entries: {}"), "IndexationFailed", format!("{LOAD}no API version specified")),
        ("no-yaml", broken("apiVersion: [v1"), "IndexationFailed", yaml("line 1: did not find expected ',' or ']'")),
        ("binary", Answer::Status(200, zipped.clone().into()), "IndexationFailed", yaml("")),
        ("unknown", broken("apiVersion: v1\nextra: 1\n"), "IndexationFailed", decode("unknown field \"extra\"")),
        (
            "twice",
            broken("apiVersion: v1\nentries:\n  a: []\n  a: []\n"),
            "IndexationFailed",
            yaml("unmarshal errors:\n  line 4: key \"a\" already set in map"),
        ),
        ("type", broken("apiVersion: v1\nentries: 7\n"), "IndexationFailed", decode("cannot unmarshal number into Go ")),
    ];
    for (name, answer, ..) in &cases {
        let path = format!("{name}/index.yaml");
        stage.charts.put(&path, SMALL);
        stage.charts.answer(&path, answer.clone());
        stage.source(name, json!({"timeout": "5s"})).await;
    }
    for (name, _, reason, why) in &cases {
        let (said, text) = stage.refused(name).await;
        assert!(said == *reason && text.starts_with(why), "{name}: {said}: {text}\nnot {why}");
        assert_eq!(stage.stored(name), Vec::<String>::new(), "{name}");
        stage.charts.behave(&format!("{name}/index.yaml"));
    }
    for (name, ..) in &cases {
        let object = stage.helm.ready(name).await;
        check(&object, &download(&object).await.unwrap());
        assert!(condition(&object, "FetchFailed").is_none(), "{object}");
    }
    let left: Vec<_> = std::fs::read_dir(&stage.world.controller.temporary).unwrap().flatten().map(|file| file.path()).collect();
    let files = left.iter().filter(|path| path.is_file()).count();
    assert_eq!(files, 0, "{left:?}");
}

on_each_server!(a_server_that_hangs_fails_by_the_timeout_of_the_object);
async fn a_server_that_hangs_fails_by_the_timeout_of_the_object(server: &Server) {
    let stage = Stage::new(server, "helm-hang").await;
    let start = Instant::now();
    let wait = Answer::Redirect("../hang/index.yaml".into());
    for (name, answer) in [("hang", Answer::Hang), ("stall", Answer::Stall), ("sent-there", wait)] {
        stage.charts.put(&format!("{name}/index.yaml"), SMALL);
        stage.charts.answer(&format!("{name}/index.yaml"), answer);
        stage.source(name, json!({"timeout": "1s"})).await;
    }
    for name in ["hang", "stall", "sent-there"] {
        let why = format!("{FETCH}Get \"{}/index.yaml\": context deadline exceeded", stage.charts.url(name));
        assert_eq!(stage.refused(name).await, ("Failed".to_owned(), why));
    }
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    for name in ["hang", "stall", "sent-there"] {
        stage.charts.behave(&format!("{name}/index.yaml"));
    }
    for name in ["hang", "stall", "sent-there"] {
        stage.helm.ready(name).await;
    }
}

on_each_server!(a_server_that_is_not_there_is_told_as_such);
async fn a_server_that_is_not_there_is_told_as_such(server: &Server) {
    let stage = Stage::new(server, "helm-closed").await;
    stage.helm.source("x", json!({"url": "http://127.0.0.1:1/x"})).await;
    let (reason, text) = stage.refused("x").await;
    assert!(reason == "Failed" && text.starts_with(&format!("{FETCH}Get \"http://127.0.0.1:1/x/index.yaml\": ")), "{text}");
    assert!(text.to_lowercase().contains("connection refused"), "{text}");
}

on_each_server!(an_index_may_be_json_and_bad_versions_are_left_out);
async fn an_index_may_be_json_and_bad_versions_are_left_out(server: &Server) {
    let stage = Stage::new(server, "helm-json").await;
    let json = r#"{"apiVersion":"v1","entries":{"a":[{"name":"a","version":"1.0.0","urls":["a.tgz"],"extra":1}]},"extra":2}"#;
    stage.charts.put("json/index.yaml", json);
    let beside = "apiVersion: v1\nentries:\n  a:\n  - {name: a, version: latest}\n  - {name: a, version: 1.0.0}\n  - {name: b/c, version: 2.0.0}\n  -\n";
    stage.charts.put("beside/index.yaml", beside);
    for name in ["json", "beside"] {
        stage.source(name, json!({})).await;
    }
    for name in ["json", "beside"] {
        let stored: serde_json::Value = serde_json::from_slice(&download(&stage.helm.ready(name).await).await.unwrap()).unwrap();
        let versions = stored["entries"]["a"].as_array().unwrap();
        assert_eq!((versions.len(), &versions[0]["version"]), (1, &json!("1.0.0")), "{stored}");
    }
}
