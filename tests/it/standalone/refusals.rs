//! Databases and folders that are refused.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use headwater_testing::tmpfs::Tmpfs;

use super::process::Standalone;

/// All files of a folder with what is in them.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path => found.push((path.clone(), fs::read(path).unwrap())),
            }
        }
    }
    found.sort();
    found
}

/// Checks that the process ended with one line that says all of this.
fn says(output: &Output, words: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = text.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(lines.len(), 1, "{text}");
    for word in words {
        assert!(lines[0].contains(word), "{word:?} is not in: {text}");
    }
}

/// A data folder as a run leaves it, and a process that is to refuse it.
async fn left() -> (tempfile::TempDir, Standalone, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let mut process = Standalone::new(folder.path());
    process.start().await;
    process.kill();
    let file = process.data.join("api/objects.redb");
    (folder, process, file)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_in_use_is_refused_and_its_user_is_not_disturbed() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Standalone::new(folder.path());
    first.start().await;
    let second = Standalone::new(folder.path());
    let refusal = second.refusal().await;
    says(&refusal, &["objects.redb", "in use by another process", "stop that one"]);
    first.api.get("/api/v1/namespaces").await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_whole_is_refused_and_left_as_it_is() {
    let (folder, process, file) = left().await;
    let good = fs::read(&file).unwrap();
    let truncated: &[usize] = &[0, 5, 4096, good.len() / 2, good.len() - 1];
    for length in truncated {
        fs::write(&file, &good[..*length]).unwrap();
        let before = contents(&folder.path().join("data/api"));
        let refusal = process.refusal().await;
        says(&refusal, &["objects.redb", "damaged, or not a file of objects", "restore it from a backup"]);
        assert!(contents(&folder.path().join("data/api")) == before, "truncated to {length}: it was changed");
    }
    for other in [&b"not a database"[..], &vec![0; 1 << 20], &b"SQLite format 3\0"[..]] {
        fs::write(&file, other).unwrap();
        says(&process.refusal().await, &["objects.redb", "does not start like a database"]);
        assert!(fs::read(&file).unwrap() == other);
    }
    // A folder of that name.
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    says(&process.refusal().await, &["objects.redb"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_a_newer_release_or_of_something_else_is_refused() {
    let (folder, process, file) = left().await;
    {
        let database = redb::Database::open(&file).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(redb::TableDefinition::<&str, u64>::new("meta")).unwrap().insert("format", 2).unwrap();
        transaction.commit().unwrap();
    }
    let before = contents(&folder.path().join("data/api"));
    says(&process.refusal().await, &["objects.redb", "newer release", "format 2", "knows format 1"]);
    assert!(contents(&folder.path().join("data/api")) == before);

    fs::remove_file(&file).unwrap();
    redb::Database::create(&file).unwrap();
    let before = contents(&folder.path().join("data/api"));
    says(&process.refusal().await, &["objects.redb", "database of something else"]);
    assert!(contents(&folder.path().join("data/api")) == before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_written_to_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("data"), "a file").unwrap();
    let process = Standalone::new(folder.path());
    says(&process.refusal().await, &["data", "--data"]);
    fs::remove_file(folder.path().join("data")).unwrap();

    // Not even root writes here.
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    let Some(disk) = Tmpfs::mount(&data, "ro,size=1m") else { return };
    says(&process.refusal().await, &["data", "ead-only file system"]);
    drop(disk);
    // One that is full.
    let Some(_disk) = Tmpfs::mount(&data, "size=64k") else { return };
    fs::write(data.join("ballast"), vec![0; 60_000]).unwrap();
    says(&process.refusal().await, &["o space left"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_that_are_no_folder_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let process = Standalone::new(folder.path());
    fs::remove_dir(folder.path().join("manifests")).unwrap();
    says(&process.refusal().await, &["--manifests", "manifests"]);
    fs::write(folder.path().join("manifests"), "").unwrap();
    says(&process.refusal().await, &["--manifests", "not a folder"]);
}
