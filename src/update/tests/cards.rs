//! The updater on a simulated device: cards of all kinds, recovery, and updaters that end.

use super::simulated_device::{
    BOARD, Behaviour, CARD_FILE, Release, SharedDevice, SimulatedDevice, SimulatedHost,
    SimulatedSystem,
};
use crate::update::boot::slots::{self, BootState, Running, SECTOR_BYTES, Slot};
use crate::update::boot::slots::{BootSectors, SectorCopy};
use crate::update::bundle::system_version::SystemVersion;
use crate::update::folder;
use crate::update::history::{self, HistoryEvent};
use crate::update::protocol::{Answer, Offer, ProblemKind, UpdateState};
use crate::update::trial::boot_check::{BootOutcome, check_boot};
use crate::update::trial::pending::Pending;
use crate::update::updater::{InstallFileError, STAGED_FILE, Updater};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

const A: Running = Running::Slot(Slot::A);
const LOOKS: u32 = 3;

struct Bench {
    folder: tempfile::TempDir,
    device: SharedDevice,
}

impl Bench {
    /// A device of version 1.1.0, with bundles of 1.0.0, 1.1.0 and 1.2.0.
    fn new() -> Self {
        let releases = ["1.1.0", "1.0.0", "1.2.0"];
        let releases = releases.map(|version| Release::new(version, Behaviour::Good));
        let folder = tempfile::tempdir().unwrap();
        let device = SimulatedDevice::shared(releases.to_vec(), folder.path().to_owned());
        Self { folder, device }
    }

    fn card(&self) -> &Path {
        self.folder.path()
    }

    fn updater_of(&self, running: Running, board: &str) -> Updater<SimulatedHost> {
        let text = format!("version = \"1.1.0\"\nboard = \"{board}\"");
        let host = SimulatedHost {
            device: self.device.clone(),
            running,
        };
        Updater::start(
            host,
            SystemVersion::parse(&text, "version").unwrap(),
            running,
        )
    }

    fn updater(&self, running: Running) -> Updater<SimulatedHost> {
        self.updater_of(running, BOARD)
    }

    fn insert(&self, release: usize) {
        self.device.get().insert_card(release);
    }

    fn answer(&self, updater: &mut Updater<SimulatedHost>, answer: Answer) {
        self.device.get().answer = Some(answer);
        updater.turn();
    }

    fn boot_state(&self) -> Option<BootState> {
        slots::load(&self.device).unwrap()
    }

    fn events(&self) -> Vec<HistoryEvent> {
        let lines = history::read(&self.device).unwrap();
        lines.into_iter().map(|line| line.event).collect()
    }

    fn bundle(&self, release: usize) -> Vec<u8> {
        self.device.get().releases[release].bundle.clone()
    }
}

fn offer_of(state: &UpdateState) -> Offer {
    match state {
        UpdateState::Offered(offer) => offer.clone(),
        other => panic!("no offer, but {other:?}"),
    }
}

fn yes(offer: &Offer) -> Answer {
    Answer::Install {
        sha256: offer.sha256.clone(),
        is_older_agreed: true,
    }
}

type Change = fn(&Bench);

/// Cards that are not for the device: what is changed on the card, and the kind of the refusal.
fn unsuitable_cards() -> [(&'static str, Option<ProblemKind>, Change); 14] {
    [
        ("two", Some(ProblemKind::Several), |bench| {
            fs::write(bench.card().join("another.RAUCB"), "x").unwrap();
        }),
        ("empty", Some(ProblemKind::Unreadable), |bench| {
            fs::write(bench.card().join(CARD_FILE), "").unwrap();
        }),
        ("a text", Some(ProblemKind::Unreadable), |bench| {
            fs::write(bench.card().join(CARD_FILE), "a text").unwrap();
        }),
        ("too large", Some(ProblemKind::Unreadable), |bench| {
            let file = fs::File::create(bench.card().join(CARD_FILE)).unwrap();
            file.set_len(10 << 30).unwrap();
        }),
        ("cut off", Some(ProblemKind::NotGenuine), |bench| {
            let bundle = bench.bundle(2);
            fs::write(bench.card().join(CARD_FILE), &bundle[..9000]).unwrap();
        }),
        (
            "another signature",
            Some(ProblemKind::NotGenuine),
            |bench| {
                let mut bundle = bench.bundle(2);
                let at = bundle.len() - 10;
                bundle[at] ^= 1;
                fs::write(bench.card().join(CARD_FILE), bundle).unwrap();
            },
        ),
        ("a flipped bit", Some(ProblemKind::NotGenuine), |bench| {
            let mut bundle = bench.bundle(2);
            bundle[10_000] ^= 1;
            fs::write(bench.card().join(CARD_FILE), bundle).unwrap();
        }),
        ("no room", Some(ProblemKind::NoRoom), |bench| {
            bench.device.get().free_bytes = 8 << 20;
        }),
        ("battery", Some(ProblemKind::LowBattery), |bench| {
            bench.device.get().battery_percent = Some(29);
        }),
        ("already running", None, |bench| {
            fs::write(bench.card().join(CARD_FILE), bench.bundle(0)).unwrap();
        }),
        ("hidden", None, |bench| {
            let path = bench.card().join(CARD_FILE);
            fs::rename(path, bench.card().join("._x.raucb")).unwrap();
        }),
        ("a link", None, |bench| {
            let path = bench.card().join(CARD_FILE);
            fs::rename(&path, bench.card().join("elsewhere")).unwrap();
            symlink(bench.card().join("elsewhere"), &path).unwrap();
        }),
        ("a folder", None, |bench| {
            fs::remove_file(bench.card().join(CARD_FILE)).unwrap();
            fs::create_dir(bench.card().join(CARD_FILE)).unwrap();
        }),
        ("nothing", None, |bench| {
            fs::remove_file(bench.card().join(CARD_FILE)).unwrap();
        }),
    ]
}

#[test]
fn cards_that_are_not_for_this_device_change_nothing() {
    for (name, expected, change) in unsuitable_cards() {
        let bench = Bench::new();
        bench.insert(2);
        change(&bench);
        let mut updater = bench.updater(A);
        for _ in 0..LOOKS {
            updater.turn();
        }
        match (expected, updater.state()) {
            (None, UpdateState::Idle) => {}
            (Some(kind), UpdateState::Refused(problem)) => {
                assert_eq!(problem.kind, kind, "{name}: {problem:?}");
                assert!(problem.text.contains([';', ':']), "{name}: {problem:?}");
                let report = fs::read_to_string(bench.card().join("hemoscope-report.txt"));
                assert!(report.unwrap().contains(&problem.text), "{name}");
            }
            (_, state) => panic!("{name}: {state:?}"),
        }
        assert_eq!(&bench.device.get().published, updater.state(), "{name}");
        assert_eq!(bench.boot_state(), Some(BootState::factory()), "{name}");
        assert_eq!(Pending::load(&bench.device).unwrap(), None, "{name}");
        let staged = folder::read(&bench.device, STAGED_FILE, u64::MAX - 1).unwrap();
        assert_eq!(staged, None, "{name}");
        assert_eq!(bench.events(), [], "{name}");
    }
}

#[test]
fn a_bundle_for_another_board_is_refused() {
    let bench = Bench::new();
    bench.insert(2);
    let mut updater = bench.updater_of(A, "another");
    updater.turn();
    match updater.state() {
        UpdateState::Refused(problem) => {
            assert_eq!(problem.kind, ProblemKind::OtherBoard);
            assert!(problem.text.contains("hemoscope-simulated"), "{problem:?}");
        }
        state => panic!("{state:?}"),
    }
}

#[test]
fn an_update_is_installed_and_an_updater_that_starts_again_still_waits_for_the_restart() {
    let bench = Bench::new();
    bench.insert(2);
    let mut updater = bench.updater(A);
    updater.turn();
    let offer = offer_of(updater.state());
    assert_eq!((offer.version.as_str(), offer.is_older), ("1.2.0", false));
    assert_eq!(offer.notes.fr, "Plus rapide");
    bench.device.get().pull_card();
    bench.answer(&mut updater, yes(&offer));
    let ready = UpdateState::ReadyToRestart {
        version: "1.2.0".to_owned(),
    };
    assert_eq!(updater.state(), &ready);
    assert_eq!(bench.boot_state().unwrap().primary(), Some(Slot::B));
    assert_eq!(bench.events(), [HistoryEvent::Installed]);
    let mut again = bench.updater(A);
    assert_eq!(again.state(), &ready);
    bench.answer(&mut again, Answer::Restart);
    assert!(bench.device.get().wants_restart);
}

#[test]
fn an_older_version_is_said_to_be_older() {
    let bench = Bench::new();
    bench.insert(1);
    let mut updater = bench.updater(A);
    updater.turn();
    let offer = offer_of(updater.state());
    assert!(offer.is_older);
    let without = Answer::Install {
        sha256: offer.sha256.clone(),
        is_older_agreed: false,
    };
    bench.answer(&mut updater, without);
    assert_eq!(offer_of(updater.state()), offer);
    bench.answer(&mut updater, yes(&offer));
    assert!(matches!(
        updater.state(),
        UpdateState::ReadyToRestart { .. }
    ));
}

#[test]
fn an_updater_that_died_in_the_middle_leaves_the_decision_to_the_next_start() {
    let bench = Bench::new();
    let mut device = bench.device.clone();
    let boot_id = device.now().boot_id;
    let pending = Pending::new("1.1.0", "1.2.0", Slot::B, "ab", &boot_id);
    pending.store(&mut device).unwrap();
    let mut state = BootState::factory();
    state.set_bad(Slot::B);
    slots::store(&mut device, &state).unwrap();
    // RAUC may still be at work: should it end well, the new version is on trial.
    assert_eq!(bench.updater(A).state(), &UpdateState::Idle);
    assert_eq!(Pending::load(&bench.device).unwrap(), Some(pending));
    device.get().boot_number += 1;
    let (mut folder, mut sectors) = (device.clone(), device.clone());
    let mut system = SimulatedSystem {
        device: device.clone(),
        running: A,
        behaviour: Behaviour::Good,
    };
    let when = device.now();
    let after = check_boot(&mut folder, &mut sectors, A, &when, &mut system).unwrap();
    let BootOutcome::Interrupted(result) = after else {
        panic!("{after:?}");
    };
    assert_eq!(Pending::load(&bench.device).unwrap(), None);
    assert_eq!(bench.events(), [HistoryEvent::Interrupted]);
    let mut updater = bench.updater(A);
    assert_eq!(updater.state(), &UpdateState::Ended(result));
    bench.answer(&mut updater, Answer::Seen);
    assert_eq!(bench.updater(A).state(), &UpdateState::Idle);
}

#[test]
fn an_installation_that_still_runs_keeps_its_pending_file() {
    let bench = Bench::new();
    let mut device = bench.device.clone();
    let boot_id = device.now().boot_id;
    let pending = Pending::new("1.1.0", "1.3.0", Slot::B, "ab", &boot_id);
    pending.store(&mut device).unwrap();
    bench.insert(2);
    let mut updater = bench.updater(A);
    updater.turn();
    let offer = offer_of(updater.state());
    device.get().is_rauc_busy = true;
    bench.answer(&mut updater, yes(&offer));
    let UpdateState::Refused(problem) = updater.state() else {
        panic!("{:?}", updater.state());
    };
    assert!(problem.text.contains("still running"), "{problem:?}");
    assert_eq!(Pending::load(&bench.device).unwrap(), Some(pending));
    assert_eq!(bench.boot_state(), Some(BootState::factory()));
    // Once it is done, the card is taken.
    device.get().is_rauc_busy = false;
    device.get().pull_card();
    updater.turn();
    bench.insert(2);
    updater.turn();
    bench.answer(&mut updater, yes(&offer));
    let is_ready = matches!(updater.state(), UpdateState::ReadyToRestart { .. });
    assert!(is_ready, "{:?}", updater.state());
}

#[test]
fn a_card_left_in_with_a_version_that_was_rolled_back_is_not_offered() {
    let bench = Bench::new();
    bench.insert(2);
    let mut device = bench.device.clone();
    let when = device.now();
    let offer = {
        let mut updater = bench.updater(A);
        updater.turn();
        offer_of(updater.state())
    };
    let pending = Pending::new("1.1.0", "1.2.0", Slot::B, &offer.sha256, &when.boot_id);
    let ways = [
        (HistoryEvent::RolledBack, false),
        (HistoryEvent::Seen, false),
        (HistoryEvent::Interrupted, true),
        (HistoryEvent::RolledBack, false),
    ];
    for (event, is_offered) in ways {
        history::add(&mut device, pending.line(event, "why", &when)).unwrap();
        let mut updater = bench.updater(A);
        bench.answer(&mut updater, Answer::Seen);
        for _ in 0..LOOKS {
            updater.turn();
        }
        let found = matches!(updater.state(), UpdateState::Offered(_));
        assert_eq!(found, is_offered, "{event:?}: {:?}", updater.state());
    }
    // Put in again, it is a new try.
    let mut updater = bench.updater(A);
    bench.answer(&mut updater, Answer::Seen);
    updater.turn();
    bench.device.get().pull_card();
    updater.turn();
    bench.insert(2);
    updater.turn();
    assert_eq!(offer_of(updater.state()).version, "1.2.0");
    // Nor does the rescue system leave it alone.
    let mut rescue = bench.updater(Running::Rescue);
    rescue.turn();
    assert_eq!(offer_of(rescue.state()).version, "1.2.0");
}

#[test]
fn recovery_installs_into_the_first_slot_whatever_the_boot_state_says() {
    let bench = Bench::new();
    for copy in SectorCopy::ALL {
        let mut device = bench.device.clone();
        BootSectors::write(&mut device, copy, &[0; SECTOR_BYTES]).unwrap();
    }
    let mut updater = bench.updater(Running::Rescue);
    assert_eq!(updater.state(), &UpdateState::Recovery);
    // No slot is known to be whole.
    bench.answer(&mut updater, Answer::TryAgain);
    assert!(matches!(updater.state(), UpdateState::Refused(_)));
    bench.answer(&mut updater, Answer::Seen);
    assert_eq!(updater.state(), &UpdateState::Recovery);
    // The factory's own version is as good as any here.
    bench.insert(0);
    updater.turn();
    let offer = offer_of(updater.state());
    assert_eq!((offer.version.as_str(), offer.is_older), ("1.1.0", false));
    bench.answer(&mut updater, yes(&offer));
    assert!(matches!(
        updater.state(),
        UpdateState::ReadyToRestart { .. }
    ));
    let state = bench.boot_state().unwrap();
    assert_eq!(state.primary(), Some(Slot::A));
    assert!(!state.is_whole(Slot::B));
}

#[test]
fn recovery_tries_the_installed_systems_again() {
    let bench = Bench::new();
    let mut state = BootState::factory();
    state.set_failed(Slot::A);
    state.set_bad(Slot::B);
    slots::store(&mut bench.device.clone(), &state).unwrap();
    let mut updater = bench.updater(Running::Rescue);
    bench.answer(&mut updater, Answer::TryAgain);
    assert!(bench.device.get().wants_restart);
    let state = bench.boot_state().unwrap();
    assert_eq!(state.tries_left(Slot::A), slots::TRIAL_TRIES);
    assert!(!state.is_good(Slot::B), "half-written");
}

#[test]
fn a_file_is_installed_without_a_card() {
    let bench = Bench::new();
    let write = |release: usize| {
        let path = bench.card().join(format!("{release}.raucb"));
        fs::write(&path, bench.bundle(release)).unwrap();
        path
    };
    let mut updater = bench.updater(A);
    let none = bench.card().join("none.raucb");
    let cases = [
        (none, false, "check the path"),
        (write(0), true, "already running"),
        (write(1), false, "--allow-downgrade"),
    ];
    for (path, is_older_agreed, expected) in cases {
        let error = updater.install_file(&path, is_older_agreed).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    let refused = updater.install_file(bench.card(), false);
    assert!(matches!(refused, Err(InstallFileError::Refused(_))));
    assert_eq!(bench.events(), []);
    updater.install_file(&write(2), false).unwrap();
    assert_eq!(bench.events(), [HistoryEvent::Installed]);
    assert_eq!(bench.boot_state().unwrap().primary(), Some(Slot::B));
}

#[test]
fn a_report_never_grows_beyond_its_limit() {
    let bench = Bench::new();
    let report = bench.card().join("hemoscope-report.txt");
    fs::write(&report, vec![b'x'; 64 * 1024 - 10]).unwrap();
    bench.insert(2);
    fs::write(bench.card().join("another.raucb"), "x").unwrap();
    bench.updater(A).turn();
    let text = fs::read_to_string(&report).unwrap();
    assert!(
        text.starts_with("(clock not set)") && text.lines().count() == 1,
        "{text}"
    );
}
