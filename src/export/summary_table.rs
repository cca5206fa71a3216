//! A summary as text for a terminal or a log.

use crate::RESEARCH_USE_NOTICE;
use crate::assessment::{Assessment, Effect};
use crate::cell::CellClass;
use crate::count::{ClassSummary, Level, Progress, Summary};
use std::fmt::Write;

/// Lays a summary out: a row for each class with its ratio to the red cells first and what was
/// counted last, then what qualifies the numbers.
///
/// `notes` stand below the table, one a line; then come the numbers of inputs that could not be
/// counted, and of those that need not be. Ratios of a withheld smear are not shown.
pub fn summary_table(
    summary: &Summary,
    assessment: &Assessment,
    notes: &[String],
    [not_counted, left_out]: [u64; 2],
) -> String {
    let is_withheld = assessment.hides_figures();
    let mut text = String::new();
    let interval = format!("{:.0} % interval", 100.0 * summary.confidence.value());
    row(
        &mut text,
        "",
        &ratio_columns(Level::Per1000Rbc.name(), &interval),
        Level::Counted.name(),
    );
    for class in CellClass::ALL.into_iter().rev() {
        let class = summary.class(class);
        let counted = cells_text(class.counted);
        let ratio = match (is_withheld, class.per_1000_rbc) {
            (true, Some(_)) => ratio_columns("withheld", "-"),
            _ => ratio_text(class),
        };
        row(&mut text, class.class.name(), &ratio, &counted);
    }
    let uncertain = format!("{}, not forced into a class", cells_text(summary.uncertain));
    row(&mut text, "uncertain", &ratio_columns("-", "-"), &uncertain);
    let fields = summary.fields;
    // Writing to a string cannot fail.
    let _ = write!(text, "\n{fields} fields counted, {not_counted} not counted");
    let _ = match left_out {
        0 => writeln!(text),
        _ => writeln!(text, ", {left_out} left out"),
    };
    for class in summary.not_reached() {
        let Progress { have, need, .. } = class.progress;
        let _ = writeln!(text, "{} not reached ({have} of {need})", class.class);
    }
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

/// Width of value and interval together, which a reason takes where there is no figure.
const RATIO_WIDTH: usize = 30;

fn row(text: &mut String, name: &str, ratio: &str, counted: &str) {
    let _ = writeln!(text, "{name:<10}{ratio:>RATIO_WIDTH$}   {counted}");
}

fn ratio_columns(value: &str, interval: &str) -> String {
    format!("{value:>12}   {interval:>15}")
}

/// A count is never a bare number, which could be read as the blood's.
fn cells_text(count: u32) -> String {
    format!("n {count} cells")
}

fn ratio_text(class: &ClassSummary) -> String {
    match class.per_1000_rbc {
        None => ratio_columns("-", "-"),
        Some(Err(few)) => few.to_string(),
        Some(Ok(figure)) => {
            let shown = figure.shown();
            let shown = format!("{shown:.*}", usize::from(figure.decimals()));
            if figure.flags().is_at_least {
                ratio_columns(&format!("at least {shown}"), "-")
            } else {
                ratio_columns(&shown, &figure.interval_text())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::PerClass;
    use crate::count::{CountRules, FieldTally, SmearTally};

    /// Ten fields alike but for the white cells, of which the first has one more.
    fn table(wbc: u32, fields: u32, has_clump: bool) -> String {
        let mut smear = SmearTally::default();
        for at in 0..fields {
            let field = FieldTally {
                certain: PerClass::from([
                    (CellClass::Rbc, 500),
                    (CellClass::Wbc, wbc + u32::from(at == 0)),
                    (CellClass::Plt, 18),
                ]),
                uncertain: 1,
                area_q8: 1 << 20,
                has_clump,
            };
            smear.add(&field).unwrap();
        }
        summary_table(
            &smear.summary(&CountRules::default()),
            &Assessment::default(),
            &[],
            [0; 2],
        )
    }

    #[test]
    fn the_ratio_comes_first_and_no_count_stands_bare() {
        let text = table(0, 10, false);
        let lines: Vec<&str> = text.lines().take(5).collect();
        let expected = [
            "            per 1000 RBC     95 % interval   cells counted",
            "PLT                   36             30-43   n 180 cells",
            "WBC             too few WBC: 1 of 10   n 1 cells",
            "RBC                    -                 -   n 5000 cells",
            "uncertain              -                 -   n 10 cells, not forced into a class",
        ];
        for (line, expected) in lines.iter().zip(expected) {
            let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert_eq!(words(line), words(expected), "{text}");
        }
        let ends = lines
            .iter()
            .map(|line| line.find("n 1").or(line.find("n 5")));
        let ends: Vec<_> = ends.flatten().collect();
        assert!(
            ends.windows(2).all(|pair| pair[0] == pair[1]),
            "columns: {text}"
        );
    }

    #[test]
    fn too_few_fields_and_clumps_are_said_in_the_ratios_place() {
        let text = table(3, 9, false);
        assert!(text.contains("too few fields: 9 of 10"));
        assert!(text.contains("\nWBC not reached (28 of 100)\n"), "{text}");
        assert!(!text.contains("PLT not reached"), "{text}");
        let clumped = table(3, 10, true);
        assert!(
            clumped.contains("at least 30") && !clumped.contains("36.0"),
            "{clumped}"
        );
    }
}
