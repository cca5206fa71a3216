//! The updater on a simulated device.

mod cards;
mod power_cuts;
mod simulated_device;
