//! `hemoscope update slots`: the boot state, as RAUC's backend for a boot loader of one's own asks
//! for it (`bootloader=custom` in its system.conf).

use super::arguments::{SlotMark, SlotsArguments, SlotsCommand};
use crate::cli::output::print;
use crate::update::boot::disk::{self, BootDisk, BootDiskError};
use crate::update::boot::slots::{self, BootState, Running, Slot};
use anyhow::{Result, bail};

/// What RAUC calls a system that runs from none of its slots.
const NO_SLOT_OF_RAUC: &str = "_external_";

/// Answers RAUC, or marks a slot.
///
/// # Errors
/// The boot state cannot be read or written, or there is no answer.
pub fn run(arguments: &SlotsArguments) -> Result<bool> {
    if let SlotsCommand::GetCurrent = arguments.command {
        return say(match disk::running()? {
            Running::Slot(slot) => slot.name(),
            Running::Rescue => NO_SLOT_OF_RAUC,
        });
    }
    let mut disk = match &arguments.disk {
        Some(path) => BootDisk::open(path)?,
        None => BootDisk::of_root()?,
    };
    let found = slots::load(&disk).map_err(|error| disk.error("read", error))?;
    let unreadable = || BootDiskError::Unreadable {
        path: disk.path().to_owned(),
    };
    match arguments.command {
        SlotsCommand::GetPrimary => {
            let state = found.ok_or_else(unreadable)?;
            let Some(slot) = state.primary() else {
                bail!(
                    "no slot has tries left; install an update, or try the installed systems again"
                );
            };
            return say(slot.name());
        }
        SlotsCommand::GetState { slot } => {
            let is_good = found.is_some_and(|state| state.is_good(slot));
            return say(if is_good { "good" } else { "bad" });
        }
        SlotsCommand::Show => return say(&describe(&found.ok_or_else(unreadable)?)),
        _ => {}
    }
    let mut state = found.unwrap_or_else(BootState::unknown);
    match arguments.command {
        SlotsCommand::SetPrimary { slot } => state.set_primary(slot),
        SlotsCommand::SetState { slot, mark } => match mark {
            SlotMark::Good => state.set_good(slot),
            SlotMark::Bad => state.set_bad(slot),
        },
        _ => {}
    }
    slots::store(&mut disk, &state).map_err(|error| disk.error("written", error))?;
    Ok(true)
}

fn describe(state: &BootState) -> String {
    let order: Vec<&str> = state.order().iter().map(|slot| slot.name()).collect();
    let order = match order.as_slice() {
        [] => "none".to_owned(),
        names => names.join(", "),
    };
    let left = Slot::ALL.map(|slot| format!("{slot} {}", state.tries_left(slot)));
    format!("order: {order}; tries left: {}", left.join(", "))
}

fn say(text: &str) -> Result<bool> {
    print(&format!("{text}\n"))?;
    Ok(true)
}
