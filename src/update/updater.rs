//! The updater at work: does what its state machine asks for, on a host that is a device or plays
//! one.

use crate::device::files::open_plain;
use crate::hex;
use crate::update::boot::slots::{self, Running};
use crate::update::bundle::integrity::{check_blocks, check_bundle};
use crate::update::bundle::manifest::Manifest;
use crate::update::bundle::system_version::SystemVersion;
use crate::update::bundle::version::Version;
use crate::update::card::entry::{self, CardEntry, CardId, MAX_BUNDLE_BYTES};
use crate::update::card::report;
use crate::update::folder::{self, Folder, FolderError};
use crate::update::history::{self, HistoryEvent, HistoryLine};
use crate::update::host::{Access, Host, Installation};
use crate::update::machine::{Effect, Event, Machine};
use crate::update::protocol::{Offer, Problem, ProblemKind, UpdateState};
use crate::update::rauc;
use crate::update::trial::boot_check::{BootClass, classify_boot};
use crate::update::trial::pending::{PENDING_FILE, Pending};
use sha2::{Digest, Sha256};
use std::io::{self, Read};
use std::path::Path;
use thiserror::Error;

/// The copy of a card's bundle, in the updater's folder.
pub const STAGED_FILE: &str = "staged.raucb";
/// What stays free beside the copy.
const SPARE_BYTES: u64 = 8 << 20;
/// Bytes that are copied at a time.
const CHUNK_BYTES: usize = 1 << 20;
/// A battery that is charged less than this may end in the middle of an installation.
const MIN_BATTERY_PERCENT: u8 = 30;
/// Polls whether a card that cannot be read is still in.
const PULLED_POLLS: u32 = 10;
/// The most effects that follow from one event.
const MAX_EFFECTS: usize = 64;

/// Where a copy failed.
enum CopyFault {
    /// At the card.
    Source(String),
    /// At the device.
    Target(String),
}

/// Why a file was not installed.
#[derive(Debug, Error)]
pub enum InstallFileError {
    /// The bundle did not pass a check, or could not be installed.
    #[error("{}", .0.text)]
    Refused(Problem),
    /// The bundle holds the version that is running.
    #[error("{version} is already running; nothing was installed")]
    RunsAlready {
        /// The bundle's version.
        version: String,
    },
    /// The bundle is older than the running version, and that was not allowed.
    #[error("{version} is older than {running}; add --allow-downgrade to install it all the same")]
    Older {
        /// The bundle's version.
        version: String,
        /// The version that runs.
        running: String,
    },
}

/// The updater of a device.
pub struct Updater<H> {
    host: H,
    machine: Machine,
    system: SystemVersion,
    running: Running,
    published: Option<UpdateState>,
    /// The cards that were in when this updater first looked; `None` before.
    left_in: Option<Vec<CardId>>,
    /// The bundle of the moment is of one of them.
    is_left_in: bool,
    /// A test copies less at a time.
    pub(super) chunk_bytes: usize,
}

impl<H: Host> Updater<H> {
    /// At the start of the updater, after the boot check: picks up where the last one was left.
    pub fn start(mut host: H, system: SystemVersion, running: Running) -> Self {
        if let Err(error) = folder::remove(host.folder(), STAGED_FILE) {
            host.log(&error.to_string());
        }
        let waiting = waiting_version(&mut host, running);
        let lines = read_history(&mut host);
        let ended = history::unseen_result(&lines);
        let machine = Machine::new(running == Running::Rescue, waiting, ended);
        let mut updater = Self {
            host,
            machine,
            system,
            running,
            published: None,
            left_in: None,
            is_left_in: false,
            chunk_bytes: CHUNK_BYTES,
        };
        updater.publish();
        updater
    }

    /// Where the update stands.
    pub fn state(&self) -> &UpdateState {
        self.machine.state()
    }

    /// The machine that it runs on.
    pub fn host(&mut self) -> &mut H {
        &mut self.host
    }

    /// Looks at the cards and for an answer, and does what follows. Comes back once that is done,
    /// which for an installation is minutes.
    pub fn turn(&mut self) {
        if let Some(answer) = self.host.take_answer() {
            self.take(Event::Answered(answer));
        }
        let cards = self.host.cards();
        self.left_in.get_or_insert_with(|| cards.clone());
        self.take(Event::Cards(cards));
    }

    fn publish(&mut self) {
        if self.published.as_ref() != Some(self.machine.state()) {
            self.host.publish(self.machine.state());
            self.published = Some(self.machine.state().clone());
        }
    }

    fn step(&mut self, event: Event) -> Vec<Effect> {
        let effects = self.machine.step(event);
        self.publish();
        effects
    }

    fn take(&mut self, event: Event) {
        let mut waiting = self.step(event);
        for _ in 0..MAX_EFFECTS {
            if waiting.is_empty() {
                return;
            }
            let effect = waiting.remove(0);
            if let Some(event) = self.perform(effect) {
                let more = self.step(event);
                waiting.extend(more);
            }
        }
    }

    fn perform(&mut self, effect: Effect) -> Option<Event> {
        match effect {
            Effect::Scan(card) => {
                let left_in = self.left_in.as_ref();
                self.is_left_in = left_in.is_some_and(|cards| cards.contains(&card));
                Some(Event::Scanned(self.scan(&card)))
            }
            Effect::Copy(card, bundle) => {
                let copied = self.copy(&card, &bundle);
                self.host.unmount();
                Some(Event::Copied(copied))
            }
            Effect::Check { sha256 } => Some(Event::Checked(self.check(&sha256))),
            Effect::Install(offer) => Some(Event::Installed(self.install(&offer))),
            Effect::Restart => self.restart(),
            Effect::TryAgain => self.try_again(),
            Effect::Discard => {
                let removed = folder::remove(self.host.folder(), STAGED_FILE);
                self.log_failure(removed);
                None
            }
            Effect::NoteSeen => {
                self.note_seen();
                None
            }
            Effect::Report(card, text) => {
                self.host.log(&text);
                if let Some(card) = card {
                    self.report(&card, &text);
                }
                None
            }
        }
    }

    fn log_failure(&mut self, done: Result<(), FolderError>) {
        if let Err(error) = done {
            self.host.log(&error.to_string());
        }
    }

    fn scan(&mut self, card: &CardId) -> Result<Option<CardEntry>, Problem> {
        let unreadable = |reason: String| {
            let text = format!(
                "the card {} cannot be read: {reason}; reinsert it or use another card",
                card.name
            );
            Problem::new(ProblemKind::Unreadable, text)
        };
        let mounted = self.host.mount(card, Access::Read).map_err(unreadable)?;
        let Some(top) = mounted else {
            self.host.log(&format!(
                "{} has no supported file system (FAT, exFAT, ext4); it is ignored",
                card.name
            ));
            return Ok(None);
        };
        let listed = entry::list(&top);
        let chosen = match &listed {
            Ok(entries) => entry::choose_bundle(entries).map(Option::<&CardEntry>::cloned),
            Err(error) => Err(unreadable(error.to_string())),
        };
        if !matches!(chosen, Ok(Some(_))) {
            self.host.unmount();
        }
        chosen
    }

    /// Copies the bundle of a card, and hashes it on the way.
    fn copy(&mut self, card: &CardId, bundle: &CardEntry) -> Result<String, Problem> {
        let mounted = self.host.mount(card, Access::Read);
        let mounted = mounted.and_then(|top| top.ok_or_else(|| "it was removed".to_owned()));
        let opened = mounted.and_then(|top| {
            open_plain(&top.join(&bundle.name), MAX_BUNDLE_BYTES).map_err(|error| error.to_string())
        });
        let name = entry::shown(&bundle.name);
        let copied = opened
            .map_err(CopyFault::Source)
            .and_then(|file| self.copy_in(file, bundle.size_bytes));
        copied.map_err(|fault| match fault {
            CopyFault::Source(reason) => self.cannot_copy(card, &name, &reason),
            CopyFault::Target(reason) => no_room(&name, &reason),
        })
    }

    /// Copies a file of so many bytes into the updater's folder; its SHA-256.
    fn copy_in(&mut self, mut file: impl Read, size_bytes: u64) -> Result<String, CopyFault> {
        let target = |error: io::Error| CopyFault::Target(error.to_string());
        let wanted = size_bytes.saturating_add(SPARE_BYTES);
        let free = self.host.free_bytes().map_err(target)?;
        if free < wanted {
            let text = format!("it needs {wanted} bytes, but {free} are free");
            return Err(CopyFault::Target(text));
        }
        let mut hash = Sha256::new();
        let mut chunk = vec![0; self.chunk_bytes];
        let mut copied = 0_u64;
        loop {
            let read = match file.read(&mut chunk) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(CopyFault::Source(error.to_string())),
            };
            if copied + read as u64 > size_bytes {
                return Err(CopyFault::Source("it grew while it was read".to_owned()));
            }
            let folder = self.host.folder();
            folder
                .append(STAGED_FILE, copied, &chunk[..read])
                .map_err(target)?;
            hash.update(&chunk[..read]);
            copied += read as u64;
            let percent = copied * 100 / size_bytes.max(1);
            self.step(Event::Copying(percent as u8));
        }
        if copied < size_bytes {
            return Err(CopyFault::Source("it is shorter than its size".to_owned()));
        }
        let folder = self.host.folder();
        let kept = folder.sync(STAGED_FILE).and_then(|()| folder.sync_names());
        kept.map_err(target)?;
        Ok(hex::encode(hash.finalize()))
    }

    /// Checks and installs a file without a card.
    ///
    /// # Errors
    /// It is none for this device, or older without consent, or installing it failed.
    pub fn install_file(
        &mut self,
        path: &Path,
        is_older_agreed: bool,
    ) -> Result<Offer, InstallFileError> {
        let name = path.display().to_string();
        let unreadable = |reason: &str| {
            let text = format!("{name} cannot be read: {reason}; check the path");
            InstallFileError::Refused(Problem::new(ProblemKind::Unreadable, text))
        };
        let opened =
            open_plain(path, MAX_BUNDLE_BYTES).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (size_bytes, file) = opened.map_err(|error| unreadable(&error.to_string()))?;
        let installed = match self.copy_in(file, size_bytes) {
            Err(CopyFault::Source(reason)) => Err(unreadable(&reason)),
            Err(CopyFault::Target(reason)) => {
                Err(InstallFileError::Refused(no_room(&name, &reason)))
            }
            Ok(sha256) => self.install_staged(&sha256, is_older_agreed),
        };
        let removed = folder::remove(self.host.folder(), STAGED_FILE);
        self.log_failure(removed);
        installed
    }

    fn install_staged(
        &mut self,
        sha256: &str,
        is_older_agreed: bool,
    ) -> Result<Offer, InstallFileError> {
        let offer = self.check(sha256).map_err(InstallFileError::Refused)?;
        let offer = offer.ok_or_else(|| InstallFileError::RunsAlready {
            version: self.system.version.to_string(),
        })?;
        if offer.is_older && !is_older_agreed {
            return Err(InstallFileError::Older {
                version: offer.version,
                running: offer.running_version,
            });
        }
        self.install(&offer).map_err(InstallFileError::Refused)?;
        Ok(offer)
    }

    /// Whether the card was pulled or cannot be read. A read fails some time before the system
    /// notices that the card is gone.
    fn cannot_copy(&mut self, card: &CardId, name: &str, reason: &str) -> Problem {
        for _ in 0..PULLED_POLLS {
            if !self.host.cards().contains(card) {
                let text =
                    format!("the card was pulled while {name} was being copied; reinsert it");
                return Problem::new(ProblemKind::CardPulled, text);
            }
            self.host.wait();
        }
        let text = format!(
            "{name} cannot be read from the card: {reason}; copy it to the card again, or use \
             another card"
        );
        Problem::new(ProblemKind::Unreadable, text)
    }

    /// Signature, every block, board, version.
    fn check(&mut self, sha256: &str) -> Result<Option<Offer>, Problem> {
        let manifest = self.check_genuine()?;
        manifest.check_compatible(&self.system)?;
        let running = self.system.version.clone();
        let is_recovery = self.running == Running::Rescue;
        if manifest.version == running && !is_recovery {
            self.host.log(&format!(
                "the bundle on the card is {running}, which is already running"
            ));
            return Ok(None);
        }
        let lines = read_history(&mut self.host);
        // It would be offered again at every start until somebody took the card out.
        if self.is_left_in && !is_recovery && history::was_rolled_back(&lines, sha256) {
            self.host.log(&format!(
                "the card that was left in holds {}, which was rolled back; reinsert it to try \
                 again",
                manifest.version
            ));
            return Ok(None);
        }
        let newest = if is_recovery {
            newest_run(&lines, &running)
        } else {
            running.clone()
        };
        self.check_battery()?;
        Ok(Some(manifest.offer(sha256, &running, &newest)))
    }

    fn check_genuine(&mut self) -> Result<Manifest, Problem> {
        check_bundle(self.host.folder(), STAGED_FILE)?;
        let info = self.host.rauc_info(STAGED_FILE).map_err(|reason| {
            let text = format!(
                "the bundle is not signed by the maker of this device, or was changed afterwards: \
                 {reason}; get it from the maker"
            );
            Problem::new(ProblemKind::NotGenuine, text)
        })?;
        let manifest = Manifest::parse(&info).map_err(|error| {
            let text = format!("the bundle is signed, but {error}; use a bundle for this device");
            Problem::new(ProblemKind::Unreadable, text)
        })?;
        check_blocks(self.host.folder(), STAGED_FILE, &manifest)?;
        Ok(manifest)
    }

    fn check_battery(&mut self) -> Result<(), Problem> {
        match self.host.battery_percent() {
            Some(percent) if percent < MIN_BATTERY_PERCENT => {
                let text = format!(
                    "the battery is at {percent} %, but an update needs {MIN_BATTERY_PERCENT} %; \
                     connect the power supply and reinsert the card"
                );
                Err(Problem::new(ProblemKind::LowBattery, text))
            }
            _ => Ok(()),
        }
    }

    fn install(&mut self, offer: &Offer) -> Result<(), Problem> {
        self.check_battery()?;
        self.check_rauc_is_free(offer)?;
        let now = self.host.now();
        let slot = self.running.update_target();
        let from = &offer.running_version;
        let mut pending = Pending::new(from, &offer.version, slot, &offer.sha256, &now.boot_id);
        // Without it, nothing says after a restart which version is on trial.
        pending.store(self.host.folder()).map_err(|error| {
            let text = format!("{error}; nothing was installed");
            Problem::new(ProblemKind::NoRoom, text)
        })?;
        let installed = self
            .run_rauc()
            .and_then(|()| self.adopt_slot_of_rauc(&mut pending));
        let event = match &installed {
            Ok(()) => HistoryEvent::Installed,
            Err(_) => HistoryEvent::InstallFailed,
        };
        let reason = installed.as_ref().err().map_or("", String::as_str);
        let line = pending.line(event, reason, &self.host.now());
        let added = history::add(self.host.folder(), line);
        self.log_failure(added);
        installed.map_err(|reason| {
            let removed = folder::remove(self.host.folder(), PENDING_FILE);
            self.log_failure(removed);
            let text = format!(
                "{} could not be written: {reason}; {from} keeps running, try again",
                offer.version
            );
            Problem::new(ProblemKind::InstallFailed, text)
        })
    }

    /// RAUC continues when an updater dies, and its installation must not lose its pending file.
    fn check_rauc_is_free(&mut self, offer: &Offer) -> Result<(), Problem> {
        let reason = match self.host.is_rauc_busy() {
            Ok(false) => return Ok(()),
            Ok(true) => "an earlier installation is still running".to_owned(),
            Err(reason) => reason,
        };
        let text = format!(
            "{} was not written: {reason}; wait some minutes, switch the device off and on, and \
             reinsert the card",
            offer.version
        );
        Err(Problem::new(ProblemKind::InstallFailed, text))
    }

    fn run_rauc(&mut self) -> Result<(), String> {
        let mut installation = self.host.rauc_install(STAGED_FILE)?;
        while let Some(line) = installation.next_line() {
            if let Some(percent) = rauc::parse_progress(&line) {
                self.step(Event::Installing(percent));
            }
        }
        installation.finish()
    }

    /// Takes over the slot that RAUC chose: in recovery both are free.
    fn adopt_slot_of_rauc(&mut self, pending: &mut Pending) -> Result<(), String> {
        let state = slots::load(self.host.sectors()).map_err(|error| error.to_string())?;
        let primary = state.and_then(|state| state.primary());
        let Some(slot) = primary.filter(|&slot| self.running != Running::Slot(slot)) else {
            return Err("RAUC has not marked the new slot to be started".to_owned());
        };
        if slot != pending.slot {
            pending.slot = slot;
            pending
                .store(self.host.folder())
                .map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn restart(&mut self) -> Option<Event> {
        self.host.log("restarting");
        let reason = self.host.restart().err()?;
        let text = format!("the device does not restart: {reason}; switch it off and on");
        Some(Event::NotDone(Problem::new(
            ProblemKind::InstallFailed,
            text,
        )))
    }

    fn try_again(&mut self) -> Option<Event> {
        let sectors = self.host.sectors();
        let tried = slots::load(sectors)
            .map_err(|error| error.to_string())
            .and_then(|state| {
                let mut state = state.unwrap_or_else(slots::BootState::unknown);
                if !state.try_again() {
                    return Err("no slot holds a whole system; install an update".to_owned());
                }
                slots::store(sectors, &state).map_err(|error| error.to_string())
            });
        match tried {
            Ok(()) => self.restart(),
            Err(reason) => Some(Event::NotDone(Problem::new(
                ProblemKind::InstallFailed,
                reason,
            ))),
        }
    }

    fn note_seen(&mut self) {
        let lines = read_history(&mut self.host);
        let Some(last) = lines.last() else {
            return;
        };
        let now = self.host.now();
        let seen = HistoryLine {
            event: HistoryEvent::Seen,
            reason: String::new(),
            boot_id: now.boot_id,
            stamp: now.time,
            ..last.clone()
        };
        let added = history::add(self.host.folder(), seen);
        self.log_failure(added);
    }

    /// A failure is logged only: a card may be write-protected.
    fn report(&mut self, card: &CardId, text: &str) {
        if !self.host.cards().contains(card) {
            return;
        }
        let date = history::date(&self.host.now().time);
        let line = format!("{date}  {}: {text}\n", self.system.compatible());
        let written = match self.host.mount(card, Access::Write) {
            Ok(Some(top)) => report::append(&top, &line).map_err(|error| error.to_string()),
            Ok(None) => Err("it has no supported file system".to_owned()),
            Err(reason) => Err(reason),
        };
        self.host.unmount();
        if let Err(reason) = written {
            self.host
                .log(&format!("no report on {}: {reason}", card.name));
        }
    }
}

fn no_room(name: &str, reason: &str) -> Problem {
    let text = format!(
        "{name} cannot be stored on the device: {reason}; move records to another place, or check \
         the storage"
    );
    Problem::new(ProblemKind::NoRoom, text)
}

fn read_history<H: Host>(host: &mut H) -> Vec<HistoryLine> {
    match history::read(host.folder()) {
        Ok(lines) => lines,
        Err(error) => {
            host.log(&error.to_string());
            Vec::new()
        }
    }
}

/// The newest version that was confirmed here, or runs.
fn newest_run(lines: &[HistoryLine], running: &Version) -> Version {
    let kept = lines
        .iter()
        .filter(|line| line.event == HistoryEvent::Confirmed);
    let versions = kept.filter_map(|line| line.to.parse().ok());
    versions
        .chain([running.clone()])
        .max()
        .unwrap_or_else(|| running.clone())
}

/// The version that was installed in this boot by an updater that has ended since.
fn waiting_version<H: Host>(host: &mut H, running: Running) -> Option<String> {
    let state = slots::load(host.sectors()).unwrap_or_else(|error| {
        host.log(&format!("the boot state cannot be read: {error}"));
        None
    });
    let pending = Pending::load(host.folder()).unwrap_or_else(|error| {
        host.log(&error.to_string());
        None
    });
    let now = host.now();
    // What is not whole yet may still be under RAUC's hands: the next start decides about it.
    match classify_boot(running, state.as_ref(), pending, &now.boot_id) {
        BootClass::AwaitingRestart(pending) => Some(pending.to),
        _ => None,
    }
}
