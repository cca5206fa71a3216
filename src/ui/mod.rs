//! The device's screen: what it shows ([`presenter`], [`model`]), in which words ([`wording`]), where and how
//! ([`screen`]), drawn into memory
//! ([`crate::image::canvas`]). Nothing here touches the operating system.

pub mod cell_marker;
pub mod colour;
pub mod describe;
pub mod fixed_string;
pub mod font;
pub mod icon;
pub mod layout;
pub mod model;
mod number;
pub mod overlay;
pub mod painter;
pub mod presenter;
pub mod scene;
pub mod screen;
pub mod surface;
mod update_page;
pub mod wording;
