//! From a frame to its cells: every stage in one call, the scale from the cells themselves, and the
//! answer that a new version has to give.

pub mod analyser;
pub mod built_in_frame;
pub mod frame_smear;
pub mod known_answer;
pub mod model;
pub mod scale;
pub mod settings;
mod unexplained;
