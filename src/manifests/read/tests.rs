#![expect(clippy::unwrap_used, reason = "tests")]

use std::os::unix::fs::{PermissionsExt, symlink};

use tempfile::TempDir;

use super::*;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn map(name: &str) -> String {
    format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}}}\n")
}

/// A look some time after the last change.
fn late(dir: &TempDir, before: &Manifests) -> Scan {
    scan(dir.path(), before, SystemTime::now() + Duration::from_mins(1)).unwrap()
}

fn names(files: &Manifests) -> Vec<String> {
    files.values().flat_map(|file| &file.objects).map(|object| object.key.name.clone()).collect()
}

#[test]
fn manifests_are_found_in_folders_and_leftovers_are_not() {
    let [a, b, c, x] = [map("a"), map("b"), map("c"), map("x")];
    let dir = folder(&[
        ("a.yaml", &a),
        ("sub/b.yml", &b),
        ("sub/deep/c.json", &c),
        ("readme.md", &x),
        (".hidden.yaml", &x),
        (".git/x.yaml", &x),
        ("a.yaml~", &x),
        ("a.yaml.swp", &x),
        ("x.tmp/x.yaml", &x),
        (".#a.yaml", &x),
    ]);
    assert_eq!(names(&late(&dir, &Manifests::new()).files), ["a", "b", "c"]);
}

#[test]
fn links_are_followed_once_and_circles_end() {
    let dir = folder(&[("a/one.yaml", &map("one")), ("..2026/app.yaml", &map("app"))]);
    symlink("..2026", dir.path().join("..data")).unwrap();
    symlink("..data/app.yaml", dir.path().join("app.yaml")).unwrap();
    symlink("..", dir.path().join("a/up")).unwrap();
    symlink(".", dir.path().join("a/self")).unwrap();
    symlink("a", dir.path().join("b")).unwrap();
    let scan = late(&dir, &Manifests::new());
    assert_eq!(names(&scan.files), ["one", "app"]);
    assert!(scan.unread.is_empty());
    let real = fs::canonicalize(dir.path().join("..2026")).unwrap();
    assert!(scan.folders.contains_key(&real), "where the linked file is can change too");
    // As a mounted ConfigMap is changed: the link to the folder is replaced.
    fs::create_dir(dir.path().join("..2027")).unwrap();
    fs::write(dir.path().join("..2027/app.yaml"), map("new")).unwrap();
    symlink("..2027", dir.path().join("..new")).unwrap();
    fs::rename(dir.path().join("..new"), dir.path().join("..data")).unwrap();
    assert_eq!(names(&late(&dir, &scan.files).files), ["one", "new"]);
}

#[test]
fn what_leads_nowhere_is_told_and_keeps_what_it_had() {
    let dir = folder(&[("sub/a.yaml", &map("a")), ("b.yaml", &map("b"))]);
    let before = late(&dir, &Manifests::new()).files;
    fs::rename(dir.path().join("sub"), dir.path().join(".away")).unwrap();
    symlink("nowhere", dir.path().join("sub")).unwrap();
    symlink("itself.yaml", dir.path().join("itself.yaml")).unwrap();
    let scan = late(&dir, &before);
    assert_eq!(scan.unread.len(), 2);
    assert_eq!(scan.unread[&dir.path().join("sub")], "No such file or directory");
    assert_eq!(names(&scan.files), ["b", "a"]);
}

#[test]
fn pipes_are_not_opened() {
    let dir = folder(&[("a.yaml", &map("a"))]);
    let made = headwater_testing::command("mkfifo").arg(dir.path().join("p.yaml")).status().unwrap();
    assert!(made.success());
    symlink("/dev/null", dir.path().join("null.yaml")).unwrap();
    let scan = late(&dir, &Manifests::new());
    assert_eq!(names(&scan.files), ["a"]);
    assert!(scan.unread.values().all(|reason| reason == "not a regular file") && scan.unread.len() == 2);
}

#[test]
fn a_broken_file_keeps_its_last_good_state() {
    let dir = folder(&[("a.yaml", &map("a"))]);
    let file = dir.path().join("a.yaml");
    let good = late(&dir, &Manifests::new()).files;
    fs::write(&file, "\n\n{broken").unwrap();
    let broken = late(&dir, &good).files;
    assert_eq!(names(&broken), ["a"]);
    assert_eq!(broken[&file].fault.as_ref().unwrap().line, 3);
    fs::write(&file, b"a: b\nc: \xff\n").unwrap();
    let binary = late(&dir, &broken).files;
    assert_eq!(binary[&file].fault, Some(Fault { line: 2, reason: "not UTF-8".to_owned() }));
    assert_eq!(names(&binary), ["a"]);
    fs::write(&file, map("b")).unwrap();
    let mended = late(&dir, &binary).files;
    assert_eq!((names(&mended), &mended[&file].fault), (vec!["b".to_owned()], &None));
}

#[test]
fn half_written_files_are_not_believed_at_once() {
    let dir = folder(&[("a.yaml", &map("a"))]);
    let file = dir.path().join("a.yaml");
    let good = late(&dir, &Manifests::new()).files;
    for half in ["", "{apiVersion: v1, kind", "# nothing\n"] {
        fs::write(&file, half).unwrap();
        let changed = fs::metadata(&file).unwrap().modified().unwrap();
        let look = |after| scan(dir.path(), &good, changed + Duration::from_millis(after)).unwrap().files;
        let soon = look(100);
        assert!(soon[&file].unsettled && soon[&file].fault.is_none());
        assert_eq!(names(&soon), ["a"]);
        let settled = look(400);
        assert!(!settled[&file].unsettled);
        assert_eq!(settled[&file].fault.is_some(), half.starts_with('{'));
    }
    // What is complete is taken at once.
    fs::write(&file, map("b")).unwrap();
    assert_eq!(names(&scan(dir.path(), &good, SystemTime::now()).unwrap().files), ["b"]);
}

#[test]
fn files_that_did_not_change_are_not_read_again() {
    let dir = folder(&[("a.yaml", &map("a"))]);
    let first = late(&dir, &Manifests::new()).files;
    let second = late(&dir, &first).files;
    let file = dir.path().join("a.yaml");
    assert!(Arc::ptr_eq(&first[&file].objects[0], &second[&file].objects[0]));
    // One of the same size and, on a coarse clock, of the same time is another file if it is new.
    let time = fs::metadata(&file).unwrap().modified().unwrap();
    fs::write(dir.path().join("new"), map("b")).unwrap();
    File::open(dir.path().join("new")).unwrap().set_modified(time).unwrap();
    fs::rename(dir.path().join("new"), &file).unwrap();
    assert_eq!(names(&late(&dir, &second).files), ["b"]);
    // One that was just written may be written again within the clock's step.
    let just = scan(dir.path(), &Manifests::new(), SystemTime::now()).unwrap().files;
    assert!(just[&file].print.is_none());
}

#[test]
fn what_is_missing_or_too_much_says_nothing_about_the_rest() {
    let dir = folder(&[("a.yaml", "a")]);
    assert_eq!(scan(&dir.path().join("none"), &Manifests::new(), SystemTime::now()).unwrap_err(), "No such file or directory");
    assert_eq!(scan(&dir.path().join("a.yaml"), &Manifests::new(), SystemTime::now()).unwrap_err(), "not a folder");
    File::create(dir.path().join("a.yaml")).unwrap().set_len(MAX_FILE + 1).unwrap();
    assert_eq!(late(&dir, &Manifests::new()).unread[&dir.path().join("a.yaml")], "larger than 4194304 bytes");
    fs::create_dir_all(dir.path().join("d/".repeat(MAX_DEPTH + 1))).unwrap();
    assert_eq!(scan(dir.path(), &Manifests::new(), SystemTime::now()).unwrap_err(), "more than 32 folders deep");
}

#[test]
fn folders_without_permission_are_told() {
    let dir = folder(&[("sub/a.yaml", &map("a"))]);
    let sub = dir.path().join("sub");
    fs::set_permissions(&sub, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read_dir(&sub).is_ok() {
        // The superuser may do anything.
        return;
    }
    assert_eq!(late(&dir, &Manifests::new()).unread[&sub], "Permission denied");
}

#[test]
fn a_file_that_goes_is_gone() {
    let dir = folder(&[("a.yaml", &map("a")), ("b.yaml", &map("b"))]);
    let before = late(&dir, &Manifests::new()).files;
    fs::remove_file(dir.path().join("a.yaml")).unwrap();
    assert_eq!(names(&late(&dir, &before).files), ["b"]);
}
