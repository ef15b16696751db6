//! Archives: a tree in, one gzip member out.
//!
//! `plan` orders the tree and cuts it into segments, `segment` turns a segment into deflated bytes on
//! a worker thread, and the caller's thread writes those in order. Every segment is deflated from a
//! fresh state and ends on a whole byte with a full flush, so that they can be strung together.
//!
//! A segment whose `recipe` is that of one in the artifact before is copied from there: `previous`
//! finds it by the `sidecar`, which says where each lies, and checks it. Deflating is deterministic,
//! so the bytes are those that deflating would have given.

mod header;
mod plan;
mod previous;
mod recipe;
mod segment;
mod sidecar;

use std::{
    collections::VecDeque,
    io::{self, Write},
    ops::Range,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
};

use crate::{Contents, Entry, Error, Ignore};
use plan::Item;
pub(crate) use previous::Previous;
use recipe::Recipe;
use segment::{Packed, Packer};
pub(crate) use sidecar::{Record, encode};

/// How many segments each thread may be ahead of the writer, the one in work included.
const AHEAD: usize = 3;

/// Gzip, deflated, no flags, no time, no hints, unknown system.
const GZIP: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// The last deflate block: fixed codes, empty.
const LAST_BLOCK: [u8; 2] = [3, 0];
/// What a tar ends with.
const END_OF_TAR: [u8; 1024] = [0; 1024];

/// What an archive is made of, and how.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub entries: &'a [Entry],
    pub contents: &'a dyn Contents,
    pub ignore: &'a Ignore,
    /// What unchanged segments are copied from.
    pub previous: Option<&'a Previous>,
    /// How many threads pack segments; at least one does.
    pub threads: usize,
    pub cancel: &'a AtomicBool,
}

/// A segment to pack, and where to send it. One reply fits the channel, so no worker ever waits.
struct Job<'a> {
    items: &'a [Item<'a>],
    recipe: Option<Recipe>,
    reply: SyncSender<Result<Packed, Error>>,
}

/// Writes the archive to `out`, and says what its sidecar is to tell of it; `written` makes an error
/// of a failed write.
pub(crate) fn write(out: &mut impl Write, source: Source<'_>, written: impl Fn(io::Error) -> Error) -> Result<Vec<Record>, Error> {
    let items = plan::items(source.entries, source.ignore)?;
    let segments = plan::segments(&items);
    let mut records = Vec::with_capacity(segments.len());
    let mut member = Member::start(out).map_err(&written)?;
    pack_all(&items, &segments, source, |recipe, packed| {
        records.extend(recipe.map(|recipe| Record {
            recipe,
            offset: member.offset,
            length: packed.bytes.len() as u64,
            crc: packed.crc.clone().finalize(),
            plain: packed.length,
            digest: packed.digest,
        }));
        member.push(&packed).map_err(&written)
    })?;
    member.finish().map_err(&written)?;
    Ok(records)
}

/// Packs the segments on several threads and hands them to `each` in order.
fn pack_all(
    items: &[Item<'_>],
    segments: &[Range<usize>],
    source: Source<'_>,
    mut each: impl FnMut(Option<Recipe>, Packed) -> Result<(), Error>,
) -> Result<(), Error> {
    let threads = source.threads.clamp(1, segments.len().max(1));
    let (jobs, queue) = mpsc::channel::<Job<'_>>();
    let queue = Mutex::new(queue);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| work(&queue, source));
        }
        // Owned by this scope, so that leaving it for whatever reason sends the workers home.
        let jobs = jobs;
        let mut segments = segments.iter();
        let mut waiting = VecDeque::new();
        loop {
            while waiting.len() < threads * AHEAD
                && let Some(range) = segments.next()
            {
                let (reply, answer) = mpsc::sync_channel(1);
                let items = &items[range.clone()];
                let recipe = recipe::of(items);
                waiting.push_back((recipe, answer));
                // The queue outlives this loop, so there is always an end to send to.
                let _ = jobs.send(Job { items, recipe, reply });
            }
            let Some((recipe, answer)) = waiting.pop_front() else {
                return Ok(());
            };
            // A worker that panics sends no answer. Its panic goes on where the scope ends.
            let packed = answer.recv().unwrap_or(Err(Error::Cancelled))?;
            if source.cancel.load(Ordering::Relaxed) {
                return Err(Error::Cancelled);
            }
            each(recipe, packed)?;
        }
    })
}

fn work(queue: &Mutex<Receiver<Job<'_>>>, source: Source<'_>) {
    let mut packer = Packer::new();
    // Made with a job in hand: if it panics, the job's end is noticed.
    let mut reader = None;
    while let Some(job) = next(queue) {
        let copied = source.previous.zip(job.recipe).and_then(|(previous, recipe)| previous.copy(&recipe, job.items));
        let result =
            copied.map_or_else(|| packer.entries(job.items, reader.get_or_insert_with(|| source.contents.reader()), source.cancel), Ok);
        let failed = result.is_err();
        if job.reply.send(result).is_err() || failed {
            // Nobody listens any more, or nobody will.
            return;
        }
    }
}

fn next<'a>(queue: &Mutex<Receiver<Job<'a>>>) -> Option<Job<'a>> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// A gzip member in the making.
struct Member<'a, W> {
    out: &'a mut W,
    /// How many bytes were written.
    offset: u64,
    crc: crc32fast::Hasher,
    /// How many bytes were deflated.
    length: u64,
}

impl<'a, W: Write> Member<'a, W> {
    fn start(out: &'a mut W) -> io::Result<Self> {
        out.write_all(&GZIP)?;
        Ok(Self { out, offset: GZIP.len() as u64, crc: crc32fast::Hasher::new(), length: 0 })
    }

    fn push(&mut self, packed: &Packed) -> io::Result<()> {
        self.crc.combine(&packed.crc);
        self.length += packed.length;
        self.offset += packed.bytes.len() as u64;
        self.out.write_all(&packed.bytes)
    }

    fn finish(mut self) -> io::Result<()> {
        self.push(&segment::plain(&END_OF_TAR)?)?;
        self.out.write_all(&LAST_BLOCK)?;
        self.out.write_all(&self.crc.finalize().to_le_bytes())?;
        // The format has room for the length modulo 2³² only: its lower four bytes.
        self.out.write_all(&self.length.to_le_bytes()[..4])
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::path::PathBuf;

    use super::*;
    use crate::{Mode, Reader};

    /// A disk with so much room left.
    struct Disk(usize);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let fits = bytes.len().min(self.0);
            self.0 -= fits;
            if fits == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(fits) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Zeros;

    impl Contents for Zeros {
        fn reader(&self) -> Reader<'_> {
            Box::new(|_, out| {
                out.resize(100_000, 0);
                Ok(())
            })
        }
    }

    #[test]
    fn a_full_disk_is_an_error_wherever_it_fills() {
        let entry = |n: u8| Entry { path: [b'a' + n].into(), mode: Mode::File, id: vec![0; 20], size: 100_000 };
        let entries: Vec<Entry> = (0..20).map(entry).collect();
        let ignore = Ignore::new(&[], Some("!*"));
        let write = |room: usize| {
            let mut disk = Disk(room);
            let failed = |source| Error::Write { path: PathBuf::new(), source };
            let cancel = AtomicBool::new(false);
            let source = Source { entries: &entries, contents: &Zeros, ignore: &ignore, previous: None, threads: 2, cancel: &cancel };
            write(&mut disk, source, failed).map(|_| room - disk.0)
        };
        let length = write(1 << 20).unwrap();
        assert!(write(length).is_ok());
        for room in [0, 5, 10, 200, length / 2, length - 8, length - 1] {
            assert!(matches!(write(room), Err(Error::Write { .. })), "{room} of {length}");
        }
    }
}
