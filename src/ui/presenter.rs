//! The instrument as the content of a screen: which screen, which numbers, which warning, which
//! next step.

use super::model::{
    Clock, Counting, Failure, Fields, Identity, NoCamera, Preview, RejectedCounts, Rejection,
    Screen, Starting, Update,
};
use crate::assessment::{Finding, Verdict};
use crate::count::MIN_FIELDS;
use crate::device::calendar::CivilTime;
use crate::language::{Language, TextId};
use crate::record::Timestamp;
use crate::session::guidance::{Notice, Outlook, Warning};
use crate::session::{Machine, Phase, RunState, Smear};

/// What every screen of a run takes from the settings. By default English, no sample, and UTC.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScreenSettings {
    /// The language of every text on the screen.
    pub language: Language,
    /// Local sample ID; empty for none.
    pub sample_id: String,
    /// Frames come from a drawn slide, which holds no blood.
    pub is_simulated: bool,
    /// Minutes that local time is ahead of UTC.
    pub utc_offset_minutes: i16,
}

/// What stopped the device, as its screen says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What happened, to what: one sentence or two.
    pub what_happened: String,
    /// What the operator can do about it.
    pub what_to_do: TextId,
}

/// What a screen shows beside the instrument. By default nothing, with a clock that is not set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScreenContext {
    /// Local time of the device, for the identity line.
    pub clock: Clock,
    /// What the operator may want to know; `None` for nothing.
    pub notice: Option<Notice>,
    /// The notice is shown even where there is a warning, which follows.
    pub shows_notice: bool,
    /// What the buttons do is shown where nothing else has to be.
    pub shows_buttons: bool,
}

/// What tells of an update and what warns have the line in turns of this length, so that each is
/// seen within five seconds.
const TURN_MS: u64 = 4_000;

/// A notice about an update or the card, or, where `can_switch_off`, how to do so, between two
/// smears; beside a warning, the first has its turns.
pub fn screen_context_of(
    stamp: Timestamp,
    utc_offset_minutes: i16,
    news: Option<Notice>,
    can_switch_off: bool,
) -> ScreenContext {
    let hint = can_switch_off.then_some(Notice::HoldToSwitchOff);
    let is_second_turn = !(stamp.uptime_ms / TURN_MS).is_multiple_of(2);
    ScreenContext {
        clock: clock_of(stamp, utc_offset_minutes),
        notice: news.or(hint),
        shows_notice: news.is_some() && is_second_turn,
        shows_buttons: is_second_turn,
    }
}

/// The screen while camera, network and panels are being opened.
pub fn starting_of(settings: &ScreenSettings) -> Starting {
    Starting {
        language: settings.language,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

/// The screen of a run at this moment. `camera` is the source that was asked for; `fault` is what
/// stopped the device, if anything has. The counting screen takes no memory.
pub fn screen_of<'a>(
    machine: &'a Machine,
    settings: &'a ScreenSettings,
    camera: &str,
    fault: Option<&Fault>,
    context: ScreenContext,
) -> Screen<'a> {
    if let Some(page) = machine.update_page() {
        return Screen::Update(Update {
            language: settings.language,
            identity: identity_of(settings, context),
            page,
        });
    }
    match (machine.phase(), fault) {
        (Phase::Starting, _) => return Screen::Starting(starting_of(settings)),
        (Phase::Fault, Some(fault)) => {
            return Screen::Failure(failure_of(fault, settings, context));
        }
        _ => {}
    }
    match missing_camera_of(machine, settings, camera, context) {
        Some(missing) => Screen::NoCamera(missing),
        None => Screen::Counting(counting_of(machine, settings, context)),
    }
}

fn failure_of<'a>(
    fault: &Fault,
    settings: &'a ScreenSettings,
    context: ScreenContext,
) -> Failure<'a> {
    Failure {
        language: settings.language,
        identity: identity_of(settings, context),
        what_happened: fault.what_happened.clone(),
        what_to_do: fault.what_to_do.text_in(settings.language).to_owned(),
        notice: context.notice,
    }
}

/// What stands in place of the counting screen while a camera is away that has shown nothing yet.
fn missing_camera_of<'a>(
    machine: &'a Machine,
    settings: &'a ScreenSettings,
    camera: &str,
    context: ScreenContext,
) -> Option<NoCamera<'a>> {
    let unavailable = machine.camera_unavailable()?;
    machine.smear().latest().is_none().then(|| NoCamera {
        language: settings.language,
        identity: identity_of(settings, context),
        camera: camera.to_owned(),
        unavailable,
        notice: context.notice,
    })
}

/// Which sample an image belongs to, and when it was.
fn identity_of(settings: &ScreenSettings, context: ScreenContext) -> Identity<'_> {
    Identity {
        sample: Some(settings.sample_id.as_str()).filter(|id| !id.is_empty()),
        is_simulated: settings.is_simulated,
        clock: context.clock,
    }
}

/// The time of a place whose clocks are ahead of UTC by so much.
pub fn clock_of(stamp: Timestamp, utc_offset_minutes: i16) -> Clock {
    let time = CivilTime::at(stamp.unix_ms, utc_offset_minutes).filter(|_| stamp.clock_set);
    time.map_or(Clock::NotSet, |time| Clock::Set {
        time,
        is_utc: utc_offset_minutes == 0,
    })
}

/// The counting screen at this moment.
pub fn counting_of<'a>(
    machine: &'a Machine,
    settings: &'a ScreenSettings,
    context: ScreenContext,
) -> Counting<'a> {
    let smear = machine.smear();
    let summary = smear.summary();
    let classes = summary.classes.each_ref();
    let latest = smear.latest();
    Counting {
        language: settings.language,
        identity: identity_of(settings, context),
        run: smear.state(),
        preview: latest.map(|latest| Preview {
            image: &latest.image,
            cells: &latest.cells,
            frame_width_px: latest.frame_px.0,
            frame_height_px: latest.frame_px.1,
            number: Some(smear.view_number()),
        }),
        quality: latest.map(|latest| latest.quality),
        scale: smear.scale(),
        cells: classes.map(|class| class.counted),
        uncertain: summary.uncertain,
        per_1000_rbc: classes.map(|class| class.per_1000_rbc),
        progress: classes.map(|class| class.progress),
        fields: Fields {
            counted: smear.fields(),
            target: smear.target_fields(),
            rejected: rejections_of(smear),
        },
        is_overdispersed: smear.assessment().findings().any(is_about_dispersion),
        is_withheld: smear.assessment().verdict() == Verdict::Withheld,
        hides_figures: smear.assessment().hides_figures(),
        warning: warning_of(machine).filter(|_| !context.shows_notice),
        notice: context.notice,
        outlook: outlook_of(smear),
        button_hint: button_hint_of(machine).filter(|_| context.shows_buttons),
        instruction: machine.instruction(),
    }
}

fn rejections_of(smear: &Smear) -> RejectedCounts {
    let rejected = smear.rejected();
    let reasons = rejected.by_reason.iter();
    reasons
        .map(|(reason, number)| (Rejection::Quality(*reason), *number))
        .chain([
            (Rejection::NoCells, rejected.without_cells),
            (Rejection::Unscaled, rejected.unscaled),
            (Rejection::LostFrame, rejected.lost_frames),
        ])
        .collect()
}

fn is_about_dispersion(finding: &Finding) -> bool {
    matches!(finding, Finding::Overdispersed { .. })
}

fn warning_of(machine: &Machine) -> Option<Warning<'_>> {
    // First, since an absent camera has its instruction too.
    if machine.not_saved().is_some() {
        return Some(Warning::NotSaved);
    }
    if let Some(unavailable) = machine.camera_unavailable() {
        return Some(Warning::CameraUnavailable(unavailable));
    }
    if machine.smear().scale_not_found() {
        return Some(Warning::ScaleOutOfRange);
    }
    let findings = machine.smear().assessment().findings();
    // Overdispersion has its own place, beside the numbers.
    let mut others = findings.filter(|finding| !is_about_dispersion(finding));
    others.next().copied().map(Warning::Smear)
}

/// What the buttons do now, where that is not what the instruction asks for.
fn button_hint_of(machine: &Machine) -> Option<TextId> {
    let can_force = machine.smear().forcible_field().is_some();
    match machine.phase() {
        Phase::Empty if can_force => Some(TextId::HintForce),
        Phase::Counting if can_force => Some(TextId::HintFinishOrForce),
        Phase::Counting if machine.smear().can_undo() => Some(TextId::HintFinishOrUndo),
        Phase::Counting if machine.smear().can_finish() => Some(TextId::HintFinish),
        Phase::FinishQuestion => Some(TextId::HintFinishOrGoOn),
        Phase::Result => Some(TextId::HintNextSmear),
        _ => None,
    }
}

/// Before as many fields as a figure takes, the magnification says more than their few cells.
fn outlook_of(smear: &Smear) -> Option<Outlook> {
    let summary = smear.summary();
    if smear.state() != RunState::Live {
        return Outlook::of_ended(summary);
    }
    if let Some((taken, of)) = smear.taken_for_scale() {
        return Some(Outlook::TakenForScale { taken, of });
    }
    if smear.fields() >= MIN_FIELDS {
        return Outlook::of_live(summary);
    }
    let um_per_px = smear.scale().um_per_px()?;
    let (width_px, height_px) = smear.latest()?.frame_px;
    let side_um = |px: u32| f64::from(px) * um_per_px;
    Some(Outlook::at_magnification(
        side_um(width_px) * side_um(height_px),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_is_told_in_turns_with_a_warning_and_a_hint_never() {
        let update = Notice::UpdateChecking;
        let hint = Notice::HoldToSwitchOff;
        let cases = [
            (0, Some(update), true, Some(update), false),
            (TURN_MS, Some(update), true, Some(update), true),
            (2 * TURN_MS, Some(update), false, Some(update), false),
            (TURN_MS, None, true, Some(hint), false),
            (TURN_MS, None, false, None, false),
        ];
        for (uptime_ms, about_update, can_switch_off, notice, shows_notice) in cases {
            let stamp = Timestamp {
                uptime_ms,
                unix_ms: 0,
                clock_set: false,
            };
            let expected = ScreenContext {
                clock: Clock::NotSet,
                notice,
                shows_notice,
                shows_buttons: uptime_ms == TURN_MS,
            };
            let got = screen_context_of(stamp, 0, about_update, can_switch_off);
            assert_eq!(got, expected, "{uptime_ms} {about_update:?}");
        }
    }

    #[test]
    fn only_a_clock_that_was_set_is_shown() {
        // 2026-05-31T07:00:00Z.
        let stamp = |clock_set| Timestamp {
            uptime_ms: 1,
            unix_ms: 1_780_210_800_000,
            clock_set,
        };
        let cases = [
            (stamp(false), 0, None),
            (stamp(true), 0, Some((7, true))),
            (stamp(true), 120, Some((9, false))),
            (
                Timestamp {
                    unix_ms: u64::MAX,
                    ..stamp(true)
                },
                0,
                None,
            ),
        ];
        for (stamp, utc_offset_minutes, expected) in cases {
            let shown = match clock_of(stamp, utc_offset_minutes) {
                Clock::Set { time, is_utc } => Some((time.hour, is_utc)),
                Clock::NotSet => None,
            };
            assert_eq!(shown, expected, "{stamp:?} {utc_offset_minutes}");
        }
    }
}
