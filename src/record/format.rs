//! The format of a data folder, and the way from an older one to this version's.
//!
//! Each format has a folder of records of its own; `format.toml` names the one that holds. A newer
//! version writes its folder beside the older one and then changes that name, in one step; the
//! older folder stays until the newer version is confirmed, so that the version before finds
//! its records again if it has to come back.

use super::error::RecordError;
use super::layout::{self, FIRST_FORMAT, FORMAT_FILE, records_folder_of};
use crate::device::files::{self, ReadError, sync_parent};
use crate::device::folder::replace_durably;
use serde::Deserialize;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The format that this version writes.
pub const DATA_FORMAT: u32 = 1;
/// The most bytes of [`FORMAT_FILE`].
const MAX_FORMAT_BYTES: u64 = 4096;

/// The folder of this version's records within a data folder.
pub fn records_folder(data: &Path) -> PathBuf {
    records_folder_of(data, DATA_FORMAT)
}

/// Checks that this version can read the records of a data folder.
///
/// # Errors
/// They are of a newer format, or their format cannot be read.
pub fn check_format(data: &Path) -> Result<(), RecordError> {
    check(data, DATA_FORMAT)
}

/// The way from one format to the next: reads the first folder, fills the second one.
pub(super) struct Migration {
    pub from: u32,
    pub migrate: fn(&Path, &Path) -> io::Result<()>,
}

/// Brings a data folder to this version's format; gives what there is to say about that.
///
/// # Errors
/// It is of a newer format, or cannot be read or written.
pub(super) fn open(data: &Path) -> Result<Vec<String>, RecordError> {
    open_as(data, DATA_FORMAT, &[])
}

pub(super) fn open_as(
    data: &Path,
    known: u32,
    migrations: &[Migration],
) -> Result<Vec<String>, RecordError> {
    fs::create_dir_all(data).map_err(|error| RecordError::of("made", data, error))?;
    let Some(found) = read(data)? else {
        let is_first = records_folder_of(data, FIRST_FORMAT).is_dir();
        let format = if is_first { FIRST_FORMAT } else { known };
        write(data, format)?;
        return if format == known {
            Ok(Vec::new())
        } else {
            open_as(data, known, migrations)
        };
    };
    if found > known {
        check(data, known)?;
        write(data, known)?;
        let kept = records_folder_of(data, found);
        return Ok(vec![format!(
            "the records of before are used again; those of the newer version are kept in {}",
            kept.display()
        )]);
    }
    for format in found..known {
        let migration = migrations.iter().find(|migration| migration.from == format);
        let migration = migration.ok_or_else(|| unreadable(data, "no version has written it"))?;
        migrate(data, migration)?;
    }
    if found < known {
        write(data, known)?;
        return Ok(vec![format!("the records are now of format {known}")]);
    }
    Ok(Vec::new())
}

fn migrate(data: &Path, migration: &Migration) -> Result<(), RecordError> {
    let older = records_folder_of(data, migration.from);
    let newer = records_folder_of(data, migration.from + 1);
    let making = layout::half_migrated(&newer);
    let failed = |error| RecordError::of("migrated", &older, error);
    // One that a power cut left half-made.
    if making.exists() {
        fs::remove_dir_all(&making).map_err(failed)?;
    }
    fs::create_dir(&making).map_err(failed)?;
    if older.exists() {
        (migration.migrate)(&older, &making).map_err(failed)?;
    }
    for file in fs::read_dir(&making).map_err(failed)? {
        let path = file.map_err(failed)?.path();
        File::open(path)
            .and_then(|file| files::sync(&file))
            .map_err(failed)?;
    }
    File::open(&making)
        .and_then(|folder| files::sync(&folder))
        .map_err(failed)?;
    // One that a newer version wrote before it was rolled back holds records of its own.
    if newer.exists() {
        quarantine(&newer)?;
    }
    fs::rename(&making, &newer).map_err(failed)?;
    sync_parent(&newer).map_err(failed)
}

/// Moves a folder of records out of the way; nothing in it is lost.
fn quarantine(folder: &Path) -> Result<(), RecordError> {
    let Some(place) = layout::quarantines(folder).find(|place| !place.exists()) else {
        return Err(RecordError::TooManySideFiles {
            path: folder.to_owned(),
        });
    };
    fs::rename(folder, &place).map_err(|error| RecordError::of("moved", folder, error))
}

/// Checks that a data folder holds records that a version with the format `known` can read.
///
/// # Errors
/// It holds newer ones alone, or its format cannot be read.
fn check(data: &Path, known: u32) -> Result<(), RecordError> {
    match read(data)? {
        Some(found) if found > known && !records_folder_of(data, known).is_dir() => {
            Err(RecordError::NewerFormat {
                path: data.to_owned(),
                found,
                known,
            })
        }
        _ => Ok(()),
    }
}

/// Removes the records of older formats, once no older version may have to read them again.
///
/// # Errors
/// They cannot be removed.
pub fn purge_older_formats(data: &Path) -> Result<(), RecordError> {
    let Some(found) = read(data)? else {
        return Ok(());
    };
    for format in FIRST_FORMAT..found {
        let folder = records_folder_of(data, format);
        if folder.exists() {
            // At once gone for whoever looks, then bit by bit.
            let gone = layout::being_removed(&folder);
            let removed = fs::rename(&folder, &gone).and_then(|()| fs::remove_dir_all(&gone));
            removed.map_err(|error| RecordError::of("removed", &folder, error))?;
        }
    }
    Ok(())
}

fn unreadable(data: &Path, reason: &str) -> RecordError {
    RecordError::UnknownFormat {
        path: data.join(FORMAT_FILE),
        reason: reason.to_owned(),
    }
}

fn read(data: &Path) -> Result<Option<u32>, RecordError> {
    #[derive(Deserialize)]
    struct Content {
        format: u32,
    }
    let path = data.join(FORMAT_FILE);
    let text = match files::read_text(&path, MAX_FORMAT_BYTES) {
        Ok(text) => text,
        Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(ReadError::Io(error)) => return Err(RecordError::of("read", &path, error)),
        Err(error) => return Err(unreadable(data, &error.to_string())),
    };
    let content: Result<Content, _> = toml::from_str(&text);
    match content {
        Ok(content) if content.format >= FIRST_FORMAT => Ok(Some(content.format)),
        Ok(content) => Err(unreadable(
            data,
            &format!("there is no format {}", content.format),
        )),
        Err(error) => Err(unreadable(data, error.message())),
    }
}

/// Names the format in one step: after a power cut it is the old one or the new one.
fn write(data: &Path, format: u32) -> Result<(), RecordError> {
    let path = data.join(FORMAT_FILE);
    let text = format!("# The format of what lies here.\nformat = {format}\n");
    replace_durably(&path, text.as_bytes())
        .map_err(|error| RecordError::of("written", &path, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Format 1 as capital letters: format 2.
    const TO_2: Migration = Migration {
        from: 1,
        migrate: |older, newer| {
            for file in fs::read_dir(older)? {
                let path = file?.path();
                let text = fs::read_to_string(&path)?.to_uppercase();
                fs::write(newer.join(path.file_name().unwrap_or_default()), text)?;
            }
            Ok(())
        },
    };
    /// The power fails after the first file.
    const CUT: Migration = Migration {
        from: 1,
        migrate: |_, newer| {
            fs::write(newer.join("half"), "HA")?;
            Err(io::Error::other("no power"))
        },
    };

    fn files(folder: &Path) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                for (inner, text) in files(&path) {
                    found.insert(format!("{name}/{inner}"), text);
                }
            } else if name != FORMAT_FILE {
                found.insert(name, fs::read_to_string(path).unwrap());
            }
        }
        found
    }

    fn old_data() -> tempfile::TempDir {
        let data = tempfile::tempdir().unwrap();
        fs::create_dir(data.path().join("records")).unwrap();
        fs::write(data.path().join("records/a"), "smear one").unwrap();
        data
    }

    #[test]
    fn a_new_folder_and_one_from_before_formats_are_named() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("hemoscope");
        assert_eq!(open(&folder).unwrap(), Vec::<String>::new());
        assert_eq!(read(&folder).unwrap(), Some(DATA_FORMAT));
        let data = old_data();
        open(data.path()).unwrap();
        assert_eq!(read(data.path()).unwrap(), Some(1));
        let before = fs::metadata(data.path().join(FORMAT_FILE))
            .unwrap()
            .modified()
            .unwrap();
        open(data.path()).unwrap();
        let after = fs::metadata(data.path().join(FORMAT_FILE))
            .unwrap()
            .modified()
            .unwrap();
        assert_eq!(before, after, "written once");
    }

    #[test]
    fn a_newer_format_is_refused_with_what_to_do_and_nothing_is_written() {
        let data = tempfile::tempdir().unwrap();
        fs::create_dir(data.path().join("records-2")).unwrap();
        fs::write(data.path().join("records-2/a"), "SMEAR").unwrap();
        fs::write(data.path().join(FORMAT_FILE), "format = 2\nlater = true\n").unwrap();
        let error = open(data.path()).unwrap_err().to_string();
        assert!(
            error.contains("format 2") && error.contains("newer version"),
            "{error}"
        );
        assert!(check(data.path(), DATA_FORMAT).is_err());
        assert_eq!(read(data.path()).unwrap(), Some(2));
        for wrong in ["", "format = \"x\"", "format = 0", "format = -1", "\u{0}"] {
            fs::write(data.path().join(FORMAT_FILE), wrong).unwrap();
            let error = open(data.path()).unwrap_err().to_string();
            assert!(error.contains("format.toml"), "{wrong:?}: {error}");
            assert_eq!(
                fs::read_to_string(data.path().join(FORMAT_FILE)).unwrap(),
                wrong
            );
        }
    }

    #[test]
    fn older_records_are_migrated_kept_until_the_proof_and_found_again_after_a_rollback() {
        let data = old_data();
        let data = data.path();
        open(data).unwrap();
        assert_eq!(open_as(data, 2, &[TO_2]).unwrap().len(), 1);
        assert_eq!(read(data).unwrap(), Some(2));
        assert_eq!(files(data)["records/a"], "smear one");
        assert_eq!(files(data)["records-2/a"], "SMEAR ONE");
        // Counted on trial; then the version before comes back, and counts too.
        fs::write(data.join("records-2/b"), "ON TRIAL").unwrap();
        let said = open(data).unwrap();
        assert!(said[0].contains("records-2"), "{said:?}");
        fs::write(data.join("records/c"), "back again").unwrap();
        // The next try of the newer version loses neither.
        open_as(data, 2, &[TO_2]).unwrap();
        let found = files(data);
        assert_eq!(found["records-2.aside-01/b"], "ON TRIAL");
        assert_eq!(found["records-2/c"], "BACK AGAIN");
        assert_eq!(found["records/c"], "back again");
        // It is confirmed.
        purge_older_formats(data).unwrap();
        purge_older_formats(data).unwrap();
        assert!(!data.join("records").exists());
        assert_eq!(files(data)["records-2/c"], "BACK AGAIN");
        assert!(matches!(open(data), Err(RecordError::NewerFormat { .. })));
    }

    #[test]
    fn a_cut_migration_leaves_the_older_records_and_is_gone_through_again() {
        let data = old_data();
        let data = data.path();
        assert!(open_as(data, 2, &[CUT]).is_err());
        assert_eq!(read(data).unwrap(), Some(1));
        assert_eq!(files(data)["records/a"], "smear one");
        // The version before goes on as if nothing had been.
        assert_eq!(open(data).unwrap(), Vec::<String>::new());
        open_as(data, 2, &[TO_2]).unwrap();
        assert_eq!(files(data)["records-2/a"], "SMEAR ONE");
        assert!(!files(data).keys().any(|name| name.contains("half")));
        // Cut between the folder's name and the format's.
        write(data, 1).unwrap();
        open_as(data, 2, &[TO_2]).unwrap();
        assert_eq!(files(data)["records-2/a"], "SMEAR ONE");
        let missing = open_as(data, 3, &[TO_2]).unwrap_err().to_string();
        assert!(missing.contains("no version"), "{missing}");
        assert_eq!(read(data).unwrap(), Some(2));
    }
}
