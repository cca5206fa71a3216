//! The pages about a firmware update, as values; the screen has the words.

use crate::update::{Notes, ProblemKind};

/// Where an update stands, and what is asked. Percents above 100 are shown as 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdatePage<'a> {
    /// From the card to the device.
    Copying {
        /// Progress, 0 to 100.
        percent: u8,
    },
    /// Integrity and signature are being verified.
    Checking,
    /// To be installed, or not now.
    Offered {
        /// The version that runs.
        running: &'a str,
        /// The version on the card.
        offered: &'a str,
        /// What is new, in every language.
        notes: &'a Notes,
    },
    /// The same, asked again since it is older than what runs.
    Older {
        /// The version that runs.
        running: &'a str,
        /// The version on the card.
        offered: &'a str,
    },
    /// It is being written to the inactive slot.
    Installing {
        /// The version that is installed.
        version: &'a str,
        /// Progress, 0 to 100.
        percent: u8,
    },
    /// To be restarted into it, or later.
    Ready {
        /// The version that starts next.
        version: &'a str,
    },
    /// The answer is on its way.
    Answered,
    /// The device is about to restart.
    Restarting,
    /// The bundle on the card cannot be installed, for this reason.
    Refused(ProblemKind),
    /// The new version is confirmed.
    Confirmed {
        /// The version before the update.
        from: &'a str,
        /// The version that runs now.
        to: &'a str,
    },
    /// It has not, for a reason in English.
    RolledBack {
        /// The version before the update, which runs again.
        from: &'a str,
        /// The version that failed its trial.
        to: &'a str,
        /// Why, in English.
        reason: &'a str,
    },
    /// Neither system starts, and the factory system runs.
    Recovery,
}
