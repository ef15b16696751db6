//! Fetching in a process of its own, so that its memory is that of the fetch.

use std::{
    env, fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use headwater_git::{Error, Limits};
use headwater_testing::{command, git::server::GitServer};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::client::{Client, main};

/// The variable that holds the order of such a process.
const VARIABLE: &str = "HEADWATER_TEST_ORDER";
/// The test that such a process runs.
const TEST: &str = "alone::a_fetch_in_a_process_of_its_own_reports_its_end";

/// A remote to fetch `main` from.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    pub url: String,
    pub timeout: Duration,
    /// Settings other than their defaults.
    pub settings: Vec<(String, u64)>,
    /// A repository that is fetched before and after.
    good: String,
    /// The file that hears of the end.
    report: PathBuf,
}

/// The end of a fetch.
#[derive(Debug, Serialize, Deserialize)]
pub struct End {
    /// The revision; none of a fetch that failed.
    pub revision: Option<String>,
    /// Paths of files.
    pub files: Vec<String>,
    /// The text of the error; empty without one.
    pub error: String,
    /// Set when nothing ended the fetch but time.
    pub is_late: bool,
    pub took: Duration,
    /// Bytes of memory that it took at most, beyond what the process had before.
    pub memory: u64,
}

/// Lets a process fetch `main` from `url`; checks that it is as well as before.
pub async fn fetch(url: &str, timeout: Duration, settings: &[(&str, u64)]) -> End {
    let (folder, git) = (tempfile::tempdir().unwrap(), GitServer::start().await);
    git.repository("good.git").commit(&[("a", "a")]);
    let order = Order {
        url: url.to_owned(),
        timeout,
        settings: settings.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
        good: git.url("good.git"),
        report: folder.path().join("report"),
    };
    let mut process = command(env::current_exe().unwrap());
    process.args(["--exact", TEST, "--nocapture"]).env(VARIABLE, serde_json::to_string(&order).unwrap());
    // Where it would be counted as a test of its own.
    process.env_remove("HEADWATER_TEST_TIMES");
    let output = Command::from(process).kill_on_drop(true).output().await.unwrap();
    let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && !told.contains("panicked"), "{}: {told}", output.status);
    serde_json::from_slice(&fs::read(&order.report).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_in_a_process_of_its_own_reports_its_end() {
    if let Some(order) = env::var_os(VARIABLE) {
        return obey(&serde_json::from_str(order.to_str().unwrap()).unwrap()).await;
    }
    let git = GitServer::start().await;
    let head = git.repository("r.git").commit(&[("one", "1"), ("two", "2")]);
    let end = fetch(&git.url("r.git"), Duration::from_secs(20), &[]).await;
    assert_eq!(end.revision.as_deref(), Some(&*format!("main@sha1:{head}")), "{end:?}");
    assert_eq!(end.files, ["one", "two"]);
    assert_eq!(end.error, "");

    git.repository("r.git").commit(&[("large", &"x".repeat(8 << 20))]);
    let end = fetch(&git.url("r.git"), Duration::from_secs(20), &[]).await;
    assert!(end.memory > 8 << 20, "what is read is held: {} MiB", end.memory >> 20);

    let end = fetch(&git.url("r.git"), Duration::from_secs(20), &[("git-max-tree-size", 1)]).await;
    assert!(end.error.ends_with("exceeds --git-max-tree-size") && !end.is_late, "{end:?}");
    assert!(end.revision.is_none() && end.files.is_empty(), "{end:?}");
}

async fn obey(order: &Order) {
    let mut client = Client::new(&order.good);
    // What a fetch takes anyway.
    client.get(&main()).await.unwrap();
    client.set_url(&order.url);
    client.remote.limits = limits(&order.settings);
    let timeout = std::mem::replace(&mut client.timeout, order.timeout);
    reset_peak();
    let (before, start) = (peak(), Instant::now());
    let done = client.get(&main()).await;
    let (took, memory) = (start.elapsed(), peak().saturating_sub(before));
    let (error, is_late) = match &done {
        Ok(_) => (String::new(), false),
        Err(error) => (error.to_string(), matches!(error, Error::Deadline { .. } | Error::Timeout { .. } | Error::Cancelled { .. })),
    };
    let (revision, files) = match done {
        Ok(fetched) => (Some(fetched.revision), fetched.files.into_keys().collect()),
        Err(_) => (None, Vec::new()),
    };
    let end = End { revision, files, error, is_late, took, memory };
    (client.timeout, client.remote.limits) = (timeout, Limits::default());
    client.set_url(&order.good);
    client.get(&main()).await.unwrap();
    fs::write(&order.report, serde_json::to_vec(&end).unwrap()).unwrap();
}

fn limits(settings: &[(String, u64)]) -> Limits {
    let mut limits = Limits::default();
    for (name, value) in settings {
        let limit = match name.as_str() {
            "git-max-refs-size" => &mut limits.refs_size,
            "git-max-blob-size" => &mut limits.blob_size,
            "git-max-entries" => &mut limits.entries,
            "git-max-tree-size" => &mut limits.tree_size,
            other => panic!("{other} is no setting of a test"),
        };
        *limit = *value;
    }
    limits
}

/// The most memory that this process ever had, in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Forgets the most so far.
fn reset_peak() {
    fs::write("/proc/self/clear_refs", "5").unwrap();
}
