//! The counting screen: preview and states at the left, numbers at the right, what to do below.

use super::{BarState, research_line, score_bar, top_bar};
use crate::cell::CellClass;
use crate::language::{Language, TextId};
use crate::ui::colour;
use crate::ui::font::Role;
use crate::ui::icon::Sign;
use crate::ui::layout::{Budget, ClassPlace, CountingLayout, RatioPlace, ScreenSize, StatePlace};
use crate::ui::line::{Line, line};
use crate::ui::model::{
    Brightness, Counting, Decimal, Density, Estimate, Fields, Instruction, Notice, Preview,
    Reading, RejectedCounts, RunState, Scale, Sharpness,
};
use crate::ui::preview::fitted_size_px;
use crate::ui::surface::{Align, Surface, TextStyle};
use crate::ui::{number, wording};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;

/// Stands where there is no value.
const NO_VALUE: &str = "--";

const LABEL_ON_GROUND: TextStyle = TextStyle::new(Role::Small, colour::LABEL, colour::GROUND);
const TEXT_ON_GROUND: TextStyle = TextStyle::new(Role::Small, colour::TEXT, colour::GROUND);
const LABEL_ON_CARD: TextStyle = TextStyle::new(Role::Small, colour::LABEL, colour::CARD);
const TEXT_ON_CARD: TextStyle = TextStyle::new(Role::Small, colour::TEXT, colour::CARD);
const NAME_ON_CARD: TextStyle = TextStyle::new(Role::SmallBold, colour::TEXT, colour::CARD);

/// The parts of the screen that change on their own. None draws outside of its area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Bar,
    Preview,
    States,
    Counts,
    Fields,
    Advice,
}

impl Part {
    pub(super) const ALL: [Self; 6] = [
        Self::Bar,
        Self::Preview,
        Self::States,
        Self::Counts,
        Self::Fields,
        Self::Advice,
    ];

    /// Puts the part on a surface, over whatever is there.
    pub(super) fn put<'a>(
        self,
        counting: &Counting<'a>,
        layout: &CountingLayout,
        size: ScreenSize,
        surface: &mut dyn Surface<'a>,
    ) {
        let budget = size.budget();
        let language = counting.language;
        match self {
            Self::Bar => {
                let state = bar_state(counting.run);
                top_bar(layout.bar, &counting.identity, state, language, surface);
            }
            Self::Preview => preview(counting.preview, language, layout.preview, budget, surface),
            Self::States => states(counting, layout, surface),
            Self::Counts => {
                surface.fill(layout.card, colour::CARD);
                counts(counting, layout, budget, surface);
                ratios(counting, layout, surface);
                if counting.over_dispersed {
                    over_dispersion(language, layout, surface);
                }
            }
            Self::Fields => fields(&counting.fields, language, layout, surface),
            Self::Advice => {
                told(counting, layout, surface);
                instruction(counting.instruction, language, layout, surface);
                research_line(layout.research, language, surface);
            }
        }
    }
}

/// The line above the instruction: a warning, or else a notice.
fn told(counting: &Counting<'_>, layout: &CountingLayout, surface: &mut dyn Surface<'_>) {
    let language = counting.language;
    let Some(warning) = counting.warning else {
        surface.fill(layout.warning_ground, colour::GROUND);
        if let Some(notice) = counting.notice {
            if notice != Notice::HoldToSwitchOff {
                surface.sign(layout.warning_sign, Sign::GoOn, Sign::GoOn.colour());
            }
            let words = wording::notice(notice, language);
            surface.text(layout.warning, &words, LABEL_ON_GROUND);
        }
        return;
    };
    surface.fill(layout.warning_ground, colour::WARNING_GROUND);
    surface.sign(layout.warning_sign, Sign::Attention, colour::YELLOW);
    let style = TextStyle::new(Role::Small, colour::YELLOW, colour::WARNING_GROUND);
    let words = TextId::from(warning).text_in(language);
    surface.text(layout.warning, words, style);
}

fn bar_state(run: RunState) -> BarState {
    let (sign, state_colour, ground) = match run {
        RunState::Live => (Sign::Running, colour::SKY_BLUE, colour::CARD),
        RunState::Paused => (Sign::Paused, colour::TEXT, colour::CARD),
        RunState::Finished => (Sign::Good, colour::INK, colour::GREEN),
        RunState::Unfinished => (Sign::Attention, colour::INK, colour::ORANGE),
    };
    BarState {
        sign,
        word: run.into(),
        colour: state_colour,
        ground,
    }
}

fn preview<'a>(
    preview: Option<Preview<'a>>,
    language: Language,
    place: Rectangle,
    budget: Budget,
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
        preview.picture.width_px(),
        preview.picture.height_px(),
        (place.size.width, place.size.height),
    );
    let area = Rectangle::with_center(place.center(), Size::new(width_px, height_px));
    if area != place {
        surface.fill(place, colour::CARD);
    }
    surface.picture(area, preview.picture);
    surface.cells(area, preview.cells, frame_size_px, budget.line);
}

/// The sign and word of a state, or a dash before the first frame.
struct State {
    sign: Option<Sign>,
    word: Line,
}

impl State {
    fn of(sign: Sign, word: TextId, language: Language) -> Self {
        Self {
            sign: Some(sign),
            word: word.text_in(language).into(),
        }
    }

    fn none() -> Self {
        Self {
            sign: None,
            word: NO_VALUE.into(),
        }
    }
}

fn states(counting: &Counting<'_>, layout: &CountingLayout, surface: &mut dyn Surface<'_>) {
    let language = counting.language;
    surface.fill(layout.states, colour::GROUND);

    let focus = counting.focus.map_or_else(State::none, |focus| {
        State::of(
            focus_sign(focus.sharpness),
            focus.sharpness.into(),
            language,
        )
    });
    state_row(layout.focus, TextId::Focus, &focus, language, surface);
    let score = counting.focus.map_or(0, |focus| focus.score.min(100));
    score_bar(layout.focus.bar, u64::from(score), 100, focus.sign, surface);

    let light = counting.brightness.map_or_else(State::none, |light| {
        let sign = match light {
            Brightness::Good => Sign::Good,
            Brightness::Dark | Brightness::Bright => Sign::Attention,
        };
        State::of(sign, light.into(), language)
    });
    state_row(
        layout.light,
        TextId::Illumination,
        &light,
        language,
        surface,
    );

    let density = counting.density.map_or_else(State::none, |density| {
        let sign = match density {
            Density::Good => Sign::Good,
            Density::Empty => Sign::Bad,
            Density::Sparse | Density::Crowded => Sign::Attention,
        };
        State::of(sign, density.into(), language)
    });
    state_row(layout.density, TextId::Density, &density, language, surface);

    if let Some(percent) = counting.fields.skipped_percent {
        let style = LABEL_ON_GROUND.aligned(Align::Right);
        surface.fill(layout.skipped_rule, colour::RULE);
        let words = TextId::FieldsSkipped.text_in(language);
        surface.text(layout.light.aside, words, style);
        surface.text(layout.density.aside, &line!("{percent} %"), style);
    }

    let scale = scale_state(counting.scale, language);
    state_row(layout.scale, TextId::ScaleUnit, &scale, language, surface);
}

fn focus_sign(sharpness: Sharpness) -> Sign {
    match sharpness {
        Sharpness::Sharp => Sign::Good,
        Sharpness::Soft => Sign::Attention,
        Sharpness::Blurred => Sign::Bad,
    }
}

fn scale_state(scale: Scale, language: Language) -> State {
    let um = |nm: u32| {
        let thousandths = Decimal {
            scaled: u64::from(nm),
            decimals: 3,
        };
        number::decimal(thousandths, language)
    };
    match scale {
        Scale::Unknown => State::of(Sign::Bad, TextId::ScaleUnknown, language),
        Scale::Calibrated { nm_per_px } => State {
            sign: Some(Sign::Good),
            word: line!(
                "{} {}",
                um(nm_per_px),
                TextId::ScaleCalibrated.text_in(language)
            ),
        },
        Scale::Estimated {
            nm_per_px,
            spread_nm,
        } => State {
            sign: Some(Sign::Attention),
            word: line!(
                "{} ±{} {}",
                um(nm_per_px),
                um(spread_nm),
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
    if let Some(sign) = state.sign {
        surface.sign(place.sign, sign, sign.colour());
    }
    let word = if label == TextId::ScaleUnit {
        place.wide_word
    } else {
        place.word
    };
    surface.text(word, &state.word, TEXT_ON_GROUND);
}

fn counts(
    counting: &Counting<'_>,
    layout: &CountingLayout,
    budget: Budget,
    surface: &mut dyn Surface<'_>,
) {
    let language = counting.language;
    let (title, title_colour) = match counting.run {
        RunState::Live | RunState::Paused => (TextId::CountsSoFar, colour::TEXT),
        RunState::Finished => (TextId::CountsResult, colour::TEXT),
        RunState::Unfinished => (TextId::CountsNoResult, colour::ORANGE),
    };
    let title_style = TextStyle::new(Role::SmallBold, title_colour, colour::CARD);
    surface.text(layout.counts_title, title.text_in(language), title_style);
    surface.text(
        layout.interval_title,
        TextId::CountsInterval.text_in(language),
        LABEL_ON_CARD.aligned(Align::Right),
    );

    for (class, reading) in counting.counts.iter() {
        let place = layout.classes[class];
        class_row(class, place, *reading, language, budget, surface);
    }

    surface.fill(layout.uncertain_rule, colour::RULE);
    surface.mark(layout.uncertain_mark, None, budget.line);
    let words = TextId::CountsUncertain.text_in(language);
    surface.text(layout.uncertain_name, words, TEXT_ON_CARD);
    let uncertain = Decimal::whole(counting.uncertain);
    let style = NAME_ON_CARD.aligned(Align::Right);
    number(layout.uncertain_number, style, surface, |form| {
        form.of(uncertain, language)
    });
}

fn class_row(
    class: CellClass,
    place: ClassPlace,
    reading: Reading,
    language: Language,
    budget: Budget,
    surface: &mut dyn Surface<'_>,
) {
    surface.fill(place.rule, colour::RULE);
    surface.mark(place.mark, Some(class), budget.line + 1);
    surface.text(place.name, class.name(), NAME_ON_CARD);
    number(place.n, LABEL_ON_CARD, surface, |form| {
        form.n(reading.n(), language)
    });
    let number_style = |text_colour: Rgb888| {
        TextStyle::new(Role::Number, text_colour, colour::CARD).aligned(Align::Right)
    };
    match reading {
        Reading::Known(estimate) => {
            let style = number_style(colour::TEXT);
            number(place.number, style, surface, |form| {
                form.of(estimate.value, language)
            });
            let style = LABEL_ON_CARD.aligned(Align::Right);
            number(place.interval, style, surface, |form| {
                form.interval(&estimate, language)
            });
        }
        Reading::TooFew { .. } => {
            surface.text(place.number, NO_VALUE, number_style(colour::LABEL));
            let words = TextId::CountsTooFewCells.text_in(language);
            let style = TextStyle::new(Role::Small, colour::YELLOW, colour::CARD);
            surface.text(place.interval, words, style.aligned(Align::Right));
        }
    }
}

/// How a number is written.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// With every digit.
    Full,
    /// With three digits and a prefix such as `k`.
    Compact,
}

impl Form {
    fn of(self, number: Decimal, language: Language) -> Line {
        match self {
            Form::Full => number::decimal(number, language),
            Form::Compact => number::compact(number, language),
        }
    }

    fn interval(self, estimate: &Estimate, language: Language) -> Line {
        let [low, high] = [estimate.low, estimate.high].map(|end| self.of(end, language));
        line!("{low}-{high}")
    }

    fn n(self, n: u64, language: Language) -> Line {
        line!("n {}", self.of(Decimal::whole(n), language))
    }
}

/// Adds a number, compact where it would be cut otherwise: a cut number reads as another one.
fn number(
    place: Rectangle,
    style: TextStyle,
    surface: &mut dyn Surface<'_>,
    written: impl Fn(Form) -> Line,
) {
    let full = written(Form::Full);
    let fits = surface.type_scale().width_px(style.role, &full) <= place.size.width;
    let shown = if fits { full } else { written(Form::Compact) };
    surface.text(place, &shown, style);
}

fn ratios(counting: &Counting<'_>, layout: &CountingLayout, surface: &mut dyn Surface<'_>) {
    let language = counting.language;
    let ratios = counting.per_1000_rbc.iter();
    let mut readings = ratios
        .filter_map(|(class, ratio)| Some((class, (*ratio)?)))
        .peekable();
    if readings.peek().is_none() {
        return;
    }
    surface.fill(layout.ratio_rule, colour::RULE);
    let title = TextId::CountsPer1000Rbc.text_in(language);
    surface.text(layout.ratio_title, title, LABEL_ON_CARD);
    for ((class, reading), place) in readings.zip(layout.ratios) {
        ratio_row(class, place, reading, language, surface);
    }
}

fn ratio_row(
    class: CellClass,
    place: RatioPlace,
    reading: Reading,
    language: Language,
    surface: &mut dyn Surface<'_>,
) {
    surface.text(place.name, class.name(), TEXT_ON_CARD);
    let n_style = LABEL_ON_CARD.aligned(Align::Right);
    match reading {
        Reading::Known(estimate) => {
            let estimate = without_spare_decimals(estimate);
            let value_style = NAME_ON_CARD.aligned(Align::Right);
            number(place.value, value_style, surface, |form| {
                form.of(estimate.value, language)
            });
            number(place.interval, n_style, surface, |form| {
                form.interval(&estimate, language)
            });
            number(place.n, n_style, surface, |form| {
                form.n(estimate.n, language)
            });
        }
        Reading::TooFew { n } => {
            number(place.few_n, n_style, surface, |form| form.n(n, language));
            let words = TextId::CountsTooFewCells.text_in(language);
            let style = TextStyle::new(Role::Small, colour::YELLOW, colour::CARD);
            surface.text(place.reason, words, style.aligned(Align::Right));
        }
    }
}

/// A ratio is shown to a tenth, and from 100 on (by the interval's upper end) as a whole number.
fn without_spare_decimals(estimate: Estimate) -> Estimate {
    let decimals = u8::from(estimate.high.whole_part() < 100);
    Estimate {
        value: estimate.value.rounded_to(decimals),
        low: estimate.low.rounded_to(decimals),
        high: estimate.high.rounded_to(decimals),
        n: estimate.n,
    }
}

fn over_dispersion(language: Language, layout: &CountingLayout, surface: &mut dyn Surface<'_>) {
    surface.sign(layout.dispersion_sign, Sign::Attention, colour::YELLOW);
    let style = TextStyle::new(Role::Small, colour::YELLOW, colour::CARD);
    let words = TextId::CountsOverdispersed.text_in(language);
    let width_px = layout
        .dispersion
        .first()
        .map_or(0, |place| place.size.width);
    let mut places = layout.dispersion.iter();
    let max_lines = layout.dispersion.len();
    let scale = surface.type_scale();
    scale.for_each_line(Role::Small, words, width_px, max_lines, |line| {
        if let Some(place) = places.next() {
            surface.text(*place, line, style);
        }
    });
}

fn fields(
    fields: &Fields,
    language: Language,
    layout: &CountingLayout,
    surface: &mut dyn Surface<'_>,
) {
    surface.fill(layout.fields_row, colour::GROUND);
    let label = TextId::Fields.text_in(language);
    let counted = match fields.wanted {
        Some(wanted) => line!("{label} {}/{wanted}", fields.counted),
        None => line!("{label} {}", fields.counted),
    };
    surface.text(layout.fields, &counted, TEXT_ON_GROUND);
    if let Some(wanted) = fields.wanted {
        let (part, whole) = (u64::from(fields.counted), u64::from(wanted));
        score_bar(layout.progress, part, whole, Some(Sign::GoOn), surface);
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
) -> Line {
    let label = TextId::Rejected.text_in(language);
    let heading = line!("{label} {}", rejected.total());
    let with_reasons = |named: usize| {
        let mut text = heading.clone();
        let mut separator = ": ";
        let mut add = |word: TextId, fields: u64| {
            text.push_str(&line!("{separator}{} {fields}", word.text_in(language)));
            separator = ", ";
        };
        for (reason, fields) in rejected.by_frequency().take(named) {
            add(reason.into(), u64::from(fields));
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
    let sign = instruction_sign(instruction);
    let ground = match sign {
        Sign::Good => colour::GREEN,
        Sign::GoOn | Sign::Running => colour::SKY_BLUE,
        Sign::Attention | Sign::Bad | Sign::Paused => colour::ORANGE,
    };
    surface.fill(layout.instruction_ground, ground);
    surface.sign(layout.instruction_sign, sign, colour::INK);
    let style = TextStyle::new(Role::Strong, colour::INK, ground);
    let words = TextId::from(instruction).text_in(language);
    surface.text(layout.instruction, words, style);
}

fn instruction_sign(instruction: Instruction) -> Sign {
    match instruction {
        Instruction::Wait | Instruction::HoldStill => Sign::Running,
        Instruction::NextField => Sign::GoOn,
        Instruction::RunComplete => Sign::Good,
        Instruction::Resume => Sign::Paused,
        Instruction::FocusSlide
        | Instruction::RaiseLight
        | Instruction::LowerLight
        | Instruction::FindThinnerArea
        | Instruction::FindCells
        | Instruction::CheckStain
        | Instruction::SetScale
        | Instruction::CheckCamera
        | Instruction::StartAgain => Sign::Attention,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::model::Rejection;

    #[test]
    fn reasons_that_do_not_fit_are_summed_up() {
        let rejected = RejectedCounts::from_iter([
            (Rejection::Crowded, 1),
            (Rejection::TooDark, 0),
            (Rejection::Empty, 2),
            (Rejection::Blurred, 3),
        ]);
        let cases = [
            (99, "Rejected 6: blurred 3, empty 2, crowded 1"),
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

    #[test]
    fn large_ratios_lose_their_tenth() {
        let estimate = |value, low, high| Estimate {
            value: Decimal::tenths(value),
            low: Decimal::tenths(low),
            high: Decimal::tenths(high),
            n: 9,
        };
        let small = estimate(14, 9, 21);
        assert_eq!(without_spare_decimals(small), small);
        let large = without_spare_decimals(estimate(955, 901, 1012));
        assert_eq!(Form::Full.interval(&large, Language::English), "90-101");
        assert_eq!(large.value, Decimal::whole(96));
    }
}
