//! Where the versions of an index lie, tightly packed.

use headwater_version::Version;

/// The size of a chunk, in bytes; longer records get one of their own.
const CHUNK: usize = 1024 * 1024;

/// Records, one for each version of each chart; each begins with the version.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    chunks: Vec<Vec<u8>>,
    scratch: Vec<u8>,
}

/// Where a record lies; nothing lies at the slot of an entry that is null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Slot {
    chunk: u32,
    start: u32,
    length: u32,
}

impl Slot {
    pub(super) fn is_null(self) -> bool {
        self.length == 0
    }
}

impl Shelf {
    /// Adds a record of a version and what `fill` writes; `None` if it is beyond what can be addressed.
    pub(super) fn add(&mut self, version: &str, fill: impl FnOnce(&mut Vec<u8>)) -> Option<Slot> {
        self.scratch.clear();
        write_text(version, &mut self.scratch);
        fill(&mut self.scratch);
        let length = self.scratch.len();
        if self.chunks.last().is_none_or(|chunk| chunk.capacity() - chunk.len() < length) {
            self.chunks.push(Vec::with_capacity(length.max(CHUNK)));
        }
        let number = u32::try_from(self.chunks.len() - 1).ok()?;
        let chunk = self.chunks.last_mut()?;
        let slot = Slot { chunk: number, start: u32::try_from(chunk.len()).ok()?, length: u32::try_from(length).ok()? };
        chunk.extend_from_slice(&self.scratch);
        Some(slot)
    }

    /// The version of a record, and what was written with it.
    pub(super) fn get(&self, slot: Slot) -> (&str, &[u8]) {
        let record = self.chunks.get(slot.chunk as usize).and_then(|chunk| chunk.get(slot.start as usize..)?.get(..slot.length as usize));
        read_text(record.unwrap_or_default())
    }

    /// Sorts the versions of a chart, the newest first; equal ones keep their order.
    pub(super) fn sort(&self, slots: &mut [Slot]) {
        let mut parsed: Vec<(Option<Version>, Slot)> = slots.iter().map(|slot| (Version::parse(self.get(*slot).0).ok(), *slot)).collect();
        parsed.sort_by(|(a, _), (b, _)| b.cmp(a));
        for (slot, (_, sorted)) in slots.iter_mut().zip(parsed) {
            *slot = sorted;
        }
    }

    /// Gives back what is not needed any more to add records.
    pub(super) fn close(&mut self) {
        self.scratch = Vec::new();
        if let Some(last) = self.chunks.last_mut() {
            last.shrink_to_fit();
        }
    }
}

/// Writes a text after its length, of which a byte holds seven bits.
pub(super) fn write_text(text: &str, out: &mut Vec<u8>) {
    let mut length = text.len();
    while length >= 0x80 {
        out.push(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
        length >>= 7;
    }
    out.push(u8::try_from(length).unwrap_or_default());
    out.extend_from_slice(text.as_bytes());
}

/// Reads what [`write_text`] has written, and returns it with what follows.
pub(super) fn read_text(mut from: &[u8]) -> (&str, &[u8]) {
    let mut length = 0;
    let mut shift = 0;
    while let [first, rest @ ..] = from {
        length |= usize::from(first & 0x7f) << shift;
        shift += 7;
        from = rest;
        if first & 0x80 == 0 {
            break;
        }
    }
    let (text, rest) = from.split_at_checked(length).unwrap_or_default();
    (std::str::from_utf8(text).unwrap_or_default(), rest)
}
