#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::PathBuf;

use headwater_testing::git::{Repository, server::GitServer};
use tempfile::TempDir;

use super::super::tests::{branch, remote, sample};
use super::super::{Checkout, Content, Remote, fetch, resolve};
use super::*;

const BUDGET: Budget = Budget { size: 1 << 30, age: Duration::from_hours(1) };

/// A repository, and a place for mirrors.
struct Place {
    server: GitServer,
    repository: Repository,
    root: TempDir,
}

impl Place {
    async fn new() -> Self {
        let server = GitServer::start().await;
        let repository = server.repository("r.git");
        sample(&repository);
        Self { server, repository, root: tempfile::tempdir().unwrap() }
    }

    fn mirrors(&self) -> Mirrors {
        Mirrors::open(self.root.path(), BUDGET).unwrap()
    }

    /// Mirrors in the first slot, which found no other in use. Programs that other tests start hold locks for a moment longer than who let
    /// go of them: so those have ten seconds.
    fn first_slot(&self) -> Mirrors {
        let start = std::time::Instant::now();
        loop {
            let mirrors = self.mirrors();
            let first = mirrors.0.place.as_ref().unwrap().0.folder("").ends_with("0");
            if first && (self.packs().len() == 1 || start.elapsed() > Duration::from_secs(10)) {
                return mirrors;
            }
            drop(mirrors);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn remote(&self, mirrors: &Mirrors) -> Remote {
        Remote { mirrors: mirrors.clone(), ..remote(&self.server.url("r.git")) }
    }

    /// Adds a commit that changes one small file, and returns the text in it.
    fn commit(&self, number: u32) -> String {
        let text = format!("a: number {number}\n");
        self.repository.change("main", &text, &[("100644", "a.yaml", text.as_bytes())]);
        text
    }

    /// All files of the mirrors but locks.
    fn files(&self) -> Vec<PathBuf> {
        let (mut found, mut open) = (Vec::new(), vec![self.root.path().to_owned()]);
        while let Some(folder) = open.pop() {
            for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() { open.push(path) } else { found.push(path) }
            }
        }
        found.sort();
        found
    }

    fn packs(&self) -> Vec<PathBuf> {
        self.files().into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "pack")).collect()
    }
}

async fn checkout(remote: &Remote) -> Result<Checkout, Error> {
    let scratch = tempfile::tempdir().unwrap();
    let head = resolve(&Remote { asked: Instant::now(), ..remote.clone() }, &branch("main")).await?;
    fetch(remote, &head, &Content::default(), scratch.path()).await
}

/// The contents of a file.
fn text(checkout: &Checkout, path: &str) -> std::io::Result<String> {
    use headwater_storage::Contents as _;
    let entries = checkout.entries();
    let mut out = Vec::new();
    checkout.reader()(entries.iter().find(|entry| entry.path == path).unwrap(), &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_commit_costs_its_difference_and_a_known_one_nothing() {
    let place = Place::new().await;
    let noise: Vec<_> = (0..200).map(|n| (format!("dir/{n}.bin"), rand::random::<[u8; 2048]>())).collect();
    let noise: Vec<_> = noise.iter().map(|(path, bytes)| ("100644", path.as_str(), bytes.as_slice())).collect();
    place.repository.change("main", "noise", &noise);
    place.commit(0);
    let mirrors = place.mirrors();
    let remote = place.remote(&mirrors);
    checkout(&remote).await.unwrap();
    assert_eq!(place.server.seen().len(), 3, "greeting, references, pack");
    let first = place.server.sent();

    checkout(&remote).await.unwrap();
    assert_eq!(place.server.seen().len(), 4, "references alone: {:#?}", place.server.seen());

    let (before, wanted) = (place.server.sent(), place.commit(1));
    let fetched = checkout(&remote).await.unwrap();
    assert_eq!(text(&fetched, "a.yaml").unwrap(), wanted);
    assert_eq!(text(&fetched, "dir/sub/run.sh").unwrap(), "#!/bin/sh\n");
    assert_eq!(place.server.seen().len(), 6, "references and a pack");
    let cost = place.server.sent() - before;
    assert!(first > 400_000 && cost < 4096, "{first} bytes at first, {cost} for a new commit");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_many_ask_for_at_once_is_fetched_once() {
    let place = Place::new().await;
    let mirrors = place.mirrors();
    let remote = place.remote(&mirrors);
    let asks = (0..20).map(|_| {
        let remote = remote.clone();
        tokio::spawn(async move {
            let scratch = tempfile::tempdir().unwrap();
            let head = resolve(&remote, &branch("main")).await.unwrap();
            fetch(&remote, &head, &Content::default(), scratch.path()).await.unwrap().entries().len()
        })
    });
    let found: Vec<_> = futures::future::try_join_all(asks).await.unwrap();
    assert_eq!(found, vec![5; 20]);
    assert_eq!(place.server.seen().len(), 3, "greeting, references, pack");
    // Who asks later gets a later answer.
    resolve(&Remote { asked: Instant::now(), ..remote }, &branch("main")).await.unwrap();
    assert_eq!(place.server.seen().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_credentials_mean_another_mirror() {
    let place = Place::new().await;
    let mirrors = place.mirrors();
    let one = place.remote(&mirrors);
    let mut other = one.clone();
    other.credentials = headwater_http::Credentials::basic("user", "word");
    checkout(&one).await.unwrap();
    let before = place.server.seen().len();
    checkout(&other).await.unwrap();
    assert_eq!(place.server.seen().len(), before + 3, "nothing is shared");
    assert_eq!(place.packs().len(), 2);
    let names = format!("{:?}", place.files());
    assert!(!names.contains("user") && !names.contains("127.0.0.1"), "{names}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_to_a_mirror_it_is_made_anew() {
    type Harm = fn(&Place);
    let harms: [(&str, Harm); 6] = [
        ("a pack is gone", |place| place.packs().iter().for_each(|pack| fs::remove_file(pack).unwrap())),
        ("an empty pack", |place| place.packs().iter().for_each(|pack| fs::write(pack, "").unwrap())),
        ("flipped bits", |place| {
            for pack in place.packs() {
                let mut bytes = fs::read(&pack).unwrap();
                for byte in bytes.iter_mut().skip(12) {
                    *byte ^= 0x55;
                }
                fs::remove_file(&pack).unwrap();
                fs::write(&pack, bytes).unwrap();
            }
        }),
        ("no folder", |place| {
            for entry in fs::read_dir(place.root.path().join("0")).unwrap().map(|entry| entry.unwrap().path()) {
                if entry.is_dir() {
                    fs::remove_dir_all(entry).unwrap();
                }
            }
        }),
        ("no index", |place| {
            for index in place.files().iter().filter(|path| path.extension().is_some_and(|e| e == "idx")) {
                fs::remove_file(index).unwrap();
            }
        }),
        ("nonsense in the boundary", |place| {
            for path in place.files().iter().filter(|path| path.ends_with("shallow")) {
                fs::write(path, "nonsense\n").unwrap();
            }
        }),
    ];
    for (name, harm) in harms {
        for restart in [false, true] {
            let place = Place::new().await;
            let mut mirrors = place.mirrors();
            checkout(&place.remote(&mirrors)).await.unwrap();
            harm(&place);
            if restart {
                drop(mirrors);
                mirrors = place.mirrors();
            }
            let wanted = place.commit(1);
            let fetched = checkout(&place.remote(&mirrors)).await;
            let fetched = fetched.map_err(|error| format!("{name}, restart {restart}: {error}")).unwrap();
            assert_eq!(text(&fetched, "a.yaml").unwrap(), wanted, "{name}");
            assert_eq!(text(&fetched, "dir/sub/run.sh").unwrap(), "#!/bin/sh\n", "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_keep_apart_and_the_next_one_takes_over() {
    let place = Place::new().await;
    let (one, two) = (place.mirrors(), place.mirrors());
    checkout(&place.remote(&one)).await.unwrap();
    checkout(&place.remote(&two)).await.unwrap();
    assert_eq!(place.packs().len(), 2);
    drop((one, two));
    // What a process that was killed in the middle of a fetch leaves behind.
    let pack = place.packs().remove(0);
    fs::write(pack.with_file_name("tmp_pack_x"), "half").unwrap();
    fs::write(pack.with_file_name("pack-0000000000000000000000000000000000000000.pack"), "half").unwrap();
    fs::write(pack.parent().unwrap().parent().unwrap().with_file_name("shallow.lock"), "").unwrap();
    let next = place.first_slot();
    assert_eq!(place.packs().len(), 1, "what nobody uses any more is removed: {:?}", place.files());
    let (before, wanted) = (place.server.seen().len(), place.commit(1));
    assert_eq!(text(&checkout(&place.remote(&next)).await.unwrap(), "a.yaml").unwrap(), wanted);
    assert_eq!(place.server.seen().len(), before + 3);
    assert_eq!(place.packs().len(), 2, "one pack more: {:?}", place.files());
}

#[tokio::test(flavor = "multi_thread")]
async fn mirrors_fit_their_budget_and_those_in_use_stay_until_they_are_read() {
    let place = Place::new().await;
    let mirrors = Mirrors::open(place.root.path(), Budget { size: 1, ..BUDGET }).unwrap();
    let kept = checkout(&place.remote(&mirrors)).await.unwrap();
    assert_eq!(place.packs().len(), 1);
    assert_eq!(text(&kept, "dir/sub/run.sh").unwrap(), "#!/bin/sh\n");
    drop(kept);
    assert_eq!(place.packs(), Vec::<PathBuf>::new());

    let none = Mirrors::open(place.root.path(), Budget { size: 0, ..BUDGET }).unwrap();
    checkout(&place.remote(&none)).await.unwrap();
    assert_eq!(place.packs(), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_mirror_is_made_anew_when_there_is_something_to_fetch() {
    let place = Place::new().await;
    let mirrors = Mirrors::open(place.root.path(), Budget { age: Duration::ZERO, ..BUDGET }).unwrap();
    checkout(&place.remote(&mirrors)).await.unwrap();
    let old = place.packs();
    checkout(&place.remote(&mirrors)).await.unwrap();
    assert_eq!(place.packs(), old, "nothing new");
    place.commit(1);
    checkout(&place.remote(&mirrors)).await.unwrap();
    assert_eq!(place.packs().len(), 1);
    assert_ne!(place.packs(), old);
}
