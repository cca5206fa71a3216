//! The files through which the updater and the operator hear of each other.

use crate::input::Action;
use crate::language::Language;
use crate::session::guidance::Notice;
use crate::session::update_page::UpdatePage;
use crate::session::update_prompt::{Dialog, Meaning, Moment};
use crate::update::ipc_files::{publish, read};
use crate::update::{
    ANSWER_FILE, Answer, DEVICE_STATUS_FILE, DeviceStatus, STATE_FILE, UpdateState,
};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs, io};

/// Time between two looks at the updater's file.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// The folder that the service manager makes for the running program (systemd.exec(5)).
const FOLDER_VARIABLE: &str = "RUNTIME_DIRECTORY";

/// Where the files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TalkFiles {
    /// Written by the updater.
    pub state: PathBuf,
    /// Written here, as are the facts.
    pub answer: PathBuf,
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

/// The talk with the updater.
#[derive(Debug)]
pub(super) struct Updates {
    files: TalkFiles,
    dialog: Dialog,
    next_look: Option<Instant>,
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
            dialog: Dialog::default(),
            next_look: None,
            read: None,
            told: None,
            has_failed: false,
        }
    }

    /// Hears the updater, at most twice a second, and tells it what has changed.
    pub(super) fn look(&mut self, moment: Moment, facts: Facts<'_>, now: Instant) {
        if self.next_look.is_none_or(|next_look| now >= next_look) {
            self.next_look = Some(now + LOOK_INTERVAL);
            if let Some(state) = self.hear() {
                self.dialog.take(state);
            }
            let is_known = |told: &DeviceStatus| facts.are_told_by(told);
            if !self.told.as_ref().is_some_and(is_known) {
                self.tell_facts(facts);
            }
        }
        self.dialog.look(moment, now);
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
                eprintln!("hemoscope: {path} is not understood ({error}), and passed over");
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
                eprintln!(
                    "hemoscope: the updater cannot be told of the device: {}",
                    not_written(&self.files.facts, &error)
                );
            }
            Err(_) => {}
        }
    }

    /// Takes a button that was pressed; gives back what was not meant for the updater.
    pub(super) fn press(&mut self, action: Action, now: Instant) -> Option<Action> {
        match self.dialog.press(action, now) {
            Meaning::Of(action) => Some(action),
            Meaning::Nothing => None,
            Meaning::Answer(answer) => {
                let told = publish(&self.files.answer, &answer);
                if let Err(error) = &told {
                    eprintln!(
                        "hemoscope: the updater cannot be answered: {}",
                        not_written(&self.files.answer, error)
                    );
                }
                // Who says no can count on, even where nobody hears it.
                if told.is_ok() || matches!(answer, Answer::Later { .. } | Answer::Seen) {
                    self.dialog.has_told(&answer, now);
                }
                None
            }
        }
    }

    /// Whether a page has the screen.
    pub(super) fn is_open(&self) -> bool {
        self.dialog.is_open()
    }

    /// The page that has the screen.
    pub(super) fn page(&self, language: Language) -> Option<UpdatePage<'_>> {
        self.dialog.page(language)
    }

    /// The line that tells of an update while no page does.
    pub(super) fn notice(&self) -> Option<Notice> {
        self.dialog.notice()
    }
}

fn not_written(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    format!("{path} cannot be written ({error}); is its folder there, and this user's?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::update::{MAX_PUBLISHED_BYTES, Notes, Offer, PROTOCOL_FORMAT, Published};

    const BETWEEN: Moment = Moment {
        is_counting: false,
        has_result: false,
    };
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

        fn look(&mut self, facts: Facts<'_>) {
            self.now += LOOK_INTERVAL;
            self.updates.look(BETWEEN, facts, self.now);
        }

        fn say(&mut self, bytes: &[u8]) {
            let beside = self.folder.path().join("beside");
            fs::write(&beside, bytes).unwrap();
            fs::rename(beside, &self.updates.files.state).unwrap();
            self.look(NOTHING);
        }

        fn page(&self) -> Option<UpdatePage<'_>> {
            self.updates.page(Language::English)
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
        bench.look(NOTHING);
        assert_eq!(bench.page(), None);
        bench.say(&said(UpdateState::Copying { percent: 7 }));
        assert_eq!(bench.page(), Some(UpdatePage::Copying { percent: 7 }));
        // The same length, in another file.
        bench.say(&said(UpdateState::Copying { percent: 8 }));
        assert_eq!(bench.page(), Some(UpdatePage::Copying { percent: 8 }));
        fs::remove_file(&bench.updates.files.state).unwrap();
        bench.look(NOTHING);
        assert_eq!(bench.page(), None, "the updater has ended");
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
        bench.say(&copying);
        for bytes in cases {
            bench.say(&bytes);
            assert_eq!(bench.page(), Some(UpdatePage::Copying { percent: 7 }));
        }
        let mut longest = said(UpdateState::Checking);
        longest.resize(MAX_PUBLISHED_BYTES as usize, b' ');
        bench.say(&longest);
        assert_eq!(bench.page(), Some(UpdatePage::Checking));
    }

    #[test]
    fn an_answer_is_put_in_place_whole_or_asked_for_again() {
        let mut bench = Bench::new();
        let offered = UpdateState::Offered(Offer {
            sha256: "ab".to_owned(),
            version: "2.0.0".to_owned(),
            running_version: "1.0.0".to_owned(),
            is_older: false,
            notes: Notes::default(),
        });
        bench.say(&said(offered.clone()));
        bench.now += Duration::from_secs(2);
        let answer = bench.updates.files.answer.clone();
        // A folder in the answer's place.
        fs::create_dir(&answer).unwrap();
        let now = bench.now;
        assert_eq!(bench.updates.press(Action::Next, now), None);
        assert!(
            matches!(bench.page(), Some(UpdatePage::Offered { .. })),
            "nobody was told"
        );
        assert_eq!(bench.updates.press(Action::Third, now), None);
        assert_eq!(bench.page(), None, "no is no");
        let next = bench.updates.press(Action::Next, now);
        assert_eq!(next, Some(Action::Next), "the run's again");

        fs::remove_dir(&answer).unwrap();
        bench.say(&said(UpdateState::Idle));
        bench.say(&said(offered));
        let now = bench.now + Duration::from_secs(2);
        assert_eq!(bench.updates.press(Action::Next, now), None);
        assert_eq!(bench.page(), Some(UpdatePage::Answered));
        let expected = Answer::Install {
            sha256: "ab".to_owned(),
            is_older_agreed: false,
        };
        assert_eq!(bench.read::<Answer>(&answer), expected);
    }

    #[test]
    fn facts_are_told_when_they_change() {
        let mut bench = Bench::new();
        let path = bench.updates.files.facts.clone();
        bench.look(NOTHING);
        let told: DeviceStatus = bench.read(&path);
        assert_eq!((told.camera, told.is_data_readable), (None, false));
        assert_eq!(told.version, env!("CARGO_PKG_VERSION"));
        fs::remove_file(&path).unwrap();
        bench.look(NOTHING);
        assert!(!path.exists(), "nothing has changed");
        let facts = Facts {
            camera: Some("v4l2"),
            display: Some("drm"),
            is_data_readable: true,
        };
        bench.look(facts);
        let told: DeviceStatus = bench.read(&path);
        assert!(facts.are_told_by(&told));
    }
}
