//! One number with all that belongs to it: made once, printed by every screen, table and export.

use super::interval::Interval;
use crate::cell::CellClass;
use std::fmt;
use thiserror::Error;

/// What a figure is of. A smear gives several numbers of one class, which are never mixed: each is
/// shown with its level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Cells counted on these fields: it says how much was looked at, and nothing of the blood.
    Counted,
    /// Cells to 1000 red cells, which does not depend on how much was looked at.
    Per1000Rbc,
}

impl Level {
    /// The words beside the number, in English.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Counted => "cells counted",
            Level::Per1000Rbc => "per 1000 RBC",
        }
    }
}

/// A number that may stand, with its level, its interval and the cells that it rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    level: Level,
    value: f64,
    interval: Interval,
    n: u32,
    decimals: u8,
    flags: FigureFlags,
}

/// What qualifies a figure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FigureFlags {
    /// The fields differ by more than chance explains; the interval allows for it.
    pub is_overdispersed: bool,
    /// Some cells cannot be told apart: the truth lies above the interval's low end, and nothing
    /// is known of how far.
    pub is_at_least: bool,
}

/// Why there is no figure.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum TooFew {
    /// Too few fields were counted: how much they differ, and how wide an interval is, cannot be
    /// known yet.
    #[error("too few fields: {counted} of {needed}")]
    Fields {
        /// Fields counted so far.
        counted: u32,
        /// Fields that a figure takes.
        needed: u32,
    },
    /// Too few cells of a class: of the figure's own, or of the red cells that it is taken
    /// against.
    #[error("too few {class}: {counted} of {needed}")]
    Cells {
        /// The class that lacks cells.
        class: CellClass,
        /// Cells counted so far.
        counted: u32,
        /// Cells that a figure takes.
        needed: u32,
    },
}

impl Figure {
    /// The most decimals that a figure is shown with.
    pub const MAX_DECIMALS: u8 = 3;

    /// A count of cells, which is shown without decimals, as is its interval: there are no parts of
    /// cells.
    pub fn of_count(count: u32, interval: Interval) -> Self {
        Self {
            level: Level::Counted,
            value: f64::from(count),
            interval,
            n: count,
            decimals: 0,
            flags: FigureFlags::default(),
        }
    }

    /// Cells to 1000 red cells, from `n` cells of the class. Value and interval are shown with the fewest
    /// decimals at which the interval is ten units of the last digit wide, within
    /// [`Figure::MAX_DECIMALS`]. Rounding then moves an end by a twentieth of the width at most;
    /// one decimal more would be noise.
    pub fn per_1000_rbc(value: f64, interval: Interval, n: u32) -> Self {
        Self {
            level: Level::Per1000Rbc,
            value,
            interval,
            n,
            decimals: decimals_of(interval),
            flags: FigureFlags::default(),
        }
    }

    /// The same figure with these flags.
    pub fn with_flags(self, flags: FigureFlags) -> Self {
        Self { flags, ..self }
    }

    /// What it is of.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The number itself, unrounded.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Its interval, unrounded.
    pub fn interval(&self) -> Interval {
        self.interval
    }

    /// Cells that it rests on.
    pub fn n(&self) -> u32 {
        self.n
    }

    /// Decimals that value and interval are shown with.
    pub fn decimals(&self) -> u8 {
        self.decimals
    }

    /// What qualifies it.
    pub fn flags(&self) -> FigureFlags {
        self.flags
    }

    /// The number to show: the value, or what there is at least of.
    pub fn shown(&self) -> f64 {
        if self.flags.is_at_least {
            self.interval.low
        } else {
            self.value
        }
    }

    /// The interval alone, such as `1.09-1.81`.
    pub fn interval_text(&self) -> String {
        let Interval { low, high } = self.interval;
        let decimals = usize::from(self.decimals);
        format!("{low:.decimals$}-{high:.decimals$}")
    }
}

fn decimals_of(interval: Interval) -> u8 {
    let mut units = interval.high - interval.low;
    let mut decimals = 0;
    while units < 10.0 && decimals < Figure::MAX_DECIMALS {
        units *= 10.0;
        decimals += 1;
    }
    decimals
}

impl fmt::Display for Figure {
    /// `1.42 (1.09-1.81), n 64`, or `at least 1.09, n 64`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { n, .. } = self;
        let decimals = usize::from(self.decimals);
        let value = self.shown();
        if self.flags.is_at_least {
            return formatter.pad(&format!("at least {value:.decimals$}, n {n}"));
        }
        let interval = self.interval_text();
        formatter.pad(&format!("{value:.decimals$} ({interval}), n {n}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_carry_the_digits_that_their_interval_deserves() {
        let cases = [
            (1.423, 1.094, 1.812, "1.42 (1.09-1.81), n 64"),
            (0.2, 0.0957, 0.368, "0.20 (0.10-0.37), n 64"),
            (6.2, 4.2, 8.8, "6.2 (4.2-8.8), n 64"),
            (36.12, 31.03, 41.8, "36 (31-42), n 64"),
            (36.12, 35.03, 37.2, "36.1 (35.0-37.2), n 64"),
            (361.8, 320.0, 441.2, "362 (320-441), n 64"),
            (99.998, 99.9962, 99.9993, "99.998 (99.996-99.999), n 64"),
            (0.0, 0.0, 10.0, "0 (0-10), n 64"),
            (1.0, 0.5, f64::INFINITY, "1 (0-inf), n 64"),
        ];
        for (value, low, high, expected) in cases {
            let figure = Figure::per_1000_rbc(value, Interval { low, high }, 64);
            assert_eq!(figure.to_string(), expected);
        }
    }

    #[test]
    fn counts_are_whole() {
        let interval = Interval {
            low: 4.795,
            high: 18.39,
        };
        let figure = Figure::of_count(10, interval);
        assert_eq!(figure.to_string(), "10 (5-18), n 10");
        assert_eq!(format!("{figure:>16}|"), " 10 (5-18), n 10|");
    }

    #[test]
    fn a_figure_that_is_only_a_least_shows_no_upper_end() {
        let interval = Interval {
            low: 31.2,
            high: 41.7,
        };
        let flags = FigureFlags {
            is_at_least: true,
            ..FigureFlags::default()
        };
        let figure = Figure::per_1000_rbc(36.1, interval, 181).with_flags(flags);
        assert_eq!(figure.to_string(), "at least 31, n 181");
    }

    #[test]
    fn what_is_too_few_is_named() {
        let cells = TooFew::Cells {
            class: CellClass::Wbc,
            counted: 3,
            needed: 10,
        };
        assert_eq!(cells.to_string(), "too few WBC: 3 of 10");
        let fields = TooFew::Fields {
            counted: 3,
            needed: 10,
        };
        assert_eq!(fields.to_string(), "too few fields: 3 of 10");
    }
}
