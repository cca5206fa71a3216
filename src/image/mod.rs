//! Images as the program holds them: a frame, its histogram, its resampling, image files, and the
//! canvas that a screen is drawn on.

pub mod canvas;
pub mod files;
pub mod frame;
pub mod hatch;
pub mod histogram;
mod kernels;
pub mod png;
pub mod preview;
pub mod resize;
