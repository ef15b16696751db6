//! A database file that is opened without being written to.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    io,
    ops::Bound,
    sync::{Mutex, MutexGuard, PoisonError},
};

use redb::{BackendError, StorageBackend, backends::FileBackend};

/// How much is kept for each place that is written to, in bytes.
const BLOCK: usize = 4_096;

/// The file with what was written to it in memory: opening a database writes to it, and repairs it if it was not closed properly.
#[derive(Debug)]
pub(super) struct Untouched {
    file: FileBackend,
    written: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    length: u64,
    /// How much of the file counts: less than all of it once the end was cut off.
    original: u64,
    blocks: BTreeMap<u64, Vec<u8>>,
}

impl Untouched {
    pub(super) fn new(file: FileBackend) -> io::Result<Self> {
        let length = file.len()?;
        Ok(Self { file, written: Mutex::new(Written { length, original: length, blocks: BTreeMap::new() }) })
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the file holds there, with zeroes past the end of what counts.
    fn original(&self, counts: u64, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let there = usize::try_from(counts.saturating_sub(offset)).unwrap_or(usize::MAX).min(out.len());
        let (there, past) = out.split_at_mut(there);
        past.fill(0);
        if there.is_empty() { Ok(()) } else { self.file.read(offset, there) }
    }
}

/// The blocks that a part of the file lies in: where each begins, and which bytes of it and of the part are the same.
fn blocks(offset: u64, length: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let within = usize::try_from(at % BLOCK as u64).unwrap_or_default();
        let size = (BLOCK - within).min(length - done);
        let part = done..done + size;
        done += size;
        (size > 0).then_some((at - within as u64, within, part))
    })
}

impl StorageBackend for Untouched {
    fn len(&self) -> io::Result<u64> {
        Ok(self.written().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let written = self.written();
        if offset + out.len() as u64 > written.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.original(written.original, offset, out)?;
        for (start, within, part) in blocks(offset, out.len()) {
            if let Some(block) = written.blocks.get(&start) {
                let size = part.len();
                out[part].copy_from_slice(&block[within..within + size]);
            }
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut written = self.written();
        written.blocks.retain(|start, _| *start < length);
        if let Some((start, block)) = written.blocks.last_entry().map(|last| (*last.key(), last.into_mut())) {
            let kept = usize::try_from(length - start).unwrap_or(BLOCK).min(BLOCK);
            block[kept..].fill(0);
        }
        written.original = written.original.min(length);
        written.length = length;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut written = self.written();
        let original = written.original;
        for (start, within, part) in blocks(offset, data.len()) {
            let block = match written.blocks.entry(start) {
                Entry::Occupied(block) => block.into_mut(),
                Entry::Vacant(place) => {
                    let mut block = vec![0; BLOCK];
                    self.original(original, start, &mut block)?;
                    place.insert(block)
                }
            };
            block[within..within + part.len()].copy_from_slice(&data[part]);
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}
