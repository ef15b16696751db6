//! Bad files and bad luck.

use std::{
    io::{BufRead, BufReader, Write as _},
    process::Stdio,
};

use headwater_testing::{command, tmpfs::Tmpfs};

use super::*;

#[tokio::test]
async fn what_is_not_ours_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("objects.redb");
    let store = folder(dir.path()).unwrap();
    for index in 0..60 {
        store.write(key("ns", &format!("{index}")), None, Some(object("a", &"x".repeat(4_000)))).await.unwrap();
    }
    let open = std::fs::read(&file).unwrap();
    drop(store);
    let whole = std::fs::read(&file).unwrap();
    let refused = |content: &[u8]| {
        std::fs::write(&file, content).unwrap();
        let error = folder(dir.path()).unwrap_err();
        assert!(std::fs::read(&file).unwrap() == content, "{error}");
        assert!(error.to_string().starts_with(file.to_str().unwrap()), "{error}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        error
    };
    for content in [&b""[..], b"x", b"SQLite format 3\0 and more", &[0; 10_000]] {
        assert!(matches!(refused(content), OpenError::Damaged { .. }));
    }
    for content in [&open, &whole] {
        for length in [100, 320, 4_096, 10_000, content.len() / 2, content.len() * 3 / 4, content.len() - 1] {
            assert!(matches!(refused(&content[..length]), OpenError::Damaged { .. }), "{length}");
        }
    }
    std::fs::write(&file, &open).unwrap();
    assert_eq!(folder(dir.path()).unwrap().version(), 61);
    std::fs::write(&file, &whole).unwrap();
    assert_eq!(folder(dir.path()).unwrap().version(), 61);
    for (format, foreign) in [(2, None), (1, Some("meta"))] {
        let database = redb::Database::create(&file).unwrap();
        let write = database.begin_write().unwrap();
        write.open_table(disk::META).unwrap().insert("format", format).unwrap();
        foreign.map(|_| write.delete_table(disk::META).unwrap());
        write.commit().unwrap();
        drop(database);
        let error = refused(&std::fs::read(&file).unwrap());
        assert_eq!(matches!(error, OpenError::Newer { found: 2, .. }), foreign.is_none(), "{error}");
    }
    assert!(matches!(folder(&file), Err(OpenError::Unwritable { .. })));
    assert!(matches!(folder(Path::new("/proc/objects")), Err(OpenError::Unwritable { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_survived() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let Some(_small) = Tmpfs::mount(path, "size=2m") else { return };
    std::fs::write(path.join("ballast"), vec![1; 400_000]).unwrap();
    let store = folder(path).unwrap();
    let mut watch = store.watch("secrets", None, 1).unwrap();
    let mut last = 0;
    let mut written = 0;
    let full = loop {
        let name = format!("{written:04}");
        match store.write(key("ns", &name), None, Some(object(&name, &"x".repeat(2_000)))).await {
            Ok(stored) => last = stored.version,
            Err(error) => break error,
        }
        written += 1;
    };
    assert!(matches!(&full, StoreError::Full { path: file } if *file == path.join("objects.redb")), "{full}");
    for _ in 0..2 {
        let again = store.write(key("ns", "again"), None, Some(object("again", &"x".repeat(100_000)))).await;
        assert!(matches!(again, Err(StoreError::Full { .. })), "{again:?}");
        let all = store.list("secrets", None, Range::default()).unwrap();
        assert_eq!((all.items.len(), all.version, store.version()), (written, last, last));
        assert_eq!(store.get(&key("ns", "again")).unwrap(), None);
        tokio::time::sleep(Duration::from_millis(510)).await;
    }
    std::fs::remove_file(path.join("ballast")).unwrap();
    let after = create(&store, "after").await;
    assert!(after.version > last, "no version is given twice");
    let mut seen = Vec::new();
    while seen.last() != Some(&after.version) {
        seen.extend(watch.next().await.unwrap().iter().map(|change| change.version));
    }
    assert_eq!(seen.len(), written + 1);
    drop(store);
    assert_eq!(folder(path).unwrap().version(), after.version);
}

#[tokio::test]
async fn killed_at_any_moment_it_has_what_it_said() {
    const CHILD: &str = "HEADWATER_TEST_STORE";
    if let Some(dir) = std::env::var_os(CHILD) {
        let store = folder(Path::new(&dir)).unwrap();
        let mut writers = JoinSet::new();
        for writer in 0..4 {
            let store = store.clone();
            writers.spawn(async move {
                let name = format!("w{writer}");
                let mut version = store.get(&key("ns", &name)).unwrap().map(|stored| stored.version);
                loop {
                    let next = version.unwrap_or_default().to_string().repeat(500);
                    let stored = store.write(key("ns", &name), version, Some(object(&name, &next))).await.unwrap();
                    version = Some(stored.version);
                    writeln!(std::io::stdout(), "\nwritten {name} {}", stored.version).unwrap();
                }
            });
        }
        writers.join_all().await;
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let test = format!("{}::killed_at_any_moment_it_has_what_it_said", module_path!().split_once("::").unwrap().1);
    let mut acknowledged = BTreeMap::new();
    for round in 0..5 {
        let mut child = command(std::env::current_exe().unwrap())
            .args(["--exact", &test, "--nocapture"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut count = 0;
        for line in output.lines().map_while(Result::ok) {
            if let Some((name, version)) = line.strip_prefix("written ").and_then(|rest| rest.split_once(' ')) {
                acknowledged.insert(name.to_owned(), version.parse::<u64>().unwrap());
                count += 1;
                if count == 5 + round * 37 {
                    std::thread::sleep(Duration::from_micros(700 * round));
                    child.kill().unwrap();
                }
            }
        }
        child.wait().unwrap();
        let store = folder(dir.path()).unwrap();
        for (name, version) in &acknowledged {
            let found = store.get(&key("ns", name)).unwrap().unwrap();
            assert!(found.version >= *version && found.version <= store.version(), "{name}: {version} was acknowledged, found {found:?}");
            let data = value(&found)["data"].as_str().unwrap().to_owned();
            assert_eq!(data, data[..data.len() / 500].repeat(500));
        }
    }
    assert_eq!(acknowledged.len(), 4);
}
