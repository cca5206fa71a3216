//! Why a kernel or a convolution is refused.

use std::fmt;

use super::kernel::Kernel;

/// Why a kernel or a convolution was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KernelError {
    /// No kernel has this name.
    UnknownKernel {
        /// The unknown name.
        name: String,
    },
    /// The processor lacks the instructions of this kernel.
    Unavailable {
        /// The kernel that cannot run here.
        kernel: Kernel,
        /// The fastest kernel that runs here.
        fastest: Kernel,
    },
    /// A parameter of a convolution is outside what the arithmetic allows.
    Parameter {
        /// The parameter, in words.
        name: &'static str,
        /// The refused value.
        found: String,
        /// The values that are allowed.
        allowed: String,
    },
    /// A buffer does not hold what the sizes ask for.
    Buffer {
        /// The buffer, in words.
        name: &'static str,
        /// Values in the buffer.
        found: usize,
        /// Values that it must hold.
        expected: usize,
    },
    /// A thread of a stream could not be started, or has failed.
    Thread,
}

impl fmt::Display for KernelError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKernel { name } => {
                let names = Kernel::ALL.map(Kernel::name).join(", ");
                write!(
                    formatter,
                    "there is no kernel named {name:?}; choose one of {names}"
                )
            }
            Self::Unavailable { kernel, fastest } => write!(
                formatter,
                "the kernel {kernel} needs instructions that this processor lacks; \
                 here {fastest} is the fastest that runs"
            ),
            Self::Parameter {
                name,
                found,
                allowed,
            } => write!(formatter, "{name} is {found}, but must be {allowed}"),
            Self::Buffer {
                name,
                found,
                expected,
            } => write!(
                formatter,
                "the {name} holds {found} values where {expected} belong"
            ),
            Self::Thread => formatter.write_str(
                "a thread of the network could not be started or has failed; \
                 start the program again, and report it if it happens again",
            ),
        }
    }
}

impl std::error::Error for KernelError {}
