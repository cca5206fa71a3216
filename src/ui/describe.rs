//! A screen in a few lines of plain text, for a terminal too coarse to read the image on and
//! for whoever cannot see it.

use super::model::{Counting, Failure, NoCamera, Screen, Starting, Update};
use super::update_page::{Block, buttons, content, title};
use super::{number, wording};
use crate::count::{Figure, Interval, TooFewCells};
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
    lines.extend(of_notice(counting.notice, language));
    let counts = counting.counts.iter();
    lines.extend(counts.map(|(class, count)| format!("{class}  {}", of_figure(*count, language))));
    let ratios = counting.per_1000_rbc.iter();
    lines.extend(ratios.filter_map(|(class, ratio)| {
        let number = of_figure((*ratio)?, language);
        Some(format!(
            "{class} {}  {number}",
            words(TextId::CountsPer1000Rbc)
        ))
    }));
    let fields = &counting.fields;
    lines.push(format!(
        "{} {}  {} {}  {} {}",
        words(TextId::CountsUncertain),
        counting.uncertain,
        words(TextId::Fields),
        fields.counted,
        words(TextId::Rejected),
        fields.rejected.total()
    ));
    if let Some(percent) = fields.skipped_percent {
        lines.push(format!("{} {percent} %", words(TextId::FieldsSkipped)));
    }
    if counting.is_overdispersed {
        lines.push(words(TextId::CountsOverdispersed).to_owned());
    }
    let identity = &counting.identity;
    let sample = identity.sample.unwrap_or(words(TextId::NoSample));
    lines.push(format!(
        "{sample}  {}  {}",
        wording::clock(identity.clock, language),
        words(counting.run.into())
    ));
    lines.push(words(TextId::ResearchUse).to_owned());
    lines
}

fn of_figure(figure: Result<Figure, TooFewCells>, language: Language) -> String {
    match figure {
        Ok(figure) => {
            let Interval { low, high } = figure.interval();
            let decimal = |number| number::decimal(number, figure.decimals(), language);
            format!(
                "{}  ({} {}-{}, n {})",
                decimal(figure.value()),
                TextId::CountsInterval.text_in(language),
                decimal(low),
                decimal(high),
                figure.n()
            )
        }
        Err(few) => {
            let words = TextId::CountsTooFewCells.text_in(language);
            format!("{words}  (n {})", few.counted)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_never_stands_without_interval_and_n() {
        let interval = Interval {
            low: 1.094,
            high: 1.812,
        };
        let ratio = Figure::of_ratio(1.423, interval, 64);
        assert_eq!(
            of_figure(Ok(ratio), Language::English),
            "1.42  (95 % interval 1.09-1.81, n 64)"
        );
        let few = TooFewCells {
            class: None,
            counted: 2,
            needed: 10,
        };
        assert_eq!(
            of_figure(Err(few), Language::English),
            "too few cells  (n 2)"
        );
    }
}
