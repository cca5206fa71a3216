//! Numbers as the screen writes them.

use super::fixed_string::{FixedString, fixed_format};
use crate::language::{Language, TextId};

/// A number with the language's decimal mark, without spaces between the thousands.
pub fn decimal(number: f64, decimals: u8, language: Language) -> FixedString {
    let digits = fixed_format!("{number:.*}", usize::from(decimals));
    match digits.split_once('.') {
        Some((whole, fraction)) => {
            fixed_format!("{whole}{}{fraction}", TextId::DecimalMark.text_in(language))
        }
        None => digits,
    }
}

/// A number with three significant digits and a prefix of thousands: `124k`, `1.24M`. Below
/// 10 000 it is written in full, rounded to a whole number from 100 on, else to a tenth.
pub fn compact(number: f64, decimals: u8, language: Language) -> FixedString {
    // Saturates, so that every number has a prefix.
    let whole = number as u64;
    if whole < 10_000 {
        let most = if whole < 100 { 1 } else { 0 };
        return decimal(number, decimals.min(most), language);
    }
    // 10 000 to 999 999 are thousands, and so on: `ilog10` is at least 4 here.
    let thousands = whole.ilog10() / 3;
    let prefix = ['k', 'M', 'G', 'T', 'P', 'E'][thousands as usize - 1];
    let unit = 1000u64.pow(thousands);
    let decimals = 2u8.saturating_sub((whole / unit).ilog10() as u8);
    let mantissa = decimal(whole as f64 / unit as f64, decimals, language);
    fixed_format!("{mantissa}{prefix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_follow_the_language() {
        let cases = [
            (5012.0, 0, Language::French, "5012"),
            (1.4, 1, Language::English, "1.4"),
            (1.4, 1, Language::Spanish, "1,4"),
            (0.007, 3, Language::English, "0.007"),
            (1.96, 1, Language::French, "2,0"),
        ];
        for (number, decimals, language, expected) in cases {
            assert_eq!(decimal(number, decimals, language), expected, "{number:?}");
        }
    }

    #[test]
    fn compact_numbers_keep_three_digits() {
        let cases = [
            (0.0, 0, "0"),
            (1.423, 3, "1.4"),
            (104.9, 1, "105"),
            (9_999.0, 0, "9999"),
            (10_000.0, 0, "10.0k"),
            (12_349.0, 0, "12.3k"),
            (124_312.0, 0, "124k"),
            (999_999.0, 0, "1000k"),
            (1_239_000.0, 0, "1.24M"),
            (f64::MAX, 0, "18.4E"),
            (f64::INFINITY, 0, "18.4E"),
        ];
        for (value, decimals, expected) in cases {
            let got = compact(value, decimals, Language::English);
            assert_eq!(got, expected, "{value}");
        }
        assert_eq!(compact(1.4, 1, Language::Spanish), "1,4");
    }
}
