//! Numbers as the screen writes them.

use super::fixed_string::{FixedString, fixed_format};
use super::model::Decimal;
use crate::language::{Language, TextId};

/// A number with the language's decimal mark, without spaces between the thousands.
pub fn decimal(number: Decimal, language: Language) -> FixedString {
    let number = number.rounded_to(Decimal::MAX_DECIMALS);
    if number.decimals == 0 {
        return fixed_format!("{}", number.scaled);
    }
    let unit = 10u64.pow(u32::from(number.decimals));
    fixed_format!(
        "{}{}{:0width$}",
        number.scaled / unit,
        TextId::DecimalMark.text_in(language),
        number.scaled % unit,
        width = usize::from(number.decimals)
    )
}

/// A number with three significant digits and a prefix of thousands: `124k`, `1.24M`. Below
/// 10 000 it is written in full, rounded to a whole number from 100 on.
pub fn compact(number: Decimal, language: Language) -> FixedString {
    let number = number.rounded_to(Decimal::MAX_DECIMALS);
    let whole = number.whole_part();
    if whole < 10_000 {
        let decimals = if whole < 100 { 1 } else { 0 };
        return decimal(number.rounded_to(decimals), language);
    }
    // 10 000 to 999 999 are thousands, and so on: `ilog10` is at least 4 here.
    let thousands = whole.ilog10() / 3;
    let prefix = ['k', 'M', 'G', 'T', 'P', 'E'][thousands as usize - 1];
    let unit = 1000u64.pow(thousands);
    let head = whole / unit;
    let decimals = 2u8.saturating_sub(head.ilog10() as u8);
    // Thousandths of the unit fit, since `head` has at most three digits.
    let scaled = head * 1000 + whole % unit / (unit / 1000);
    let mantissa = Decimal {
        scaled,
        decimals: 3,
    };
    let mantissa = decimal(mantissa.rounded_to(decimals), language);
    fixed_format!("{mantissa}{prefix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_follow_the_language() {
        let cases = [
            (Decimal::whole(5012), Language::French, "5012"),
            (Decimal::tenths(14), Language::English, "1.4"),
            (Decimal::tenths(14), Language::Spanish, "1,4"),
            (
                Decimal {
                    scaled: 7,
                    decimals: 3,
                },
                Language::English,
                "0.007",
            ),
            (
                Decimal {
                    scaled: 7,
                    decimals: 90,
                },
                Language::English,
                "0.000000",
            ),
        ];
        for (number, language, expected) in cases {
            assert_eq!(decimal(number, language), expected, "{number:?}");
        }
    }

    #[test]
    fn compact_numbers_keep_three_digits() {
        let cases = [
            (0, "0"),
            (9_999, "9999"),
            (10_000, "10.0k"),
            (12_349, "12.3k"),
            (124_312, "124k"),
            (999_999, "1000k"),
            (1_239_000, "1.24M"),
            (u64::MAX, "18.4E"),
        ];
        for (value, expected) in cases {
            let got = compact(Decimal::whole(value), Language::English);
            assert_eq!(got, expected, "{value}");
        }
        assert_eq!(compact(Decimal::tenths(14), Language::Spanish), "1,4");
        assert_eq!(compact(Decimal::tenths(1049), Language::English), "105");
    }
}
