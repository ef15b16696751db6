//! Watchers that do not read, and the memory that they cost.

use headwater_testing::kubernetes::rest::{MAPS, MERGE, map, version};
use serde_json::json;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use super::process::Standalone;

/// Opens a watch over a connection of its own and never reads from it.
async fn deaf(url: &str, query: &str) -> TcpStream {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await.unwrap();
    let request = format!("GET {MAPS}?watch=1&{query} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// How often an object is changed while nobody reads.
const CHANGES: u64 = 80;

#[tokio::test(flavor = "multi_thread")]
async fn watchers_that_do_not_read_cost_little_and_hinder_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let mut process = Standalone::new(folder.path());
    process.start().await;
    let api = process.api.clone();
    let from = version(&api.get(MAPS).await.ok());
    // Some start with a large state, some from a version.
    for number in 0..20 {
        api.post(MAPS, &map(&format!("large{number}"), &"x".repeat(250_000))).await.ok();
    }
    let before = process.memory();
    let mut sockets = Vec::new();
    for number in 0..20 {
        let query = if number % 2 == 0 { format!("resourceVersion={from}") } else { String::new() };
        sockets.push(deaf(&api.url, &query).await);
    }
    let from = version(&api.get(&format!("{MAPS}?limit=1")).await.ok());
    let mut good = api.watch(MAPS, &format!("resourceVersion={from}")).await;
    let reading = tokio::spawn(async move {
        let mut last = from;
        for number in 0..CHANGES {
            let (told, name, object) = good.event().await;
            assert_eq!((told.as_str(), name.as_str()), ("MODIFIED", format!("large{}", number % 20).as_str()));
            assert_eq!(object["data"]["n"], number.to_string(), "in order, without a gap");
            assert!(version(&object) > last);
            last = version(&object);
        }
    });
    let mut most = 0;
    for number in 0..CHANGES {
        let change = json!({"data": {"n": number.to_string()}});
        api.patch(&format!("{MAPS}/large{}", number % 20), MERGE, &change).await.ok();
        most = most.max(process.memory());
    }
    reading.await.unwrap();
    // 20 MB were written, and as much was there before. What is remembered is at most 64 MB; a copy for each watcher would be 400 MB.
    let growth = most.saturating_sub(before) >> 20;
    assert!(growth < 160, "{growth} MB more than the {} MB before", before >> 20);
    let mut fresh = api.watch(MAPS, "").await;
    assert_eq!(fresh.event().await.0, "ADDED");
    drop(sockets);
}
