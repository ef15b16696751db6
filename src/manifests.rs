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

use std::{path::PathBuf, time::Duration};

use kube::Client;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

pub use apply::{LABEL, MANAGER};
pub use parse::MAX_OBJECTS;
pub use read::{MAX_DEPTH, MAX_ENTRIES, MAX_FILE, MAX_FILES, MAX_FOLDERS, MAX_TOTAL};

use pass::{Keeper, Settling};
use watch::{Followed, Watch};

/// The longest that a first pass waits for files that are being written.
const FIRST: Duration = Duration::from_secs(5);

/// What happened, for those who want to show it. Logged as well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// An object that was not on the server, such as `GitRepository default/podinfo`.
    Created(String),
    /// An object that was different on the server.
    Configured(String),
    /// An object that is no longer in the folder.
    Pruned(String),
    /// A line about something that fails, once: `manifests/app.yaml:12: GitRepository default/podinfo: …`.
    Failed(String),
    /// Something that no longer fails: a file, or an object.
    Mended(String),
    /// A pass is over.
    Passed(Summary),
}

/// What a pass did and found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many objects were created or configured.
    pub applied: usize,
    /// How many were as they should be.
    pub unchanged: usize,
    /// How many were deleted.
    pub pruned: usize,
    /// A line for all that fails, also if it failed before.
    pub failures: Vec<String>,
}

/// Keeps the server as the folder is until `stop`. Never fails: what does is logged, reported, and tried again.
pub async fn run(client: Client, folder: PathBuf, stop: CancellationToken, report: impl Fn(Report)) {
    let mut watch = Watch::new(&folder);
    let mut keeper = Keeper::new(client, folder.clone(), &report);
    let kept = async {
        loop {
            let done = keeper.pass().await;
            report(Report::Passed(done.summary));
            if watch.follow(&folder, &keeper.folders) == Followed::Same {
                let rest = Instant::now() + watch.rest();
                watch.change(done.again.map_or(rest, |again| again.min(rest))).await;
            }
        }
    };
    stop.run_until_cancelled(kept).await.unwrap_or(());
}

/// Makes the server as the folder is now, and ends: when nothing is left to do but what failed.
pub async fn once(client: Client, folder: PathBuf, report: impl Fn(Report)) -> Summary {
    let mut keeper = Keeper::new(client, folder, report);
    let until = Instant::now() + FIRST;
    let mut total = Summary::default();
    loop {
        let done = keeper.pass().await;
        total = Summary { applied: total.applied + done.summary.applied, pruned: total.pruned + done.summary.pruned, ..done.summary };
        match done.again {
            Some(again) if done.settling == Settling::Pending && again < until => sleep_until(again).await,
            _ => return total,
        }
    }
}
