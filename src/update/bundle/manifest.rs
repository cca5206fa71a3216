//! What RAUC says of a bundle, and whether it is for this device.

use crate::update::boot::disk_layout::SLOT_BYTES;
use crate::update::bundle::system_version::SystemVersion;
use crate::update::bundle::verity::VeritySettings;
use crate::update::bundle::version::{NotAVersion, Version};
use crate::update::protocol::{Notes, Offer, Problem, ProblemKind};
use serde::Deserialize;
use std::collections::BTreeMap;
use thiserror::Error;

/// The most bytes of RAUC's answer.
pub const MAX_INFO_BYTES: usize = 256 * 1024;
/// The format of our own section in a manifest.
const META_FORMAT: &str = "1";
/// The name of our own section in a manifest.
const META_SECTION: &str = "hemoscope";
/// The name that system.conf and manifests give the root file system.
const ROOT_SLOT_CLASS: &str = "rootfs";
/// The most characters of the notes of a release.
const MAX_NOTES_CHARS: usize = 600;

/// Why a bundle's manifest is refused.
#[derive(Debug, Error)]
pub enum ManifestError {
    /// RAUC's answer is over the limit.
    #[error("RAUC's description of it is longer than {MAX_INFO_BYTES} bytes")]
    TooLong,
    /// RAUC's answer is not the expected JSON.
    #[error("RAUC's description of it cannot be parsed ({0})")]
    Json(serde_json::Error),
    /// The bundle's format is not verity.
    #[error("its format is {0:?}, and only \"verity\" is supported")]
    Format(String),
    /// The section for hemoscope is missing or of another format.
    #[error("it has no [meta.hemoscope] of format {META_FORMAT}, the only supported one")]
    MetaFormat,
    /// There is not exactly one image, of a root file system that fits a slot.
    #[error("it does not hold exactly one image, of the root file system")]
    Images,
    /// The version is not one that can be compared.
    #[error(transparent)]
    Version(#[from] NotAVersion),
}

/// `rauc info --output-format=json-2`: the manifest whose signature RAUC has checked.
#[derive(Debug, Deserialize)]
struct Info {
    update: Update,
    bundle: Bundle,
    images: Vec<Image>,
    #[serde(default)]
    meta: BTreeMap<String, BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
struct Update {
    compatible: String,
    version: String,
}

#[derive(Debug, Deserialize)]
struct Bundle {
    format: String,
    #[serde(flatten)]
    verity: Option<VeritySettings>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    slot_class: String,
    size: u64,
}

/// What a bundle's signed manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The device that it is for, such as `hemoscope-raspberry-pi-4`.
    pub compatible: String,
    /// The version of the system in it.
    pub version: Version,
    /// How the blocks of the bundle are verified.
    pub verity: VeritySettings,
    /// Release notes for the operator.
    pub notes: Notes,
    /// Of the model in it; empty where it is not given.
    pub model_sha256: String,
}

impl Manifest {
    /// Reads RAUC's answer.
    ///
    /// # Errors
    /// It does not describe a bundle that this version accepts.
    pub fn parse(info: &str) -> Result<Self, ManifestError> {
        if info.len() > MAX_INFO_BYTES {
            return Err(ManifestError::TooLong);
        }
        let info: Info = serde_json::from_str(info).map_err(ManifestError::Json)?;
        let (Some(verity), "verity") = (info.bundle.verity, info.bundle.format.as_str()) else {
            return Err(ManifestError::Format(info.bundle.format));
        };
        match info.images.as_slice() {
            [image] if image.slot_class == ROOT_SLOT_CLASS && image.size <= SLOT_BYTES => {}
            _ => return Err(ManifestError::Images),
        }
        let meta = info.meta.get(META_SECTION);
        let value = |key: &str| meta.and_then(|meta| meta.get(key)).map(String::as_str);
        if value("format") != Some(META_FORMAT) {
            return Err(ManifestError::MetaFormat);
        }
        let text = |key: &str| {
            let text = value(key).unwrap_or_default();
            let plain = text.chars().filter(|c| !c.is_control());
            plain.take(MAX_NOTES_CHARS).collect()
        };
        Ok(Self {
            compatible: info.update.compatible,
            version: info.update.version.parse()?,
            verity,
            notes: Notes {
                en: text("notes-en"),
                es: text("notes-es"),
                fr: text("notes-fr"),
            },
            model_sha256: text("model-sha256"),
        })
    }

    /// Whether the bundle is for a device.
    ///
    /// # Errors
    /// It is for another board.
    pub fn check_compatible(&self, system: &SystemVersion) -> Result<(), Problem> {
        let wanted = system.compatible();
        if self.compatible == wanted {
            return Ok(());
        }
        let found = self.compatible.chars().filter(|c| !c.is_control());
        let found: String = found.take(80).collect();
        Err(Problem {
            kind: ProblemKind::OtherBoard,
            text: format!(
                "the bundle is for {found}, but this device is {wanted}; use a bundle for this device"
            ),
        })
    }

    /// What the operator is asked. `newest` is the newest version that this device has run.
    pub fn offer(&self, sha256: &str, running: &Version, newest: &Version) -> Offer {
        Offer {
            sha256: sha256.to_owned(),
            version: self.version.to_string(),
            running_version: running.to_string(),
            is_older: self.version < *newest,
            notes: self.notes.clone(),
        }
    }
}

#[cfg(test)]
pub(in crate::update) mod fixture {
    use super::*;

    /// What RAUC 1.13 prints for a bundle of ours.
    pub fn info(compatible: &str, version: &str, verity: &VeritySettings) -> String {
        format!(
            r#"{{
  "manifest-hash" : "{0}",
  "update" : {{ "compatible" : "{compatible}", "version" : "{version}" }},
  "bundle" : {{ "format" : "verity", "verity-hash" : "{0}", "verity-salt" : "{1}", "verity-size" : {2} }},
  "images" : [ {{ "slot-class" : "rootfs", "filename" : "rootfs.img", "checksum" : "{0}", "size" : 268435456, "hooks" : [ ] }} ],
  "meta" : {{ "hemoscope" : {{ "format" : "1", "board" : "x", "model-sha256" : "ab", "notes-en" : "Faster; safer", "notes-es" : "Más rápido", "notes-fr" : "Plus rapide" }} }}
}}"#,
            crate::hex::encode(verity.root_hash),
            crate::hex::encode(verity.salt),
            verity.tree_bytes
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn verity() -> VeritySettings {
        VeritySettings {
            root_hash: [1; 32],
            salt: [2; 32],
            tree_bytes: 8192,
        }
    }

    fn system() -> SystemVersion {
        SystemVersion::parse("version = \"1.0.0\"\nboard = \"qemu-aarch64\"\n", "version").unwrap()
    }

    #[test]
    fn a_manifest_is_read() {
        let info = fixture::info("hemoscope-qemu-aarch64", "1.1.0", &verity());
        let manifest = Manifest::parse(&info).unwrap();
        assert_eq!(manifest.verity, verity());
        assert_eq!(manifest.notes.es, "Más rápido");
        assert_eq!(manifest.model_sha256, "ab");
        manifest.check_compatible(&system()).unwrap();
        let offer = |running: &str, newest: &str| {
            manifest.offer("ab", &running.parse().unwrap(), &newest.parse().unwrap())
        };
        assert!(!offer("1.0.0", "1.0.0").is_older);
        assert!(offer("1.0.0", "1.2.0").is_older);
    }

    #[test]
    fn manifests_that_are_not_ours_are_refused() {
        let info = fixture::info("hemoscope-qemu-aarch64", "1.1.0", &verity());
        let cases = [
            (info.replace("\"verity\"", "\"plain\""), "plain"),
            (
                info.replace("\"verity-size\" : 8192", "\"verity-size\" : -1"),
                "only \"verity\"",
            ),
            (info.replace("\"1.1.0\"", "\"latest\""), "latest"),
            (
                info.replace("\"format\" : \"1\"", "\"format\" : \"2\""),
                "meta.hemoscope",
            ),
            (info.replace("\"meta\"", "\"other\""), "meta.hemoscope"),
            (info.replace("rootfs\"", "appfs\""), "exactly one image"),
            (
                info.replace("268435456", "999999999999"),
                "exactly one image",
            ),
            (
                info.replace(
                    "\"images\" : [",
                    "\"images\" : [{\"slot-class\":\"rootfs\",\"size\":1},",
                ),
                "exactly one image",
            ),
            ("{}".to_owned(), "cannot be parsed"),
            (String::new(), "cannot be parsed"),
            (" ".repeat(MAX_INFO_BYTES + 1), "longer than"),
        ];
        for (info, expected) in cases {
            let error = Manifest::parse(&info).unwrap_err().to_string();
            assert!(error.contains(expected), "{expected}: {error}");
        }
        let other = fixture::info("hemoscope-raspberry-pi-4\\u001b[2J", "1.1.0", &verity());
        let problem = Manifest::parse(&other).unwrap().check_compatible(&system());
        let problem = problem.unwrap_err();
        assert_eq!(problem.kind, ProblemKind::OtherBoard);
        assert!(!problem.text.contains('\u{1b}'), "{problem:?}");
    }

    proptest! {
        #[test]
        fn any_answer_of_rauc_is_read_or_refused(text in ".{0,300}") {
            prop_assert!(Manifest::parse(&text).is_err());
        }
    }
}
