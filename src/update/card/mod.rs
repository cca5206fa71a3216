//! SD cards and USB sticks: which block device is one, which of its files is the bundle, and the
//! report that it takes away.

pub mod block_devices;
pub mod entry;
pub mod report;
