//! Pointers, attributes and objects as Git LFS itself makes them.

use headwater_testing::{command, needs};

use super::*;
use crate::LocalRepositories;

fn git(at: &Path, args: &[&str]) -> Vec<u8> {
    let out = command("git")
        .current_dir(at)
        .args(["-c", "user.name=n", "-c", "user.email=e@x", "-c", "commit.gpgSign=false"])
        .args(args)
        .env("HOME", at)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

/// A repository with files of Git LFS, one that looks like a pointer, and what its tree holds at each path.
fn sample(root: &Path) -> Vec<(BString, Vec<u8>)> {
    git(root, &["init", "-q", "-b", "main", "."]);
    git(root, &["lfs", "install", "--local"]);
    git(root, &["lfs", "track", "*.bin", "with space/**"]);
    std::fs::create_dir_all(root.join("with space")).unwrap();
    std::fs::write(root.join("a.bin"), TEXT).unwrap();
    std::fs::write(root.join("copy.bin"), TEXT).unwrap();
    std::fs::write(root.join("empty.bin"), b"").unwrap();
    std::fs::write(root.join("with space/b.txt"), vec![7; 200_000]).unwrap();
    std::fs::write(root.join("plain.txt"), git(root, &["lfs", "pointer", "--file", "a.bin"])).unwrap();
    git(root, &["add", "."]);
    git(root, &["commit", "-qm", "x"]);
    let paths = git(root, &["ls-tree", "-rz", "--name-only", "HEAD"]);
    let paths = paths.split(|byte| *byte == 0).filter(|path| !path.is_empty());
    paths.map(|path| (path.into(), git(root, &["cat-file", "blob", &format!("HEAD:{}", path.to_str().unwrap())]))).collect()
}

/// The files of Git LFS among `blobs`.
fn found(blobs: &[(BString, Vec<u8>)]) -> Vec<Wanted> {
    let rules = blobs.iter().filter(|(path, _)| path == ".gitattributes");
    let attributes = Attributes::new(rules.map(|(_, text)| (BStr::new(""), text.as_slice())));
    let pointers = blobs.iter().filter_map(|(path, text)| Some((path, Pointer::parse(text)?)));
    let files = pointers.filter(|(path, _)| attributes.is_lfs(path.as_bstr()));
    files.map(|(path, pointer)| Wanted { path: path.clone(), pointer }).collect()
}

#[tokio::test]
async fn a_local_repository_gives_its_own_objects() {
    needs!("git-lfs");
    let root = tempfile::tempdir().unwrap();
    let wanted = found(&sample(root.path()));
    let paths: Vec<_> = wanted.iter().map(|one| one.path.to_str().unwrap()).collect();
    assert_eq!(paths, ["a.bin", "copy.bin", "with space/b.txt"]);

    git(root.path(), &["worktree", "add", "-q", "--detach", "tree"]);
    for place in ["", "/.git", "/tree"] {
        let mut remote = remote(&format!("file://{}{place}", root.path().display()));
        remote.local = LocalRepositories::Allowed;
        let (folder, done) = get(&remote, &wanted).await;
        done.unwrap();
        for (name, text) in [("a.bin", TEXT.to_vec()), ("with space/b.txt", vec![7; 200_000])] {
            let one = wanted.iter().find(|one| one.path == name).unwrap();
            assert_eq!(std::fs::read(folder.path().join(&one.pointer.oid)).unwrap(), text);
        }
        remote.local = LocalRepositories::Refused;
        assert!(matches!(get(&remote, &wanted).await.1, Err(Error::UnsupportedScheme { .. })));
    }

    let mut remote = remote(&format!("file://{}", root.path().display()));
    remote.local = LocalRepositories::Allowed;
    let id = oid(TEXT);
    let object = root.path().join(".git/lfs/objects").join(&id[..2]).join(&id[2..4]).join(&id);
    let _ = std::fs::remove_file(&object);
    std::fs::write(&object, TEXT.to_ascii_uppercase()).unwrap();
    assert!(get(&remote, &wanted[..1]).await.1.unwrap_err().to_string().contains("its SHA-256 is not the one"));
    std::fs::remove_file(&object).unwrap();
    let text = get(&remote, &wanted[..1]).await.1.unwrap_err().to_string();
    assert!(text.contains("\"a.bin\"") && text.contains(&id), "{text}");
    std::fs::create_dir(&object).unwrap();
    assert!(matches!(get(&remote, &wanted[..1]).await.1, Err(Error::Lfs { .. })));
    remote.url = remote.url.with(|url| url.set_path("/none"));
    assert!(matches!(get(&remote, &wanted[..1]).await.1, Err(Error::RepositoryNotFound { .. })));
}
