//! The files through which the updater and the program hear of each other.

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
pub struct TalkFiles {
    /// Written by the updater.
    pub state: PathBuf,
    /// Written here, as are the facts.
    pub answer: PathBuf,
    /// Tells the updater which parts of the device work.
    pub facts: PathBuf,
}

impl TalkFiles {
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
            facts: own(DEVICE_STATUS_FILE),
        }
    }
}

/// What of a device the updater is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts<'a> {
    /// The camera that has given a frame.
    pub(super) camera: Option<&'a str>,
    /// The kind of display that shows the screen.
    pub(super) display: Option<&'static str>,
    pub(super) is_data_readable: bool,
}

impl Facts<'_> {
    fn are_told_by(&self, told: &DeviceStatus) -> bool {
        self.camera == told.camera.as_deref()
            && self.display == told.display.as_deref()
            && self.is_data_readable == told.is_data_readable
    }
}

/// One content of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version {
    inode: u64,
    changed_ns: (i64, i64),
    bytes: u64,
}

/// The program's end of the talk with the updater.
#[derive(Debug)]
pub(super) struct Updates {
    files: TalkFiles,
    next_poll: Option<Instant>,
    /// What was read last; `None` for no file.
    read: Option<Version>,
    told: Option<DeviceStatus>,
    has_failed: bool,
}

impl Updates {
    /// Nothing was heard yet.
    pub(super) fn new(files: TalkFiles) -> Self {
        Self {
            files,
            next_poll: None,
            read: None,
            told: None,
            has_failed: false,
        }
    }

    /// Hears the updater, at most twice a second, and tells it what has changed of the device.
    /// Gives what the updater says, where that is something else than before.
    pub(super) fn poll(&mut self, facts: Facts<'_>, now: Instant) -> Option<UpdateState> {
        if self.next_poll.is_some_and(|next_poll| now < next_poll) {
            return None;
        }
        self.next_poll = Some(now + POLL_INTERVAL);
        let is_known = |told: &DeviceStatus| facts.are_told_by(told);
        if !self.told.as_ref().is_some_and(is_known) {
            self.tell_facts(facts);
        }
        self.hear()
    }

    /// What the updater says, where that is something else than before.
    fn hear(&mut self) -> Option<UpdateState> {
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
                log::error!("{path} is not understood ({error}), and passed over");
                None
            }
        }
    }

    fn tell_facts(&mut self, facts: Facts<'_>) {
        let content = DeviceStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            camera: facts.camera.map(str::to_owned),
            display: facts.display.map(str::to_owned),
            is_data_readable: facts.is_data_readable,
        };
        match publish(&self.files.facts, &content) {
            Ok(()) => {
                self.told = Some(content);
                self.has_failed = false;
            }
            // Said once, tried again.
            Err(error) if !std::mem::replace(&mut self.has_failed, true) => {
                log::error!(
                    "the updater cannot be told of the device: {}",
                    not_written(&self.files.facts, &error)
                );
            }
            Err(_) => {}
        }
    }

    /// Writes an answer for the updater; whether it could be.
    pub(super) fn answer(&self, answer: &Answer) -> bool {
        let told = publish(&self.files.answer, answer);
        if let Err(error) = &told {
            log::error!(
                "the updater cannot be answered: {}",
                not_written(&self.files.answer, error)
            );
        }
        told.is_ok()
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

    const NOTHING: Facts<'_> = Facts {
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
            let files = TalkFiles {
                state: file("state.json"),
                answer: file("answer.json"),
                facts: file("facts.json"),
            };
            Self {
                updates: Updates::new(files),
                folder,
                now: Instant::now(),
            }
        }

        fn poll(&mut self, facts: Facts<'_>) -> Option<UpdateState> {
            self.now += POLL_INTERVAL;
            self.updates.poll(facts, self.now)
        }

        fn say(&mut self, bytes: &[u8]) -> Option<UpdateState> {
            let beside = self.folder.path().join("beside");
            fs::write(&beside, bytes).unwrap();
            fs::rename(beside, &self.updates.files.state).unwrap();
            self.poll(NOTHING)
        }

        fn read<T: serde::de::DeserializeOwned>(&self, path: &Path) -> T {
            let told: Published<T> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
            assert_eq!(told.format, PROTOCOL_FORMAT);
            told.content
        }
    }

    fn said(state: UpdateState) -> Vec<u8> {
        serde_json::to_vec(&Published {
            format: PROTOCOL_FORMAT,
            content: state,
        })
        .unwrap()
    }

    #[test]
    fn the_updater_is_heard_when_it_says_something_new() {
        let mut bench = Bench::new();
        assert_eq!(bench.poll(NOTHING), None);
        for percent in [7, 8] {
            // The same length, in another file.
            let copying = UpdateState::Copying { percent };
            assert_eq!(bench.say(&said(copying.clone())), Some(copying));
            assert_eq!(bench.poll(NOTHING), None, "nothing new");
        }
        fs::remove_file(&bench.updates.files.state).unwrap();
        let ended = bench.poll(NOTHING);
        assert_eq!(ended, Some(UpdateState::Idle), "the updater has ended");
    }

    #[test]
    fn what_cannot_be_understood_is_passed_over() {
        let mut bench = Bench::new();
        let copying = said(UpdateState::Copying { percent: 7 });
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
            assert_eq!(bench.say(&bytes), None);
        }
        let mut longest = said(UpdateState::Checking);
        longest.resize(MAX_PUBLISHED_BYTES as usize, b' ');
        assert_eq!(bench.say(&longest), Some(UpdateState::Checking));
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
    fn facts_are_told_when_they_change() {
        let mut bench = Bench::new();
        let path = bench.updates.files.facts.clone();
        bench.poll(NOTHING);
        let told: DeviceStatus = bench.read(&path);
        assert_eq!((told.camera, told.is_data_readable), (None, false));
        assert_eq!(told.version, env!("CARGO_PKG_VERSION"));
        fs::remove_file(&path).unwrap();
        bench.poll(NOTHING);
        assert!(!path.exists(), "nothing has changed");
        let facts = Facts {
            camera: Some("v4l2"),
            display: Some("drm"),
            is_data_readable: true,
        };
        bench.poll(facts);
        let told: DeviceStatus = bench.read(&path);
        assert!(facts.are_told_by(&told));
    }
}
