//! What is kept beside an artifact: where its segments lie, and what they were made of.
//!
//! A sidecar is one header, one record a segment, and a BLAKE3 digest of all that. Numbers are
//! little-endian. It is only ever a hint: whoever uses it checks it, and does without when anything
//! about it is wrong.

use std::{collections::HashMap, io, sync::OnceLock};

use super::{recipe::Recipe, segment};

/// Changes with the format of the sidecar, of the archive, and of what a recipe is made of.
const FORMAT: &[u8; 16] = b"headwater-seg-01";
/// Format, compressor, length of the artifact.
const HEADER: usize = 16 + 32 + 8;
/// The parts of [`Record`].
const RECORD: usize = 32 + 8 + 8 + 4 + 8 + 32;
/// Digest at the end.
const SEAL: usize = 32;
/// No sidecar is longer, in bytes.
pub(super) const LONGEST: u64 = 32 * 1024 * 1024;

/// One segment of an artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// What it was made of.
    pub recipe: Recipe,
    /// Where its deflated bytes begin in the file.
    pub offset: u64,
    /// How many deflated bytes there are.
    pub length: u64,
    /// CRC-32 of the bytes before they were deflated.
    pub crc: u32,
    /// How many bytes there were before.
    pub plain: u64,
    /// BLAKE3 digest of the deflated bytes.
    pub digest: [u8; 32],
}

/// Writes the sidecar of an artifact of `size` bytes.
pub(crate) fn encode(records: &[Record], size: u64) -> io::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(HEADER + records.len() * RECORD + SEAL);
    out.extend_from_slice(FORMAT);
    out.extend_from_slice(compressor().ok_or(io::ErrorKind::Unsupported)?);
    out.extend_from_slice(&size.to_le_bytes());
    for record in records {
        out.extend_from_slice(&record.recipe);
        out.extend_from_slice(&record.offset.to_le_bytes());
        out.extend_from_slice(&record.length.to_le_bytes());
        out.extend_from_slice(&record.crc.to_le_bytes());
        out.extend_from_slice(&record.plain.to_le_bytes());
        out.extend_from_slice(&record.digest);
    }
    let seal = blake3::hash(&out);
    out.extend_from_slice(seal.as_bytes());
    Ok(out)
}

/// Reads the sidecar of an artifact of `size` bytes. None unless it is whole, of this format and
/// compressor, and of an artifact of that size.
pub(super) fn decode(bytes: &[u8], size: u64) -> Option<HashMap<Recipe, Record>> {
    let (sealed, seal) = bytes.split_last_chunk::<SEAL>()?;
    let mut rest = sealed;
    let whole = blake3::hash(sealed) == *seal;
    let known = take::<16>(&mut rest)? == *FORMAT && take::<32>(&mut rest)? == *compressor()?;
    if !whole || !known || u64::from_le_bytes(take(&mut rest)?) != size {
        return None;
    }
    let mut records = HashMap::with_capacity(rest.len() / RECORD);
    while !rest.is_empty() {
        let record = Record {
            recipe: take(&mut rest)?,
            offset: u64::from_le_bytes(take(&mut rest)?),
            length: u64::from_le_bytes(take(&mut rest)?),
            crc: u32::from_le_bytes(take(&mut rest)?),
            plain: u64::from_le_bytes(take(&mut rest)?),
            digest: take(&mut rest)?,
        };
        record.offset.checked_add(record.length).filter(|end| *end <= size)?;
        records.insert(record.recipe, record);
    }
    Some(records)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*first)
}

/// Tells compressors apart: the digest of what this one makes of a sample. Segments of two that
/// deflate differently must not be mixed, or the bytes would depend on what was stored before.
fn compressor() -> Option<&'static [u8; 32]> {
    static KNOWN: OnceLock<Option<[u8; 32]>> = OnceLock::new();
    KNOWN.get_or_init(|| segment::plain(&sample()).ok().map(|packed| packed.digest)).as_ref()
}

/// Text, numbers, runs and noise: something of each that deflate treats differently.
fn sample() -> Vec<u8> {
    const WORDS: [&str; 8] = ["apiVersion: v1\n", "kind: ", "  name: ", "spec:\n", "- image: registry/", "\0\0\0\0", "{\"a\": [", "\t\t"];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut out = Vec::new();
    while out.len() < 192 * 1024 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let bits = state.to_le_bytes();
        match bits[0] % 16 {
            0 => out.extend_from_slice(&bits),
            1 => out.resize(out.len() + usize::from(bits[1]), bits[2]),
            2 => {
                let from = out.len().saturating_sub(usize::from(bits[1]) * 97);
                let to = out.len().min(from + usize::from(bits[2]));
                out.extend_from_within(from..to);
            }
            3..8 => out.extend_from_slice(state.to_string().as_bytes()),
            other => out.extend_from_slice(WORDS[usize::from(other) - 8].as_bytes()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn record(n: u8) -> Record {
        Record { recipe: [n; 32], offset: 10, length: 20 + u64::from(n), crc: 7, plain: 1000, digest: [n + 100; 32] }
    }

    #[test]
    fn a_sidecar_reads_as_it_was_written() {
        for count in 0..4 {
            let records: Vec<Record> = (0..count).map(record).collect();
            let read = decode(&encode(&records, 100).unwrap(), 100).unwrap();
            assert_eq!(read.len(), records.len());
            assert!(records.iter().all(|record| read[&record.recipe] == *record));
        }
    }

    #[test]
    fn one_that_is_changed_anywhere_or_cut_short_is_none() {
        let good = encode(&[record(1), record(2)], 100).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert_eq!(decode(&bad, 100), None, "byte {at}");
            assert_eq!(decode(&good[..at], 100), None, "{at} bytes");
        }
        let longer = [good.as_slice(), &[0]].concat();
        assert_eq!(decode(&longer, 100), None);
    }

    #[test]
    fn one_of_another_artifact_format_or_compressor_is_none() {
        let good = encode(&[record(1)], 100).unwrap();
        assert_eq!(decode(&good, 101), None);
        assert_eq!(decode(&encode(&[record(1)], 30).unwrap(), 30), None, "a segment beyond the end");
        for at in [0, 15, 16, 47] {
            let mut other = good[..good.len() - SEAL].to_vec();
            other[at] ^= 1;
            let seal = blake3::hash(&other);
            other.extend_from_slice(seal.as_bytes());
            assert_eq!(decode(&other, 100), None, "byte {at}");
        }
        let half = [&good[..good.len() - SEAL], &[0; RECORD / 2]].concat();
        let sealed = [half.as_slice(), blake3::hash(&half).as_bytes()].concat();
        assert_eq!(decode(&sealed, 100), None, "half a record");
    }
}
