//! Waiting for facts.

use std::time::{Duration, Instant};

/// The time within which something should happen that happens soon, on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Time between two questions.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks `probe` again and again until it answers `Ok`, and panics with its last complaint when `limit` is over.
pub async fn eventually<T>(limit: Duration, mut probe: impl AsyncFnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match probe().await {
            Ok(value) => return value,
            Err(complaint) if start.elapsed() > limit => panic!("not within {limit:?}: {complaint}"),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
