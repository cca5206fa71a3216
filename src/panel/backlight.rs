//! The light of a display whose brightness the kernel sets.

use crate::device::files::read_kernel_text;
use std::fs;
use std::path::{Path, PathBuf};

/// Where the kernel lists the lights of displays.
pub(super) const BACKLIGHTS: &str = "/sys/class/backlight";
/// Levels to choose from, in percent. A display is never switched off this way.
pub(super) const BRIGHTNESS_STEPS: &[u8] = &[100, 75, 50, 25];

/// A light of the kernel's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backlight {
    folder: PathBuf,
}

impl Backlight {
    /// The first one by name, where there is one.
    pub(super) fn find(backlights: &Path) -> Option<Self> {
        let entries = fs::read_dir(backlights).ok()?;
        let folders = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let folder = folders
            .filter(|folder| folder.join("brightness").exists())
            .min()?;
        Some(Self { folder })
    }

    /// Sets it, in percent from 0 to 100; above 0 it is never quite dark.
    ///
    /// # Errors
    /// What happened, and what to do.
    pub(super) fn set(&self, percent: u8) -> Result<(), String> {
        let path = self.folder.join("max_brightness");
        let text = read_kernel_text(&path)
            .map_err(|error| format!("{} cannot be read ({error})", path.display()))?;
        let max: u32 = text.trim().parse().map_err(|_| {
            let found = text.trim();
            format!("{} holds {found:?} and no number", path.display())
        })?;
        let path = self.folder.join("brightness");
        fs::write(&path, level(percent, max).to_string()).map_err(|error| {
            format!(
                "{} cannot be written ({error}); run as root, or let a udev rule give its group \
                 the right to write it",
                path.display()
            )
        })
    }
}

/// The kernel's level for a percentage.
fn level(percent: u8, max: u32) -> u32 {
    let level = u64::from(percent.min(100)) * u64::from(max);
    // At most `max`.
    let nearest = (level.saturating_add(50) / 100) as u32;
    nearest.max(u32::from(percent > 0)).min(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_become_levels() {
        let cases = [
            (0, 255, 0),
            (1, 255, 3),
            (50, 255, 128),
            (100, 255, 255),
            (200, 255, 255),
            (1, 7, 1),
            (0, 7, 0),
            (60, 0, 0),
            (100, u32::MAX, u32::MAX),
        ];
        for (percent, max, expected) in cases {
            assert_eq!(level(percent, max), expected, "{percent} of {max}");
        }
    }

    #[test]
    fn the_first_light_is_set() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Backlight::find(folder.path()), None);
        assert_eq!(Backlight::find(&folder.path().join("none")), None);
        for (name, max) in [("b-other", "100\n"), ("a-first", "31\n")] {
            let light = folder.path().join(name);
            fs::create_dir(&light).unwrap();
            fs::write(light.join("max_brightness"), max).unwrap();
            fs::write(light.join("brightness"), "0\n").unwrap();
        }
        let light = Backlight::find(folder.path()).unwrap();
        light.set(50).unwrap();
        let written = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(written("a-first/brightness"), "16");
        assert_eq!(written("b-other/brightness"), "0\n");
    }

    #[test]
    fn a_light_that_cannot_be_set_is_named_with_a_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let light = Backlight {
            folder: folder.path().to_owned(),
        };
        let error = light.set(50).unwrap_err();
        assert!(error.contains("max_brightness"), "{error}");
        fs::write(folder.path().join("max_brightness"), "bright").unwrap();
        let error = light.set(50).unwrap_err();
        assert!(error.contains("\"bright\""), "{error}");
        fs::write(folder.path().join("max_brightness"), "31").unwrap();
        // A folder in place of the file cannot be written, not by root either.
        fs::create_dir(folder.path().join("brightness")).unwrap();
        let error = light.set(50).unwrap_err();
        assert!(error.contains("udev"), "{error}");
    }
}
