//! Why a network could not be loaded or run.

use std::path::PathBuf;

use thiserror::Error;

use super::kernels::KernelError;

/// What went wrong, with which file, and what to do.
#[derive(Debug, Error)]
pub enum NetworkError {
    /// A file of the model folder cannot be read.
    #[error("{} cannot be read: {cause}; check the path, or install the model folder again", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system reported.
        cause: std::io::Error,
    },
    /// A file of the model folder is larger than any of ours.
    #[error("{} is larger than {limit_bytes} bytes, so it is no model of this program; install the model folder again", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The largest size that is read, in bytes.
        limit_bytes: u64,
    },
    /// The manifest was written for another version of the program.
    #[error("{} has format {found}, but this program reads format {expected}; install a model folder and a program of the same release", path.display())]
    Format {
        /// The manifest.
        path: PathBuf,
        /// The format that it names.
        found: String,
        /// The format that this program reads.
        expected: u32,
    },
    /// The manifest cannot be used.
    #[error("{} cannot be used: {reason}; correct it, or install the model folder again", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file's bytes are not the ones that the manifest names.
    #[error("{} is damaged or of another version: its SHA-256 begins with {actual:.12}, the manifest's with {expected:.12}; install the model folder again", path.display())]
    Hash {
        /// The file.
        path: PathBuf,
        /// SHA-256 that the manifest names, in hexadecimal digits.
        expected: String,
        /// SHA-256 of the file, in hexadecimal digits.
        actual: String,
    },
    /// The model file is whole, but holds something that this program cannot run.
    #[error("{} cannot be run: {reason}; export the model again, or install the model folder of this release", path.display())]
    Model {
        /// The model file.
        path: PathBuf,
        /// What cannot be run.
        reason: String,
    },
    /// The golden file cannot be used.
    #[error("{} cannot be used: {reason}; export it again with the model", path.display())]
    Golden {
        /// The golden file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The kernel that was asked for cannot be used.
    #[error("HEMOSCOPE_KERNEL: {0}")]
    Kernel(KernelError),
    /// A frame for the network has the wrong size or values.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The network failed on a frame.
    #[error(
        "the network failed on a frame of {width_px}x{height_px} pixels: {reason}; check the model with its golden file"
    )]
    Run {
        /// Width of the network's input, in pixels.
        width_px: u32,
        /// Height of the network's input, in pixels.
        height_px: u32,
        /// What failed.
        reason: String,
    },
}

/// Why a buffer is no input for the network.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum InputError {
    /// A side is zero, too long, or no whole multiple.
    #[error(
        "the network's input is {width_px}x{height_px} pixels, but each side must be a multiple of {multiple_px}, and at most {limit_px}; pad or crop the frame"
    )]
    Size {
        /// Width of the input, in pixels.
        width_px: u32,
        /// Height of the input, in pixels.
        height_px: u32,
        /// What each side must be a multiple of, in pixels.
        multiple_px: u32,
        /// The longest side allowed, in pixels.
        limit_px: u32,
    },
    /// The buffer does not hold four bytes a pixel.
    #[error(
        "the network's input holds {actual_bytes} bytes where {expected_bytes} belong; prepare the frame again"
    )]
    Length {
        /// Bytes that the size takes.
        expected_bytes: usize,
        /// Bytes in the buffer.
        actual_bytes: usize,
    },
    /// A colour has more than seven bits, or the fourth byte of a pixel is not zero.
    #[error(
        "the network's input has a colour above 127 or a fourth byte above 0 in a pixel; prepare the frame again"
    )]
    Value,
}
