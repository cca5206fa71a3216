//! `hemoscope update status`, `check`, `install`, `history` and `serve`.

use super::arguments::{CheckArguments, InstallArguments, JsonArguments};
use crate::cli::output::print;
use crate::device::files::{FolderLock, LockError, lock_folder};
use crate::service::StopSignal;
use crate::update::board_host::BoardHost;
use crate::update::boot::disk::{self, BootDisk};
use crate::update::boot::slots::{self, Running, Slot};
use crate::update::bundle::integrity::{check_blocks, check_bundle};
use crate::update::bundle::manifest::Manifest;
use crate::update::bundle::system_version::{SYSTEM_VERSION_FILE, SystemVersion};
use crate::update::folder::{self, DiskFolder};
use crate::update::history::{self, HistoryEvent, HistoryLine};
use crate::update::trial::pending::Pending;
use crate::update::updater::Updater;
use crate::update::{STATE_FILE, UpdateState, ipc_files, rauc};
use anyhow::{Context, Result, anyhow, bail};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Time between two polls of the cards.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Time between two polls of the wish to stop.
const STOP_POLL_INTERVAL: Duration = Duration::from_millis(100);

fn say(text: &str) -> Result<bool> {
    print(text)?;
    Ok(true)
}

/// Waits for cards and answers until it is told to stop.
///
/// # Errors
/// This is no board, or an updater runs already.
pub fn serve(folder: &Path) -> Result<bool> {
    let stop = StopSignal::listen().context("signal handlers cannot be installed")?;
    let (mut updater, _lock) = open_updater(folder)?;
    log::info!("the updater is waiting for a card");
    while !stop.is_raised() {
        updater.turn();
        let next = Instant::now() + POLL_INTERVAL;
        while Instant::now() < next && !stop.is_raised() {
            thread::sleep(STOP_POLL_INTERVAL);
        }
    }
    Ok(true)
}

fn open_updater(folder: &Path) -> Result<(Updater<BoardHost>, Option<FolderLock>)> {
    let system = SystemVersion::load(Path::new(SYSTEM_VERSION_FILE))?;
    let running = disk::running()?;
    let folder = DiskFolder::new(folder.to_owned());
    // Without the data partition a card is refused, and the screen says why.
    if let Err(error) = folder::make(&folder) {
        log::error!("{error}");
    }
    let lock = lock(folder.path())?;
    let host = BoardHost::open(folder)?;
    Ok((Updater::start(host, system, running), lock))
}

fn lock(folder: &Path) -> Result<Option<FolderLock>> {
    match lock_folder(folder) {
        Ok(lock) => Ok(Some(lock)),
        Err(LockError::CannotOpen(error)) => {
            log::error!("{} cannot be locked: {error}", folder.display());
            Ok(None)
        }
        Err(LockError::InUse) => bail!(
            "another updater works in {}; put the bundle on a card, or stop it with \
             `systemctl stop hemoscope-update`",
            folder.display()
        ),
        Err(LockError::CannotLock(error)) => {
            Err(error).with_context(|| format!("{} cannot be locked", folder.display()))
        }
    }
}

/// Checks a bundle: signature, every block, and on a board whether it is for that. `false` where
/// it is refused, after its reason has been logged: whatever keeps a bundle from being checked
/// refuses it.
pub fn check(arguments: &CheckArguments) -> bool {
    let checked = check_whole(arguments);
    if let Err(refusal) = &checked {
        log::error!("{refusal:#}");
    }
    checked.is_ok()
}

/// As [`check`]; an error is a refusal.
fn check_whole(arguments: &CheckArguments) -> Result<()> {
    let path = &arguments.file;
    let refuse = |text: String| anyhow!("{}: {text}", path.display());
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let folder = DiskFolder::new(folder);
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| refuse("the name is not UTF-8; rename the file".to_owned()))?;
    check_bundle(&folder, name).map_err(|problem| refuse(problem.text))?;
    let info = rauc::info(path, arguments.keyring.as_deref()).map_err(refuse)?;
    let manifest = Manifest::parse(&info).map_err(|error| refuse(error.to_string()))?;
    check_blocks(&folder, name, &manifest).map_err(|problem| refuse(problem.text))?;
    let mut text = format!(
        "{}: genuine, every block matches the signature\nfor {}, version {}\n",
        path.display(),
        manifest.compatible,
        manifest.version
    );
    for (language, notes) in [
        ("en", &manifest.notes.en),
        ("es", &manifest.notes.es),
        ("fr", &manifest.notes.fr),
    ] {
        if !notes.is_empty() {
            writeln!(text, "{language}: {notes}")?;
        }
    }
    say(&text)?;
    if let Ok(system) = SystemVersion::load(Path::new(SYSTEM_VERSION_FILE)) {
        let fits = manifest.check_compatible(&system);
        fits.map_err(|problem| refuse(problem.text))?;
        say(&format!("this device runs {}\n", system.version))?;
    }
    Ok(())
}

/// Checks a bundle and installs it into the slot that does not run.
///
/// # Errors
/// It is not for this device, or could not be installed.
pub fn install(arguments: &InstallArguments, folder: &Path) -> Result<bool> {
    let (mut updater, _lock) = open_updater(folder)?;
    if let UpdateState::ReadyToRestart { version } = updater.state() {
        bail!("{version} is installed and needs a restart; restart first");
    }
    let offer = updater.install_file(&arguments.file, arguments.allow_downgrade)?;
    say(&format!(
        "{} is installed and starts at the next restart (`systemctl reboot`)\n",
        offer.version
    ))
}

/// What became of each update.
///
/// # Errors
/// The history cannot be read.
pub fn history(arguments: &JsonArguments, folder: &Path) -> Result<bool> {
    let lines = history::read(&DiskFolder::new(folder.to_owned()))?;
    let mut text = String::new();
    for line in &lines {
        if arguments.json {
            text.push_str(&serde_json::to_string(line)?);
            text.push('\n');
        } else if line.event != HistoryEvent::Seen {
            text.push_str(&history_row(line));
        }
    }
    if text.is_empty() && !arguments.json {
        text.push_str("no updates yet\n");
    }
    say(&text)
}

fn history_row(line: &HistoryLine) -> String {
    let mut row = format!(
        "{:<22}{:<16}{} -> {}, slot {}",
        history::date(&line.stamp),
        line.event.name(),
        line.from,
        line.to,
        line.slot
    );
    if !line.reason.is_empty() {
        row.push_str(": ");
        row.push_str(&line.reason);
    }
    row.push('\n');
    row
}

/// What runs, what starts next, and what is pending.
#[derive(Debug, Serialize)]
struct Status {
    version: Option<String>,
    board: Option<String>,
    /// `A`, `B`, or `R` for the rescue system.
    slot: Option<String>,
    next_slot: Option<String>,
    #[serde(rename = "attempts_left")]
    tries_left: Option<[u8; 2]>,
    pending: Option<Pending>,
    updater: Option<UpdateState>,
    /// What could not be read.
    unknown: Vec<String>,
}

/// Prints the status; `Ok(false)` where not all of it can be read.
///
/// # Errors
/// Standard output cannot be written.
pub fn status(arguments: &JsonArguments, folder: &Path) -> Result<bool> {
    let status = find_status(folder);
    if arguments.json {
        say(&(serde_json::to_string(&status)? + "\n"))?;
    } else {
        say(&status.table())?;
    }
    Ok(status.unknown.is_empty())
}

fn find_status(folder: &Path) -> Status {
    let mut unknown = Vec::new();
    let mut known = |error: String| unknown.push(error);
    let system = SystemVersion::load(Path::new(SYSTEM_VERSION_FILE));
    let system = system.map_err(|error| known(error.to_string())).ok();
    let slot = disk::running()
        .map_err(|error| known(error.to_string()))
        .ok();
    let state = BootDisk::of_root().and_then(|disk| {
        slots::load(&disk)
            .map_err(|error| disk.error("read", error))?
            .ok_or_else(|| disk::BootDiskError::Unreadable {
                path: disk.path().to_owned(),
            })
    });
    let state = state.map_err(|error| known(error.to_string())).ok();
    let pending = Pending::load(&DiskFolder::new(folder.to_owned()));
    let pending = pending.unwrap_or_else(|error| {
        known(error.to_string());
        None
    });
    let next = |state: &slots::BootState| match state.primary() {
        Some(slot) => Running::Slot(slot),
        None => Running::Rescue,
    };
    Status {
        version: system.as_ref().map(|system| system.version.to_string()),
        board: system.map(|system| system.board),
        slot: slot.map(|slot| slot.to_string()),
        next_slot: state.as_ref().map(|state| next(state).to_string()),
        tries_left: state.map(|state| Slot::ALL.map(|slot| state.tries_left(slot))),
        pending,
        updater: ipc_files::read(Path::new(STATE_FILE)).ok().flatten(),
        unknown,
    }
}

impl Status {
    fn table(&self) -> String {
        let or_unknown = |value: &Option<String>| value.clone().unwrap_or("unknown".to_owned());
        let mut rows = vec![
            ("version", or_unknown(&self.version)),
            ("board", or_unknown(&self.board)),
            ("slot", or_unknown(&self.slot)),
            ("next start", or_unknown(&self.next_slot)),
        ];
        if let Some([a, b]) = self.tries_left {
            rows.push(("tries left", format!("A {a}, B {b}")));
        }
        if let Some(pending) = &self.pending {
            let text = format!(
                "{} -> {} in slot {}",
                pending.from, pending.to, pending.slot
            );
            rows.push(("pending", text));
        }
        if let Some(state) = &self.updater {
            rows.push(("updater", describe(state)));
        }
        let rows = rows
            .into_iter()
            .map(|(name, value)| format!("{name:<15}{value}\n"));
        let unknown = self.unknown.iter().map(|what| format!("{what}\n"));
        rows.chain(unknown).collect()
    }
}

fn describe(state: &UpdateState) -> String {
    match state {
        UpdateState::Idle => "waiting for a card".to_owned(),
        UpdateState::Copying { percent } => format!("copying, {percent} %"),
        UpdateState::Checking => "checking".to_owned(),
        UpdateState::Offered(offer) => format!("offering {}", offer.version),
        UpdateState::Installing { version, percent } => {
            format!("installing {version}, {percent} %")
        }
        UpdateState::ReadyToRestart { version } => format!("{version} needs a restart"),
        UpdateState::Refused(problem) => format!("refused: {}", problem.text),
        UpdateState::Ended(result) => format!("{} ended, not acknowledged yet", result.to),
        UpdateState::Recovery => "recovery: waiting for a card or a new try".to_owned(),
    }
}
