//! Figures as text: as many digits as the interval supports.

use super::interval::Interval;
use super::tally::{Estimate, Warning};
use std::fmt;

/// Decimals that a figure deserves whose interval ends at `high`: about two digits of that end.
fn decimals(high: f64) -> usize {
    if high < 2.0 {
        2
    } else if high < 20.0 {
        1
    } else {
        0
    }
}

/// Rounds a figure for the screen, by the high end of its interval: a whole number from 20 on,
/// tenths from 2 on, hundredths below.
pub fn format_figure(value: f64, interval_high: f64) -> String {
    format!("{value:.*}", decimals(interval_high))
}

impl fmt::Display for Interval {
    /// `4.8-18.4`; both ends with the digits that the high end deserves.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let low = format_figure(self.low, self.high);
        let high = format_figure(self.high, self.high);
        formatter.pad(&format!("{low}-{high}"))
    }
}

impl fmt::Display for Estimate {
    /// `50 (40-62), n 90`, or `too few RBC: 30 of 100`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Estimate::Known { value, interval, n } => {
                let value = format_figure(*value, interval.high);
                format!("{value} ({interval}), n {n}")
            }
            Estimate::TooFewCells { class, have, need } => {
                let what = class.map_or("cells", |class| class.name());
                format!("too few {what}: {have} of {need}")
            }
        };
        formatter.pad(&text)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::TooManyWhiteCells { wbc, rbc, limit } => write!(
                formatter,
                "{wbc} white to {rbc} red cells is more than a smear can plausibly hold (limit 1 \
                 to {:.0}): the stain may be one that the model does not know; look at the cells \
                 before you trust any count",
                1.0 / limit
            ),
            Warning::ManyUncertain {
                uncertain,
                cells,
                limit,
            } => write!(
                formatter,
                "{uncertain} of {cells} cells are uncertain, over the limit of {:.0} %: check \
                 focus, light and stain, and look at the uncertain cells",
                limit * 100.0
            ),
            Warning::UnevenFields { class, index } => write!(
                formatter,
                "{class} lie unevenly over the fields (variance {index:.1} times the mean): the \
                 intervals are widened; count more fields, spread over the monolayer"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::CellClass;

    #[test]
    fn figures_carry_the_digits_that_they_deserve() {
        let cases = [
            (0.0, 3.689, "0.0-3.7"),
            (4.795, 18.39, "4.8-18.4"),
            (20.24, 42.83, "20-43"),
            (81.36, 121.6, "81-122"),
            (361.8, 441.2, "362-441"),
            (0.0957, 0.368, "0.10-0.37"),
        ];
        for (low, high, expected) in cases {
            assert_eq!(Interval { low, high }.to_string(), expected);
        }
    }

    #[test]
    fn an_estimate_always_shows_its_interval_and_n() {
        let known = Estimate::Known {
            value: 1.42,
            interval: Interval {
                low: 1.09,
                high: 1.81,
            },
            n: 64,
        };
        assert_eq!(known.to_string(), "1.42 (1.09-1.81), n 64");
        let few = |class| Estimate::TooFewCells {
            class,
            have: 3,
            need: 10,
        };
        assert_eq!(
            few(Some(CellClass::Wbc)).to_string(),
            "too few WBC: 3 of 10"
        );
        assert_eq!(few(None).to_string(), "too few cells: 3 of 10");
    }

    #[test]
    fn warnings_say_what_to_do() {
        let warnings = [
            (
                Warning::TooManyWhiteCells {
                    wbc: 50,
                    rbc: 40,
                    limit: 0.1,
                },
                ["50 white to 40 red", "limit 1 to 10", "look at the cells"],
            ),
            (
                Warning::ManyUncertain {
                    uncertain: 30,
                    cells: 90,
                    limit: 0.2,
                },
                ["30 of 90", "20 %", "check focus"],
            ),
            (
                Warning::UnevenFields {
                    class: CellClass::Plt,
                    index: 3.25,
                },
                ["PLT", "3.2 times", "count more fields"],
            ),
        ];
        for (warning, parts) in warnings {
            let text = warning.to_string();
            for part in parts {
                assert!(text.contains(part), "{part:?} is missing in {text:?}");
            }
        }
    }
}
