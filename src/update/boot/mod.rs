//! What the boot loader reads: the two slots, and the disk sectors that hold their state.

pub mod disk;
pub mod disk_layout;
pub mod slots;
