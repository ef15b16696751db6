//! What is in the folder: which files, what changed since the last look, and the last good state of each.
//!
//! A file that cannot be used keeps the objects that it had when it last could. Links are followed, as folders that are
//! mounted from a ConfigMap consist of them; each folder is read once, so that links in a circle come to an end.

use std::{
    collections::{BTreeMap, HashSet},
    fs::{self, File, Metadata},
    io::{self, ErrorKind, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::parse::{self, Fault, Object};

/// The largest file that is read, in bytes.
pub const MAX_FILE: u64 = 4 << 20;
/// The most bytes in all files together.
pub const MAX_TOTAL: u64 = 256 << 20;
/// The most files.
pub const MAX_FILES: usize = 10_000;
/// The most folders, the outermost included.
pub const MAX_FOLDERS: usize = 2_000;
/// The most entries of all folders together, whatever they are.
pub const MAX_ENTRIES: usize = 100_000;
/// How many folders deep.
pub const MAX_DEPTH: usize = 32;
/// How long a file that is empty or cannot be parsed must have been left alone before that is believed: it may be half-written.
pub const SETTLE: Duration = Duration::from_millis(300);
/// How long no file may have changed before something is believed to be gone: of a file that is being written, the rest may follow.
pub const REMOVAL: Duration = Duration::from_millis(200);
/// A file changed more recently than this may change again without its fingerprint showing it: clocks of file systems are coarse.
const RACY: Duration = Duration::from_secs(2);

/// What differs when a file was changed or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Print {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Print {
    fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino(), bytes: metadata.len(), modified: metadata.modified().ok() }
    }

    /// Whether the file was changed within this time. A time in the future says nothing.
    fn younger(&self, than: Duration, now: SystemTime) -> bool {
        self.modified.and_then(|at| now.duration_since(at).ok()).is_some_and(|age| age < than)
    }
}

/// One file and its last good state.
#[derive(Debug, Clone, Default)]
pub struct Manifest {
    /// What it held when it last could be used.
    pub objects: Vec<Arc<Object>>,
    /// Why it cannot be used now.
    pub fault: Option<Fault>,
    /// Whether it is probably being written at this moment.
    pub unsettled: bool,
    /// Its text when it has a fault: an object whose name is not in there is not in there.
    pub text: String,
    print: Option<Print>,
}

#[cfg(test)]
impl Manifest {
    /// A good file with this text, and one with a fault otherwise.
    pub fn holding(text: &str) -> Self {
        taken(text.as_bytes().to_vec(), Some(Print { device: 0, inode: 0, bytes: 0, modified: None }), None, SystemTime::now())
    }
}

/// All files by path, in the order in which they count.
pub type Manifests = BTreeMap<PathBuf, Manifest>;

/// What one look at the folder found.
#[derive(Debug, Default)]
pub struct Scan {
    /// The files.
    pub files: Manifests,
    /// What could not be read at all, with the reason; what was known of it, or under it, stays.
    pub unread: BTreeMap<PathBuf, String>,
    /// Whether a file was changed within [`REMOVAL`].
    pub busy: bool,
    /// The folders that hold all of it, each with what tells when it is replaced by another of that name: device and inode.
    pub folders: BTreeMap<PathBuf, (u64, u64)>,
}

/// Looks at everything in `folder`; unchanged files are taken from `before` without reading them.
///
/// # Errors
/// The reason why nothing can be said: the folder is missing or cannot be read, or a bound is exceeded.
pub fn scan(folder: &Path, before: &Manifests, now: SystemTime) -> Result<Scan, String> {
    let mut walk = Walk { before, now, seen: HashSet::new(), entries: 0, bytes: 0, scan: Scan::default() };
    let metadata = fs::metadata(folder).map_err(|error| said(&error))?;
    if !metadata.is_dir() {
        return Err("not a folder".to_owned());
    }
    walk.folder(folder, &metadata, 0)?;
    if let Some(reason) = walk.scan.unread.get(folder) {
        return Err(reason.clone());
    }
    let mut scan = walk.scan;
    for path in scan.unread.keys() {
        let kept = before.iter().filter(|(known, _)| known.starts_with(path));
        scan.files.extend(kept.map(|(known, file)| (known.clone(), Manifest { print: None, ..file.clone() })));
    }
    Ok(scan)
}

struct Walk<'a> {
    before: &'a Manifests,
    now: SystemTime,
    seen: HashSet<(u64, u64)>,
    entries: usize,
    bytes: u64,
    scan: Scan,
}

impl Walk<'_> {
    /// Fails only when a bound is exceeded.
    fn folder(&mut self, path: &Path, metadata: &Metadata, depth: usize) -> Result<(), String> {
        let id = (metadata.dev(), metadata.ino());
        if !self.seen.insert(id) {
            return Ok(());
        }
        if depth > MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} folders deep"));
        }
        if self.seen.len() > MAX_FOLDERS {
            return Err(format!("more than {MAX_FOLDERS} folders"));
        }
        let listed = fs::read_dir(path).and_then(|entries| entries.take(MAX_ENTRIES + 1).collect::<io::Result<Vec<_>>>());
        let mut entries = match listed {
            Ok(entries) => entries,
            Err(error) => {
                self.unread(path, &error);
                return Ok(());
            }
        };
        self.entries += entries.len();
        if self.entries > MAX_ENTRIES {
            return Err(format!("more than {MAX_ENTRIES} entries"));
        }
        self.scan.folders.insert(path.to_owned(), id);
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries.iter().filter(|entry| !skipped(&entry.file_name().to_string_lossy())) {
            let path = entry.path();
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() => self.folder(&path, &metadata, depth + 1)?,
                Ok(metadata) if manifest(&path) => {
                    if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
                        self.target(&path);
                    }
                    self.file(path, &metadata)?;
                }
                Ok(_) => {}
                Err(error) => self.unread(&path, &error),
            }
        }
        Ok(())
    }

    /// The folder that a linked file really is in is one where it can change.
    fn target(&mut self, link: &Path) {
        let Some(folder) = fs::canonicalize(link).ok().and_then(|file| file.parent().map(Path::to_owned)) else { return };
        if let Ok(metadata) = fs::metadata(&folder) {
            self.scan.folders.insert(folder, (metadata.dev(), metadata.ino()));
        }
    }

    fn file(&mut self, path: PathBuf, metadata: &Metadata) -> Result<(), String> {
        if !metadata.is_file() {
            // Not opened: a pipe would wait for somebody to write.
            self.scan.unread.insert(path, "not a regular file".to_owned());
            return Ok(());
        }
        if metadata.len() > MAX_FILE {
            self.scan.unread.insert(path, format!("larger than {MAX_FILE} bytes"));
            return Ok(());
        }
        self.bytes += metadata.len();
        if self.bytes > MAX_TOTAL {
            return Err(format!("more than {MAX_TOTAL} bytes"));
        }
        if self.scan.files.len() == MAX_FILES {
            return Err(format!("more than {MAX_FILES} files"));
        }
        let print = Print::of(metadata);
        self.scan.busy |= print.younger(REMOVAL, self.now);
        let before = self.before.get(&path);
        if let Some(known) = before.filter(|known| known.print == Some(print)) {
            let known = known.clone();
            self.scan.files.insert(path, known);
            return Ok(());
        }
        match read(&path) {
            Ok((bytes, print)) => {
                let file = taken(bytes, print, before, self.now);
                self.scan.files.insert(path, file);
            }
            Err(error) => self.unread(&path, &error),
        }
        Ok(())
    }

    /// Notes what could not be read, unless it is simply gone by now.
    fn unread(&mut self, path: &Path, error: &io::Error) {
        let gone =
            error.kind() == ErrorKind::NotFound && fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound);
        if !gone {
            self.scan.unread.insert(path.to_owned(), said(error));
        }
    }
}

/// All of a file, with its fingerprint unless it was changed meanwhile.
fn read(path: &Path) -> io::Result<(Vec<u8>, Option<Print>)> {
    let mut file = File::open(path)?;
    let print = Print::of(&file.metadata()?);
    let mut bytes = Vec::new();
    (&mut file).take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::other(format!("larger than {MAX_FILE} bytes")));
    }
    let after = Print::of(&file.metadata()?);
    Ok((bytes, Some(print).filter(|print| *print == after)))
}

/// A file's new state, from its bytes and its last state. No `print`: it is being written right now.
fn taken(bytes: Vec<u8>, print: Option<Print>, before: Option<&Manifest>, now: SystemTime) -> Manifest {
    let parsed = String::from_utf8(bytes)
        .map_err(|error| {
            let line = parse::line_at(error.as_bytes(), error.utf8_error().valid_up_to());
            (Fault { line, reason: "not UTF-8".to_owned() }, String::from_utf8_lossy(error.as_bytes()).into_owned())
        })
        .and_then(|text| parse::objects(&text).map_err(|fault| (fault, text)));
    let doubtful = parsed.as_ref().map_or(true, Vec::is_empty);
    if print.is_none_or(|print| doubtful && print.younger(SETTLE, now)) {
        return Manifest { unsettled: true, print: None, ..before.cloned().unwrap_or_default() };
    }
    let print = print.filter(|print| !print.younger(RACY, now));
    match parsed {
        Ok(objects) => Manifest { objects: objects.into_iter().map(Arc::new).collect(), print, ..Manifest::default() },
        Err((fault, text)) => {
            let objects = before.map(|before| before.objects.clone()).unwrap_or_default();
            Manifest { objects, fault: Some(fault), text, print, unsettled: false }
        }
    }
}

/// Whether a name is one that editors and tools leave behind, or hidden.
fn skipped(name: &str) -> bool {
    name.starts_with('.') || ["~", ".swp", ".tmp"].iter().any(|end| name.ends_with(end))
}

fn manifest(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "yaml" || end == "yml" || end == "json")
}

/// An error in the system's words, without its number.
fn said(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error").map_or(text.as_str(), |(words, _)| words).to_owned()
}

#[cfg(test)]
mod tests;
