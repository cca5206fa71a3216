//! Why a camera gives no frames at the moment.

use std::fmt;
use std::path::PathBuf;

/// What is in the way of frames; each can pass while the device runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unavailable {
    /// None is connected, or not the one that was named.
    NotConnected,
    /// Several are connected and none was named.
    Several {
        /// The connected cameras.
        paths: Vec<PathBuf>,
    },
    /// Another program has it.
    InUse,
    /// The device's user may not open it.
    PermissionDenied,
    /// It is something else, or gives no format that can be used.
    Unsuitable {
        /// What makes it unsuitable, as in "is no camera".
        reason: String,
    },
    /// It is there and gives nothing.
    Silent {
        /// How long no frame has come, in seconds.
        seconds: u64,
    },
    /// It sent only bad frames in one format, and is opened in its other one.
    BadFrames {
        /// How many in a row.
        frames: u32,
        /// The format that is left.
        format: String,
        /// The format that is tried now.
        next: String,
    },
    /// It broke in another way.
    Failed {
        /// What the operating system reported.
        reason: String,
    },
}

/// A phrase that goes on after the camera's name, and says what to do.
impl fmt::Display for Unavailable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected => formatter.write_str("is not connected; check its cable"),
            Self::Several { paths } => {
                let names = paths.iter().map(|path| format!("v4l2:{}", path.display()));
                let names: Vec<String> = names.collect();
                let (count, names) = (names.len(), names.join(", "));
                write!(
                    formatter,
                    "is one of {count}; unplug the others, or name one of {names}"
                )
            }
            Self::InUse => formatter.write_str("is used by another program; stop that program"),
            Self::PermissionDenied => formatter
                .write_str("may not be used; give this user access to video devices (group video)"),
            Self::Unsuitable { reason } => formatter.write_str(reason),
            Self::Silent { seconds } => {
                write!(
                    formatter,
                    "gave no frame for {seconds} s; it is started again"
                )
            }
            Self::BadFrames {
                frames,
                format,
                next,
            } => write!(
                formatter,
                "gave {frames} bad frames in a row as {format}; it is opened in {next}"
            ),
            Self::Failed { reason } => {
                write!(
                    formatter,
                    "failed ({reason}); unplug it and plug it in again"
                )
            }
        }
    }
}
