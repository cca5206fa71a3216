//! The instrument: what is being counted, and what a button means. Pure: no clock, thread or device.

pub mod guidance;
pub mod smear;
pub mod update_page;
pub mod update_prompt;
