//! Versions of the system, and which of two is the newer one.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// The most bytes of a version.
const MAX_VERSION_BYTES: usize = 64;

/// `a.b.c`, or `a.b.c-pre`: Semantic Versioning 2.0.0 without build metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    numbers: [u64; 3],
    /// Empty for a release.
    pre_release: Vec<Identifier>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Identifier {
    Number(u64),
    Text(String),
}

/// A text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is no version such as 1.2.0 or 1.3.0-beta.1")]
pub struct NoVersion(String);

impl FromStr for Version {
    type Err = NoVersion;

    fn from_str(text: &str) -> Result<Self, NoVersion> {
        parse(text).ok_or_else(|| NoVersion(text.chars().take(MAX_VERSION_BYTES).collect()))
    }
}

fn parse(text: &str) -> Option<Version> {
    if text.len() > MAX_VERSION_BYTES {
        return None;
    }
    let (numbers, pre_release) = match text.split_once('-') {
        Some((numbers, pre_release)) => (numbers, Some(pre_release)),
        None => (text, None),
    };
    let numbers: Vec<u64> = numbers.split('.').map(number).collect::<Option<_>>()?;
    let identifiers = pre_release.map(|text| text.split('.').map(identifier).collect());
    Some(Version {
        numbers: numbers.try_into().ok()?,
        pre_release: identifiers.unwrap_or(Some(Vec::new()))?,
    })
}

/// Digits without a leading zero.
fn number(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let has_leading_zero = text.len() > 1 && text.starts_with('0');
    (is_plain && !has_leading_zero).then(|| text.parse().ok())?
}

fn identifier(text: &str) -> Option<Identifier> {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if text.is_empty() || !text.bytes().all(is_known) {
        return None;
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return number(text).map(Identifier::Number);
    }
    Some(Identifier::Text(text.to_owned()))
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let of_release = || match (self.pre_release.is_empty(), other.pre_release.is_empty()) {
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            _ => self.pre_release.cmp(&other.pre_release),
        };
        self.numbers.cmp(&other.numbers).then_with(of_release)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Identifier {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(one), Self::Number(two)) => one.cmp(two),
            (Self::Text(one), Self::Text(two)) => one.cmp(two),
            (Self::Number(_), Self::Text(_)) => Ordering::Less,
            (Self::Text(_), Self::Number(_)) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Identifier {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(formatter, "{major}.{minor}.{patch}")?;
        for (index, identifier) in self.pre_release.iter().enumerate() {
            formatter.write_str(if index == 0 { "-" } else { "." })?;
            match identifier {
                Identifier::Number(number) => write!(formatter, "{number}")?,
                Identifier::Text(text) => formatter.write_str(text)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn versions_stand_in_the_order_of_semantic_versioning() {
        // The first eight are the example of section 11 of Semantic Versioning 2.0.0.
        let ordered = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.1-0",
            "1.0.1",
            "1.2.0",
            "1.10.0",
            "2.0.0-x-y.7",
            "10.0.0",
        ];
        let versions = ordered.map(|text| text.parse::<Version>().unwrap());
        for (index, version) in versions.iter().enumerate() {
            assert_eq!(version.to_string(), ordered[index]);
            for (other_index, other) in versions.iter().enumerate() {
                assert_eq!(
                    version.cmp(other),
                    index.cmp(&other_index),
                    "{version} {other}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_version_is_refused() {
        let long = format!("1.0.0-{}", "a".repeat(MAX_VERSION_BYTES));
        let wrong = [
            "",
            "1",
            "1.2",
            "1.2.3.4",
            "1.2.x",
            "01.2.3",
            "1.2.3-",
            "1.2.3-a..b",
            "1.2.3-01",
            "1.2.3+build",
            " 1.2.3",
            "1.2.3\n",
            "-1.2.3",
            "1.-2.3",
            "+1.2.3",
            "1.2.3-é",
            "99999999999999999999.0.0",
            &long,
        ];
        for text in wrong {
            let error = text.parse::<Version>().unwrap_err();
            assert!(error.to_string().len() < 200, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_version_that_comes_back_or_none(text in ".{0,80}") {
            if let Ok(version) = text.parse::<Version>() {
                prop_assert_eq!(version.to_string(), text);
            }
        }
    }
}
