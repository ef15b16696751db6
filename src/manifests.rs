//! A folder of manifests, and a server that is kept as the folder is.
//!
//! Objects are applied as one field manager, changes within a second, and what is removed from the folder is deleted from
//! the server if it was applied from there. What cannot be read or is refused is told with file and line, keeps its last
//! good state and never stops the rest. While it is not certain that an object is gone from the folder, it stays.

mod apply;
mod failing;
mod order;
mod parse;
mod pass;
mod read;
mod watch;

use std::path::PathBuf;

use kube::Client;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use pass::Keeper;
use watch::{Followed, Watch};

/// Keeps the server as the folder is until `stop`. Never fails: what does is logged, and tried again.
pub async fn run(client: Client, folder: PathBuf, stop: CancellationToken) {
    let mut watch = Watch::new(&folder);
    let mut keeper = Keeper::new(client, folder.clone());
    let kept = async {
        loop {
            let again = keeper.pass().await;
            if watch.follow(&folder, &keeper.folders) == Followed::Same {
                let rest = Instant::now() + watch.rest();
                watch.change(again.map_or(rest, |again| again.min(rest))).await;
            }
        }
    };
    stop.run_until_cancelled(kept).await.unwrap_or(());
}
