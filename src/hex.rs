//! Bytes as hexadecimal digits.

use std::fmt::Write as _;

/// Two lower-case digits for each byte.
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    let mut text = String::new();
    for byte in bytes.as_ref() {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The `N` bytes of a text of exactly `2 * N` digits in either case.
pub fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16);
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        // Two digits make at most 255.
        *byte = (value(pair[0])? * 16 + value(pair[1])?) as u8;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_for_bytes_both_ways() {
        let all: [u8; 256] = std::array::from_fn(|value| value as u8);
        let text = encode(all);
        assert!(text.starts_with("000102") && text.ends_with("fdfeff"));
        assert_eq!(decode(&text), Some(all));
        assert_eq!(decode("aBCd"), Some([0xAB, 0xCD]));
        assert_eq!(decode(""), Some([]));
        for wrong in ["", "a", "abc", "abcde", "+1b2", "0x12", "ab g", "äé"] {
            assert_eq!(decode::<2>(wrong), None, "{wrong}");
        }
    }
}
