//! The kernels in plain Rust, for every processor: the reference.

pub mod colour;
pub mod idct;
