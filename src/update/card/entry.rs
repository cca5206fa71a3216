//! Cards, the entries of their top folder, and the rules by which a card's bundle is chosen.

use crate::update::protocol::{Problem, ProblemKind};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The most entries of a card's top folder that are looked at.
const MAX_CARD_ENTRIES: usize = 1000;
/// The most bytes of a bundle.
pub const MAX_BUNDLE_BYTES: u64 = 200 << 20;
const BUNDLE_ENDING: &[u8] = b".raucb";

/// A partition, or a disk without any, that is not the system's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardId {
    /// The kernel's name, such as `sda1`.
    pub name: String,
    /// Another number whenever a disk is put in.
    pub sequence: u64,
}

/// An entry of a card's top folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CardEntry {
    /// Its name in the folder; need not be UTF-8.
    pub name: OsString,
    /// Neither a folder nor a symbolic link nor anything else.
    pub is_file: bool,
    /// Its length, in bytes.
    pub size_bytes: u64,
    /// When it was last written, in seconds since 1970, as the card says.
    pub modified_s: i64,
}

/// Whether a name is one of a bundle. Names that begin with a dot are hidden, such as those that
/// macOS leaves beside each file.
pub fn is_bundle_name(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let Some(at) = name.len().checked_sub(BUNDLE_ENDING.len()) else {
        return false;
    };
    at > 0 && !name.starts_with(b".") && name[at..].eq_ignore_ascii_case(BUNDLE_ENDING)
}

/// The one bundle of a card; `None` where it has none.
///
/// # Errors
/// There are several, or it cannot be one by its size.
pub fn choose_bundle(entries: &[CardEntry]) -> Result<Option<&CardEntry>, Problem> {
    let is_bundle = |entry: &&CardEntry| entry.is_file && is_bundle_name(&entry.name);
    let mut bundles = entries.iter().filter(is_bundle);
    let Some(bundle) = bundles.next() else {
        return Ok(None);
    };
    if let Some(second) = bundles.next() {
        let text = format!(
            "the card holds several bundles, including {} and {}; leave one on it",
            shown(&bundle.name),
            shown(&second.name)
        );
        let kind = ProblemKind::Several;
        return Err(Problem { kind, text });
    }
    if bundle.size_bytes == 0 || bundle.size_bytes > MAX_BUNDLE_BYTES {
        let text = format!(
            "{} has {} bytes, but a bundle has 1 to {MAX_BUNDLE_BYTES}; copy it to the card again",
            shown(&bundle.name),
            bundle.size_bytes
        );
        let kind = ProblemKind::Unreadable;
        return Err(Problem { kind, text });
    }
    Ok(Some(bundle))
}

/// The entries of a card's top folder; symbolic links are not followed.
///
/// # Errors
/// The folder cannot be read.
pub fn list(top: &Path) -> io::Result<Vec<CardEntry>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(top)?.take(MAX_CARD_ENTRIES) {
        let entry = entry?;
        // Only what may be a bundle is looked at more closely.
        if !is_bundle_name(&entry.file_name()) {
            continue;
        }
        let metadata = entry.metadata()?;
        entries.push(CardEntry {
            name: entry.file_name(),
            is_file: metadata.is_file(),
            size_bytes: metadata.len(),
            modified_s: metadata.mtime(),
        });
    }
    Ok(entries)
}

/// A name as it may be printed: no control characters, and not endless.
pub fn shown(name: &OsStr) -> String {
    let text = name.to_string_lossy();
    let plain = text.chars().map(|c| if c.is_control() { '?' } else { c });
    plain.take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(name: impl AsRef<OsStr>, size_bytes: u64) -> CardEntry {
        CardEntry {
            name: name.as_ref().to_owned(),
            is_file: true,
            size_bytes,
            modified_s: 0,
        }
    }

    #[test]
    fn names_in_any_script_are_told_from_others() {
        let cases: [(&[u8], bool); 12] = [
            (b"hemoscope-raspberry-pi-4-1.1.0.raucb", true),
            (b"UPDATE.RAUCB", true),
            ("обновление 更新 نسخة.Raucb".as_bytes(), true),
            (b"a b\n.raucb", true),
            (b"\xff\xfe.raucb", true),
            (b".hidden.raucb", false),
            (b"._hemoscope.raucb", false),
            (b".raucb", false),
            (b"raucb", false),
            (b"update.raucb.txt", false),
            (b"update.raucb~", false),
            (b"", false),
        ];
        for (name, expected) in cases {
            let name = OsStr::from_bytes(name);
            assert_eq!(is_bundle_name(name), expected, "{name:?}");
        }
    }

    #[test]
    fn one_bundle_is_taken_and_nothing_else() {
        let not_a_file = |name| CardEntry {
            is_file: false,
            ..file(name, 4096)
        };
        let others = vec![
            file("photo.jpg", 1),
            file("._x.raucb", 5),
            not_a_file("folder.raucb"),
            not_a_file("link.raucb"),
        ];
        assert_eq!(choose_bundle(&others), Ok(None));
        assert_eq!(choose_bundle(&[]), Ok(None));
        let with = |more: &[CardEntry]| [others.as_slice(), more].concat();
        let entries = with(&[file("x.raucb", MAX_BUNDLE_BYTES)]);
        assert_eq!(choose_bundle(&entries).unwrap(), entries.last());
        let cases = [
            (
                with(&[file("x.raucb", 1), file("y.RAUCB", 1)]),
                ProblemKind::Several,
                "leave one",
            ),
            (
                with(&[file("x.raucb", 0)]),
                ProblemKind::Unreadable,
                "again",
            ),
            (
                with(&[file("x.raucb", 10 << 30)]),
                ProblemKind::Unreadable,
                "10737418240 bytes",
            ),
            (
                with(&[file("x\u{1b}[2J.raucb", 0)]),
                ProblemKind::Unreadable,
                "x?[2J.raucb",
            ),
        ];
        for (entries, kind, expected) in cases {
            let problem = choose_bundle(&entries).unwrap_err();
            assert_eq!(problem.kind, kind, "{problem:?}");
            assert!(problem.text.contains(expected), "{problem:?}");
        }
    }

    proptest! {
        #[test]
        fn any_name_is_accepted_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let name = OsStr::from_bytes(&bytes);
            let _ = is_bundle_name(name);
            prop_assert!(shown(name).chars().count() <= 80);
        }
    }
}
