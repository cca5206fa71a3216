//! The files that the updater and the program publish for each other.

use crate::update::ipc_files::{publish, read};
use crate::update::{
    ANSWER_FILE, Answer, DEVICE_STATUS_FILE, DeviceStatus, STATE_FILE, UpdateState,
};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs, io};

/// Time between two polls of the updater's file.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// The folder that the service manager makes for the running program (systemd.exec(5)).
const FOLDER_VARIABLE: &str = "RUNTIME_DIRECTORY";

/// Where the files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpcFiles {
    /// Written by the updater.
    pub state: PathBuf,
    /// Written here, as is the status.
    pub answer: PathBuf,
    /// Tells the updater which parts of the device work.
    pub status: PathBuf,
}

impl IpcFiles {
    /// Where they are on a board: the program's own in the folder that the service manager made
    /// for it.
    pub fn of_system() -> Self {
        let folder = env::var_os(FOLDER_VARIABLE).map(PathBuf::from);
        let own = |file: &str| match (&folder, Path::new(file).file_name()) {
            (Some(folder), Some(name)) => folder.join(name),
            _ => PathBuf::from(file),
        };
        Self {
            state: PathBuf::from(STATE_FILE),
            answer: own(ANSWER_FILE),
            status: own(DEVICE_STATUS_FILE),
        }
    }
}

/// The device's status now, to be published as [`DeviceStatus`] once it has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CurrentStatus<'a> {
    /// The camera that has given a frame.
    pub(super) camera: Option<&'a str>,
    /// The kind of display that shows the screen.
    pub(super) display: Option<&'static str>,
    pub(super) is_data_readable: bool,
}

impl CurrentStatus<'_> {
    fn is_in(&self, published: &DeviceStatus) -> bool {
        self.camera == published.camera.as_deref()
            && self.display == published.display.as_deref()
            && self.is_data_readable == published.is_data_readable
    }
}

/// One content of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    inode: u64,
    changed_ns: (i64, i64),
    bytes: u64,
}

/// The program's end of the files that it shares with the updater.
#[derive(Debug)]
pub(super) struct Updates {
    files: IpcFiles,
    next_poll: Option<Instant>,
    /// What was read last; `None` for no file.
    read: Option<Version>,
    published: Option<DeviceStatus>,
    has_failed: bool,
}

impl Updates {
    /// Nothing was read or published yet.
    pub(super) fn new(files: IpcFiles) -> Self {
        Self {
            files,
            next_poll: None,
            read: None,
            published: None,
            has_failed: false,
        }
    }

    /// Reads the updater's state, at most twice a second, and publishes what has changed of the
    /// device. Gives the state where it is another one than before.
    pub(super) fn poll(&mut self, status: CurrentStatus<'_>, now: Instant) -> Option<UpdateState> {
        if self.next_poll.is_some_and(|next_poll| now < next_poll) {
            return None;
        }
        self.next_poll = Some(now + POLL_INTERVAL);
        let published = self.published.as_ref();
        if !published.is_some_and(|published| status.is_in(published)) {
            self.publish_status(status);
        }
        self.read_state()
    }

    /// The updater's state, where it is another one than before.
    fn read_state(&mut self) -> Option<UpdateState> {
        let version = match fs::metadata(&self.files.state) {
            Ok(metadata) => Some(Version {
                inode: metadata.ino(),
                changed_ns: (metadata.mtime(), metadata.mtime_nsec()),
                bytes: metadata.len(),
            }),
            Err(_) => None,
        };
        if version == self.read {
            return None;
        }
        self.read = version;
        match read(&self.files.state) {
            // Nothing goes on where there is no file.
            Ok(state) => Some(state.unwrap_or_default()),
            Err(error) => {
                let path = self.files.state.display();
                log::error!("{path} is invalid ({error}) and is ignored");
                None
            }
        }
    }

    fn publish_status(&mut self, status: CurrentStatus<'_>) {
        let content = DeviceStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            camera: status.camera.map(str::to_owned),
            display: status.display.map(str::to_owned),
            is_data_readable: status.is_data_readable,
        };
        match publish(&self.files.status, &content) {
            Ok(()) => {
                self.published = Some(content);
                self.has_failed = false;
            }
            // Said once, tried again.
            Err(error) if !std::mem::replace(&mut self.has_failed, true) => {
                log::error!(
                    "the updater cannot be told of the device: {}",
                    not_written(&self.files.status, &error)
                );
            }
            Err(_) => {}
        }
    }

    /// Writes an answer for the updater; whether it could be.
    pub(super) fn answer(&self, answer: &Answer) -> bool {
        let written = publish(&self.files.answer, answer);
        if let Err(error) = &written {
            log::error!(
                "the updater cannot be answered: {}",
                not_written(&self.files.answer, error)
            );
        }
        written.is_ok()
    }
}

fn not_written(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    format!("{path} cannot be written ({error}); is its folder there, and this user's?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::{MAX_PUBLISHED_BYTES, PROTOCOL_FORMAT, Published};

    const NOTHING: CurrentStatus<'_> = CurrentStatus {
        camera: None,
        display: None,
        is_data_readable: false,
    };

    struct Bench {
        folder: tempfile::TempDir,
        updates: Updates,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = |name: &str| folder.path().join(name);
            let files = IpcFiles {
                state: file("state.json"),
                answer: file("answer.json"),
                status: file("status.json"),
            };
            Self {
                updates: Updates::new(files),
                folder,
                now: Instant::now(),
            }
        }

        fn poll(&mut self, status: CurrentStatus<'_>) -> Option<UpdateState> {
            self.now += POLL_INTERVAL;
            self.updates.poll(status, self.now)
        }

        fn publish(&mut self, bytes: &[u8]) -> Option<UpdateState> {
            let beside = self.folder.path().join("beside");
            fs::write(&beside, bytes).unwrap();
            fs::rename(beside, &self.updates.files.state).unwrap();
            self.poll(NOTHING)
        }

        fn read<T: serde::de::DeserializeOwned>(&self, path: &Path) -> T {
            let file: Published<T> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
            assert_eq!(file.format, PROTOCOL_FORMAT);
            file.content
        }
    }

    fn published(state: UpdateState) -> Vec<u8> {
        serde_json::to_vec(&Published {
            format: PROTOCOL_FORMAT,
            content: state,
        })
        .unwrap()
    }

    #[test]
    fn a_new_state_of_the_updater_is_read_once() {
        let mut bench = Bench::new();
        assert_eq!(bench.poll(NOTHING), None);
        for percent in [7, 8] {
            // The same length, in another file.
            let copying = UpdateState::Copying { percent };
            assert_eq!(bench.publish(&published(copying.clone())), Some(copying));
            assert_eq!(bench.poll(NOTHING), None, "nothing new");
        }
        fs::remove_file(&bench.updates.files.state).unwrap();
        let ended = bench.poll(NOTHING);
        assert_eq!(ended, Some(UpdateState::Idle), "the updater has ended");
    }

    #[test]
    fn an_invalid_state_is_ignored() {
        let mut bench = Bench::new();
        let copying = published(UpdateState::Copying { percent: 7 });
        let text = String::from_utf8(copying.clone()).unwrap();
        let mut long = copying.clone();
        long.resize(MAX_PUBLISHED_BYTES as usize + 1, b' ');
        let cases = [
            b"".to_vec(),
            b"{".to_vec(),
            b"null".to_vec(),
            vec![0xff; 40],
            text.replace("\"format\":1", "\"format\":2").into_bytes(),
            text.replace("copying", "dancing").into_bytes(),
            text.replace('7', "700").into_bytes(),
            long,
        ];
        for bytes in cases {
            assert_eq!(bench.publish(&bytes), None);
        }
        let mut longest = published(UpdateState::Checking);
        longest.resize(MAX_PUBLISHED_BYTES as usize, b' ');
        assert_eq!(bench.publish(&longest), Some(UpdateState::Checking));
    }

    #[test]
    fn an_answer_is_put_in_place_whole_or_not_at_all() {
        let bench = Bench::new();
        let answer = Answer::Install {
            sha256: "ab".to_owned(),
            is_older_agreed: false,
        };
        let path = bench.updates.files.answer.clone();
        // A folder in the answer's place.
        fs::create_dir(&path).unwrap();
        assert!(!bench.updates.answer(&answer));
        fs::remove_dir(&path).unwrap();
        assert!(bench.updates.answer(&answer));
        assert_eq!(bench.read::<Answer>(&path), answer);
    }

    #[test]
    fn the_status_is_published_when_it_changes() {
        let mut bench = Bench::new();
        let path = bench.updates.files.status.clone();
        bench.poll(NOTHING);
        let published: DeviceStatus = bench.read(&path);
        assert_eq!(published.camera, None);
        assert!(!published.is_data_readable);
        assert_eq!(published.version, env!("CARGO_PKG_VERSION"));
        fs::remove_file(&path).unwrap();
        bench.poll(NOTHING);
        assert!(!path.exists(), "nothing has changed");
        let status = CurrentStatus {
            camera: Some("v4l2"),
            display: Some("drm"),
            is_data_readable: true,
        };
        bench.poll(status);
        assert!(status.is_in(&bench.read(&path)));
    }
}
