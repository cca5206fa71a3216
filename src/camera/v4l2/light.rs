//! Exposure and balance, set once from the empty background, where nobody configured them: the
//! light must not change between the fields of a smear, and a camera's own automatics go by the
//! mean of the image, which is that of the cells.

use super::controls::{Control, ControlRange};
use super::seek::{Goal, Seek, SeekEnd, Spacing};
use std::collections::VecDeque;

/// Where the brightest channel of the background is to lie: as high as leaves room for a field that
/// is thinner, and well within what frames are refused for.
const BACKGROUND_LEVELS: std::ops::RangeInclusive<u32> = 200..=220;
/// A level from here on may stand for any amount of light.
const SATURATED_LEVEL: u32 = 250;
/// Below this, at the longest exposure, the lamp is off.
const LIT_LEVEL: u32 = 60;
/// No exposure is longer, in the kernel's units of 100 µs: the camera would give less than ten
/// frames a second.
const LONGEST_EXPOSURE: i32 = 1000;
/// Ratios of channels in thousandths: between neutral glass and the background of the frames that
/// the network was trained on, 1000 to 950 to 870.
const RED_TO_BLUE: std::ops::RangeInclusive<u32> = 1000..=1150;
const RED_TO_GREEN: std::ops::RangeInclusive<u32> = 1000..=1053;
const BLUE_TO_GREEN: std::ops::RangeInclusive<u32> = 916..=1000;

/// One control, and what is sought with it.
struct Task {
    control: Control,
    range: ControlRange,
    seek: Seek,
    /// What was measured at first.
    before: Option<u32>,
}

/// What is set on one camera, one control after the other: exposure, balance, and exposure again,
/// since a balance changes the levels.
pub(super) struct LightPlan {
    tasks: VecDeque<Task>,
    held: Vec<(Control, i32)>,
    told: Vec<String>,
}

impl LightPlan {
    /// For these controls of a camera, as they stand; `None` where none of them can be set.
    pub(super) fn new(adjustable: &[ControlRange]) -> Option<Self> {
        let find = |control| adjustable.iter().find(|range| range.control == control);
        let exposure = find(Control::Exposure);
        let balance = match find(Control::WhiteBalance) {
            Some(kelvin) => [Some(kelvin), None],
            None => [find(Control::RedBalance), find(Control::BlueBalance)],
        };
        let has_balance = balance.iter().any(Option::is_some);
        let again = exposure.filter(|_| has_balance);
        let ranges = [exposure].into_iter().chain(balance).chain([again]);
        let tasks: VecDeque<Task> = ranges.flatten().map(Task::new).collect();
        (!tasks.is_empty()).then_some(Self {
            tasks,
            held: Vec::new(),
            told: Vec::new(),
        })
    }

    /// Takes the colour of the background; what to set next, or `None` once all is done.
    pub(super) fn step(&mut self, background: [u8; 3]) -> Option<(Control, i32)> {
        while let Some(task) = self.tasks.front_mut() {
            let stood = task.seek.value();
            if let Some(value) = task.step(background) {
                return Some((task.control, value));
            }
            let Some(task) = self.tasks.pop_front() else {
                break;
            };
            let held = (task.control, task.seek.value());
            self.finish(&task, background);
            if held.1 != stood {
                return Some(held);
            }
        }
        None
    }

    fn finish(&mut self, task: &Task, background: [u8; 3]) {
        let value = task.seek.value();
        self.held.retain(|(control, _)| *control != task.control);
        self.held.push((task.control, value));
        for later in &mut self.tasks {
            if later.control == task.control {
                later.start_at(value);
            }
        }
        let is_told = self.told.iter().any(|one| one.starts_with(&task.name()));
        let has_changed = value != task.range.value;
        if !is_told || has_changed {
            self.told.push(task.in_words(background));
        }
    }

    /// Ends at the nearest that was found, and leaves what was not begun; what to set for that.
    pub(super) fn stop(&mut self) -> Option<(Control, i32)> {
        let mut task = self.tasks.pop_front()?;
        self.tasks.clear();
        task.seek.stop();
        self.finish(&task, [0; 3]);
        Some((task.control, task.seek.value()))
    }

    /// The values that are held from now on.
    pub(super) fn held(&self) -> &[(Control, i32)] {
        &self.held
    }

    /// What was done, in one line.
    pub(super) fn in_words(&self) -> String {
        format!("light set from the background: {}", self.told.join("; "))
    }
}

impl Task {
    fn new(range: &ControlRange) -> Self {
        let goal = match range.control {
            Control::Exposure => Goal {
                spacing: Spacing::Ratios,
                band: BACKGROUND_LEVELS,
                saturated_from: SATURATED_LEVEL,
            },
            Control::RedBalance => Goal::of_ratio(RED_TO_GREEN),
            Control::BlueBalance => Goal::of_ratio(BLUE_TO_GREEN),
            _ => Goal::of_ratio(RED_TO_BLUE),
        };
        let max = match range.control {
            Control::Exposure => LONGEST_EXPOSURE,
            _ => range.max,
        };
        Self {
            control: range.control,
            range: *range,
            seek: Seek::new(goal, range, max),
            before: None,
        }
    }

    fn start_at(&mut self, value: i32) {
        *self = Self::new(&ControlRange {
            value,
            ..self.range
        });
    }

    fn step(&mut self, background: [u8; 3]) -> Option<i32> {
        let Some(measured) = self.measured(background) else {
            self.seek.give_up(SeekEnd::Unsteady);
            return None;
        };
        self.before.get_or_insert(measured);
        let next = self.seek.step(measured);
        let is_dark = self.control == Control::Exposure && measured < LIT_LEVEL;
        if self.seek.end() == Some(SeekEnd::TooLow) && is_dark {
            self.seek.give_up(SeekEnd::TooLow);
        }
        next
    }

    /// A level, or a ratio in thousandths; `None` where channels are too dark or too bright for
    /// one.
    fn measured(&self, background: [u8; 3]) -> Option<u32> {
        const FAINT_LEVEL: u32 = 20;
        const SATURATED_RATIO: u32 = 10_000;
        let [red, green, blue] = background.map(u32::from);
        // A channel that this control has brought to saturation is too high, by any amount.
        let ratio = |of: u32, to: u32| match of {
            _ if to >= SATURATED_LEVEL || of.min(to) < FAINT_LEVEL => None,
            SATURATED_LEVEL.. => Some(SATURATED_RATIO),
            of => Some(of * 1000 / to),
        };
        match self.control {
            Control::Exposure => Some(red.max(green).max(blue)),
            Control::RedBalance => ratio(red, green),
            Control::BlueBalance => ratio(blue, green),
            _ => ratio(red, blue),
        }
    }

    fn name(&self) -> String {
        self.control.to_string()
    }

    fn in_words(&self, background: [u8; 3]) -> String {
        let value = self.control.in_words(self.seek.value());
        let stood = self.control.in_words(self.range.value);
        let is_exposure = self.control == Control::Exposure;
        let set = if value == stood {
            format!("{} {value} kept", self.control)
        } else {
            format!("{} {value} instead of {stood}", self.control)
        };
        let level = background.into_iter().max().map_or(0, u32::from);
        let why = match self.seek.end() {
            Some(SeekEnd::Reached | SeekEnd::Nearest) if is_exposure => {
                let before = self.before.unwrap_or_default();
                format!(", background {level} of 255, {before} before")
            }
            Some(SeekEnd::TooLow) if is_exposure && level < LIT_LEVEL => {
                ", the background is dark: switch the lamp on and start again".to_owned()
            }
            Some(SeekEnd::TooLow) if is_exposure => {
                ", the background stays dark: give more light".to_owned()
            }
            Some(SeekEnd::TooHigh) if is_exposure => {
                ", the background stays white: give less light".to_owned()
            }
            Some(SeekEnd::Reached | SeekEnd::Nearest) => String::new(),
            Some(SeekEnd::TooLow | SeekEnd::TooHigh) => {
                ", the camera's range ends there".to_owned()
            }
            Some(SeekEnd::Unsteady) | None => {
                ", the background did not settle: hold the slide still at the start, or \
                 configure a value"
                    .to_owned()
            }
        };
        set + &why
    }
}

impl Goal {
    fn of_ratio(band: std::ops::RangeInclusive<u32>) -> Self {
        Self {
            spacing: Spacing::Differences,
            band,
            saturated_from: u32::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn range(control: Control, min: i32, max: i32, value: i32) -> ControlRange {
        ControlRange {
            control,
            min,
            max,
            step: 1,
            value,
        }
    }

    /// A camera under a lamp: a background's levels from what is set.
    struct Camera {
        set: HashMap<Control, i32>,
        /// Levels for each 100 µs of exposure, under neutral balance.
        lamp: [f64; 3],
    }

    impl Camera {
        fn background(&self) -> [u8; 3] {
            let value = |control| self.set.get(&control).map(|&value| f64::from(value));
            let exposure = value(Control::Exposure).unwrap_or(100.0);
            let warm = value(Control::WhiteBalance).map_or(1.0, |kelvin| kelvin / 4500.0);
            let red = value(Control::RedBalance).map_or(warm, |red| red / 128.0);
            let blue = value(Control::BlueBalance).map_or(1.0 / warm, |blue| blue / 128.0);
            let gains = [red, 1.0, blue];
            let level = |at: usize| (self.lamp[at] * gains[at] * exposure).min(255.0) as u8;
            [level(0), level(1), level(2)]
        }
    }

    /// Runs a plan to its end; what stands then, how often something was set, and the line.
    fn run(ranges: &[ControlRange], lamp: [f64; 3]) -> (Camera, usize, String) {
        let set = ranges.iter().map(|range| (range.control, range.value));
        let mut camera = Camera {
            set: set.collect(),
            lamp,
        };
        let mut plan = LightPlan::new(ranges).unwrap();
        let mut count = 0;
        while let Some((control, value)) = plan.step(camera.background()) {
            camera.set.insert(control, value);
            count += 1;
            assert!(count < 48, "no end");
        }
        for (control, value) in plan.held() {
            assert_eq!(camera.set[control], *value, "{control}");
        }
        (camera, count, plan.in_words())
    }

    fn exposure(value: i32) -> ControlRange {
        range(Control::Exposure, 1, 5000, value)
    }

    #[test]
    fn exposure_and_balance_meet_their_bands_under_every_lamp() {
        let kelvin = range(Control::WhiteBalance, 2800, 6500, 4600);
        let red = range(Control::RedBalance, 0, 255, 128);
        let blue = range(Control::BlueBalance, 0, 255, 128);
        let cases: [(&str, Vec<ControlRange>); 3] = [
            ("kelvin", vec![exposure(157), kelvin]),
            ("two balances", vec![exposure(157), red, blue]),
            ("exposure only", vec![exposure(157)]),
        ];
        let lamps = [
            [1.0, 1.0, 1.0],
            [4.0, 3.6, 3.2],
            [0.5, 0.45, 0.37],
            [0.9, 1.0, 1.3],
        ];
        for (name, ranges) in &cases {
            for lamp in lamps {
                let (camera, _, told) = run(ranges, lamp);
                let [red, green, blue] = camera.background().map(u32::from);
                let case = format!("{name}, {lamp:?}: {red} {green} {blue}, {told}");
                assert!(
                    BACKGROUND_LEVELS.contains(&red.max(green).max(blue)),
                    "{case}"
                );
                if ranges.len() > 1 {
                    assert!((990..=1160).contains(&(red * 1000 / blue)), "{case}");
                }
                assert!(
                    told.starts_with("light set from the background: exposure"),
                    "{case}"
                );
            }
        }
    }

    #[test]
    fn what_stands_well_is_kept_and_told() {
        let (_, count, told) = run(&[exposure(210)], [1.0, 0.95, 0.9]);
        assert_eq!(count, 0);
        assert_eq!(
            told,
            "light set from the background: exposure 21000 us kept, background 210 of 255, \
             210 before"
        );
    }

    #[test]
    fn without_light_everything_stays_as_it_was() {
        let kelvin = range(Control::WhiteBalance, 2800, 6500, 4600);
        let (camera, _, told) = run(&[exposure(157), kelvin], [0.01, 0.01, 0.01]);
        assert_eq!(camera.set[&Control::Exposure], 157);
        assert_eq!(camera.set[&Control::WhiteBalance], 4600);
        assert!(
            told.contains("exposure 15700 us kept") && told.contains("lamp"),
            "{told}"
        );
    }

    #[test]
    fn a_dim_and_a_glaring_lamp_get_the_most_that_the_camera_gives() {
        let (camera, _, told) = run(&[exposure(157)], [0.12, 0.11, 0.1]);
        assert_eq!(camera.set[&Control::Exposure], LONGEST_EXPOSURE);
        assert!(told.contains("more light"), "{told}");
        let (camera, _, told) = run(&[exposure(157)], [300.0, 300.0, 300.0]);
        assert_eq!(camera.set[&Control::Exposure], 1);
        assert!(told.contains("less light"), "{told}");
    }

    #[test]
    fn what_is_stopped_ends_at_the_nearest() {
        let mut plan = LightPlan::new(&[exposure(157)]).unwrap();
        assert!(plan.step([30; 3]).is_some_and(|set| set.1 > 157));
        assert_eq!(plan.stop(), Some((Control::Exposure, 157)));
        assert_eq!(plan.held(), [(Control::Exposure, 157)]);
        assert!(plan.in_words().contains("did not settle"));
        assert_eq!(plan.step([30; 3]), None);
        assert!(LightPlan::new(&[range(Control::Gain, 0, 9, 1)]).is_none());
    }
}
