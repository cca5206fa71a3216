//! A session as the content of a screen: which numbers, which warning, which next step.

use crate::camera::Unavailable;
use crate::count::{self, ClassSummary, Summary};
use crate::device::calendar::CivilTime;
use crate::quality::{self, Quality, RejectReason, Verdict};
use crate::record::Timestamp;
use crate::runtime::settings::ScreenSettings;
use crate::session::smear::{self as session, KnownScale, Session};
use crate::ui::model::{
    Brightness, CameraTrouble, Clock, Counting, Decimal, Density, Estimate, Fields, Focus,
    Identity, Instruction, NoCamera, Notice, Preview, Reading, RejectedCounts, Rejection, RunState,
    Scale, Sharpness, Warning,
};

/// Nanometres in a micrometre.
const NM_PER_UM: f64 = 1000.0;
/// Focus score from which a frame is called sharp rather than soft.
const SHARP_FROM: u8 = 50;

/// What a screen shows beside the session. By default nothing, with a clock that is not set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScreenContext {
    pub clock: Clock,
    pub notice: Option<Notice>,
    /// The notice is shown even where there is a warning, which follows.
    pub shows_notice: bool,
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
    }
}

/// What stands in place of the counting screen while a camera is away that has shown nothing yet.
pub fn missing_camera_of<'a>(
    session: &Session,
    settings: &'a ScreenSettings,
    camera: &str,
    surroundings: ScreenContext,
) -> Option<NoCamera<'a>> {
    let unavailable = session.camera_unavailable()?;
    session.latest().is_none().then(|| NoCamera {
        language: settings.language,
        identity: identity_of(settings, surroundings),
        camera: camera.to_owned(),
        trouble: trouble_of(unavailable),
        notice: surroundings.notice,
    })
}

fn trouble_of(unavailable: &Unavailable) -> CameraTrouble {
    match unavailable {
        Unavailable::NotConnected => CameraTrouble::NotConnected,
        Unavailable::Several { .. } => CameraTrouble::Several,
        Unavailable::InUse => CameraTrouble::InUse,
        Unavailable::PermissionDenied => CameraTrouble::PermissionDenied,
        Unavailable::Unsuitable { .. } => CameraTrouble::Unsuitable,
        Unavailable::Silent { .. } => CameraTrouble::Silent,
        Unavailable::Failed { .. } => CameraTrouble::Failed,
    }
}

/// Which sample a picture belongs to, and when it was.
pub fn identity_of(settings: &ScreenSettings, surroundings: ScreenContext) -> Identity<'_> {
    Identity {
        sample: Some(settings.sample_id.as_str()).filter(|id| !id.is_empty()),
        clock: surroundings.clock,
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

/// The screen of a run at this moment.
pub fn counting_of<'a>(
    session: &'a Session,
    settings: &'a ScreenSettings,
    surroundings: ScreenContext,
) -> Counting<'a> {
    let summary = session.summary();
    let latest = session.latest();
    let quality = latest.map(|latest| latest.quality);
    let ratio = |class: &ClassSummary| class.per_1000_rbc.map(|ratio| reading_of(&ratio));
    Counting {
        language: settings.language,
        identity: identity_of(settings, surroundings),
        run: match session.state() {
            session::RunState::Live => RunState::Live,
            session::RunState::Finished => RunState::Finished,
            session::RunState::Unfinished => RunState::Unfinished,
        },
        preview: latest.map(|latest| Preview {
            picture: &latest.picture,
            cells: &latest.cells,
            frame_width_px: latest.frame_px.0,
            frame_height_px: latest.frame_px.1,
            number: Some(session.view_number()),
        }),
        focus: quality.map(|quality| Focus {
            score: quality.focus_score,
            sharpness: sharpness_of(quality),
        }),
        brightness: quality.map(brightness_of),
        density: quality.map(density_of),
        scale: scale_of(session.scale()),
        counts: summary
            .classes
            .each_ref()
            .map(|class| reading_of(&class.count)),
        uncertain: u64::from(summary.uncertain),
        per_1000_rbc: summary.classes.each_ref().map(ratio),
        fields: Fields {
            counted: session.fields(),
            wanted: session.target_fields(),
            rejected: rejections_of(session),
            skipped_percent: session.frames().skipped_percent(),
        },
        over_dispersed: is_uneven(summary),
        warning: warning_of(session, summary).filter(|_| !surroundings.shows_notice),
        notice: surroundings.notice,
        instruction: instruction_of(session, quality),
    }
}

/// A figure with as many decimals as its size deserves, or that there is none.
fn reading_of(estimate: &count::Estimate) -> Reading {
    match estimate {
        count::Estimate::Known { value, interval, n } => {
            let decimals = u8::from(interval.high < 20.0 && interval.high.fract() != 0.0);
            let decimal = |figure: f64| decimal_of(figure, decimals);
            Reading::Known(Estimate {
                value: decimal(*value),
                low: decimal(interval.low),
                high: decimal(interval.high),
                n: u64::from(*n),
            })
        }
        count::Estimate::TooFewCells { have, .. } => Reading::TooFew {
            n: u64::from(*have),
        },
    }
}

fn decimal_of(figure: f64, decimals: u8) -> Decimal {
    let unit = if decimals == 1 { 10.0 } else { 1.0 };
    Decimal {
        scaled: libm::round(figure * unit) as u64,
        decimals,
    }
}

fn sharpness_of(quality: Quality) -> Sharpness {
    match quality.focus_score {
        _ if quality.verdict == Verdict::Rejected(RejectReason::Blurred) => Sharpness::Blurred,
        0..SHARP_FROM => Sharpness::Soft,
        SHARP_FROM.. => Sharpness::Sharp,
    }
}

fn brightness_of(quality: Quality) -> Brightness {
    match quality.brightness {
        quality::Brightness::Dark => Brightness::Dark,
        quality::Brightness::Good => Brightness::Good,
        quality::Brightness::Bright => Brightness::Bright,
    }
}

fn density_of(quality: Quality) -> Density {
    match quality.density {
        quality::Density::Empty => Density::Empty,
        quality::Density::Sparse => Density::Sparse,
        quality::Density::Good => Density::Good,
        quality::Density::Crowded => Density::Crowded,
    }
}

fn scale_of(scale: KnownScale) -> Scale {
    let nanometres = |um: f64| libm::round(um * NM_PER_UM) as u32;
    match scale {
        KnownScale::Unknown => Scale::Unknown,
        KnownScale::Given { um_per_px } => Scale::Calibrated {
            nm_per_px: nanometres(um_per_px),
        },
        KnownScale::Estimated(estimate) => Scale::Estimated {
            nm_per_px: nanometres(estimate.um_per_px),
            spread_nm: nanometres(estimate.um_per_px * estimate.spread),
        },
    }
}

fn rejection_of(reason: RejectReason) -> Rejection {
    match reason {
        RejectReason::Underexposed => Rejection::TooDark,
        RejectReason::Overexposed => Rejection::TooBright,
        RejectReason::NoContrast => Rejection::Empty,
        RejectReason::Blurred => Rejection::Blurred,
        RejectReason::NotASmear => Rejection::NotASmear,
    }
}

/// Two reasons may be one word on the screen; their numbers are added then.
fn rejections_of(session: &Session) -> RejectedCounts {
    let rejected = session.rejected();
    let reasons = rejected.by_reason.iter();
    reasons
        .map(|(reason, number)| (rejection_of(*reason), *number))
        .chain([
            (Rejection::Empty, rejected.without_cells),
            (Rejection::BrokenFrame, rejected.lost_frames),
        ])
        .collect()
}

fn is_uneven(summary: &Summary) -> bool {
    let uneven = |warning: &count::Warning| matches!(warning, count::Warning::UnevenFields { .. });
    summary.warnings.iter().any(uneven)
}

fn warning_of(session: &Session, summary: &Summary) -> Option<Warning> {
    // First, since an absent camera has its instruction too.
    if session.not_saved().is_some() {
        return Some(Warning::NotSaved);
    }
    if let Some(unavailable) = session.camera_unavailable() {
        return Some(Warning::Camera(trouble_of(unavailable)));
    }
    if session.scale_not_found() {
        return Some(Warning::ScaleOutOfRange);
    }
    summary.warnings.iter().find_map(|warning| match warning {
        count::Warning::TooManyWhiteCells { .. } => Some(Warning::TooManyWhiteCells),
        count::Warning::ManyUncertain { .. } => Some(Warning::ManyUncertain),
        count::Warning::UnevenFields { .. } => None,
    })
}

fn instruction_of(session: &Session, quality: Option<Quality>) -> Instruction {
    match session.state() {
        session::RunState::Finished => return Instruction::RunComplete,
        session::RunState::Unfinished => return Instruction::StartAgain,
        session::RunState::Live => {}
    }
    if session.camera_unavailable().is_some() {
        return Instruction::CheckCamera;
    }
    if session.scale_not_found() {
        return Instruction::SetScale;
    }
    let Some(quality) = quality else {
        return Instruction::Wait;
    };
    match (quality.brightness, sharpness_of(quality), quality.density) {
        (quality::Brightness::Dark, ..) => Instruction::RaiseLight,
        (quality::Brightness::Bright, ..) => Instruction::LowerLight,
        (_, _, quality::Density::Empty) => Instruction::FindCells,
        (_, Sharpness::Blurred, _) => Instruction::FocusSlide,
        (_, _, quality::Density::Crowded) => Instruction::FindThinnerArea,
        _ if session
            .latest()
            .is_some_and(|latest| !latest.cells.is_empty()) =>
        {
            Instruction::NextField
        }
        _ => Instruction::HoldStill,
    }
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
