//! The names of what lies in a data folder.
//!
//! ```text
//! format.toml                      the format that holds
//! records/, records-2/, ...        the records of each format
//!   00000012-001.jsonl             a part of a smear, both numbered from 1
//!   00000012-001.jsonl.torn-01     an end that a power cut tore
//! records-2.making/                a migration that is not done
//! records-2.aside-01/              in quarantine: written by a version that was rolled back
//! records.forgotten/               being removed
//! ```

use std::path::{Path, PathBuf};

/// The file of a data folder that names its format.
pub const FORMAT_FILE: &str = "format.toml";
/// The format of a data folder with records and without that file.
pub(super) const FIRST_FORMAT: u32 = 1;
/// The most parts of a smear: a million fields of half a kilobyte take thirty.
pub(super) const MAX_PARTS: u32 = 999;
/// The most files, or folders, that what is in quarantine beside one is moved into.
pub(super) const MAX_SIDE_FILES: u32 = 99;
const EXTENSION: &str = ".jsonl";

/// The folder of a format's records.
pub(super) fn records_folder_of(data: &Path, format: u32) -> PathBuf {
    if format == FIRST_FORMAT {
        return data.join("records");
    }
    data.join(format!("records-{format}"))
}

/// The file of a part of a smear's records, both numbered from 1.
pub fn file_name(smear: u64, part: u32) -> String {
    format!("{smear:08}-{part:03}{EXTENSION}")
}

/// The smear and the part of a file name.
pub(super) fn parse_file_name(name: &str) -> Option<(u64, u32)> {
    let (smear, part) = name.strip_suffix(EXTENSION)?.split_once('-')?;
    let numbers = (smear.parse().ok()?, part.parse().ok()?);
    // One way only to write a name.
    (file_name(numbers.0, numbers.1) == name).then_some(numbers)
}

/// The files that a torn end of a file may be moved into, in order.
pub(super) fn torn_ends(file: &Path) -> impl Iterator<Item = PathBuf> {
    numbered_beside(file, "torn")
}

/// The folders that a folder of records may be moved to when a migration takes its place, in order.
pub(super) fn quarantines(folder: &Path) -> impl Iterator<Item = PathBuf> {
    numbered_beside(folder, "aside")
}

/// Where a migration fills a folder of records before it takes its place.
pub(super) fn half_migrated(folder: &Path) -> PathBuf {
    beside(folder, "making")
}

/// Where a folder of records is moved to before it is removed bit by bit.
pub(super) fn being_removed(folder: &Path) -> PathBuf {
    beside(folder, "forgotten")
}

fn numbered_beside(path: &Path, ending: &str) -> impl Iterator<Item = PathBuf> {
    (1..=MAX_SIDE_FILES).map(move |number| beside(path, &format!("{ending}-{number:02}")))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for numbers in [(1, 1), (12, 999), (123_456_789, 1000)] {
            let name = file_name(numbers.0, numbers.1);
            assert_eq!(parse_file_name(&name), Some(numbers), "{name}");
        }
        for wrong in [
            "1-1.jsonl",
            "00000001-001",
            "00000001-001.jsonl.torn-01",
            "a-b.jsonl",
        ] {
            assert_eq!(parse_file_name(wrong), None, "{wrong}");
        }
        let side: Vec<PathBuf> = torn_ends(Path::new("a/00000001-001.jsonl")).collect();
        assert_eq!(side.len(), MAX_SIDE_FILES as usize);
        assert_eq!(side[1], Path::new("a/00000001-001.jsonl.torn-02"));
    }
}
