//! A light of the board that blinks while no display shows the screen.

use super::files::read_kernel_text;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where the kernel lists a board's lights.
pub const LIGHTS: &str = "/sys/class/leds";
/// Time that it is lit, and time that it is dark.
const HALF_PERIOD: Duration = Duration::from_millis(500);
/// What switches a light that the program has: nothing else.
const NO_TRIGGER: &str = "none";

/// A light of the board's. While all is well it does what the board gave it to do.
#[derive(Debug)]
pub struct FaultLight {
    folder: PathBuf,
    /// What switched it before the fault.
    trigger: String,
    blinks: Option<Blink>,
}

/// A light that blinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Blink {
    is_lit: bool,
    until: Instant,
}

impl FaultLight {
    /// The light of a name, such as `ACT`. It is looked for when there is a fault: while the system
    /// starts, it may not be there yet.
    pub fn named(name: &str) -> Self {
        Self::in_folder(&Path::new(LIGHTS).join(name))
    }

    fn in_folder(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            trigger: NO_TRIGGER.to_owned(),
            blinks: None,
        }
    }

    /// Takes the light from what switches it.
    fn take(&mut self) -> Result<(), String> {
        let file = self.folder.join("trigger");
        let triggers = read_kernel_text(&file).map_err(|error| {
            format!(
                "the light {} cannot be used ({error}); name another as fault_light in board.toml: \
                 ls {LIGHTS}",
                self.folder.display()
            )
        })?;
        self.write("trigger", NO_TRIGGER)?;
        self.trigger = chosen(&triggers).unwrap_or(NO_TRIGGER).to_owned();
        Ok(())
    }

    /// Blinks while there is a fault; told often.
    ///
    /// # Errors
    /// No such light, or no right to it. The next call tries again.
    pub fn tell(&mut self, is_fault: bool, now: Instant) -> Result<(), String> {
        match (self.blinks, is_fault) {
            (None, false) => Ok(()),
            (Some(_), false) => {
                self.blinks = None;
                self.switch(false)?;
                self.write("trigger", &self.trigger)
            }
            (Some(blink), true) if now < blink.until => Ok(()),
            (before, true) => {
                if before.is_none() {
                    self.take()?;
                }
                let is_lit = !before.is_some_and(|blink| blink.is_lit);
                self.blinks = Some(Blink {
                    is_lit,
                    until: now + HALF_PERIOD,
                });
                self.switch(is_lit)
            }
        }
    }

    fn switch(&self, is_lit: bool) -> Result<(), String> {
        // More than the brightest is taken for the brightest.
        self.write("brightness", if is_lit { "255" } else { "0" })
    }

    fn write(&self, name: &str, content: &str) -> Result<(), String> {
        let file = self.folder.join(name);
        fs::write(&file, content).map_err(|error| {
            format!(
                "{} cannot be written ({error}); let a udev rule give its group the right",
                file.display()
            )
        })
    }
}

/// The trigger that stands in brackets.
fn chosen(triggers: &str) -> Option<&str> {
    let (_, rest) = triggers.split_once('[')?;
    rest.split_once(']').map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_blinks_during_a_fault_and_goes_back_to_its_work() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        fs::write(folder.path().join("trigger"), "none [mmc0] timer\n").unwrap();
        fs::write(folder.path().join("brightness"), "0\n").unwrap();
        let mut light = FaultLight::in_folder(folder.path());
        let start = Instant::now();
        light.tell(false, start).unwrap();
        assert_eq!(read("trigger"), "none [mmc0] timer\n", "not touched");
        let mut levels = Vec::new();
        for tenths in 0..11 {
            light
                .tell(true, start + Duration::from_millis(tenths * 100))
                .unwrap();
            levels.push(read("brightness"));
        }
        assert_eq!(read("trigger"), "none");
        assert_eq!(levels[..5], ["255"; 5]);
        assert_eq!(levels[5..10], ["0"; 5]);
        assert_eq!(levels[10], "255");
        light.tell(false, start + HALF_PERIOD * 4).unwrap();
        assert_eq!(
            (read("trigger"), read("brightness")),
            ("mmc0".into(), "0".into())
        );
    }

    #[test]
    fn a_light_that_is_not_there_is_named_with_a_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let mut light = FaultLight::in_folder(&folder.path().join("ACT"));
        light.tell(false, Instant::now()).unwrap();
        let error = light.tell(true, Instant::now()).unwrap_err();
        assert!(
            error.contains("ACT") && error.contains("board.toml"),
            "{error}"
        );
        fs::write(folder.path().join("trigger"), "mmc0").unwrap();
        fs::create_dir(folder.path().join("brightness")).unwrap();
        let mut light = FaultLight::in_folder(folder.path());
        let error = light.tell(true, Instant::now()).unwrap_err();
        assert!(error.contains("udev"), "{error}");
        fs::remove_dir(folder.path().join("brightness")).unwrap();
        light.tell(true, Instant::now() + HALF_PERIOD).unwrap();
        let lit = fs::read_to_string(folder.path().join("brightness")).unwrap();
        assert_eq!(lit, "0", "it blinks once it may");
    }
}
