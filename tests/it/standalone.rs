//! `headwater standalone` as a process: what it refuses, and what survives its end.

mod access;
mod crash;
mod process;
mod refusals;
mod watchers;

use std::{fs, path::Path, process::Output, time::Duration};

use headwater_testing::{command, eventually, git::Repository, port};

use crate::support::{
    artifact,
    standalone::{Standalone, file_url, map, source},
};

fn run(arguments: &[&str]) -> Output {
    command("timeout").args(["20", env!("CARGO_BIN_EXE_headwater"), "standalone"]).args(arguments).output().unwrap()
}

fn refused(arguments: &[&str], words: &[&str]) {
    let output = run(arguments);
    let (log, out) = (String::from_utf8(output.stderr).unwrap(), String::from_utf8(output.stdout).unwrap());
    assert_eq!((output.status.code(), log.lines().count(), out.as_str()), (Some(1), 1, ""), "{arguments:?}: {log}");
    for word in words {
        assert!(log.contains(word), "{arguments:?}: {word} is not in {log}");
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn what_cannot_work_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let (manifests, data, file) = (folder.path().join("m"), folder.path().join("d"), folder.path().join("file"));
    fs::create_dir(&manifests).unwrap();
    fs::write(&file, "").unwrap();
    let missing = folder.path().join("missing");
    let (manifests, data, file, missing) = (text(&manifests), text(&data), text(&file), text(&missing));
    let (listen, storage) = (format!("--listen={}", port::address()), format!("--storage-addr={}", port::address()));
    let with = |more: &[&str], words: &[&str]| {
        let mut arguments = vec![listen.as_str(), &storage, "--manifests", manifests, "--data", data];
        for pair in more.chunks(2) {
            arguments.retain(|argument| !argument.starts_with(&format!("{}=", pair[0])));
            if let Some(at) = arguments.iter().position(|argument| *argument == pair[0]) {
                arguments.drain(at..at + 2);
            }
            arguments.extend(pair);
        }
        refused(&arguments, words);
    };
    with(&["--manifests", missing], &["--manifests", missing, "No such file"]);
    assert!(!Path::new(data).exists(), "nothing is written before the folder of manifests is there");
    with(&["--manifests", file], &["--manifests", file, "not a folder"]);
    with(&["--data", file], &[file, "--data"]);
    with(&["--data", "/proc/none"], &["/proc/none", "--data"]);
    with(&["--listen", "nonsense"], &["nonsense", "host:port"]);
    with(&["--listen", "127.0.0.1:99999"], &["127.0.0.1:99999", "host:port"]);
    with(&["--listen", "127.0.0.1"], &["127.0.0.1", "host:port"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    with(&["--listen", &address], &[&address, "in use"]);
    with(&["--storage-addr", &address], &[&address, "in use"]);
}

#[test]
fn a_missing_or_unknown_flag_is_a_matter_of_usage() {
    let output = run(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--manifests"));
}

#[tokio::test(flavor = "multi_thread")]
async fn data_in_use_by_another_process_is_refused() {
    let first = Standalone::started().await;
    let data = first.folder.path().join("data");
    let (listen, storage) = (format!("--listen={}", port::address()), format!("--storage-addr={}", port::address()));
    refused(&["--manifests", text(&first.manifests), "--data", text(&data), &listen, &storage], &[text(&data), "in use"]);
    // Nothing of what clients of the first one use was touched.
    let kubeconfig = fs::read_to_string(data.join("kubeconfig")).unwrap();
    assert!(kubeconfig.contains(&first.url), "{kubeconfig}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_it_well_and_leaves_nothing_temporary() {
    for signal in ["-TERM", "-INT"] {
        let mut server = Standalone::started().await;
        let status = server.stop(signal).await;
        assert_eq!(status.code(), Some(0), "{signal}: {}", server.log());
        let left: Vec<_> = fs::read_dir(server.folder.path().join("tmp")).unwrap().collect();
        assert!(left.is_empty(), "{signal}: {left:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_served_again_at_once_after_a_kill() {
    let mut server = Standalone::new(&[]);
    let repository = Repository::init(&server.folder.path().join("r.git"));
    let commit = repository.commit(&[("a.yaml", "a: 1\n")]);
    let url = file_url(&server.folder.path().join("r.git"));
    server.write("all.yaml", &format!("{}---\n{}", source("x", &url), map("m", "1")));
    server.start().await;
    let before = server.ready("x", &commit).await;
    let bytes = artifact::download(&before).await.unwrap();
    artifact::check(&before, &bytes);
    let map = server.has("m", "1").await;
    for round in 0..3 {
        server.kill();
        let took = server.start().await;
        // The first answers, without any patience.
        let object = server.source("x").await.unwrap();
        assert_eq!(object, before, "round {round}");
        assert_eq!(server.map("m").await.unwrap(), map, "round {round}");
        let again = eventually(Duration::from_secs(1), async || artifact::download(&object).await).await;
        assert_eq!(again, bytes, "round {round}");
        eprintln!("round {round}: the API answers after {took:?}");
        // Long enough for a first pass over everything, which changes nothing.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let later = server.source("x").await.unwrap();
        assert_eq!(later, before, "round {round}");
    }
}
