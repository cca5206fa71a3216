//! The pages about a firmware update, as values; the screen has the words.

use crate::update::{Notes, ProblemKind};

/// Where an update stands, and what is asked. Percents above 100 are shown as 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdatePage<'a> {
    /// From the card to the device.
    Copying {
        percent: u8,
    },
    Checking,
    /// To be installed, or not now.
    Offered {
        running: &'a str,
        offered: &'a str,
        /// What is new, in every language.
        notes: &'a Notes,
    },
    /// The same, asked again since it is older than what runs.
    Older {
        running: &'a str,
        offered: &'a str,
    },
    Installing {
        version: &'a str,
        percent: u8,
    },
    /// To be restarted into it, or later.
    Ready {
        version: &'a str,
    },
    /// The answer is on its way.
    Answered,
    /// The device is about to restart.
    Restarting,
    Refused(ProblemKind),
    /// The new version has proved itself.
    Confirmed {
        from: &'a str,
        to: &'a str,
    },
    /// It has not, for a reason in English.
    RolledBack {
        from: &'a str,
        to: &'a str,
        reason: &'a str,
    },
    /// Neither system starts, and the factory system runs.
    Recovery,
}
