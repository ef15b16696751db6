//! Checkouts of several repositories, of some folders, and with links.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use headwater_testing::command;

use super::*;
use crate::{Mirrors, Submodules, Symlinks};

/// What is in a checkout: paths with modes and contents, directories with a slash.
async fn files(remote: &Remote, content: &Content) -> Result<BTreeMap<String, String>, Error> {
    let scratch = tempfile::tempdir().unwrap();
    let head = resolve(remote, &branch("main")).await?;
    let checkout = fetch(remote, &head, content, scratch.path()).await?;
    Ok(read(&checkout))
}

fn read(checkout: &Checkout) -> BTreeMap<String, String> {
    let mut reader = checkout.reader();
    let mut files = BTreeMap::new();
    for entry in checkout.entries() {
        let mut text = Vec::new();
        let mark = match entry.mode {
            Mode::Directory => "/",
            Mode::Symlink => "?",
            Mode::Link => "@",
            Mode::File => "",
            Mode::Executable => "*",
        };
        if !matches!(entry.mode, Mode::Directory | Mode::Symlink) {
            reader(entry, &mut text).unwrap();
            assert_eq!(text.len() as u64, entry.size, "{}", entry.path);
        }
        assert!(files.insert(format!("{}{mark}", entry.path), String::from_utf8(text).unwrap()).is_none(), "{}", entry.path);
    }
    files
}

/// A repository `name` below `at` with `files`, and commits of others at `places`; `.gitmodules` is as given.
fn repository(at: &Path, name: &str, files: &[(&str, &str)], places: &[(&str, &str)]) -> String {
    let files = files.iter().map(|(path, text)| match text.strip_prefix("-> ") {
        Some(target) => ("120000", *path, target.as_bytes()),
        None => ("100644", *path, text.as_bytes()),
    });
    let places = places.iter().map(|(path, id)| ("160000", *path, id.as_bytes()));
    let entries: Vec<_> = files.chain(places).collect();
    Repository::init(&at.join(format!("{name}.git"))).commit_entries("main", name, &entries)
}

fn module(name: &str, path: &str, url: &str) -> String {
    format!("[submodule \"{name}\"]\n\tpath = {path}\n\turl = {url}\n")
}

fn recursive() -> Content {
    Content { submodules: Submodules::Recursive, ..Content::default() }
}

fn mirrors(at: &Path) -> Mirrors {
    Mirrors::open(at, crate::Budget { size: 1 << 30, age: Duration::from_hours(1) }).unwrap()
}

/// `remote` without mirrors and with them.
fn both(url: &str, at: &Path) -> [Remote; 2] {
    [remote(url), Remote { mirrors: mirrors(at), ..remote(url) }]
}

#[tokio::test(flavor = "multi_thread")]
async fn submodules_within_submodules_are_where_git_puts_them() {
    let server = GitServer::start().await;
    let inner = repository(server.root(), "g/inner", &[("i.yaml", "i")], &[]);
    let modules = module("n", "in/er", "../inner.git") + &module("gone", "gone", "../gone.git");
    let middle = repository(server.root(), "g/middle", &[(".gitmodules", &modules), ("m.yaml", "m")], &[("in/er", &inner)]);
    let modules = module("m", "mod", "./../g/middle.git") + &module("o", "deep/o", &server.url("g/inner.git"));
    let places = [("mod", middle.as_str()), ("deep/o", &inner), ("unknown", &inner)];
    repository(server.root(), "r", &[(".gitmodules", &modules), ("a.yaml", "a")], &places);
    let wanted = [
        (".gitmodules", modules.as_str()),
        ("a.yaml", "a"),
        ("deep/", ""),
        ("deep/o/", ""),
        ("deep/o/.git", "gitdir: ../../.git/modules/o\n"),
        ("deep/o/i.yaml", "i"),
        ("mod/", ""),
        ("mod/.git", "gitdir: ../.git/modules/m\n"),
        ("mod/.gitmodules", &(module("n", "in/er", "../inner.git") + &module("gone", "gone", "../gone.git"))),
        ("mod/in/", ""),
        ("mod/in/er/", ""),
        ("mod/in/er/.git", "gitdir: ../../../.git/modules/m/modules/n\n"),
        ("mod/in/er/i.yaml", "i"),
        ("mod/m.yaml", "m"),
        ("unknown/", ""),
    ];
    let wanted: BTreeMap<_, _> = wanted.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect();
    let kept = tempfile::tempdir().unwrap();
    for remote in both(&server.url("r.git"), kept.path()) {
        for _ in 0..2 {
            assert_eq!(files(&remote, &recursive()).await.unwrap(), wanted);
        }
        let empty = files(&remote, &Content::default()).await.unwrap();
        let expected = [".gitmodules", "a.yaml", "deep/", "deep/o/", "mod/", "unknown/"];
        assert_eq!(empty.keys().map(String::as_str).collect::<Vec<_>>(), expected);
    }
    // The same from this machine.
    let url = url::Url::from_file_path(server.root().join("r.git")).unwrap();
    let mut local = Remote { local: LocalRepositories::Allowed, ..remote(url.as_str()) };
    assert_eq!(files(&local, &recursive()).await.unwrap(), wanted);
    local.limits.entries = wanted.len() as u64 - 1;
    let error = files(&local, &recursive()).await.unwrap_err().to_string();
    assert!(error.ends_with("--git-max-entries"), "{error}");
    local.limits = Limits { tree_size: wanted.values().map(|text| text.len() as u64).sum::<u64>() - 2, ..Limits::default() };
    let error = files(&local, &recursive()).await.unwrap_err().to_string();
    assert!(error.ends_with("--git-max-tree-size"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_do_not_follow_to_other_hosts() {
    let (home, away) = (GitServer::start().await, GitServer::start().await);
    let id = repository(away.root(), "s", &[("s", "s")], &[]);
    let same = repository(home.root(), "t", &[("t", "t")], &[]);
    let modules = module("a", "a", &away.url("s.git")) + &module("b", "b", "../t.git");
    repository(home.root(), "r", &[(".gitmodules", &modules)], &[("a", &id), ("b", &same)]);
    let credentials = Credentials::basic("me", "s3cret");
    let files = files(&Remote { credentials, ..remote(&home.url("r.git")) }, &recursive()).await.unwrap();
    assert_eq!((files["a/s"].as_str(), files["b/t"].as_str()), ("s", "t"));
    assert!(home.seen().iter().all(|seen| seen.authorization.as_deref() == Some("Basic bWU6czNjcmV0")));
    assert!(home.seen().iter().any(|seen| seen.path.starts_with("/t.git/")));
    assert!(away.seen().len() >= 2 && away.seen().iter().all(|seen| seen.authorization.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn submodules_that_lead_astray_are_refused_by_their_path() {
    let server = GitServer::start().await;
    let id = repository(server.root(), "s", &[("s", "s")], &[]);
    let missing = "1".repeat(40);
    for (at, (url, id, why)) in [
        ("file:///srv/s", id.as_str(), "unsupported scheme 'file'"),
        ("/srv/s", &id, "unsupported scheme 'file'"),
        ("ext::sh -c touch% x", &id, "helpers are not supported"),
        ("-u./x", &id, "the URL could be taken for something else"),
        ("git@elsewhere:s.git", &id, "there are no credentials for"),
        ("../../../s.git", &id, "the URL leads above its host"),
        ("../gone.git", &id, "repository not found"),
        ("../s.git", &missing, "object not found"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("bad{at}");
        repository(server.root(), &name, &[(".gitmodules", &module("m", "d/m", url))], &[("d/m", id)]);
        let error = files(&remote(&server.url(&format!("{name}.git"))), &recursive()).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("submodule 'd/m': ") && text.contains(why), "{url}: {text}");
    }
    let text = format!("{}\tupdate = !touch x\n", module("m", "m", "../s.git"));
    repository(server.root(), "run", &[(".gitmodules", &text)], &[("m", &id)]);
    let error = files(&remote(&server.url("run.git")), &recursive()).await.unwrap_err();
    assert!(matches!(error, Error::BadTree { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_submodules_ends() {
    let server = GitServer::start().await;
    let mut id = repository(server.root(), "s0", &[("s", "s")], &[]);
    for at in 1..=18 {
        let modules = module("m", "m", &format!("../s{}.git", at - 1));
        id = repository(server.root(), &format!("s{at}"), &[(".gitmodules", &modules)], &[("m", &id)]);
    }
    let get = async |name: &str| files(&remote(&server.url(&format!("{name}.git"))), &recursive()).await;
    assert_eq!(get("s16").await.unwrap()[&format!("{}s", "m/".repeat(16))], "s");
    let error = get("s17").await.unwrap_err().to_string();
    assert!(error.contains("more than 16 submodules within each other"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn some_folders_cost_only_their_files() {
    let server = GitServer::start().await;
    let noise = |seed: u64| {
        let next = |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
        std::iter::successors(Some(seed), next).map(|state| format!("{:08x}", state >> 32)).take(5_000).collect::<String>()
    };
    let names: Vec<_> = (0..20).map(|at| (format!("d{at:02}/f.yaml"), noise(at * 7919 + 1))).collect();
    let mut all: Vec<(&str, &str)> = names.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    all.extend([("d07x", "x"), (".hidden/h", "h"), ("d08/l", "-> f.yaml")]);
    let id = repository(server.root(), "r", &all, &[("d09/m", &"2".repeat(40))]);
    let kept = tempfile::tempdir().unwrap();
    for filter in ["true", "false"] {
        git(&server.root().join("r.git"), &["config", "uploadpack.allowFilter", filter]);
        for remote in both(&server.url("r.git"), &kept.path().join(filter)) {
            for _ in 0..2 {
                for (folders, paths) in [
                    (&["d07"][..], &["d07/", "d07/f.yaml", "d07x"][..]),
                    (&["d07/"], &["d07/", "d07/f.yaml"]),
                    (&["./d08", "d07/f.yaml"], &["d07/", "d07/f.yaml", "d08/", "d08/f.yaml", "d08/l@"]),
                    (&["d09/m"], &["d09/", "d09/m/"]),
                    (&["."], &[".hidden/", ".hidden/h"]),
                ] {
                    let sparse = folders.iter().map(ToString::to_string).collect();
                    let content = Content { sparse, symlinks: Symlinks::Keep, submodules: Submodules::Recursive, ..Content::default() };
                    let files = files(&remote, &content).await.unwrap();
                    assert_eq!(files.keys().map(String::as_str).collect::<Vec<_>>(), paths, "{folders:?}");
                }
                let content = Content { sparse: vec!["d07".into(), "./gone/x".into()], ..Content::default() };
                let error = files(&remote, &content).await.unwrap_err();
                assert!(matches!(&error, Error::NoFolder { folder, .. } if folder == "./gone/x"), "{error}");
                let content = Content { sparse: vec!["./".into()], ..Content::default() };
                assert!(files(&remote, &content).await.unwrap().contains_key("d19/f.yaml"));
            }
        }
    }
    git(&server.root().join("r.git"), &["config", "uploadpack.allowFilter", "true"]);
    // How much is written to the scratch directory is about what went over the wire.
    let scratch = tempfile::tempdir().unwrap();
    let remote = remote(&server.url("r.git"));
    let head = Head { id: gix::ObjectId::from_hex(id.as_bytes()).unwrap(), revision: String::new(), tip: None, tag: None };
    let some = Content { sparse: vec!["d07".into()], ..Content::default() };
    let checkout = fetch(&remote, &head, &some, &scratch.path().join("some")).await.unwrap();
    assert_eq!(read(&checkout)["d07/f.yaml"], names[7].1);
    drop(fetch(&remote, &head, &Content::default(), &scratch.path().join("all")).await.unwrap());
    let (some, all) = (packs(&scratch.path().join("some")), packs(&scratch.path().join("all")));
    assert!(some * 15 < all, "{some} of {all} bytes");
    // Bounds hold as well.
    for (limits, setting) in [
        (Limits { tree_size: 39_000, ..Limits::default() }, "--git-max-tree-size"),
        (Limits { entries: 1, ..Limits::default() }, "--git-max-entries"),
    ] {
        let content = Content { sparse: vec!["d07".into()], ..Content::default() };
        let error = files(&Remote { limits, ..remote.clone() }, &content).await.unwrap_err().to_string();
        assert!(error.ends_with(setting), "{error}");
    }
}

/// Bytes of all packs below a folder.
fn packs(at: &Path) -> u64 {
    let mut total = 0;
    for file in walk(at) {
        if file.extension().is_some_and(|extension| extension == "pack") {
            total += std::fs::metadata(file).unwrap().len();
        }
    }
    total
}

fn walk(at: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(at).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_stay_are_kept_where_that_is_asked_for() {
    let server = GitServer::start().await;
    let id = repository(server.root(), "s", &[("s", "s"), ("up", "-> ../a"), ("out", "-> ../../a")], &[]);
    let long = format!("-> {}", "x/".repeat(2047));
    let longer = format!("-> ./{}", "x/".repeat(2046));
    let links = [
        (".gitmodules", module("m", "mod", "../s.git")),
        ("a", "a".into()),
        ("in", "-> mod/s".into()),
        ("abs", "-> /etc/passwd".into()),
        ("out", "-> ../x".into()),
        ("dir/d", "-> ../mod".into()),
        ("through", "-> dir/d/s".into()),
        ("long", long),
        ("longer", longer),
    ];
    let links: Vec<_> = links.iter().map(|(path, text)| (*path, text.as_str())).collect();
    repository(server.root(), "r", &links, &[("mod", &id)]);
    let content = Content { symlinks: Symlinks::Keep, ..recursive() };
    let kept = files(&remote(&server.url("r.git")), &content).await.unwrap();
    assert_eq!((kept["in@"].as_str(), kept["dir/d@"].as_str(), kept["mod/up@"].as_str()), ("mod/s", "../mod", "../a"));
    for out in ["abs?", "out?", "mod/out?", "through?"] {
        assert!(kept.contains_key(out), "{out}: {:?}", kept.keys());
    }
    assert!(kept.contains_key("long@") && kept.contains_key("longer@"));
    let skipped = files(&remote(&server.url("r.git")), &recursive()).await.unwrap();
    assert!(skipped.contains_key("in?") && !skipped.keys().any(|path| path.ends_with('@')));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_verification_needs_is_there() {
    let server = GitServer::start().await;
    sample(&server.repository("r.git"));
    let kept = tempfile::tempdir().unwrap();
    let bare = server.root().join("r.git");
    let object = |kind: &str, name: &str| command("git").args(["cat-file", kind, name]).current_dir(&bare).output().unwrap().stdout;
    for sparse in [Vec::new(), vec!["dir".to_owned()]] {
        let content = Content { sparse, ..Content::default() };
        for remote in both(&server.url("r.git"), &kept.path().join(content.sparse.len().to_string())) {
            for _ in 0..2 {
                let scratch = tempfile::tempdir().unwrap();
                let head = resolve(&remote, &Reference::Tag("v1.0.0".into())).await.unwrap();
                let checkout = fetch(&remote, &head, &content, scratch.path()).await.unwrap();
                assert_eq!(checkout.commit(), object("commit", "v1.0.0^{commit}"));
                assert_eq!(checkout.tag(), Some(object("tag", "v1.0.0").as_slice()));
                assert_eq!(checkout.commit_summary(), "first");
                let head = resolve(&remote, &Reference::Tag("1.1.0".into())).await.unwrap();
                let checkout = fetch(&remote, &head, &content, &scratch.path().join("x")).await.unwrap();
                assert_eq!((checkout.commit(), checkout.tag()), (object("commit", "main").as_slice(), None));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_to_what_is_kept_is_noticed_and_mended() {
    let server = GitServer::start().await;
    let lines: Vec<_> = (0..5_000_u32).map(|i| format!("{}\n", i.wrapping_mul(2_654_435_761))).collect();
    let text = lines.concat();
    let id = repository(server.root(), "s", &[("s", &text)], &[]);
    repository(server.root(), "r", &[(".gitmodules", &module("m", "m", "../s.git")), ("a", &text)], &[("m", &id)]);
    for damage in ["blob", "tree", "gone", "cut"] {
        let kept = tempfile::tempdir().unwrap();
        let remote = Remote { mirrors: mirrors(kept.path()), ..remote(&server.url("r.git")) };
        let whole = files(&remote, &recursive()).await.unwrap();
        for pack in walk(kept.path()).into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "pack")) {
            spoil(&pack, damage);
        }
        let scratch = tempfile::tempdir().unwrap();
        let head = resolve(&remote, &branch("main")).await.unwrap();
        let checkout = fetch(&remote, &head, &recursive(), scratch.path()).await.unwrap();
        let entries = checkout.entries();
        let mut reader = checkout.reader();
        let read: Vec<_> =
            entries.iter().filter(|entry| entry.mode == Mode::File).filter_map(|entry| reader(entry, &mut Vec::new()).err()).collect();
        drop(reader);
        if damage == "blob" {
            assert!(!read.is_empty() && read.iter().all(|error| error.kind() == std::io::ErrorKind::InvalidData), "{read:?}");
            assert!(checkout.discard());
        } else {
            assert!(read.is_empty(), "{damage}: {read:?}");
        }
        drop(checkout);
        assert_eq!(files(&remote, &recursive()).await.unwrap(), whole, "{damage}");
        assert_eq!(files(&remote, &recursive()).await.unwrap(), whole, "{damage}");
    }
}

/// Changes bytes of a pack: in its middle, where the one large file is, at its beginning, where the commit is, or cuts it off.
fn spoil(pack: &Path, damage: &str) {
    let mut bytes = std::fs::read(pack).unwrap();
    let mut permissions = std::fs::metadata(pack).unwrap().permissions();
    permissions.set_mode(0o644);
    std::fs::set_permissions(pack, permissions).unwrap();
    let middle = bytes.len() / 2;
    match damage {
        "blob" => bytes[middle..middle + 8].fill(0x55),
        "tree" => bytes[12..200].fill(0x55),
        "cut" => bytes.truncate(64),
        _ => {
            std::fs::remove_file(pack).unwrap();
            std::fs::remove_file(pack.with_extension("idx")).unwrap();
            return;
        }
    }
    std::fs::write(pack, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_git_lfs_take_the_places_of_their_pointers() {
    use sha2::Digest as _;
    let root = tempfile::tempdir().unwrap();
    let (large, unmarked) = ("large ".repeat(1000), "another");
    let oid = |text: &str| hex::encode(sha2::Sha256::digest(text));
    let pointer = |text: &str| format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n", oid(text), text.len());
    let keep = |name: &str, text: &str| {
        let (oid, bare) = (oid(text), root.path().join(format!("{name}.git")));
        let folder = bare.join("lfs/objects").join(&oid[..2]).join(&oid[2..4]);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(oid), text).unwrap();
    };
    let pointers = (pointer(&large), pointer(unmarked));
    let contents = [(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n"), ("d/a.bin", &pointers.0), ("d/b", &pointers.1)];
    let id = repository(root.path(), "s", &contents, &[]);
    let modules = module("m", "m", "../s.git");
    repository(root.path(), "r", &[&contents[..], &[(".gitmodules", &modules)]].concat(), &[("m", &id)]);
    keep("s", &large);
    keep("r", &large);
    let url = url::Url::from_file_path(root.path().join("r.git")).unwrap();
    let remote = Remote { local: LocalRepositories::Allowed, ..remote(url.as_str()) };
    let content = Content { lfs: crate::Lfs::Files, ..recursive() };
    let all = files(&remote, &content).await.unwrap();
    for at in ["d", "m/d"] {
        assert_eq!((&all[&format!("{at}/a.bin")], &all[&format!("{at}/b")]), (&large, &pointers.1));
    }
    assert_eq!(files(&remote, &recursive()).await.unwrap()["m/d/a.bin"], pointers.0);
    // The file that says so need not be among those that are asked for.
    let some = files(&remote, &Content { sparse: vec!["d/a".into()], ..content.clone() }).await;
    assert!(matches!(some, Err(Error::NoFolder { .. })));
    let some = files(&remote, &Content { sparse: vec!["d/a.bin".into()], ..content.clone() }).await.unwrap();
    assert_eq!(some["d/a.bin"], large);
    let limits = Limits { tree_size: 11_000, ..Limits::default() };
    let error = files(&Remote { limits, ..remote }, &content).await.unwrap_err().to_string();
    assert!(error.ends_with("--git-max-tree-size"), "{error}");
}
