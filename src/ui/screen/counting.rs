//! The counting screen: preview and states at the left, numbers at the right, what to do below.

use super::numbers::{numbers, overdispersion};
use super::parts::{BarState, LABEL_ON_CARD, NO_VALUE, research_line, score_bar, top_bar};
use crate::image::preview::fitted_size_px;
use crate::language::{Language, TextId};
use crate::panel::ScreenSize;
use crate::quality::{Brightness, Density, Sharpness};
use crate::session::guidance::{Instruction, Notice};
use crate::session::smear::{KnownScale, RunState};
use crate::ui::colour;
use crate::ui::fixed_string::{FixedString, fixed_format};
use crate::ui::font::Role;
use crate::ui::icon::StatusIcon;
use crate::ui::layout::{CountingLayout, Metrics, StatePlace};
use crate::ui::model::{Counting, Fields, Preview, RejectedCounts};
use crate::ui::surface::{Align, Surface, TextStyle};
use crate::ui::{number, wording};
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

const LABEL_ON_GROUND: TextStyle = TextStyle::new(Role::Small, colour::LABEL, colour::GROUND);
const TEXT_ON_GROUND: TextStyle = TextStyle::new(Role::Small, colour::TEXT, colour::GROUND);

/// The regions of the screen that change on their own. None draws outside of its area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Region {
    Bar,
    Preview,
    States,
    Counts,
    Fields,
    Advice,
}

impl Region {
    pub(super) const ALL: [Self; 6] = [
        Self::Bar,
        Self::Preview,
        Self::States,
        Self::Counts,
        Self::Fields,
        Self::Advice,
    ];

    /// Draws the region on a surface, over whatever is there.
    pub(super) fn draw<'a>(
        self,
        counting: &Counting<'a>,
        layout: &CountingLayout,
        size: ScreenSize,
        surface: &mut dyn Surface<'a>,
    ) {
        let metrics = size.metrics();
        let language = counting.language;
        match self {
            Self::Bar => {
                let state = bar_state(counting.run, counting.is_withheld);
                top_bar(layout.bar, &counting.identity, state, language, surface);
            }
            Self::Preview => preview(counting.preview, language, layout.preview, metrics, surface),
            Self::States => states(counting, layout, surface),
            Self::Counts => {
                surface.fill(layout.card, colour::CARD);
                numbers(counting, layout, metrics, surface);
                if counting.is_overdispersed {
                    overdispersion(language, layout, surface);
                }
            }
            Self::Fields => fields(&counting.fields, language, layout, surface),
            Self::Advice => {
                draw_message(counting, layout, surface);
                instruction(counting.instruction, language, layout, surface);
                research_line(layout.research, language, surface);
            }
        }
    }
}

/// The line above the instruction: a warning, a notice, or how far counting is from its targets.
fn draw_message(counting: &Counting<'_>, layout: &CountingLayout, surface: &mut dyn Surface<'_>) {
    let language = counting.language;
    if let Some(warning) = counting.warning {
        surface.fill(layout.warning_ground, colour::WARNING_GROUND);
        surface.icon(layout.warning_icon, StatusIcon::Attention, colour::YELLOW);
        let style = TextStyle::new(Role::Small, colour::YELLOW, colour::WARNING_GROUND);
        let words = TextId::from(warning).text_in(language);
        surface.text(layout.warning, words, style);
        return;
    }
    surface.fill(layout.warning_ground, colour::GROUND);
    let Some(words) = wording::message(counting) else {
        return;
    };
    if counting
        .notice
        .is_some_and(|notice| notice != Notice::HoldToSwitchOff)
    {
        let icon = StatusIcon::GoOn;
        surface.icon(layout.warning_icon, icon, icon.colour());
    }
    surface.text(layout.warning, &words, LABEL_ON_GROUND);
}

fn bar_state(run: RunState, is_withheld: bool) -> BarState {
    let (icon, state_colour, ground) = match run {
        RunState::Finished if is_withheld => (StatusIcon::Attention, colour::INK, colour::ORANGE),
        RunState::Live => (StatusIcon::Running, colour::SKY_BLUE, colour::CARD),
        RunState::Finished => (StatusIcon::Good, colour::INK, colour::GREEN),
        RunState::Unfinished => (StatusIcon::Attention, colour::INK, colour::ORANGE),
    };
    BarState {
        icon,
        word: wording::run_state(run, is_withheld),
        colour: state_colour,
        ground,
    }
}

fn preview<'a>(
    preview: Option<Preview<'a>>,
    language: Language,
    place: Rectangle,
    metrics: Metrics,
    surface: &mut dyn Surface<'a>,
) {
    let Some(preview) = preview else {
        surface.fill(place, colour::CARD);
        let words = TextId::PreviewNone.text_in(language);
        surface.text(place, words, LABEL_ON_CARD.aligned(Align::Centre));
        return;
    };
    let frame_size_px = (preview.frame_width_px, preview.frame_height_px);
    let (width_px, height_px) = fitted_size_px(
        preview.image.width_px(),
        preview.image.height_px(),
        (place.size.width, place.size.height),
    );
    let area = Rectangle::with_center(place.center(), Size::new(width_px, height_px));
    if area != place {
        surface.fill(place, colour::CARD);
    }
    surface.image(area, preview.image);
    surface.cells(area, preview.cells, frame_size_px, metrics.line);
}

/// The icon and word of a state, or a dash before the first frame.
struct State {
    icon: Option<StatusIcon>,
    word: FixedString,
}

impl State {
    fn of(icon: StatusIcon, word: TextId, language: Language) -> Self {
        Self {
            icon: Some(icon),
            word: word.text_in(language).into(),
        }
    }

    fn none() -> Self {
        Self {
            icon: None,
            word: NO_VALUE.into(),
        }
    }
}

fn states(counting: &Counting<'_>, layout: &CountingLayout, surface: &mut dyn Surface<'_>) {
    let language = counting.language;
    surface.fill(layout.states, colour::GROUND);

    let quality = counting.quality;
    let focus = quality.map_or_else(State::none, |quality| {
        let sharpness = quality.sharpness();
        State::of(focus_icon(sharpness), sharpness.into(), language)
    });
    state_row(layout.focus, TextId::Focus, &focus, language, surface);
    let score = quality.map_or(0, |quality| quality.focus_score.min(100));
    score_bar(layout.focus.bar, u64::from(score), 100, focus.icon, surface);

    let illumination = quality.map_or_else(State::none, |quality| {
        let icon = match quality.brightness {
            Brightness::Good => StatusIcon::Good,
            Brightness::Dark | Brightness::Bright => StatusIcon::Attention,
        };
        State::of(icon, quality.brightness.into(), language)
    });
    state_row(
        layout.illumination,
        TextId::Illumination,
        &illumination,
        language,
        surface,
    );

    let density = quality.map_or_else(State::none, |quality| {
        let icon = match quality.density {
            Density::Good => StatusIcon::Good,
            Density::Empty => StatusIcon::Bad,
            Density::Sparse | Density::Crowded => StatusIcon::Attention,
        };
        State::of(icon, quality.density.into(), language)
    });
    state_row(layout.density, TextId::Density, &density, language, surface);

    let scale = scale_state(counting.scale, language);
    state_row(layout.scale, TextId::ScaleUnit, &scale, language, surface);
}

fn focus_icon(sharpness: Sharpness) -> StatusIcon {
    match sharpness {
        Sharpness::Sharp => StatusIcon::Good,
        Sharpness::Soft => StatusIcon::Attention,
        Sharpness::Blurred => StatusIcon::Bad,
    }
}

fn scale_state(scale: KnownScale, language: Language) -> State {
    let written = |um: f64| number::decimal(um, 3, language);
    match scale {
        KnownScale::Unknown => State::of(StatusIcon::Bad, TextId::ScaleUnknown, language),
        KnownScale::Given { um_per_px } => State {
            icon: Some(StatusIcon::Good),
            word: fixed_format!(
                "{} {}",
                written(um_per_px),
                TextId::ScaleCalibrated.text_in(language)
            ),
        },
        KnownScale::Estimated(estimate) => State {
            icon: Some(StatusIcon::Attention),
            word: fixed_format!(
                "{} ±{} {}",
                written(estimate.um_per_px),
                written(estimate.um_per_px * estimate.spread),
                TextId::ScaleEstimated.text_in(language)
            ),
        },
    }
}

fn state_row(
    place: StatePlace,
    label: TextId,
    state: &State,
    language: Language,
    surface: &mut dyn Surface<'_>,
) {
    surface.text(place.label, label.text_in(language), LABEL_ON_GROUND);
    if let Some(icon) = state.icon {
        surface.icon(place.icon, icon, icon.colour());
    }
    let word = if label == TextId::ScaleUnit {
        place.wide_word
    } else {
        place.word
    };
    surface.text(word, &state.word, TEXT_ON_GROUND);
}

fn fields(
    fields: &Fields,
    language: Language,
    layout: &CountingLayout,
    surface: &mut dyn Surface<'_>,
) {
    surface.fill(layout.fields_row, colour::GROUND);
    let label = TextId::Fields.text_in(language);
    let counted = match fields.target {
        Some(target) => fixed_format!("{label} {}/{target}", fields.counted),
        None => fixed_format!("{label} {}", fields.counted),
    };
    surface.text(layout.fields, &counted, TEXT_ON_GROUND);
    if let Some(target) = fields.target {
        let (part, whole) = (u64::from(fields.counted), u64::from(target));
        score_bar(
            layout.progress,
            part,
            whole,
            Some(StatusIcon::GoOn),
            surface,
        );
    }
    let room_px = layout.rejected.size.width;
    let scale = surface.type_scale();
    let rejected = rejected_text(&fields.rejected, language, |text| {
        scale.width_px(Role::Small, text) <= room_px
    });
    let style = LABEL_ON_GROUND.aligned(Align::Right);
    surface.text(layout.rejected, &rejected, style);
}

/// `Rejected 5: blurred 3, dark 2`, with the last reasons summed up as `other` where they do
/// not all fit.
fn rejected_text(
    rejected: &RejectedCounts,
    language: Language,
    fits: impl Fn(&str) -> bool,
) -> FixedString {
    let label = TextId::Rejected.text_in(language);
    let heading = fixed_format!("{label} {}", rejected.total());
    let with_reasons = |named: usize| {
        let mut text = heading.clone();
        let mut separator = ": ";
        let mut add = |word: TextId, fields: u64| {
            text.push_str(&fixed_format!(
                "{separator}{} {fields}",
                word.text_in(language)
            ));
            separator = ", ";
        };
        for (reason, fields) in rejected.by_frequency().take(named) {
            add(reason, u64::from(fields));
        }
        let others = rejected.by_frequency().skip(named);
        let other = others.map(|(_, fields)| u64::from(fields)).sum();
        if other > 0 {
            add(TextId::RejectedOther, other);
        }
        text
    };
    (1..=rejected.by_frequency().count())
        .rev()
        .map(with_reasons)
        .find(|text| fits(text))
        .unwrap_or(heading)
}

fn instruction(
    instruction: Instruction,
    language: Language,
    layout: &CountingLayout,
    surface: &mut dyn Surface<'_>,
) {
    let icon = instruction_icon(instruction);
    let ground = match icon {
        StatusIcon::Good => colour::GREEN,
        StatusIcon::GoOn | StatusIcon::Running => colour::SKY_BLUE,
        StatusIcon::Attention | StatusIcon::Bad => colour::ORANGE,
    };
    surface.fill(layout.instruction_ground, ground);
    surface.icon(layout.instruction_icon, icon, colour::INK);
    let style = TextStyle::new(Role::Strong, colour::INK, ground);
    let words = TextId::from(instruction).text_in(language);
    surface.text(layout.instruction, words, style);
}

fn instruction_icon(instruction: Instruction) -> StatusIcon {
    match instruction {
        Instruction::Wait | Instruction::HoldStill | Instruction::WaitForCount => {
            StatusIcon::Running
        }
        Instruction::NextField
        | Instruction::CountedBefore
        | Instruction::FieldUndone
        | Instruction::FinishAtTargets
        | Instruction::FinishAtLimit => StatusIcon::GoOn,
        Instruction::Complete => StatusIcon::Good,
        Instruction::Focus
        | Instruction::KeepStill
        | Instruction::LevelSlide
        | Instruction::CentreField
        | Instruction::IncreaseIllumination
        | Instruction::ReduceIllumination
        | Instruction::FindThinnerArea
        | Instruction::FindCells
        | Instruction::LeaveEmptyField
        | Instruction::LetSlideRest
        | Instruction::CheckStain
        | Instruction::RaiseContrast
        | Instruction::CheckCameraFormat
        | Instruction::SetScale
        | Instruction::CheckCamera
        | Instruction::ConfirmFinish
        | Instruction::Withheld
        | Instruction::TooFewCells
        | Instruction::StartAgain => StatusIcon::Attention,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quality::RejectReason;
    use crate::ui::model::Rejection;

    #[test]
    fn reasons_that_do_not_fit_are_summed_up() {
        let rejected = RejectedCounts::from_iter([
            (Rejection::LostFrame, 1),
            (Rejection::Quality(RejectReason::Underexposed), 0),
            (Rejection::Quality(RejectReason::NoContrast), 1),
            (Rejection::NoCells, 1),
            (Rejection::Quality(RejectReason::Blurred), 3),
        ]);
        let cases = [
            (99, "Rejected 6: blurred 3, empty 2, damaged 1"),
            (36, "Rejected 6: blurred 3, empty 2, other 1"),
            (34, "Rejected 6: blurred 3, other 3"),
            (12, "Rejected 6"),
        ];
        for (room, expected) in cases {
            let fits = |text: &str| text.len() <= room.max(expected.len());
            assert_eq!(rejected_text(&rejected, Language::English, fits), expected);
        }
        let none = rejected_text(&RejectedCounts::default(), Language::English, |_| true);
        assert_eq!(none, "Rejected 0");
    }
}
