//! Versions of the system, and which of two is the newer one.

use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// The most bytes of a version.
const MAX_VERSION_BYTES: usize = 64;

/// `a.b.c`, or `a.b.c-pre`: Semantic Versioning 2.0.0 without build metadata, of which two
/// versions that compare as equal could have different ones. At most 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(semver::Version);

/// A text that is not a version.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a version such as 1.2.0 or 1.3.0-beta.1")]
pub struct NotAVersion(String);

impl FromStr for Version {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let refused = || NotAVersion(text.chars().take(MAX_VERSION_BYTES).collect());
        if text.len() > MAX_VERSION_BYTES {
            return Err(refused());
        }
        match semver::Version::parse(text) {
            Ok(version) if version.build.is_empty() => Ok(Self(version)),
            _ => Err(refused()),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
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
    fn what_is_not_a_version_is_refused() {
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
            "1.2.3+",
            "v1.2.3",
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
