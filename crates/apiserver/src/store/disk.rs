//! The database file: its tables, and opening it.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use redb::{
    Builder, Database, ReadableDatabase, TableDefinition, TableError,
    backends::{FileBackend, InMemoryBackend},
};

use super::{Place, untouched::Untouched};

/// The objects by resource, namespace and name: their version and their JSON.
pub(super) const OBJECTS: TableDefinition<(&str, &str, &str), (u64, &[u8])> = TableDefinition::new("objects");
/// What the file says of itself.
pub(super) const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
/// The version of the last write.
pub(super) const VERSION: &str = "version";
/// How the tables are laid out.
const FORMAT: &str = "format";
/// The layout of this release.
const OURS: u64 = 1;
/// The version of a store that nothing was written to.
const FIRST: u64 = 1;
/// How much of the file is kept in memory, in bytes.
const CACHE: usize = 16 << 20;
/// What every database file starts with.
const MAGIC: &[u8] = b"redb\x1A\x0A\xA9\x0D\x0A";

/// Why a store was not opened. The file, if there is one, is as it was.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{} is in use by another process: stop that one, or name another folder", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A newer release wrote it.
    #[error(
        "{} was written by a newer release (format {found}; this release knows format {OURS}): run that one or a later one, or name another folder",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// It is damaged, or something else.
    #[error("{} is damaged, or not a file of objects ({reason}): restore it from a backup, or move it away to start anew", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It cannot be read, written or made.
    #[error("{} cannot be opened for writing ({source}): make it writable, with space left on its file system, or name another folder", path.display())]
    Unwritable {
        /// The file or the folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no thread to write with.
    #[error("a thread could not be started: {0}")]
    Thread(io::Error),
}

impl Place {
    /// The file, or what to call it.
    pub(super) fn file(&self) -> PathBuf {
        match self {
            Self::Memory => PathBuf::from("memory"),
            Self::Folder(folder) => folder.join("objects.redb"),
        }
    }
}

/// Opens the database, and makes it if there is none. Also says the version of its last write.
pub(super) fn open(place: &Place) -> Result<(Database, u64), OpenError> {
    match place {
        Place::Memory => {
            let path = &place.file();
            let database = builder().create_with_backend(InMemoryBackend::new()).map_err(|error| refusal(path, error.into()))?;
            make(&database).map_err(|error| refusal(path, error))?;
            Ok((database, FIRST))
        }
        Place::Folder(folder) => {
            let path = place.file();
            if !path.try_exists().map_err(|source| refusal(&path, source.into()))? {
                create(folder, &path)?;
            }
            inspect(&path)?;
            open_file(&path)
        }
    }
}

/// Opens a file that is known to be ours.
pub(super) fn open_file(path: &Path) -> Result<(Database, u64), OpenError> {
    let database = builder().open(path).map_err(|error| refusal(path, error.into()))?;
    let version = version(path, &database).map_err(|error| refusal(path, error))??;
    Ok((database, version))
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE);
    builder
}

/// Makes an empty database under another name first: a file of the right name is always whole.
fn create(folder: &Path, path: &Path) -> Result<(), OpenError> {
    let unwritable = |source| OpenError::Unwritable { path: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(unwritable)?;
    let file = tempfile::Builder::new().prefix(".objects-").suffix(".redb").tempfile_in(folder).map_err(unwritable)?;
    builder().create(file.path()).map_err(redb::Error::from).and_then(|database| make(&database)).map_err(|error| refusal(path, error))?;
    match file.persist_noclobber(path) {
        // Another process was faster.
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(unwritable(error.error)),
        Ok(_) => File::open(folder).and_then(|folder| folder.sync_all()).map_err(unwritable),
    }
}

fn make(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(OBJECTS)?;
    let mut meta = transaction.open_table(META)?;
    meta.insert(FORMAT, OURS)?;
    meta.insert(VERSION, FIRST)?;
    drop(meta);
    Ok(transaction.commit()?)
}

/// Refuses what is not ours or not whole, without writing to it.
fn inspect(path: &Path) -> Result<(), OpenError> {
    let damaged = |reason: &str| OpenError::Damaged { path: path.to_owned(), reason: reason.to_owned() };
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| io::Read::read_to_end(&mut io::Read::take(file, MAGIC.len() as u64), &mut start))
        .map_err(|error| refusal(path, error.into()))?;
    if start != MAGIC {
        return Err(damaged("it does not start like a database"));
    }
    let file = File::options()
        .read(true)
        .write(true)
        .open(path)
        .and_then(|file| Untouched::new(FileBackend::new(file).map_err(io::Error::other)?));
    let file = file.map_err(|error| refusal(path, error.into()))?;
    let database = builder().set_check_integrity_on_open(true).create_with_backend(file).map_err(|error| refusal(path, error.into()))?;
    version(path, &database).map_err(|error| refusal(path, error))?.map(|_| ())
}

/// The version of the last write, if the file is ours and of our format.
fn version<D: ReadableDatabase>(path: &Path, database: &D) -> Result<Result<u64, OpenError>, redb::Error> {
    let foreign = |reason: &str| Ok(Err(OpenError::Damaged { path: path.to_owned(), reason: reason.to_owned() }));
    let meta = match database.begin_read()?.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::Storage(error)) => return Err(error.into()),
        Err(_) => return foreign("it is a database of something else"),
    };
    let format = meta.get(FORMAT)?.map(|format| format.value());
    let version = meta.get(VERSION)?.map(|version| version.value());
    match (format, version) {
        (Some(OURS), Some(version)) => Ok(Ok(version)),
        (Some(found), _) if found > OURS => Ok(Err(OpenError::Newer { path: path.to_owned(), found })),
        _ => foreign("it does not say which version it is at"),
    }
}

fn refusal(path: &Path, error: redb::Error) -> OpenError {
    let path = path.to_owned();
    match error {
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => OpenError::InUse { path },
        redb::Error::Io(source) if !matches!(source.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {
            OpenError::Unwritable { path, source }
        }
        redb::Error::UpgradeRequired(found) => OpenError::Damaged { path, reason: format!("it is of the database format {found}") },
        error => OpenError::Damaged { path, reason: error.to_string() },
    }
}
