//! What a device has beside camera, panel and buttons: clock, files that survive a power cut, heat,
//! power and lights.

pub mod calendar;
pub mod clock;
pub mod files;
pub mod folder;
pub mod leds;
pub mod power;
pub mod thermal;
