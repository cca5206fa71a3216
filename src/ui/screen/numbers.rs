//! The numbers of the counting screen: ratios in the largest type, cells counted small.

use super::parts::{LABEL_ON_CARD, NO_VALUE};
use crate::cell::CellClass;
use crate::count::{Figure, Interval, Progress};
use crate::language::{Language, TextId};
use crate::session::smear::RunState;
use crate::ui::colour;
use crate::ui::fixed_string::{FixedString, fixed_format};
use crate::ui::font::Role;
use crate::ui::icon::StatusIcon;
use crate::ui::layout::{CountingLayout, Metrics, RatioPlace};
use crate::ui::model::Counting;
use crate::ui::surface::{Align, Surface, TextStyle};
use crate::ui::{number, wording};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::primitives::Rectangle;

const TEXT_ON_CARD: TextStyle = TextStyle::new(Role::Small, colour::TEXT, colour::CARD);
const NAME_ON_CARD: TextStyle = TextStyle::new(Role::SmallBold, colour::TEXT, colour::CARD);

/// The classes whose ratio to the red cells is shown, from above.
fn ratio_classes() -> impl Iterator<Item = CellClass> {
    let classes = CellClass::ALL.into_iter().rev();
    classes.filter(|class| *class != CellClass::Rbc)
}

/// Draws ratios, cells counted and cells uncertain, each with its level.
pub(super) fn numbers(
    counting: &Counting<'_>,
    layout: &CountingLayout,
    metrics: Metrics,
    surface: &mut dyn Surface<'_>,
) {
    let language = counting.language;
    let (title, title_colour) = match counting.run {
        RunState::Live => (TextId::CountsSoFar, colour::TEXT),
        RunState::Finished if counting.is_withheld => (TextId::RunWithheld, colour::ORANGE),
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
    for (class, place) in ratio_classes().zip(layout.ratios) {
        surface.fill(place.rule, colour::RULE);
        surface.mark(place.mark, Some(class), metrics.line + 1);
        surface.text(place.name, class.name(), NAME_ON_CARD);
        match counting.per_1000_rbc[class] {
            _ if counting.hides_figures => {
                let words = TextId::CountsWithheld.text_in(language);
                no_ratio(Some(words), place, surface);
            }
            Some(Ok(figure)) => ratio(&figure, place, language, surface),
            Some(Err(few)) => no_ratio(Some(&wording::too_few(few, language)), place, surface),
            None => no_ratio(None, place, surface),
        }
        let cells = counting.cells[class];
        cells_counted(cells, place.n, LABEL_ON_CARD, language, surface);
        target(counting.progress[class], place.target, language, surface);
    }

    let red_cells = (Some(CellClass::Rbc), CellClass::Rbc.name());
    let uncertain = (None, TextId::CountsUncertain.text_in(language));
    for ((class, name), place, cells) in [
        (red_cells, layout.red_cells, counting.cells[CellClass::Rbc]),
        (uncertain, layout.uncertain, counting.uncertain),
    ] {
        surface.fill(place.rule, colour::RULE);
        surface.mark(place.mark, class, metrics.line);
        surface.text(place.name, name, TEXT_ON_CARD);
        let style = LABEL_ON_CARD.aligned(Align::Right);
        cells_counted(cells, place.n, style, language, surface);
    }
}

fn number_style(text_colour: Rgb888) -> TextStyle {
    TextStyle::new(Role::Number, text_colour, colour::CARD).aligned(Align::Right)
}

fn ratio(figure: &Figure, place: RatioPlace, language: Language, surface: &mut dyn Surface<'_>) {
    let level = TextId::from(figure.level()).text_in(language);
    surface.text(place.level, level, LABEL_ON_CARD);
    number(place.number, number_style(colour::TEXT), surface, |form| {
        form.decimal(figure.shown(), figure.decimals(), language)
    });
    if figure.flags().is_at_least {
        let words = TextId::CountsAtLeast.text_in(language);
        let style = TextStyle::new(Role::Small, colour::YELLOW, colour::CARD);
        surface.text(place.bound, words, style.aligned(Align::Right));
        return;
    }
    let style = LABEL_ON_CARD.aligned(Align::Right);
    number(place.interval, style, surface, |form| {
        form.interval(figure, language)
    });
}

fn no_ratio(reason: Option<&str>, place: RatioPlace, surface: &mut dyn Surface<'_>) {
    surface.text(place.number, NO_VALUE, number_style(colour::LABEL));
    if let Some(words) = reason {
        let style = TextStyle::new(Role::Small, colour::YELLOW, colour::CARD);
        surface.text(place.reason, words, style.aligned(Align::Right));
    }
}

/// `n 181 cells`: small, and never a bare number beside a class.
fn cells_counted(
    cells: u32,
    place: Rectangle,
    style: TextStyle,
    language: Language,
    surface: &mut dyn Surface<'_>,
) {
    let words = TextId::CountsCells.text_in(language);
    number(place, style, surface, |form| {
        fixed_format!("n {} {words}", form.whole(cells.into(), language))
    });
}

/// Whether a class has cells enough, or how many that takes.
fn target(progress: Progress, place: Rectangle, language: Language, surface: &mut dyn Surface<'_>) {
    if progress.is_done() {
        let style = TextStyle::new(Role::Small, colour::GREEN, colour::CARD);
        let words = TextId::CountsDone.text_in(language);
        surface.text(place, words, style.aligned(Align::Right));
        return;
    }
    let of = TextId::CountsOf.text_in(language);
    let style = LABEL_ON_CARD.aligned(Align::Right);
    number(place, style, surface, |form| {
        fixed_format!("{of} {}", form.whole(progress.need.into(), language))
    });
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
    fn decimal(self, number: f64, decimals: u8, language: Language) -> FixedString {
        match self {
            Form::Full => number::decimal(number, decimals, language),
            Form::Compact => number::compact(number, decimals, language),
        }
    }

    fn whole(self, number: u64, language: Language) -> FixedString {
        self.decimal(number as f64, 0, language)
    }

    fn interval(self, figure: &Figure, language: Language) -> FixedString {
        let Interval { low, high } = figure.interval();
        let [low, high] = [low, high].map(|end| self.decimal(end, figure.decimals(), language));
        fixed_format!("{low}-{high}")
    }
}

/// Adds a number, compact where it would be cut otherwise: a cut number reads as another one.
fn number(
    place: Rectangle,
    style: TextStyle,
    surface: &mut dyn Surface<'_>,
    written: impl Fn(Form) -> FixedString,
) {
    let full = written(Form::Full);
    let fits = surface.type_scale().width_px(style.role, &full) <= place.size.width;
    let shown = if fits { full } else { written(Form::Compact) };
    surface.text(place, &shown, style);
}

/// Says that fields differ by more than chance.
pub(super) fn overdispersion(
    language: Language,
    layout: &CountingLayout,
    surface: &mut dyn Surface<'_>,
) {
    surface.icon(
        layout.dispersion_icon,
        StatusIcon::Attention,
        colour::YELLOW,
    );
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
