//! Text that hardly compresses.

use sha2::{Digest as _, Sha256};

/// Text of `8 * count` bytes that hardly compresses, the same in every run.
pub fn noise(count: u64) -> String {
    (0..count).map(|n| hex::encode(&Sha256::digest(n.to_be_bytes())[..4])).collect()
}
