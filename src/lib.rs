//! hemoscope counts red cells, white cells and platelets in a stained blood smear.
//!
//! The library is a pure core with thin edges: a [`image::frame::Frame`] goes in, cells, counts and a
//! drawn screen come out, and only the camera and panel modules touch the operating system.
//! `docs/architecture.md` draws the modules and the one direction in which they depend.
//!
//! For research use only: see [`RESEARCH_USE_NOTICE`].

#![cfg_attr(
    not(test),
    warn(clippy::expect_used, clippy::panic, clippy::unwrap_used)
)]

pub mod analysis;
pub mod assessment;
pub mod bench;
pub mod board;
pub mod camera;
pub mod cell;
pub mod cli;
pub mod config;
pub mod count;
pub mod decode;
pub mod detect;
pub mod device;
pub mod export;
pub mod hex;
pub mod image;
pub mod input;
pub mod language;
pub mod network;
pub mod ordered_workers;
pub mod panel;
pub mod preprocess;
pub mod quality;
pub mod random;
pub mod record;
pub mod registration;
pub mod runtime;
pub mod scripted_operator;
pub mod self_test;
pub mod service;
pub mod session;
pub mod ui;
pub mod update;

/// What everybody must know of every result; stands on every screen and in every export.
pub const RESEARCH_USE_NOTICE: &str = "Research use only. Not for use in diagnostic procedures.";
