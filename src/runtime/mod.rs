//! A run on the device: its threads, what goes round between them, and the loop that draws.

mod analysis;
mod capture;
pub mod channels;
mod console;
pub mod display;
pub mod field_analysis;
mod main_loop;
pub mod recording;
mod report;
pub mod run;
pub mod settings;
mod updates;
pub mod view_pool;

pub use updates::IpcFiles;
