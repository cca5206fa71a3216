//! The trial of a new version: what is kept about it over a restart, and the boot check that
//! confirms it or rolls it back.

pub mod boot_check;
pub mod confirmed;
pub mod pending;
