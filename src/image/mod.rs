//! Pictures as the program holds them: a frame, its histogram, its resampling, and image files.

pub mod files;
pub mod frame;
pub mod histogram;
mod kernels;
pub mod png;
pub mod resize;
