//! One function for each fuzz target: takes any bytes, and panics only where hemoscope is wrong.
//! All that the targets take from the library is named here.

use hemoscope::board::BoardDescription;
use hemoscope::config::Config;
use hemoscope::decode::{JpegDecoder, decode_image};
use hemoscope::image::frame::Frame;
use hemoscope::network::Manifest as ModelManifest;
use hemoscope::record::{Entry, line};
use hemoscope::update::bundle::manifest::Manifest as BundleManifest;
use hemoscope::update::bundle::verity::{self, BLOCK_BYTES, VeritySettings};
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::fs;
use std::io::Cursor;
use tempfile::TempDir;

thread_local! {
    /// A decoder with the tables and buffers that earlier images have left in it.
    static USED_DECODER: RefCell<JpegDecoder> = RefCell::default();
    static MODEL_FOLDER: TempDir = tempfile::tempdir().expect("a temporary folder can be made");
}

/// An image is decoded or refused, and what a decoder has seen before does not matter.
pub fn jpeg(bytes: &[u8]) {
    let decode = |decoder: &mut JpegDecoder| {
        let mut frame = Frame::default();
        let result = decoder.decode(bytes, "fuzz.jpg", &mut frame);
        result.map(|()| frame).map_err(|error| error.to_string())
    };
    let fresh = decode(&mut JpegDecoder::default());
    let used = USED_DECODER.with_borrow_mut(decode);
    assert_eq!(fresh.is_ok(), used.is_ok(), "{fresh:?} or {used:?}");
    if let (Ok(fresh), Ok(used)) = (fresh, used) {
        assert!(fresh == used, "a used decoder gave other pixels");
    }
}

/// An image is decoded or refused; without a PNG's signature, as any other file.
pub fn png(bytes: &[u8]) {
    let _ = decode_image(bytes, "fuzz.png");
}

/// A configuration is read or refused.
pub fn config(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes) {
        let _ = Config::parse(text, "fuzz.toml");
    }
}

/// A board description is read or refused.
pub fn board(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes) {
        let _ = BoardDescription::parse(text, "fuzz.toml");
    }
}

/// A line of a record is read or refused, as it comes and with a checksum that fits. What is read
/// can be written and read again.
pub fn record(bytes: &[u8]) {
    let _ = line::decode::<Entry<'static>>(bytes);
    let mut sealed = bytes.to_vec();
    let crc = crc32fast::hash(bytes);
    sealed.extend_from_slice(format!(",\"crc32\":\"{crc:08x}\"}}\n").as_bytes());
    let Ok(entry) = line::decode::<Entry<'static>>(&sealed) else {
        return;
    };
    let mut written = Vec::new();
    if line::encode(&entry, &mut written).is_ok() {
        line::decode::<Entry<'static>>(&written).expect("an entry that was written is read");
    }
}

/// What RAUC says of a bundle is taken or refused.
pub fn bundle_manifest(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes) {
        let _ = BundleManifest::parse(text);
    }
}

/// A model's manifest is taken or refused.
pub fn model_manifest(bytes: &[u8]) {
    MODEL_FOLDER.with(|folder| {
        let file = folder.path().join("manifest.toml");
        fs::write(&file, bytes).expect("a temporary file can be written");
        let _ = ModelManifest::load(folder.path());
    });
}

/// A bundle is taken or refused. The first byte is the number of blocks of its hash tree; the root
/// hash is that of the block in whose place the tree begins, so that what lies below is read too.
pub fn bundle(bytes: &[u8]) {
    let Some((&tree_blocks, bundle)) = bytes.split_first() else {
        return;
    };
    let settings = VeritySettings {
        root_hash: hash_of_top(bundle, u64::from(tree_blocks)).unwrap_or_default(),
        salt: [0; 32],
        tree_bytes: u64::from(tree_blocks) * BLOCK_BYTES,
    };
    let _ = verity::check(Cursor::new(bundle), bundle.len() as u64, &settings);
}

/// The hash, with a salt of zeros, of the tree's first block or, without a tree, of the content's.
fn hash_of_top(bundle: &[u8], tree_blocks: u64) -> Option<[u8; 32]> {
    let (rest, size) = bundle.split_last_chunk::<8>()?;
    let signature_bytes = usize::try_from(u64::from_be_bytes(*size)).ok()?;
    let signed_bytes = rest.len().checked_sub(signature_bytes)?;
    let tree_bytes = usize::try_from(tree_blocks * BLOCK_BYTES).ok()?;
    let at = if tree_blocks == 0 {
        0
    } else {
        signed_bytes.checked_sub(tree_bytes)?
    };
    let block = rest.get(at..)?.get(..BLOCK_BYTES as usize)?;
    Some(
        Sha256::new()
            .chain_update([0; 32])
            .chain_update(block)
            .finalize()
            .into(),
    )
}
