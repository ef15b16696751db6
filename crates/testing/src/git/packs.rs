//! Packs, and the objects in them, made by hand.

use std::{fmt, io::Write as _};

use flate2::{Compression, write::ZlibEncoder};
use sha1::{Digest as _, Sha1};

/// The kinds of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The content of a file.
    Blob,
    /// A folder.
    Tree,
    /// A commit.
    Commit,
    /// An annotated tag.
    Tag,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Blob => "blob",
            Self::Tree => "tree",
            Self::Commit => "commit",
            Self::Tag => "tag",
        }
    }
}

/// The name of an object: the SHA-1 of its kind, its length and its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectId([u8; 20]);

impl ObjectId {
    /// Its 20 bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// The id of an object.
pub fn id(kind: Kind, content: &[u8]) -> ObjectId {
    let mut hash = Sha1::new();
    hash.update(format!("{} {}\0", kind.name(), content.len()));
    hash.update(content);
    ObjectId(hash.finalize().into())
}

/// A commit of that tree, without parents.
pub fn commit(tree: &ObjectId) -> Vec<u8> {
    let who = "T <t@example.com> 1700000000 +0000";
    format!("tree {tree}\nauthor {who}\ncommitter {who}\n\na change\n").into_bytes()
}

/// A tree with these entries: mode, name, object.
pub fn tree(entries: &[(&str, &str, ObjectId)]) -> Vec<u8> {
    let mut tree = Vec::new();
    for (mode, name, id) in entries {
        write!(tree, "{mode} {name}\0").unwrap();
        tree.extend_from_slice(id.as_slice());
    }
    tree
}

/// A step of a delta.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// Takes from an offset of the base a number of bytes, fewer than 2^24.
    Copy(u32, u32),
    /// Takes these bytes, fewer than 128.
    Insert(&'a [u8]),
}

/// A delta from a base of a length to a result of another.
pub fn delta(base: u64, result: u64, steps: &[Step<'_>]) -> Vec<u8> {
    let mut delta = Vec::new();
    for length in [base, result] {
        let mut rest = length;
        while rest > 0x7f {
            delta.push(0x80 | (rest & 0x7f) as u8);
            rest >>= 7;
        }
        delta.push((rest & 0x7f) as u8);
    }
    for step in steps {
        match step {
            Step::Copy(from, count) => {
                delta.push(0xff);
                delta.extend_from_slice(&from.to_le_bytes());
                delta.extend_from_slice(&count.to_le_bytes()[..3]);
            }
            Step::Insert(bytes) => {
                delta.push(u8::try_from(bytes.len()).unwrap());
                delta.extend_from_slice(bytes);
            }
        }
    }
    delta
}

/// A pack that grows.
#[derive(Debug, Default)]
pub struct Pack {
    body: Vec<u8>,
    count: u32,
}

impl Pack {
    /// The offset of the next entry.
    pub fn offset(&self) -> u64 {
        12 + self.body.len() as u64
    }

    /// Adds an object and answers its id.
    pub fn object(&mut self, kind: Kind, content: &[u8]) -> ObjectId {
        let number = match kind {
            Kind::Commit => 1,
            Kind::Tree => 2,
            Kind::Blob => 3,
            Kind::Tag => 4,
        };
        self.entry(number, content.len() as u64, &[], &deflated(content));
        id(kind, content)
    }

    /// Adds a delta of the entry that begins `distance` bytes before.
    pub fn offset_delta(&mut self, distance: u64, delta: &[u8]) {
        let (mut rest, mut bytes) = (distance >> 7, vec![(distance & 0x7f) as u8]);
        while rest > 0 {
            rest -= 1;
            bytes.insert(0, 0x80 | (rest & 0x7f) as u8);
            rest >>= 7;
        }
        self.entry(6, delta.len() as u64, &bytes, &deflated(delta));
    }

    /// Adds a delta of the object of that id.
    pub fn named_delta(&mut self, base: &ObjectId, delta: &[u8]) {
        self.entry(7, delta.len() as u64, base.as_slice(), &deflated(delta));
    }

    /// Adds an entry, however little sense it makes.
    pub fn entry(&mut self, number: u8, length: u64, base: &[u8], compressed: &[u8]) {
        let (mut rest, mut byte) = (length >> 4, (number << 4) | (length & 0xf) as u8);
        while rest > 0 {
            self.body.push(byte | 0x80);
            (byte, rest) = ((rest & 0x7f) as u8, rest >> 7);
        }
        self.body.push(byte);
        self.body.extend_from_slice(base);
        self.body.extend_from_slice(compressed);
        self.count += 1;
    }

    /// The whole pack, with its checksum.
    pub fn finish(&self) -> Vec<u8> {
        self.announcing(self.count)
    }

    /// The whole pack, which announces another number of entries.
    pub fn announcing(&self, count: u32) -> Vec<u8> {
        let mut pack = b"PACK\0\0\0\x02".to_vec();
        pack.extend_from_slice(&count.to_be_bytes());
        pack.extend_from_slice(&self.body);
        let checksum = Sha1::digest(&pack);
        pack.extend_from_slice(&checksum);
        pack
    }
}

/// Bytes as zlib has them.
pub fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// `count` zeros as zlib has them, made without having them all at once.
pub fn deflated_zeros(count: u64) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..count >> 20 {
        encoder.write_all(&zeros).unwrap();
    }
    encoder.finish().unwrap()
}
