//! The convolution kernels of hemoscope, built by themselves.

#[path = "../../../src/network/kernels/mod.rs"]
pub mod kernels;
