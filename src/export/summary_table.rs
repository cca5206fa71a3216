//! A summary as text for a terminal or a log.

use crate::RESEARCH_USE_NOTICE;
use crate::assessment::{Assessment, Effect, Verdict};
use crate::count::{ClassSummary, Figure, Summary, TooFewCells};
use std::fmt::Write;

/// Lays a summary out: a row for each class, then what qualifies the numbers.
///
/// `notes` stand below the table, one a line; then come the numbers of inputs that could not be
/// counted, and of those that need not be. Ratios of a withheld smear are not shown.
pub fn summary_table(
    summary: &Summary,
    assessment: &Assessment,
    notes: &[String],
    [not_counted, left_out]: [u64; 2],
) -> String {
    let is_withheld = assessment.verdict() == Verdict::Withheld;

    let mut text = String::new();
    let percent = 100.0 * summary.confidence.value();
    let interval = format!("{percent:.0} % interval");
    let mut row = |cells: [&str; 5]| {
        let [class, counted, interval, ratio, share] = cells;
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{class:<6}{counted:>8}  {interval:<26}{ratio:<28}{share}"
        );
    };
    row([
        "class",
        "cells",
        &interval,
        "per 1000 RBC (interval)",
        "share of cells, %",
    ]);
    for class in summary.classes.values() {
        let counted = class.counted.to_string();
        let (count, ratio, share) = if is_withheld {
            ("-".to_owned(), "withheld".to_owned(), "-".to_owned())
        } else {
            (
                count_text(class),
                ratio_text(class),
                figure_text(class.share),
            )
        };
        row([class.class.name(), &counted, &count, &ratio, &share]);
    }
    let uncertain = summary.uncertain.to_string();
    row(["uncert.", &uncertain, "not forced into a class", "", ""]);
    let fields = summary.fields;
    let _ = write!(text, "\n{fields} fields counted, {not_counted} not counted");
    let _ = match left_out {
        0 => writeln!(text),
        _ => writeln!(text, ", {left_out} left out"),
    };
    for note in notes {
        let _ = writeln!(text, "{note}");
    }
    for finding in assessment.findings() {
        let word = match finding.effect() {
            Effect::Withhold => "WITHHELD",
            Effect::Remark => "Remark",
        };
        let _ = writeln!(text, "{word}: {finding}");
    }
    let _ = writeln!(text, "{RESEARCH_USE_NOTICE}");
    text
}

/// The interval alone: the number stands in its own column.
fn count_text(class: &ClassSummary) -> String {
    class
        .count
        .map_or_else(|few| few.to_string(), |figure| figure.interval_text())
}

fn ratio_text(class: &ClassSummary) -> String {
    class
        .per_1000_rbc
        .map_or_else(|| "-".to_owned(), figure_text)
}

fn figure_text(figure: Result<Figure, TooFewCells>) -> String {
    figure.map_or_else(|few| few.to_string(), |figure| figure.to_string())
}
