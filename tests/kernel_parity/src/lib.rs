//! The kernels of hemoscope, built by themselves.

#[path = "../../../src/decode/jpeg/kernels/mod.rs"]
pub mod jpeg_kernels;
#[path = "../../../src/network/kernels/mod.rs"]
pub mod kernels;
pub mod random;
