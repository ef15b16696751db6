//! Indexes that are too long.

use axum::body::Bytes;
use headwater_testing::charts::{Answer, ChartRepository, gzip};

use super::{Refusal, SMALL, SMALL_JSON, access, index_up_to};

const LIMIT: usize = 100_000;

/// An index of so many bytes.
fn of_size(bytes: usize) -> Bytes {
    format!("{SMALL}#{}\n", "x".repeat(bytes - SMALL.len() - 2)).into()
}

#[tokio::test]
async fn an_index_may_be_as_large_as_the_limit_and_no_larger_in_each_way_to_send_it() {
    let charts = ChartRepository::start().await;
    let bomb = gzip(&vec![b' '; 8 << 20]);
    assert!(bomb.len() < LIMIT, "{} bytes", bomb.len());
    let ways: [(&str, usize, Option<Answer>); 8] = [
        ("plain", LIMIT, None),
        ("plain-more", LIMIT + 1, None),
        ("pieces", LIMIT, Some(Answer::Chunked)),
        ("pieces-more", LIMIT + 1, Some(Answer::Chunked)),
        ("zip", LIMIT, Some(Answer::Gzip(gzip(&of_size(LIMIT)).into()))),
        ("zip-more", LIMIT + 1, Some(Answer::Gzip(gzip(&of_size(LIMIT + 1)).into()))),
        ("bomb", SMALL.len() + 2, Some(Answer::Gzip(bomb.into()))),
        ("endless", SMALL.len() + 2, Some(Answer::Endless("# x\n"))),
    ];
    for (name, size, answer) in ways {
        let path = format!("{name}/index.yaml");
        charts.put(&path, of_size(size));
        if let Some(answer) = answer {
            charts.answer(&path, answer);
        }
        let stored = index_up_to(LIMIT as u64, &access(&charts.url(name))).await;
        if ["plain", "pieces", "zip"].contains(&name) {
            assert_eq!(stored.unwrap(), SMALL_JSON, "{name}");
        } else {
            let why = format!("index exceeds the maximum index file size of {LIMIT} bytes (--helm-index-max-size)");
            assert_eq!(stored, Err(Refusal::Fetch(why)), "{name}");
        }
    }
}
