//! What an update bundle is, and whether it is genuine and for this device.

pub mod integrity;
pub mod manifest;
pub mod system_version;
pub mod verity;
pub mod version;
