//! Measures how fast a directory becomes an archive, how small, and how much faster the next one is
//! when 20 files changed: run with `--release` and the path of a directory. Files are read into
//! memory before.
#![expect(clippy::print_stdout, reason = "its results")]

use std::{
    collections::HashMap,
    error::Error,
    fs, io,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    sync::atomic::AtomicBool,
    time::{Duration, Instant},
};

use bstr::{BStr, BString};
use headwater_storage::{Algorithm, Contents, Entry, Ignore, Location, Mode, Options, Reader, Retention, Storage};

struct Memory(HashMap<BString, Vec<u8>>);

impl Contents for Memory {
    fn reader(&self) -> Reader<'_> {
        Box::new(|entry, out| {
            out.extend_from_slice(self.0.get(&entry.path).ok_or(io::ErrorKind::NotFound)?);
            Ok(())
        })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let top = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: throughput <directory>")?);
    let (entries, memory) = load(&top)?;
    let (next, changed) = change(&entries, &memory, 20);
    let scratch = tempfile::TempDir::new()?;
    let at = Location::new("example", "default", "tree", "tree.tar.gz")?;
    let ignore = Ignore::new(&[], Some("!*"));

    let mut file = PathBuf::new();
    let mut took = Vec::new();
    for threads in [1, 2] {
        let retention = Retention { ttl: Duration::ZERO, records: 1 };
        let root = scratch.path().to_owned();
        let options = Options { root, algorithm: Algorithm::Sha256, retention, threads };
        let storage = Storage::open(options)?;
        let start = Instant::now();
        let before = cpu()?;
        storage.archive(&at, &entries, &memory, &ignore, &AtomicBool::new(false), None)?;
        took.push((threads, start.elapsed()));
        file = storage.file(&at);
        println!("{threads} threads, from nothing: {:.2?}, CPU {:.2?}", start.elapsed(), cpu()?.saturating_sub(before));
        let then = Location::new("example", "default", "tree", "next.tar.gz")?;
        let (start, before) = (Instant::now(), cpu()?);
        let stored = storage.archive(&then, &next, &changed, &ignore, &AtomicBool::new(false), Some(&at))?;
        println!("{threads} threads, 20 changed: {:.2?}, CPU {:.2?}", start.elapsed(), cpu()?.saturating_sub(before));
        let full = storage.archive(&then, &next, &changed, &ignore, &AtomicBool::new(false), None)?;
        println!("the same bytes: {}", full == stored);
    }

    let packed = fs::read(file)?;
    let mut tar = Vec::new();
    io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed[..]), &mut tar)?;
    for (threads, time) in took {
        println!("{threads} threads: {:.0} MB/s", rate(tar.len(), time));
    }
    let start = Instant::now();
    let mut single = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    io::Write::write_all(&mut single, &tar)?;
    let single = single.finish()?;
    println!("one stream: {:.0} MB/s", rate(tar.len(), start.elapsed()));
    println!("tar {} bytes, archive {}, one stream {}", tar.len(), packed.len(), single.len());
    Ok(())
}

/// The same tree with a line added to some files.
fn change(entries: &[Entry], memory: &Memory, count: usize) -> (Vec<Entry>, Memory) {
    let (mut entries, mut contents) = (entries.to_vec(), memory.0.clone());
    let step = (entries.len() / count).max(1);
    for entry in entries.iter_mut().step_by(step).take(count) {
        let text = contents.entry(entry.path.clone()).or_default();
        text.extend_from_slice(b"# one more line\n");
        entry.id = hex::decode(Algorithm::Sha256.digest(text).hex()).unwrap_or_default();
        entry.size = text.len() as u64;
    }
    (entries, Memory(contents))
}

/// What this process has computed so far.
fn cpu() -> Result<Duration, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
    // In the 100 ticks a second that Linux shows to programs.
    Ok(Duration::from_millis(10 * fields.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>()))
}

#[expect(clippy::cast_precision_loss, reason = "a measure for people")]
fn rate(bytes: usize, time: Duration) -> f64 {
    bytes as f64 / 1e6 / time.as_secs_f64()
}

fn load(top: &Path) -> Result<(Vec<Entry>, Memory), Box<dyn Error>> {
    let (mut entries, mut contents) = (Vec::new(), HashMap::new());
    let mut dirs = vec![top.to_owned()];
    while let Some(dir) = dirs.pop() {
        for found in fs::read_dir(dir)? {
            let found = found?;
            let kind = found.file_type()?;
            if kind.is_dir() {
                dirs.push(found.path());
            } else if kind.is_file() {
                let text = fs::read(found.path())?;
                let run = found.metadata()?.permissions().mode() & 0o111 != 0;
                let relative = found.path().strip_prefix(top)?.to_owned();
                let path: BString = BStr::new(relative.as_os_str().as_bytes()).to_owned();
                entries.push(Entry {
                    path: path.clone(),
                    mode: if run { Mode::Executable } else { Mode::File },
                    id: hex::decode(Algorithm::Sha256.digest(&text).hex()).unwrap_or_default(),
                    size: text.len() as u64,
                });
                contents.insert(path, text);
            }
        }
    }
    Ok((entries, Memory(contents)))
}
