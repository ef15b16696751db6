//! Servers that answer with something else than an index: each ends in a condition, and recovers.

use headwater_testing::charts::{Answer, gzip};
use serde_json::json;

use super::{FETCH, LOAD, SMALL, Stage};
use crate::support::{
    artifact::{check, download},
    cluster::{Server, on_each_server},
    namespace::condition,
};

const LIMIT: usize = 100_000;

on_each_server!(an_answer_that_is_no_index_fails_the_pass_and_the_next_index_recovers_it);
async fn an_answer_that_is_no_index_fails_the_pass_and_the_next_index_recovers_it(server: &Server) {
    let stage = Stage::with(server, "helm-mishaps", &[&format!("--helm-index-max-size={LIMIT}")]).await;
    let zipped = gzip(SMALL.as_bytes());
    let hostile = [b"\x1b[31mred\r\nsecond line\0".as_slice(), "x".repeat(100_000).as_bytes()].concat();
    let get = |name: &str, why: &str| format!("{FETCH}Get \"{}/index.yaml\": {why}", stage.charts.url(name));
    let status = format!("{FETCH}failed to fetch {}/index.yaml : 500 Internal Server Error", stage.charts.url("s500"));
    let large = format!("{FETCH}index exceeds the maximum index file size of {LIMIT} bytes");
    let none =
        format!("{LOAD}error unmarshaling JSON: while decoding JSON: json: cannot unmarshal string into Go value of type repo.IndexFile");
    let cases = [
        ("s500", Answer::Status(500, hostile.into()), "Failed", status),
        ("zip-half", Answer::Gzip(zipped[..zipped.len() / 2].to_vec().into()), "Failed", get("zip-half", "")),
        ("endless", Answer::Endless("# x\n"), "Failed", large),
        ("hang", Answer::Hang, "Failed", get("hang", "context deadline exceeded")),
        ("word", Answer::Status(200, "nonsense".into()), "IndexationFailed", none),
    ];
    for (name, answer, ..) in &cases {
        let path = format!("{name}/index.yaml");
        stage.charts.put(&path, SMALL);
        stage.charts.answer(&path, answer.clone());
        stage.source(name, json!({"timeout": if *name == "hang" { "1s" } else { "5s" }})).await;
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
