//! The counting screen: preview and states at the left, numbers at the right, what to do below.

use super::{BarState, research_line, top_bar};
use crate::cell::CellClass;
use crate::ui::colour;
use crate::ui::font::Role;
use crate::ui::icon::Sign;
use crate::ui::layout::{Budget, ClassPlace, CountingLayout, RatioPlace, ScreenSize, StatePlace};
use crate::ui::model::{
    Brightness, Counting, Decimal, Density, Estimate, Fields, Instruction, Preview, Reading,
    RunState, Scale, Sharpness,
};
use crate::ui::preview::fitted_size_px;
use crate::ui::scene::{Align, Element, Scene, TextStyle};
use crate::ui::text::{self, Language, TextId};
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

pub(super) fn compose<'a>(counting: &Counting<'a>, size: ScreenSize, scene: &mut Scene<'a>) {
    let layout = CountingLayout::of(size);
    let budget = size.budget();
    let language = counting.language;

    let state = bar_state(counting.run);
    top_bar(layout.bar, &counting.identity, state, language, scene);
    preview(counting.preview, language, layout.preview, budget, scene);
    states(counting, &layout, scene);

    scene.fill(layout.card, colour::CARD);
    counts(counting, &layout, budget, scene);
    ratios(counting, &layout, scene);
    if counting.over_dispersed {
        over_dispersion(language, &layout, scene);
    }

    fields(&counting.fields, language, &layout, scene);
    if let Some(warning) = counting.warning {
        scene.fill(layout.warning_ground, colour::WARNING_GROUND);
        scene.sign(layout.warning_sign, Sign::Attention, colour::YELLOW);
        let style = TextStyle::new(Role::Small, colour::YELLOW, colour::WARNING_GROUND);
        let words = TextId::from(warning).text_in(language);
        scene.text(layout.warning, words, style);
    }
    instruction(counting.instruction, language, &layout, scene);
    research_line(layout.research, language, scene);
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
    scene: &mut Scene<'a>,
) {
    let Some(preview) = preview else {
        scene.fill(place, colour::CARD);
        let words = TextId::NoPicture.text_in(language);
        scene.text(place, words, LABEL_ON_CARD.aligned(Align::Centre));
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
        scene.fill(place, colour::CARD);
    }
    scene.push(Element::Picture {
        area,
        picture: preview.picture,
    });
    scene.push(Element::Cells {
        area,
        cells: preview.cells,
        frame_size_px,
        width_px: budget.line,
    });
}

/// The sign and word of a state, or a dash before the first frame.
struct State {
    sign: Option<Sign>,
    word: String,
}

impl State {
    fn of(sign: Sign, word: TextId, language: Language) -> Self {
        Self {
            sign: Some(sign),
            word: word.text_in(language).to_owned(),
        }
    }

    fn none() -> Self {
        Self {
            sign: None,
            word: NO_VALUE.to_owned(),
        }
    }
}

fn states(counting: &Counting<'_>, layout: &CountingLayout, scene: &mut Scene<'_>) {
    let language = counting.language;

    let focus = counting.focus.map_or_else(State::none, |focus| {
        State::of(
            focus_sign(focus.sharpness),
            focus.sharpness.into(),
            language,
        )
    });
    state_row(layout.focus, TextId::Focus, &focus, language, scene);
    let score = counting.focus.map_or(0, |focus| focus.score.min(100));
    score_bar(layout.focus.bar, u64::from(score), 100, focus.sign, scene);

    let light = counting.brightness.map_or_else(State::none, |light| {
        let sign = match light {
            Brightness::Good => Sign::Good,
            Brightness::Dark | Brightness::Bright => Sign::Attention,
        };
        State::of(sign, light.into(), language)
    });
    state_row(layout.light, TextId::Light, &light, language, scene);

    let density = counting.density.map_or_else(State::none, |density| {
        let sign = match density {
            Density::Good => Sign::Good,
            Density::Empty => Sign::Bad,
            Density::Sparse | Density::Crowded => Sign::Attention,
        };
        State::of(sign, density.into(), language)
    });
    state_row(layout.density, TextId::Density, &density, language, scene);

    let scale = scale_state(counting.scale, language);
    state_row(layout.scale, TextId::ScaleUnit, &scale, language, scene);
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
        text::decimal(thousandths, language)
    };
    match scale {
        Scale::Unknown => State::of(Sign::Bad, TextId::ScaleUnknown, language),
        Scale::Calibrated { nm_per_px } => State {
            sign: Some(Sign::Good),
            word: format!(
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
            word: format!(
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
    scene: &mut Scene<'_>,
) {
    scene.text(place.label, label.text_in(language), LABEL_ON_GROUND);
    if let Some(sign) = state.sign {
        scene.sign(place.sign, sign, sign.colour());
    }
    let word = if label == TextId::Focus {
        place.word
    } else {
        place.wide_word
    };
    scene.text(word, &state.word, TEXT_ON_GROUND);
}

/// A bar filled by a share of the whole.
fn score_bar(place: Rectangle, part: u64, whole: u64, sign: Option<Sign>, scene: &mut Scene<'_>) {
    scene.fill(place, colour::RULE);
    let width = u64::from(place.size.width);
    // At most the place's width.
    let filled = (width * part.min(whole) / whole.max(1)) as u32;
    let fill_colour = sign.map_or(colour::LABEL, Sign::colour);
    let size = Size::new(filled, place.size.height);
    scene.fill(Rectangle::new(place.top_left, size), fill_colour);
}

fn counts(counting: &Counting<'_>, layout: &CountingLayout, budget: Budget, scene: &mut Scene<'_>) {
    let language = counting.language;
    let (title, title_colour) = match counting.run {
        RunState::Live | RunState::Paused => (TextId::CountsSoFar, colour::TEXT),
        RunState::Finished => (TextId::CountsResult, colour::TEXT),
        RunState::Unfinished => (TextId::CountsNoResult, colour::ORANGE),
    };
    let title_style = TextStyle::new(Role::SmallBold, title_colour, colour::CARD);
    scene.text(layout.counts_title, title.text_in(language), title_style);
    scene.text(
        layout.interval_title,
        TextId::Interval.text_in(language),
        LABEL_ON_CARD.aligned(Align::Right),
    );

    let classes = CellClass::ALL.into_iter().zip(layout.classes);
    for ((class, place), reading) in classes.zip(counting.counts) {
        class_row(class, place, reading, language, budget, scene);
    }

    scene.fill(layout.uncertain_rule, colour::RULE);
    scene.push(Element::Mark {
        area: layout.uncertain_mark,
        class: None,
        width_px: budget.line,
    });
    let words = TextId::Uncertain.text_in(language);
    scene.text(layout.uncertain_name, words, TEXT_ON_CARD);
    let uncertain = Decimal::whole(counting.uncertain);
    let style = NAME_ON_CARD.aligned(Align::Right);
    number(layout.uncertain_number, style, scene, |form| {
        form.of(uncertain, language)
    });
}

fn class_row(
    class: CellClass,
    place: ClassPlace,
    reading: Reading,
    language: Language,
    budget: Budget,
    scene: &mut Scene<'_>,
) {
    scene.fill(place.rule, colour::RULE);
    scene.push(Element::Mark {
        area: place.mark,
        class: Some(class),
        width_px: budget.line + 1,
    });
    scene.text(place.name, class.name(), NAME_ON_CARD);
    number(place.n, LABEL_ON_CARD, scene, |form| {
        form.n(reading.n(), language)
    });
    let number_style = |text_colour: Rgb888| {
        TextStyle::new(Role::Number, text_colour, colour::CARD).aligned(Align::Right)
    };
    match reading {
        Reading::Known(estimate) => {
            let style = number_style(colour::TEXT);
            number(place.number, style, scene, |form| {
                form.of(estimate.value, language)
            });
            let style = LABEL_ON_CARD.aligned(Align::Right);
            number(place.interval, style, scene, |form| {
                form.interval(&estimate, language)
            });
        }
        Reading::TooFew { .. } => {
            scene.text(place.number, NO_VALUE, number_style(colour::LABEL));
            let words = TextId::TooFewCells.text_in(language);
            let style = TextStyle::new(Role::Small, colour::YELLOW, colour::CARD);
            scene.text(place.interval, words, style.aligned(Align::Right));
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
    fn of(self, number: Decimal, language: Language) -> String {
        match self {
            Form::Full => text::decimal(number, language),
            Form::Compact => text::compact(number, language),
        }
    }

    fn interval(self, estimate: &Estimate, language: Language) -> String {
        let [low, high] = [estimate.low, estimate.high].map(|end| self.of(end, language));
        format!("{low}-{high}")
    }

    fn n(self, n: u64, language: Language) -> String {
        format!("n {}", self.of(Decimal::whole(n), language))
    }
}

/// Adds a number, compact where it would be cut otherwise: a cut number reads as another one.
fn number(
    place: Rectangle,
    style: TextStyle,
    scene: &mut Scene<'_>,
    written: impl Fn(Form) -> String,
) {
    let full = written(Form::Full);
    let fits = scene.type_scale().width_px(style.role, &full) <= place.size.width;
    let shown = if fits { full } else { written(Form::Compact) };
    scene.text(place, &shown, style);
}

fn ratios(counting: &Counting<'_>, layout: &CountingLayout, scene: &mut Scene<'_>) {
    let language = counting.language;
    let readings = [
        (CellClass::Wbc, counting.wbc_per_1000_rbc),
        (CellClass::Plt, counting.plt_per_1000_rbc),
    ];
    if readings.iter().all(|(_, reading)| reading.is_none()) {
        return;
    }
    scene.fill(layout.ratio_rule, colour::RULE);
    let title = TextId::PerThousandRbc.text_in(language);
    scene.text(layout.ratio_title, title, LABEL_ON_CARD);
    for ((class, reading), place) in readings.into_iter().zip(layout.ratios) {
        if let Some(reading) = reading {
            ratio_row(class, place, reading, language, scene);
        }
    }
}

fn ratio_row(
    class: CellClass,
    place: RatioPlace,
    reading: Reading,
    language: Language,
    scene: &mut Scene<'_>,
) {
    scene.text(place.name, class.name(), TEXT_ON_CARD);
    let n_style = LABEL_ON_CARD.aligned(Align::Right);
    match reading {
        Reading::Known(estimate) => {
            let estimate = without_spare_decimals(estimate);
            let value_style = NAME_ON_CARD.aligned(Align::Right);
            number(place.value, value_style, scene, |form| {
                form.of(estimate.value, language)
            });
            number(place.interval, n_style, scene, |form| {
                form.interval(&estimate, language)
            });
            number(place.n, n_style, scene, |form| form.n(estimate.n, language));
        }
        Reading::TooFew { n } => {
            number(place.few_n, n_style, scene, |form| form.n(n, language));
            let words = TextId::TooFewCells.text_in(language);
            let style = TextStyle::new(Role::Small, colour::YELLOW, colour::CARD);
            scene.text(place.reason, words, style.aligned(Align::Right));
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

fn over_dispersion(language: Language, layout: &CountingLayout, scene: &mut Scene<'_>) {
    scene.sign(layout.dispersion_sign, Sign::Attention, colour::YELLOW);
    let style = TextStyle::new(Role::Small, colour::YELLOW, colour::CARD);
    let words = TextId::OverDispersed.text_in(language);
    let width_px = layout
        .dispersion
        .first()
        .map_or(0, |place| place.size.width);
    let lines = scene
        .type_scale()
        .wrapped(Role::Small, words, width_px, layout.dispersion.len());
    for (line, place) in lines.iter().zip(&layout.dispersion) {
        scene.text(*place, line, style);
    }
}

fn fields(fields: &Fields, language: Language, layout: &CountingLayout, scene: &mut Scene<'_>) {
    let label = TextId::Fields.text_in(language);
    let counted = match fields.wanted {
        Some(wanted) => {
            format!("{label} {}/{wanted}", fields.counted)
        }
        None => format!("{label} {}", fields.counted),
    };
    scene.text(layout.fields, &counted, TEXT_ON_GROUND);
    if let Some(wanted) = fields.wanted {
        let (part, whole) = (u64::from(fields.counted), u64::from(wanted));
        score_bar(layout.progress, part, whole, Some(Sign::GoOn), scene);
    }
    let room_px = layout.rejected.size.width;
    let scale = scene.type_scale();
    let rejected = rejected_text(fields, language, |text| {
        scale.width_px(Role::Small, text) <= room_px
    });
    let style = LABEL_ON_GROUND.aligned(Align::Right);
    scene.text(layout.rejected, &rejected, style);
}

/// `Rejected 5: blurred 3, dark 2`, with the last reasons summed up as `other` where they do
/// not all fit.
fn rejected_text(fields: &Fields, language: Language, fits: impl Fn(&str) -> bool) -> String {
    let reasons: Vec<_> = fields.rejected.iter().filter(|(_, n)| *n > 0).collect();
    let total = fields.rejected_total();
    let label = TextId::Rejected.text_in(language);
    let heading = format!("{label} {total}");
    let with_reasons = |named: usize| {
        let other: u64 = reasons[named..].iter().map(|(_, n)| u64::from(*n)).sum();
        let mut parts: Vec<String> = reasons[..named]
            .iter()
            .map(|(reason, n)| format!("{} {n}", TextId::from(*reason).text_in(language)))
            .collect();
        if other > 0 {
            let word = TextId::RejectedOther.text_in(language);
            parts.push(format!("{word} {other}"));
        }
        format!("{heading}: {}", parts.join(", "))
    };
    (1..=reasons.len())
        .rev()
        .map(with_reasons)
        .find(|text| fits(text))
        .unwrap_or(heading)
}

fn instruction(
    instruction: Instruction,
    language: Language,
    layout: &CountingLayout,
    scene: &mut Scene<'_>,
) {
    let sign = instruction_sign(instruction);
    let ground = match sign {
        Sign::Good => colour::GREEN,
        Sign::GoOn | Sign::Running => colour::SKY_BLUE,
        Sign::Attention | Sign::Bad | Sign::Paused => colour::ORANGE,
    };
    scene.fill(layout.instruction_ground, ground);
    scene.sign(layout.instruction_sign, sign, colour::INK);
    let style = TextStyle::new(Role::Strong, colour::INK, ground);
    let words = TextId::from(instruction).text_in(language);
    scene.text(layout.instruction, words, style);
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
        let fields = Fields {
            counted: 4,
            wanted: None,
            rejected: vec![
                (Rejection::Blurred, 3),
                (Rejection::TooDark, 0),
                (Rejection::Empty, 2),
                (Rejection::Crowded, 1),
            ],
        };
        let cases = [
            (99, "Rejected 6: blurred 3, empty 2, crowded 1"),
            (36, "Rejected 6: blurred 3, empty 2, other 1"),
            (34, "Rejected 6: blurred 3, other 3"),
            (12, "Rejected 6"),
        ];
        for (room, expected) in cases {
            let fits = |text: &str| text.len() <= room.max(expected.len());
            assert_eq!(rejected_text(&fields, Language::English, fits), expected);
        }
        let none = rejected_text(&Fields::default(), Language::English, |_| true);
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
