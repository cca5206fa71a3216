//! The blocks of a bundle against the root hash that its signed manifest names.
//!
//! RAUC checks the signature at once, but each block only when it is read, in the middle of
//! writing a slot. Here every block is checked before a slot is touched. A bundle of RAUC's
//! `verity` format is
//!
//! ```text
//! payload (squashfs, whole blocks) | hash tree, its top first | signature | its size (8 bytes, big endian)
//! ```
//!
//! and the tree is that of dm-verity, version 1, without a superblock: each hash is the SHA-256 of
//! salt and block, 128 hashes fill a block, and what is left of one is zero.

use crate::hex;
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};
use std::io::{self, Read, Seek, SeekFrom};
use thiserror::Error;

/// Bytes of a block, of payload and tree alike.
pub const BLOCK_BYTES: u64 = 4096;
const HASH_BYTES: usize = 32;
const HASHES_PER_BLOCK: u64 = BLOCK_BYTES / HASH_BYTES as u64;
/// Bytes at the end that give the size of the signature.
const SIZE_BYTES: u64 = 8;
/// The most bytes of a signature with its manifest.
const MAX_SIGNATURE_BYTES: u64 = 1 << 20;
/// With which a CMS signature begins, and the most bytes up to its content.
const SEQUENCE_TAG: u8 = 0x30;
const DER_HEAD_BYTES: usize = 6;
/// The most levels of a tree: four reach a terabyte.
const MAX_LEVELS: usize = 4;

type Hash = [u8; HASH_BYTES];

/// What the signed manifest says of the tree.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct VeritySettings {
    /// Of the tree's top block.
    #[serde(rename = "verity-hash", deserialize_with = "hash")]
    pub root_hash: Hash,
    /// What is hashed together with each block.
    #[serde(rename = "verity-salt", deserialize_with = "hash")]
    pub salt: Hash,
    /// Of the whole tree.
    #[serde(rename = "verity-size")]
    pub tree_bytes: u64,
}

/// 64 hexadecimal digits.
fn hash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
    let text = String::deserialize(deserializer)?;
    hex::decode(&text).ok_or_else(|| serde::de::Error::custom("expected 64 hexadecimal digits"))
}

/// Why a bundle's blocks do not match its signature.
#[derive(Debug, Error)]
pub enum VerityError {
    /// The operating system refused to read the bundle.
    #[error("it cannot be read: {0}")]
    Read(io::Error),
    /// The sizes of its content, hash tree and signature do not fit together.
    #[error("it is not a bundle of the verity format: {0}")]
    Layout(&'static str),
    /// A block of the hash tree was changed or damaged.
    #[error("block {block} of its hash tree does not match the signature")]
    Tree {
        /// The block's number, from 0.
        block: u64,
    },
    /// A block of the content was changed or damaged.
    #[error("block {block} of its content does not match the signature")]
    Content {
        /// The block's number, from 0.
        block: u64,
    },
}

impl From<io::Error> for VerityError {
    fn from(error: io::Error) -> Self {
        VerityError::Read(error)
    }
}

/// Where everything is.
struct Layout {
    payload_blocks: u64,
    /// The tree's levels, the lowest first: first block and blocks of each.
    levels: Vec<(u64, u64)>,
}

impl Layout {
    fn new(bundle_bytes: u64, signature_bytes: u64, tree_bytes: u64) -> Result<Self, VerityError> {
        if signature_bytes == 0 || signature_bytes > MAX_SIGNATURE_BYTES {
            return Err(VerityError::Layout(
                "the size of its signature is implausible",
            ));
        }
        let signed_bytes = bundle_bytes
            .checked_sub(SIZE_BYTES)
            .and_then(|bytes| bytes.checked_sub(signature_bytes))
            .ok_or(VerityError::Layout("it is shorter than its signature"))?;
        let payload_bytes = signed_bytes
            .checked_sub(tree_bytes)
            .filter(|&bytes| bytes > 0)
            .ok_or(VerityError::Layout("it is shorter than its hash tree"))?;
        if !payload_bytes.is_multiple_of(BLOCK_BYTES) || !tree_bytes.is_multiple_of(BLOCK_BYTES) {
            return Err(VerityError::Layout(
                "its size is not a whole number of blocks",
            ));
        }
        let payload_blocks = payload_bytes / BLOCK_BYTES;
        let mut sizes = Vec::new();
        let mut blocks = payload_blocks;
        while blocks > 1 {
            blocks = blocks.div_ceil(HASHES_PER_BLOCK);
            sizes.push(blocks);
        }
        let tree_blocks: u64 = sizes.iter().sum();
        if sizes.len() > MAX_LEVELS || tree_blocks != tree_bytes / BLOCK_BYTES {
            return Err(VerityError::Layout("the size of its hash tree is wrong"));
        }
        let mut end = payload_blocks + tree_blocks;
        let levels = sizes.into_iter().map(|blocks| {
            end -= blocks;
            (end, blocks)
        });
        Ok(Self {
            payload_blocks,
            levels: levels.collect(),
        })
    }
}

/// Checks every block of a bundle of `bundle_bytes`.
///
/// # Errors
/// The file cannot be read, is not a bundle, or a block does not match the signature.
pub fn check(
    mut bundle: impl Read + Seek,
    bundle_bytes: u64,
    settings: &VeritySettings,
) -> Result<(), VerityError> {
    let at = bundle_bytes
        .checked_sub(SIZE_BYTES)
        .ok_or(VerityError::Layout("it is too short"))?;
    bundle.seek(SeekFrom::Start(at))?;
    let mut size = [0; SIZE_BYTES as usize];
    bundle.read_exact(&mut size)?;
    let signature_bytes = u64::from_be_bytes(size);
    let layout = Layout::new(bundle_bytes, signature_bytes, settings.tree_bytes)?;
    bundle.seek(SeekFrom::Start(at - signature_bytes))?;
    let mut head = [0; DER_HEAD_BYTES];
    let head_bytes = DER_HEAD_BYTES.min(signature_bytes as usize);
    bundle.read_exact(&mut head[..head_bytes])?;
    if der_bytes(&head[..head_bytes]) != Some(signature_bytes) {
        return Err(VerityError::Layout(
            "its signature does not fill the space reserved for it",
        ));
    }
    // The hashes that the level below must have; the top's is signed.
    let mut wanted = vec![settings.root_hash];
    let mut block = [0; BLOCK_BYTES as usize];
    for &(first, blocks) in layout.levels.iter().rev() {
        bundle.seek(SeekFrom::Start(first * BLOCK_BYTES))?;
        let mut hashes = Vec::with_capacity((blocks * HASHES_PER_BLOCK) as usize);
        for (index, hash) in (0..blocks).zip(&wanted) {
            bundle.read_exact(&mut block)?;
            if hash_of(&settings.salt, &block) != *hash {
                return Err(VerityError::Tree {
                    block: first + index,
                });
            }
            let (found, _) = block.as_chunks::<HASH_BYTES>();
            hashes.extend_from_slice(found);
        }
        wanted = hashes;
    }
    bundle.seek(SeekFrom::Start(0))?;
    for (index, hash) in (0..layout.payload_blocks).zip(&wanted) {
        bundle.read_exact(&mut block)?;
        if hash_of(&settings.salt, &block) != *hash {
            return Err(VerityError::Content { block: index });
        }
    }
    Ok(())
}

/// The bytes of a DER sequence, its head included, from the first bytes of it; `None` where they
/// begin none of up to 4 GiB (X.690, 8.1.3).
fn der_bytes(head: &[u8]) -> Option<u64> {
    let [SEQUENCE_TAG, first, rest @ ..] = head else {
        return None;
    };
    if *first < 0x80 {
        return Some(2 + u64::from(*first));
    }
    let digits = usize::from(first & 0x7f);
    let length = rest.get(..digits).filter(|length| !length.is_empty())?;
    let content = length
        .iter()
        .fold(0, |sum, &byte| sum << 8 | u64::from(byte));
    Some(2 + digits as u64 + content)
}

fn hash_of(salt: &Hash, block: &[u8]) -> Hash {
    Sha256::new()
        .chain_update(salt)
        .chain_update(block)
        .finalize()
        .into()
}

/// Makes bundles for tests: the tree as dm-verity's definition has it, level by level.
#[cfg(test)]
pub(in crate::update) mod fixture {
    use super::*;

    /// A bundle of a payload of whole blocks, and what its manifest would say; its signature is a
    /// sequence with some content.
    pub fn bundle(payload: &[u8], salt: Hash, signature: &[u8]) -> (Vec<u8>, VeritySettings) {
        let hash_level = |level: &[u8]| -> Vec<u8> {
            let blocks = level.chunks(BLOCK_BYTES as usize);
            blocks.flat_map(|block| hash_of(&salt, block)).collect()
        };
        let mut tree = Vec::new();
        let mut level = payload.to_vec();
        while level.len() > BLOCK_BYTES as usize {
            level = hash_level(&level);
            level.resize(level.len().next_multiple_of(BLOCK_BYTES as usize), 0);
            tree.splice(0..0, level.iter().copied());
        }
        let settings = VeritySettings {
            root_hash: hash_of(&salt, &level),
            salt,
            tree_bytes: tree.len() as u64,
        };
        let head = [SEQUENCE_TAG, signature.len() as u8];
        assert!(head[1] < 0x80, "a short form of its length");
        let size = (head.len() as u64 + signature.len() as u64).to_be_bytes();
        let bundle = [payload, &tree, &head, signature, &size].concat();
        (bundle, settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    const SALT: Hash = [0x5a; HASH_BYTES];

    fn payload(blocks: usize) -> Vec<u8> {
        let bytes = (0..blocks * BLOCK_BYTES as usize).map(|at| (at * 31 / 7) as u8);
        bytes.collect()
    }

    fn check_all(bundle: &[u8], settings: &VeritySettings) -> Result<(), VerityError> {
        check(Cursor::new(bundle), bundle.len() as u64, settings)
    }

    #[test]
    fn whole_bundles_pass_and_every_other_root_hash_fails() {
        for blocks in [1, 2, 127, 128, 129, 300] {
            let (bundle, mut settings) = fixture::bundle(&payload(blocks), SALT, b"signature");
            check_all(&bundle, &settings).unwrap();
            settings.root_hash[31] ^= 1;
            assert!(check_all(&bundle, &settings).is_err(), "{blocks}");
        }
    }

    #[test]
    fn the_top_of_two_blocks_is_as_dm_verity_defines_it() {
        // The root is the hash of the salt and of a block with both hashes, padded with zeros.
        let (bundle, settings) = fixture::bundle(&[0; 8192], SALT, b"s");
        let leaf = hash_of(&SALT, &[0; 4096]);
        let mut top = [leaf, leaf].concat();
        top.resize(4096, 0);
        assert_eq!(settings.root_hash, hash_of(&SALT, &top));
        assert_eq!(bundle[8192..8192 + 4096], top);
        assert_eq!(settings.tree_bytes, 4096);
    }

    #[test]
    fn layouts_that_cannot_be_are_refused() {
        let (bundle, settings) = fixture::bundle(&payload(3), SALT, b"signature");
        let with_size = |size: u64| {
            let mut bundle = bundle.clone();
            let at = bundle.len() - 8;
            bundle[at..].copy_from_slice(&size.to_be_bytes());
            bundle
        };
        let with_tree = |tree_bytes| VeritySettings {
            tree_bytes,
            ..settings.clone()
        };
        let cases = [
            (with_size(0), settings.clone()),
            (with_size(8), settings.clone()),
            (with_size(u64::MAX), settings.clone()),
            (with_size(bundle.len() as u64 - 8), settings.clone()),
            (bundle[..7].to_vec(), settings.clone()),
            (Vec::new(), settings.clone()),
            (bundle[..bundle.len() - 4096].to_vec(), settings.clone()),
            (bundle.clone(), with_tree(0)),
            (bundle.clone(), with_tree(8192)),
            (bundle.clone(), with_tree(u64::MAX)),
        ];
        for (index, (bundle, settings)) in cases.iter().enumerate() {
            let error = check_all(bundle, settings).unwrap_err();
            assert!(
                matches!(error, VerityError::Layout(_)),
                "case {index}: {error}"
            );
        }
        // A file that is shorter than was said.
        let error = check(Cursor::new(&bundle[..100]), bundle.len() as u64, &settings);
        assert!(matches!(error, Err(VerityError::Read(_))));
    }

    #[test]
    fn a_signature_fills_its_place() {
        let long = [0x30, 0x84, 0, 1, 0, 0];
        let cases: [(&[u8], Option<u64>); 11] = [
            (&[0x30, 0x05, 1, 2, 3, 4], Some(7)),
            (&[0x30, 0x7f], Some(129)),
            (&[0x30, 0x81, 0x80], Some(131)),
            (&[0x30, 0x82, 0x06, 0xf3], Some(0x6f3 + 4)),
            (&long, Some(0x1_0006)),
            (&long[..5], None),
            (&[0x30, 0x80, 1, 2], None),
            (&[0x30, 0xff, 1, 2], None),
            (&[0x31, 0x05], None),
            (&[0x30], None),
            (&[], None),
        ];
        for (head, expected) in cases {
            assert_eq!(der_bytes(head), expected, "{head:x?}");
        }
        let (bundle, settings) = fixture::bundle(&payload(3), SALT, b"signature");
        let end = bundle.len() - 8;
        for more in [1, 100] {
            let size = (11 + more as u64).to_be_bytes();
            let longer = [&bundle[..end], &vec![0; more], &size].concat();
            let error = check_all(&longer, &settings).unwrap_err().to_string();
            assert!(error.contains("does not fill"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_flipped_bit_of_payload_or_tree_is_found(at in 0..(300 + 4) * 4096_usize, bit in 0..8) {
            let (mut bundle, settings) = fixture::bundle(&payload(300), SALT, b"signature");
            bundle[at] ^= 1_u8 << bit;
            prop_assert!(check_all(&bundle, &settings).is_err());
        }
    }

    #[test]
    fn hashes_are_64_digits() {
        assert_eq!(hex::decode(&"5a".repeat(32)), Some(SALT));
        for wrong in [
            "",
            "5a",
            &"5g".repeat(32),
            &"+a".repeat(32),
            &"é".repeat(32),
        ] {
            assert_eq!(hex::decode::<HASH_BYTES>(wrong), None, "{wrong}");
        }
    }
}
