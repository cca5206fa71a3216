//! The quantized network: its kernels, its file format, and running it.

pub mod kernels;
