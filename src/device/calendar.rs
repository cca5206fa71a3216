//! The date and time of day of a moment, at a fixed offset from UTC.

use std::fmt;

/// From the first of March of the year 0 to the first of January 1970.
const DAYS_TO_1970: i64 = 719_468;
/// The Gregorian calendar repeats itself after 400 years.
const DAYS_IN_400_YEARS: i64 = 146_097;
/// Without the leap day that every fourth century has more.
const DAYS_IN_CENTURY: i64 = 36_524;
const DAYS_IN_4_YEARS: i64 = 1_461;
const DAYS_IN_YEAR: i64 = 365;
/// From March on, so that a leap day is the last day of its year.
const DAYS_OF_MONTHS: [i64; 12] = [31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 31, 29];
const MINUTES_IN_DAY: i64 = 24 * 60;
const MS_IN_MINUTE: u64 = 60_000;
/// A later year has no place on a screen.
const MAX_YEAR: i64 = 9999;

/// A minute of the Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CivilTime {
    /// The year, at most 9999.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
}

impl CivilTime {
    /// The minute of a moment in milliseconds since 1970-01-01T00:00:00Z, at a place whose time is
    /// so many minutes ahead of UTC; `None` after the year 9999.
    pub fn at(unix_ms: u64, utc_offset_minutes: i16) -> Option<Self> {
        // Fits, since there are far fewer minutes than milliseconds.
        let minutes = (unix_ms / MS_IN_MINUTE) as i64 + i64::from(utc_offset_minutes);
        let minute_of_day = minutes.rem_euclid(MINUTES_IN_DAY);
        let days = minutes.div_euclid(MINUTES_IN_DAY) + DAYS_TO_1970;

        let mut day = days.rem_euclid(DAYS_IN_400_YEARS);
        let mut years = days.div_euclid(DAYS_IN_400_YEARS) * 400;
        // The last century and the last year may have a day more than the others.
        for (days, count, most) in [
            (DAYS_IN_CENTURY, 100, 3),
            (DAYS_IN_4_YEARS, 4, i64::MAX),
            (DAYS_IN_YEAR, 1, 3),
        ] {
            let whole = (day / days).min(most);
            day -= whole * days;
            years += whole * count;
        }
        let mut month = 3;
        for days in DAYS_OF_MONTHS {
            if day < days {
                break;
            }
            day -= days;
            month += 1;
        }
        if month > 12 {
            (month, years) = (month - 12, years + 1);
        }
        (years <= MAX_YEAR).then_some(Self {
            year: years as u16,
            month,
            day: day as u8 + 1,
            hour: (minute_of_day / 60) as u8,
            minute: (minute_of_day % 60) as u8,
        })
    }
}

impl fmt::Display for CivilTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            year,
            month,
            day,
            hour,
            minute,
        } = self;
        write!(
            formatter,
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(unix_s: u64, utc_offset_minutes: i16) -> String {
        let time = CivilTime::at(unix_s * 1000, utc_offset_minutes);
        time.map_or_else(|| "none".to_owned(), |time| time.to_string())
    }

    #[test]
    fn moments_have_the_dates_that_calendars_give_them() {
        let cases = [
            (0, 0, "1970-01-01 00:00"),
            (0, -1, "1969-12-31 23:59"),
            (951_782_399, 0, "2000-02-28 23:59"),
            (951_782_400, 0, "2000-02-29 00:00"),
            (951_868_800, 0, "2000-03-01 00:00"),
            (1_767_225_599, 0, "2025-12-31 23:59"),
            (1_767_225_600, 0, "2026-01-01 00:00"),
            (1_767_225_600, -720, "2025-12-31 12:00"),
            (1_767_225_600, 840, "2026-01-01 14:00"),
            (1_772_323_140, 345, "2026-03-01 05:44"),
            (1_835_395_200, 0, "2028-02-29 00:00"),
            (4_107_542_399, 0, "2100-02-28 23:59"),
            (4_107_542_400, 0, "2100-03-01 00:00"),
            (13_574_563_200, 0, "2400-02-29 00:00"),
            (253_402_300_799, 0, "9999-12-31 23:59"),
            (253_402_300_800, 0, "none"),
            (u64::MAX / 1000, 840, "none"),
        ];
        for (unix_s, utc_offset_minutes, expected) in cases {
            assert_eq!(written(unix_s, utc_offset_minutes), expected, "{unix_s}");
        }
    }

    #[test]
    fn days_follow_each_other() {
        let mut known = CivilTime::at(0, 0).unwrap();
        for day in 1..400 * 366 {
            let next = CivilTime::at(day * 86_400_000, 0).unwrap();
            let is_next_day =
                (next.year, next.month) == (known.year, known.month) && next.day == known.day + 1;
            let is_next_month = next.day == 1
                && known.day >= 28
                && (next.month == known.month + 1 && next.year == known.year
                    || (next.month, known.month) == (1, 12) && next.year == known.year + 1);
            assert!(is_next_day || is_next_month, "{known:?} {next:?}");
            known = next;
        }
    }
}
