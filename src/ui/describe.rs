//! A screen in a few lines of plain text, for a terminal too coarse to read the image on and
//! for whoever cannot see it.

use super::model::{Counting, Failure, NoCamera, Screen, Starting, Update};
use super::update_page::{Block, buttons, content, title};
use super::{number, wording};
use crate::cell::CellClass;
use crate::count::{Figure, Interval, TooFew};
use crate::language::{Language, TextId};
use crate::session::guidance::Notice;

/// What a screen says, most important first.
pub fn lines(screen: &Screen<'_>) -> Vec<String> {
    match screen {
        Screen::Starting(starting) => of_starting(starting),
        Screen::Counting(counting) => of_counting(counting),
        Screen::NoCamera(missing) => of_missing_camera(missing),
        Screen::Update(update) => of_update(update),
        Screen::Failure(failure) => of_failure(failure),
    }
}

fn of_starting(starting: &Starting) -> Vec<String> {
    let words = |id: TextId| id.text_in(starting.language);
    vec![
        format!("hemoscope {}", starting.version),
        words(TextId::StartLoading).to_owned(),
        words(TextId::ResearchUse).to_owned(),
    ]
}

fn of_missing_camera(missing: &NoCamera<'_>) -> Vec<String> {
    let words = |id: TextId| id.text_in(missing.language);
    let mut lines = vec![
        format!("{} ({})", words(missing.unavailable.into()), missing.camera),
        words(wording::camera_help(missing.unavailable)).to_owned(),
    ];
    lines.extend(of_notice(missing.notice, missing.language));
    lines.push(words(TextId::ResearchUse).to_owned());
    lines
}

fn of_notice(notice: Option<Notice>, language: Language) -> Option<String> {
    notice.map(|notice| wording::notice(notice, language).to_string())
}

fn of_update(update: &Update<'_>) -> Vec<String> {
    let words = |id: TextId| id.text_in(update.language);
    let mut lines = vec![words(title(&update.page)).to_owned()];
    lines.extend(
        content(&update.page, update.language).map(|block| match block {
            Block::Version(label, version) => format!("{} {version}", words(label)),
            Block::Percent(percent) => format!("{} %", percent.min(100)),
            Block::Text(id) | Block::Strong(id) | Block::Label(id) | Block::Heading(id) => {
                words(id).to_owned()
            }
            Block::Untranslated(text) => text.to_owned(),
        }),
    );
    let buttons = (1..).zip(buttons(&update.page));
    lines.extend(buttons.filter_map(|(number, id)| Some(format!("{number}: {}", words(id?)))));
    lines.push(words(TextId::ResearchUse).to_owned());
    lines
}

fn of_failure(failure: &Failure<'_>) -> Vec<String> {
    let words = |id: TextId| id.text_in(failure.language);
    let mut lines = vec![
        words(TextId::Error).to_owned(),
        failure.what_happened.clone(),
        failure.what_to_do.clone(),
    ];
    lines.extend(of_notice(failure.notice, failure.language));
    lines.push(words(TextId::ResearchUse).to_owned());
    lines
}

/// What the counting screen says, most important first.
pub fn of_counting(counting: &Counting<'_>) -> Vec<String> {
    let language = counting.language;
    let words = |id: TextId| id.text_in(language);

    let mut lines = vec![words(counting.instruction.into()).to_owned()];
    lines.extend(
        counting
            .warning
            .map(|warning| words(warning.into()).to_owned()),
    );
    lines.extend(wording::message(counting).map(|words| words.to_string()));
    for class in CellClass::ALL.into_iter().rev() {
        let n = cells_text(counting.cells[class], language);
        lines.push(match counting.per_1000_rbc[class] {
            Some(_) if counting.hides_figures => {
                format!("{class}  {}  ({n})", words(TextId::CountsWithheld))
            }
            Some(ratio) => format!("{class}  {}", of_figure(ratio, &n, language)),
            None => format!("{class}  {n}"),
        });
    }
    let fields = &counting.fields;
    lines.push(format!(
        "{} {}  {} {}  {} {}",
        words(TextId::CountsUncertain),
        cells_text(counting.uncertain, language),
        words(TextId::Fields),
        fields.counted,
        words(TextId::Rejected),
        fields.rejected.total()
    ));
    if counting.is_overdispersed {
        lines.push(words(TextId::CountsOverdispersed).to_owned());
    }
    let identity = &counting.identity;
    let sample = &*wording::sample(identity, language);
    lines.push(format!(
        "{sample}  {}  {}",
        wording::clock(identity.clock, language),
        words(wording::run_state(counting.run, counting.is_withheld))
    ));
    lines.push(words(TextId::ResearchUse).to_owned());
    lines
}

/// Cells counted, marked as such: a bare number could be read as the blood's.
fn cells_text(cells: u32, language: Language) -> String {
    format!("n {cells} {}", TextId::CountsCells.text_in(language))
}

/// A figure with its level, or why there is none; `n` is the text of the cells behind it.
fn of_figure(figure: Result<Figure, TooFew>, n: &str, language: Language) -> String {
    let figure = match figure {
        Ok(figure) => figure,
        Err(few) => return format!("{}  ({n})", &*wording::too_few(few, language)),
    };
    let words = |id: TextId| id.text_in(language);
    let decimal = |number| number::decimal(number, figure.decimals(), language);
    let (shown, level) = (decimal(figure.shown()), words(figure.level().into()));
    if figure.flags().is_at_least {
        return format!("{} {shown} {level}  ({n})", words(TextId::CountsAtLeast));
    }
    let Interval { low, high } = figure.interval();
    format!(
        "{shown} {level}  ({} {}-{}, {n})",
        words(TextId::CountsInterval),
        decimal(low),
        decimal(high),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::count::FigureFlags;

    #[test]
    fn a_number_never_stands_without_level_interval_and_n() {
        let interval = Interval {
            low: 1.094,
            high: 1.812,
        };
        let ratio = Figure::per_1000_rbc(1.423, interval, 64);
        let told = |figure| of_figure(figure, "n 64 cells", Language::English);
        assert_eq!(
            told(Ok(ratio)),
            "1.42 per 1000 RBC  (95 % interval 1.09-1.81, n 64 cells)"
        );
        let at_least = ratio.with_flags(FigureFlags {
            is_at_least: true,
            ..FigureFlags::default()
        });
        assert_eq!(
            told(Ok(at_least)),
            "at least 1.09 per 1000 RBC  (n 64 cells)"
        );
        let few_cells = TooFew::Cells {
            class: CellClass::Rbc,
            counted: 85,
            needed: 100,
        };
        assert_eq!(told(Err(few_cells)), "too few RBC: 85 of 100  (n 64 cells)");
        let few_fields = TooFew::Fields {
            counted: 9,
            needed: 10,
        };
        assert_eq!(
            told(Err(few_fields)),
            "too few fields: 9 of 10  (n 64 cells)"
        );
    }
}
