//! hemoscope counts red cells, white cells and platelets in a stained blood smear.
//!
//! The library is a pure core with thin edges: a [`frame::Frame`] goes in, cells, counts and a
//! drawn screen come out, and only the camera and panel modules touch the operating system.
//! `docs/architecture.md` draws the modules and the one direction in which they depend.
//!
//! Research use only. Not for use in diagnostic procedures.

pub mod analyse;
pub mod app;
pub mod board;
pub mod camera;
pub mod cell;
pub mod civil_time;
pub mod config;
pub mod count;
pub mod decode;
pub mod detect;
pub mod frame;
pub mod health;
pub mod histogram;
pub mod input;
pub mod network;
pub mod panel;
pub mod picture_files;
pub mod preprocess;
pub mod quality;
pub mod record;
pub mod scale;
pub mod service;
pub mod session;
pub mod stage_watch;
pub mod ui;
pub mod update;
