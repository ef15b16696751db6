//! `headwater demo`: what it says, how it ends, and that nothing is left of it.

use std::{
    fs,
    io::Read as _,
    path::Path,
    process::{Child, Stdio},
    time::Duration,
};

use headwater_testing::{
    PATIENCE, command, eventually,
    process::{ask, ended},
};
use regex::Regex;

/// The demo on a machine with nothing installed and for a user without a home; only the folder for what is temporary is given.
fn demo(temporary: &Path, arguments: &[&str]) -> Child {
    let output = fs::File::create(temporary.with_file_name("output")).unwrap();
    command(env!("CARGO_BIN_EXE_headwater"))
        .arg("demo")
        .args(arguments)
        .env_clear()
        .envs([("PATH", ""), ("TMPDIR", temporary.to_str().unwrap())])
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn temporary(folder: &Path) -> std::path::PathBuf {
    let temporary = folder.join("tmp");
    fs::create_dir(&temporary).unwrap();
    temporary
}

fn said(temporary: &Path) -> String {
    fs::read_to_string(temporary.with_file_name("output")).unwrap()
}

fn complaints(child: &mut Child) -> String {
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    text
}

fn left(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The output without what is different in each run.
fn redacted(output: &str, temporary: &Path) -> String {
    let output = output.replace(temporary.to_str().unwrap(), "<TMPDIR>").replace(env!("CARGO_PKG_VERSION"), "<version>");
    [
        (r"headwater-demo-\w+", "headwater-demo-<random>"),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:<port>"),
        (r"[0-9a-f]{64}", "<sha256>"),
        (r"[0-9a-f]{40}", "<commit>"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "<time>"),
        (r"\d+ bytes", "<size> bytes"),
        (r"\d+ ms|\d+\.\d s", "<duration>"),
        // Only who is fast enough sees what is under way.
        (r"(?m)^ +… .*\n", ""),
    ]
    .iter()
    .fold(output, |text, (pattern, name)| Regex::new(pattern).unwrap().replace_all(&text, *name).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn once_says_each_step_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let temporary = temporary(folder.path());
    let mut child = demo(&temporary, &["--once"]);
    let status = ended(&mut child).await;
    let (output, complaints) = (said(&temporary), complaints(&mut child));
    assert_eq!((status.code(), complaints.as_str()), (Some(0), ""), "{output}");
    assert!(!output.contains('\x1b'), "{output}");
    insta::assert_snapshot!(redacted(&output, &temporary));
    assert_eq!(left(&temporary), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn once_fails_in_one_line_where_it_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let mut child = demo(&missing, &["--once"]);
    let status = ended(&mut child).await;
    let complaints = complaints(&mut child);
    assert_eq!((status.code(), complaints.lines().count()), (Some(1), 1), "{complaints}");
    assert!(complaints.contains(missing.to_str().unwrap()) && complaints.contains("TMPDIR"), "{complaints}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stays_until_a_signal_and_leaves_nothing() {
    for signal in ["-INT", "-TERM", "-HUP"] {
        let folder = tempfile::tempdir().unwrap();
        let temporary = temporary(folder.path());
        let mut child = demo(&temporary, &[]);
        eventually(PATIENCE, async || {
            let output = said(&temporary);
            if output.contains(" events\n") { Ok(()) } else { Err(output) }
        })
        .await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(child.try_wait().unwrap().is_none());
        let output = redacted(&said(&temporary), &temporary);
        let command = "   $ kubectl --kubeconfig <TMPDIR>/headwater-demo-<random>/data/kubeconfig get gitrepositories,helmrepositories,helmcharts -o wide\n";
        assert!(output.contains(command), "{output}");
        ask(&child, signal);
        let status = ended(&mut child).await;
        assert_eq!((status.code(), complaints(&mut child).as_str()), (Some(0), ""), "{signal}");
        assert_eq!(left(&temporary), Vec::<String>::new(), "{signal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_has_to_read_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let temporary = temporary(folder.path());
    let mut demo = command(env!("CARGO_BIN_EXE_headwater"));
    demo.args(["demo", "--once"]).env("TMPDIR", &temporary).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = demo.spawn().unwrap();
    drop(child.stdout.take());
    let status = ended(&mut child).await;
    assert_eq!((status.code(), complaints(&mut child).as_str()), (Some(0), ""));
    assert_eq!(left(&temporary), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_at_any_moment_ends_it_and_leaves_nothing() {
    for delay in [5, 20, 60, 150, 300, 500] {
        let folder = tempfile::tempdir().unwrap();
        let temporary = temporary(folder.path());
        let mut child = demo(&temporary, &["--once"]);
        // Its handlers are there before its folder is.
        eventually(PATIENCE, async || if left(&temporary).is_empty() { Err("no folder".to_owned()) } else { Ok(()) }).await;
        tokio::time::sleep(Duration::from_millis(delay)).await;
        ask(&child, "-INT");
        let status = ended(&mut child).await;
        let (output, complaints) = (said(&temporary), complaints(&mut child));
        let whole = output.contains("as it was published");
        assert_eq!(status.code(), Some(i32::from(!whole)), "after {delay} ms: {output}{complaints}");
        assert_eq!(left(&temporary), Vec::<String>::new(), "after {delay} ms");
    }
}
