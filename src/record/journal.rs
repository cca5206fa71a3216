//! Writing records so that a power cut at any moment loses no line that was said to be kept.
//!
//! A line is kept once [`files::sync`] has returned. After any failure the file is opened anew and cut
//! back to what was kept, so that a half-written line never stands before a whole one.

use super::archive::{self, SmearRecords, SmearState};
use super::entry::{DamageKind, Entry, Event, FieldOutcome, FieldRecord, Totals, encode};
use super::error::RecordError;
use super::layout::{self, MAX_PARTS};
use crate::device::clock::Timestamp;
use crate::device::files::{self, FolderLock, LockError, sync_parent};
use std::borrow::Cow;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A file that would become larger than this is followed by another part.
pub const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;
/// What a journal does to the disk; a test stands in for one that fails.
pub(super) trait Disk: Send {
    type File: Send;

    /// Opens a file for lines, made if it is not there, and cuts it to `bytes`; the error
    /// [`io::ErrorKind::UnexpectedEof`] says that it is shorter.
    fn open(&self, path: &Path, bytes: u64) -> io::Result<Self::File>;

    /// Appends bytes and returns once they would survive a power cut.
    fn append(&self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()>;
}

/// The disk there is.
#[derive(Debug, Clone, Copy)]
pub(super) struct RealDisk;

impl Disk for RealDisk {
    type File = File;

    fn open(&self, path: &Path, bytes: u64) -> io::Result<File> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        if file.metadata()?.len() < bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.set_len(bytes)?;
        file.seek(SeekFrom::Start(bytes))?;
        sync_parent(path)?;
        Ok(file)
    }

    fn append(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)?;
        files::sync(file)
    }
}

/// The smear that is being written.
struct Current<F> {
    smear: u64,
    part: u32,
    /// `None` before the first line and after a failure.
    file: Option<F>,
    /// Bytes of the part that are kept.
    kept_bytes: u64,
    next_seq: u64,
    totals: Totals,
    /// The last counted field, until it is taken out again.
    last_counted: Option<FieldRecord>,
}

/// The records of a folder, being written.
pub(super) struct Journal<D: Disk> {
    disk: D,
    folder: PathBuf,
    boot_id: String,
    max_file_bytes: u64,
    /// Held while the journal lives, once the folder has been opened.
    lock: Option<FolderLock>,
    next_smear: u64,
    current: Option<Current<D::File>>,
    line: Vec<u8>,
}

impl<D: Disk> Journal<D> {
    /// Of a folder that need not be there yet.
    pub(super) fn new(disk: D, folder: PathBuf, boot_id: &str, max_file_bytes: u64) -> Self {
        Self {
            disk,
            folder,
            boot_id: boot_id.to_owned(),
            max_file_bytes,
            lock: None,
            next_smear: 1,
            current: None,
            line: Vec::new(),
        }
    }

    /// Makes and locks the folder, and closes the smear that was in progress when the program last
    /// ended; gives what there is to say about that. Does nothing once it has succeeded.
    pub(super) fn open(&mut self, now: Timestamp) -> Result<Vec<String>, RecordError> {
        if self.lock.is_some() {
            return Ok(Vec::new());
        }
        let folder = self.folder.clone();
        fs::create_dir_all(&folder).map_err(|error| RecordError::of("made", &folder, error))?;
        let lock = lock(&folder)?;
        let smears = archive::list(&folder)?;
        let mut said = Vec::new();
        if let Some((&number, files)) = smears.last_key_value() {
            self.next_smear = number + 1;
            let smear = archive::read(number, files)?;
            if smear.state == SmearState::InProgress {
                let newest_part = files.last_key_value().map(|(&part, _)| part);
                said = self.interrupt(&smear, newest_part, now)?;
            }
        }
        self.lock = Some(lock);
        Ok(said)
    }

    /// Closes a smear that was in progress: nothing after the last whole line stays in its file.
    fn interrupt(
        &mut self,
        smear: &SmearRecords,
        newest_part: Option<u32>,
        now: Timestamp,
    ) -> Result<Vec<String>, RecordError> {
        let number = smear.number;
        let Some((part, prefix)) = smear.last else {
            return Ok(Vec::new());
        };
        let path = self.folder.join(layout::file_name(number, part));
        let is_torn = prefix
            .damage
            .is_some_and(|damage| damage.kind == DamageKind::Torn);
        // Nothing may be added where not all can be read: what to do is up to who reads it.
        if smear.faults.len() > usize::from(is_torn) || newest_part != Some(part) {
            let faults = smear.faults.iter();
            return Ok(faults
                .map(|fault| {
                    format!("smear {number} was interrupted and is left as it is: {fault}")
                })
                .collect());
        }
        let mut said = Vec::new();
        let (mut cut_bytes, mut side_file) = (0, None);
        if is_torn {
            let (side, bytes) = Self::quarantine_end(&path, prefix.bytes)?;
            said.push(format!(
                "the last line of {} was torn, as by a power cut: {bytes} bytes were moved into {}",
                path.display(),
                side.display()
            ));
            let name = side.file_name().unwrap_or_default();
            (cut_bytes, side_file) = (bytes, Some(name.to_string_lossy().into_owned()));
        }
        let totals = smear.totals;
        let mut current = Current {
            smear: number,
            part,
            file: None,
            kept_bytes: prefix.bytes,
            next_seq: smear.entries,
            totals,
            last_counted: None,
        };
        let event = Event::SmearInterrupted {
            totals,
            cut_bytes,
            side_file,
        };
        self.append(&mut current, now, &event)?;
        said.push(format!(
            "smear {number} was interrupted after {} counted fields; its records are kept, a new \
             smear begins",
            totals.fields
        ));
        Ok(said)
    }

    /// Copies what follows on `kept_bytes` into a file of its own, and only then cuts it off.
    fn quarantine_end(path: &Path, kept_bytes: u64) -> Result<(PathBuf, u64), RecordError> {
        let failed = |error| RecordError::of("repaired", path, error);
        let mut file = File::open(path).map_err(failed)?;
        file.seek(SeekFrom::Start(kept_bytes)).map_err(failed)?;
        for side in layout::torn_ends(path) {
            let made = OpenOptions::new().write(true).create_new(true).open(&side);
            let mut end = match made {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made.map_err(|error| RecordError::of("made", &side, error))?,
            };
            let copied = io::copy(&mut file, &mut end)
                .and_then(|bytes| files::sync(&end).map(|()| bytes))
                .and_then(|bytes| sync_parent(&side).map(|()| bytes))
                .map_err(|error| RecordError::of("written", &side, error));
            let bytes = match copied {
                Ok(bytes) => bytes,
                Err(error) => {
                    // A half copy says nothing that the file itself does not.
                    let _ = fs::remove_file(&side);
                    return Err(error);
                }
            };
            let cut = OpenOptions::new().write(true).open(path).map_err(failed)?;
            cut.set_len(kept_bytes).map_err(failed)?;
            files::sync(&cut).map_err(failed)?;
            return Ok((side, bytes));
        }
        Err(RecordError::TooManySideFiles {
            path: path.to_owned(),
        })
    }

    /// Keeps an event; once `Ok`, it survives a power cut. After an error it can be tried again.
    pub(super) fn write(&mut self, stamp: Timestamp, event: &Event) -> Result<(), RecordError> {
        let is_new = matches!(event, Event::SmearStarted(_));
        let mut current = match self.current.take() {
            Some(current) if !is_new || current.next_seq == 0 => current,
            _ => {
                let smear = self.next_smear;
                self.next_smear += 1;
                Current {
                    smear,
                    part: 1,
                    file: None,
                    kept_bytes: 0,
                    next_seq: 0,
                    totals: Totals::default(),
                    last_counted: None,
                }
            }
        };
        let kept = self.append(&mut current, stamp, event);
        let is_last = kept.is_ok() && matches!(event, Event::SmearEnded { .. });
        self.current = (!is_last).then_some(current);
        kept
    }

    /// Sums of the lines kept of the smear that is being written.
    pub(super) fn totals(&self) -> Totals {
        self.current
            .as_ref()
            .map(|current| current.totals)
            .unwrap_or_default()
    }

    /// The number of the smear that is being written, or of the last one.
    pub(super) fn smear(&self) -> u64 {
        let current = self.current.as_ref().map(|current| current.smear);
        current.unwrap_or(self.next_smear - 1)
    }

    fn append(
        &mut self,
        current: &mut Current<D::File>,
        stamp: Timestamp,
        event: &Event,
    ) -> Result<(), RecordError> {
        let entry = Entry {
            smear: current.smear,
            seq: current.next_seq,
            boot_id: Cow::Borrowed(&self.boot_id),
            stamp,
            event: Cow::Borrowed(event),
        };
        let path = |part| self.folder.join(layout::file_name(current.smear, part));
        encode(&entry, &mut self.line)
            .map_err(|error| RecordError::of("written", &path(current.part), error))?;
        let bytes = self.line.len() as u64;
        let mut part = current.part;
        let mut kept_bytes = current.kept_bytes;
        if kept_bytes > 0 && kept_bytes + bytes > self.max_file_bytes {
            (part, kept_bytes) = (part + 1, 0);
            current.file = None;
        }
        let mut file = match current.file.take() {
            Some(file) => file,
            None => {
                let file;
                (file, part, kept_bytes) = self.open_part(current.smear, part, kept_bytes)?;
                file
            }
        };
        self.disk
            .append(&mut file, &self.line)
            .map_err(|error| RecordError::of("written", &path(part), error))?;
        current.file = Some(file);
        current.part = part;
        current.kept_bytes = kept_bytes + bytes;
        current.next_seq += 1;
        match event {
            Event::Field(field) => {
                current.totals.add(field);
                if field.outcome == FieldOutcome::Counted {
                    current.last_counted = Some(*field);
                }
            }
            Event::FieldUndone { .. } => {
                let undone = current.last_counted.take();
                undone
                    .iter()
                    .for_each(|field| current.totals.take_back(field));
            }
            _ => {}
        }
        Ok(())
    }

    /// Opens a part of a smear that holds `kept_bytes`, or the next one where another card is in;
    /// gives its file, number and kept bytes.
    fn open_part(
        &self,
        smear: u64,
        mut part: u32,
        mut kept_bytes: u64,
    ) -> Result<(D::File, u32, u64), RecordError> {
        while part <= MAX_PARTS {
            let path = self.folder.join(layout::file_name(smear, part));
            match self.disk.open(&path, kept_bytes) {
                Ok(file) => return Ok((file, part, kept_bytes)),
                // What was kept is on the card that was in before.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    (part, kept_bytes) = (part + 1, 0);
                }
                Err(error) => return Err(RecordError::of("opened", &path, error)),
            }
        }
        Err(RecordError::TooManyParts { smear })
    }
}

/// One program at a time writes to a folder.
fn lock(folder: &Path) -> Result<FolderLock, RecordError> {
    files::lock_folder(folder).map_err(|error| match error {
        LockError::InUse => RecordError::InUse {
            path: folder.to_owned(),
        },
        LockError::CannotOpen(error) | LockError::CannotLock(error) => {
            RecordError::of("locked", folder, error)
        }
    })
}
