//! The kernels of hemoscope, built by themselves.

#[path = "../../../src/decode/jpeg/kernels/mod.rs"]
pub mod jpeg_kernels;
#[path = "../../../src/network/kernels/mod.rs"]
pub mod kernels;
#[path = "../../../src/image/kernels/mod.rs"]
pub mod resize_kernels;
#[path = "../../../src/random.rs"]
pub mod random;

/// A number from the environment.
pub fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|_| panic!("{name} is {text:?}, no number")),
        Err(_) => default,
    }
}
