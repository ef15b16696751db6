//! One life of a mirror: a bare repository that only grows, until it is removed as a whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use gix::ObjectId;

/// The file with the commits that are there with their whole trees, one a line, the newest last.
const TIPS: &str = "tips";
/// More bytes than this of that file are not read.
const TIPS_LENGTH: u64 = 1 << 20;
/// So many packs slow down looking for objects.
const MOST_PACKS: usize = 100;
/// A repository that grew by this factor holds mostly what nobody needs any more.
const MOST_GROWTH: u64 = 4;
/// Growth does not count below this many bytes.
const SMALL: u64 = 64 << 20;

/// A bare repository with the trees of some commits.
pub(crate) struct Generation {
    folder: PathBuf,
    tips: Mutex<Vec<ObjectId>>,
    /// Bytes on disk, and how many there were after the first fetch.
    size: AtomicU64,
    first: AtomicU64,
    born: SystemTime,
    /// Whether a commit was added.
    filled: AtomicBool,
    condemned: AtomicBool,
}

impl Generation {
    /// An empty one for the mirror in `folder`. It is removed when it is dropped, unless a commit was [added](Self::add).
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        let born = SystemTime::now();
        let name = born.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        if folder.is_file() {
            fs::remove_file(folder)?;
        }
        let folder = folder.join(name.to_string());
        fs::create_dir_all(&folder)?;
        Ok(Self {
            folder,
            tips: Mutex::default(),
            size: AtomicU64::new(0),
            first: AtomicU64::new(0),
            born,
            filled: AtomicBool::new(false),
            condemned: AtomicBool::new(false),
        })
    }

    /// The newest that an earlier process left in `folder` and that can be used; all others are removed.
    pub(super) fn newest(folder: &Path) -> Option<Self> {
        let mut names: Vec<(u128, PathBuf)> = fs::read_dir(folder)
            .ok()?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .map(|path| (path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok()).unwrap_or_default(), path))
            .collect();
        names.sort();
        let newest = names.pop().and_then(|(born, path)| Self::open(born, path));
        for (_, path) in names {
            // What cannot be removed now is tried again at the next start.
            drop(fs::remove_dir_all(path));
        }
        newest
    }

    fn open(born: u128, folder: PathBuf) -> Option<Self> {
        let mut text = String::new();
        let read = File::open(folder.join(TIPS)).and_then(|file| file.take(TIPS_LENGTH).read_to_string(&mut text));
        // A line that was cut off is no commit.
        let tips: Vec<_> = text.lines().filter_map(|line| ObjectId::from_hex(line.as_bytes()).ok()).collect();
        if read.is_err() || tips.is_empty() || tidy(&folder).is_err() {
            drop(fs::remove_dir_all(folder));
            return None;
        }
        let born = SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::try_from(born).unwrap_or_default());
        let size = size(&folder).unwrap_or_default();
        Some(Self {
            folder,
            tips: Mutex::new(tips),
            size: AtomicU64::new(size),
            first: AtomicU64::new(size),
            born,
            filled: AtomicBool::new(true),
            condemned: AtomicBool::new(false),
        })
    }

    /// The repository.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The last `most` commits that are there.
    pub(crate) fn tips(&self, most: usize) -> Vec<ObjectId> {
        let tips = self.tips.lock().unwrap_or_else(PoisonError::into_inner);
        tips[tips.len().saturating_sub(most)..].to_vec()
    }

    /// Whether these commits and tags are there with all that they lead to.
    pub(crate) fn has_all(&self, ids: &[ObjectId]) -> bool {
        let tips = self.tips.lock().unwrap_or_else(PoisonError::into_inner);
        ids.iter().all(|id| tips.contains(id))
    }

    /// Notes that commits or tags are there now.
    ///
    /// # Errors
    /// When that cannot be written down; then it is not noted.
    pub(crate) fn add(&self, ids: &[ObjectId]) -> io::Result<()> {
        let size = size(&self.folder)?;
        let mut tips = self.tips.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = OpenOptions::new().create(true).append(true).open(self.folder.join(TIPS))?;
        for id in ids {
            if !tips.contains(id) {
                file.write_all(format!("{id}\n").as_bytes())?;
                tips.push(*id);
            }
        }
        self.size.store(size, Ordering::Relaxed);
        if !self.filled.swap(true, Ordering::Relaxed) {
            self.first.store(size, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Bytes on disk after the last fetch.
    pub(crate) fn size(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }

    /// Has it removed as soon as nobody reads from it any more.
    pub(crate) fn condemn(&self) {
        self.condemned.store(true, Ordering::Relaxed);
    }

    /// Whether it must not be used any more.
    pub(crate) fn is_condemned(&self) -> bool {
        self.condemned.load(Ordering::Relaxed)
    }

    /// Whether making it anew would be better than to add to it.
    pub(crate) fn is_worn_out(&self, age: Duration) -> bool {
        let old = self.born.elapsed().is_ok_and(|elapsed| elapsed > age);
        let size = self.size();
        let grown = size > SMALL && size > self.first.load(Ordering::Relaxed).saturating_mul(MOST_GROWTH);
        let packs = || {
            let indices =
                |file: &io::Result<fs::DirEntry>| file.as_ref().is_ok_and(|file| file.path().extension().is_some_and(|e| e == "idx"));
            fs::read_dir(self.folder.join("objects/pack")).map_or(0, |files| files.filter(indices).count())
        };
        old || grown || packs() > MOST_PACKS
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        if (self.is_condemned() || !self.filled.load(Ordering::Relaxed))
            && let Err(error) = fs::remove_dir_all(&self.folder)
        {
            tracing::warn!(%error, "cannot remove a mirror of a Git repository");
        }
    }
}

/// Removes what a process that died in the middle of a fetch left: locks, and packs without an index.
fn tidy(folder: &Path) -> io::Result<()> {
    match fs::remove_file(folder.join("shallow.lock")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    for entry in fs::read_dir(folder.join("objects/pack"))? {
        let path = entry?.path();
        let whole = match path.extension().and_then(|extension| extension.to_str()) {
            Some("idx") => true,
            Some("pack" | "keep") => path.with_extension("idx").exists(),
            _ => false,
        };
        if !whole {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Bytes of all files below a folder.
fn size(folder: &Path) -> io::Result<u64> {
    let mut total = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        total += if about.is_dir() { size(&entry.path())? } else { about.len() };
    }
    Ok(total)
}
