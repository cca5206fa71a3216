//! The rules on smears made of boxes.

use super::*;
use crate::cell::{BoundingBox, Cell, CellClass, PerClass};
use crate::quality::RejectReason;
use crate::random::Random;
use proptest::prelude::*;

const FRAME_PX: (u32, u32) = (640, 480);
/// 50 px.
const RBC_DIAMETER_Q4: u32 = 800;

/// A certain, counted cell around a place, in pixels.
fn cell(class: CellClass, (x, y): (i32, i32), diameter_px: i32) -> Cell {
    let half_q4 = diameter_px * 8;
    Cell {
        best_class: Some(class),
        certain: true,
        bounds: BoundingBox {
            x0_q4: x * 16 - half_q4,
            y0_q4: y * 16 - half_q4,
            x1_q4: x * 16 + half_q4,
            y1_q4: y * 16 + half_q4,
        },
        confidence_e4: 9_800,
        counted: true,
    }
}

/// A field of red cells in rows, none of which overlaps another, with what else lies there.
fn field(red_px: i32, others: impl IntoIterator<Item = Cell>) -> Vec<Cell> {
    let places = (0..28).map(|place| (50 + place % 7 * 90, 60 + place / 7 * 100));
    let red = places.map(|place| cell(CellClass::Rbc, place, red_px));
    red.chain(others).collect()
}

fn facts(fields: impl IntoIterator<Item = Vec<Cell>>) -> SmearFacts {
    let mut facts = SmearFacts::default();
    for cells in fields {
        facts.add(&evidence(&cells));
    }
    facts
}

fn evidence(cells: &[Cell]) -> FieldEvidence<'_> {
    FieldEvidence {
        cells,
        frame_px: FRAME_PX,
        rbc_diameter_q4: RBC_DIAMETER_Q4,
        coverage_permille: 500,
        unexplained_permille: 10,
        colours: FieldColours::default(),
        rim_permille: 0,
    }
}

fn counts(rbc: u32, wbc: u32, plt: u32, uncertain: u32) -> Counts {
    Counts {
        certain: PerClass::from([
            (CellClass::Rbc, rbc),
            (CellClass::Wbc, wbc),
            (CellClass::Plt, plt),
        ]),
        uncertain,
        overdispersed: PerClass::default(),
        fields: 10,
        refused: RefusedFields::default(),
        fields_with_clumps: 0,
        forced_fields: 0,
    }
}

/// The ids of what was found, and the verdict.
fn found(counts: &Counts, facts: &SmearFacts) -> (Vec<&'static str>, Verdict) {
    let assessment = assess(counts, facts, &AssessmentLimits::default());
    let ids = assessment.findings().map(Finding::id).collect();
    (ids, assessment.verdict())
}

#[test]
fn ordinary_blood_is_a_plain_result() {
    let facts = facts((0..10).map(|_| field(50, [])));
    let nothing = SmearFacts::default();
    let cases = [
        (counts(7_140, 10, 360, 100), &facts),
        (counts(0, 0, 0, 0), &nothing),
        (counts(280, 9, 9, 9), &facts),
    ];
    for (counts, facts) in cases {
        assert_eq!(
            found(&counts, facts),
            (vec![], Verdict::Result),
            "{counts:?}"
        );
    }
}

#[test]
fn numbers_that_blood_does_not_hold_are_told() {
    use Verdict::{ResultWithRemarks, Withheld};
    let none = SmearFacts::default();
    let cases = [
        (
            counts(1_000, 60, 40, 0),
            "white_cells_beyond_blood",
            ResultWithRemarks,
        ),
        (
            counts(1_000, 400, 40, 0),
            "white_cells_beyond_blood",
            Withheld,
        ),
        // The parasitised red cells of a dark stain.
        (
            counts(5_530, 437, 60, 0),
            "white_cells_beyond_blood",
            ResultWithRemarks,
        ),
        (counts(27, 520, 0, 0), "white_cells_beyond_blood", Withheld),
        (counts(0, 15, 0, 0), "white_cells_beyond_blood", Withheld),
        (counts(240, 0, 254, 0), "platelets_beyond_blood", Withheld),
        (
            counts(1_000, 1, 350, 0),
            "platelets_beyond_blood",
            ResultWithRemarks,
        ),
        (counts(0, 0, 80, 0), "platelets_beyond_blood", Withheld),
        (counts(900, 1, 40, 140), "many_uncertain", ResultWithRemarks),
        (counts(900, 1, 40, 400), "many_uncertain", Withheld),
    ];
    for (counts, id, verdict) in cases {
        assert_eq!(found(&counts, &none), (vec![id], verdict), "{counts:?}");
    }
}

#[test]
fn chance_in_a_few_cells_is_not_told() {
    let none = SmearFacts::default();
    for counts in [
        counts(100, 9, 5, 0),
        counts(200, 10, 5, 0),
        counts(40, 0, 15, 0),
        counts(90, 0, 0, 12),
    ] {
        assert_eq!(
            found(&counts, &none),
            (vec![], Verdict::Result),
            "{counts:?}"
        );
    }
}

#[test]
fn red_cells_have_to_be_as_large_as_the_scale_says() {
    let counts = counts(280, 0, 10, 0);
    for (red_px, is_told) in [
        (20, true),
        (43, true),
        (45, false),
        (50, false),
        (55, false),
        (58, true),
    ] {
        let facts = facts((0..10).map(|_| field(red_px, [])));
        let expected = if is_told {
            vec!["cells_of_wrong_size"]
        } else {
            vec![]
        };
        assert_eq!(found(&counts, &facts).0, expected, "{red_px} px");
    }
}

#[test]
fn fields_of_two_objectives_are_told_whichever_are_more() {
    let counts = counts(280, 0, 10, 0);
    for (small, is_told) in [(0, false), (1, false), (2, true), (3, true)] {
        let facts = facts((0..10).map(|index| field(if index < small { 32 } else { 50 }, [])));
        let expected = if is_told { vec!["two_scales"] } else { vec![] };
        assert_eq!(found(&counts, &facts).0, expected, "{small} of 10");
    }
}

#[test]
fn white_cells_are_larger_than_red_ones() {
    let counts = counts(280, 10, 10, 0);
    for (white_px, is_told) in [(52, true), (66, true), (74, false), (100, false)] {
        let white = || [cell(CellClass::Wbc, (320, 430), white_px)];
        let facts = facts((0..10).map(|_| field(50, white())));
        let expected = if is_told {
            vec!["white_cells_of_red_size"]
        } else {
            vec![]
        };
        assert_eq!(found(&counts, &facts).0, expected, "{white_px} px");
    }
}

#[test]
fn dark_area_without_cells_is_told() {
    let counts = counts(280, 0, 10, 0);
    for (unexplained_permille, verdict) in [
        (0, Verdict::Result),
        (60, Verdict::Result),
        (70, Verdict::ResultWithRemarks),
        (110, Verdict::Withheld),
        (1000, Verdict::Withheld),
    ] {
        let mut facts = SmearFacts::default();
        for _ in 0..10 {
            facts.add(&FieldEvidence {
                unexplained_permille,
                ..evidence(&field(50, []))
            });
        }
        assert_eq!(found(&counts, &facts).1, verdict, "{unexplained_permille}");
    }
}

#[test]
fn a_dark_rim_is_told_and_the_figures_stand() {
    let mut facts = SmearFacts::default();
    for rim_permille in [0, 396, 404, 400] {
        facts.add(&FieldEvidence {
            rim_permille,
            ..evidence(&field(50, []))
        });
    }
    assert_eq!(facts.rims(), Some((3, 400)));
    let expected = (vec!["dark_rim"], Verdict::ResultWithRemarks);
    assert_eq!(found(&counts(280, 0, 10, 0), &facts), expected);
}

#[test]
fn fields_that_are_covered_too_far_are_told() {
    let counts = counts(280, 0, 10, 0);
    for (coverage_permille, verdict) in [
        (0, Verdict::Result),
        (640, Verdict::Result),
        (660, Verdict::ResultWithRemarks),
        (700, Verdict::Withheld),
        (1000, Verdict::Withheld),
    ] {
        let mut facts = SmearFacts::default();
        for _ in 0..10 {
            facts.add(&FieldEvidence {
                coverage_permille,
                ..evidence(&field(50, []))
            });
        }
        assert_eq!(found(&counts, &facts).1, verdict, "{coverage_permille}");
    }
}

#[test]
fn cells_that_the_network_is_unsure_of_are_told() {
    use Verdict::{Result, ResultWithRemarks, Withheld};
    let counts = counts(280, 10, 10, 0);
    let cases = [
        (9_600, 9_700, vec![], Result),
        (9_400, 9_700, vec!["unsure_red_cells"], ResultWithRemarks),
        (8_900, 9_700, vec!["unsure_red_cells"], Withheld),
        (9_600, 9_300, vec!["unsure_white_cells"], ResultWithRemarks),
        (9_600, 8_000, vec!["unsure_white_cells"], Withheld),
    ];
    for (red_e4, white_e4, ids, verdict) in cases {
        let mut cells = field(50, [cell(CellClass::Wbc, (320, 430), 100)]);
        for cell in &mut cells {
            cell.confidence_e4 = if cell.best_class == Some(CellClass::Wbc) {
                white_e4
            } else {
                red_e4
            };
        }
        let facts = facts((0..10).map(|_| cells.clone()));
        assert_eq!(
            found(&counts, &facts),
            (ids, verdict),
            "{red_e4} {white_e4}"
        );
    }
}

#[test]
fn specks_that_stay_where_they_are_lie_on_the_sensor() {
    let specks =
        || [(100, 30), (320, 240), (600, 470)].map(|place| cell(CellClass::Plt, place, 12));
    let with_specks = facts((0..6).map(|_| field(50, specks())));
    let few = counts(280, 0, 20, 0);
    assert_eq!(
        found(&few, &with_specks),
        (vec!["fixed_marks"], Verdict::Withheld)
    );
    let many = counts(2_800, 0, 300, 0);
    assert_eq!(found(&many, &with_specks).1, Verdict::ResultWithRemarks);

    let mut random = Random::new(7);
    let mut anywhere = || (random.below(600) as i32 + 20, random.below(440) as i32 + 20);
    let moving: Vec<Vec<Cell>> = (0..40)
        .map(|_| {
            field(
                50,
                (0..8)
                    .map(|_| cell(CellClass::Plt, anywhere(), 12))
                    .collect::<Vec<_>>(),
            )
        })
        .collect();
    assert_eq!(facts(moving).fixed_marks(), 0);
}

#[test]
fn where_platelets_clump_the_other_figures_stand() {
    let clumped = Counts {
        fields_with_clumps: 8,
        ..counts(7_140, 10, 360, 100)
    };
    let whole = facts((0..10).map(|_| field(50, [])));
    assert!(!assess(&clumped, &whole, &AssessmentLimits::default()).hides_figures());
    let small = facts((0..10).map(|_| field(30, [])));
    assert!(assess(&clumped, &small, &AssessmentLimits::default()).hides_figures());
}

#[test]
fn every_finding_says_what_was_found_and_what_to_do() {
    let effect = Effect::Remark;
    let findings = [
        (
            Finding::WhiteCellsBeyondBlood {
                wbc: 50,
                rbc: 40,
                limit_per_1000: 25,
                effect,
            },
            ["50 white to 40 red", "25 per 1000", "look at"],
        ),
        (
            Finding::WhiteCellsOfRedSize {
                percent: 112,
                cells: 9,
            },
            ["9 white cells", "112 %", "look at them"],
        ),
        (
            Finding::PlateletsBeyondBlood {
                plt: 90,
                rbc: 40,
                limit_per_1000: 600,
                effect,
            },
            ["90 platelets to 40 red", "600 per 1000", "clean"],
        ),
        (
            Finding::ManyUncertain {
                uncertain: 30,
                cells: 90,
                limit_percent: 20,
                effect,
            },
            ["30 of 90", "20 %", "check focus"],
        ),
        (
            Finding::CellsOfWrongSize {
                percent: 62,
                cells: 300,
            },
            ["300 red cells", "62 %", "objective"],
        ),
        (
            Finding::TwoScales {
                fields: 3,
                of_fields: 9,
            },
            ["3 of 9 fields", "another size", "one objective"],
        ),
        (
            Finding::Crowded {
                covered_percent: 74,
                effect,
            },
            ["74 %", "missed", "feathered edge"],
        ),
        (
            Finding::DarkWithoutCells {
                unexplained_permille: 118,
                effect,
            },
            ["11 %", "missed", "look at"],
        ),
        (
            Finding::UnsureRedCells {
                confidence_percent: 81,
                effect,
            },
            ["red cells", "81 %", "look at"],
        ),
        (
            Finding::UnsureWhiteCells {
                confidence_percent: 81,
                cells: 7,
                effect,
            },
            ["7 white cells", "81 %", "look at"],
        ),
        (
            Finding::DarkRim {
                fields: 9,
                percent: 41,
            },
            ["dark rim: 9", "41 %", "zoom in"],
        ),
        (
            Finding::FixedMarks {
                marks: 30,
                plt: 40,
                effect,
            },
            ["30 small objects", "40 platelets", "clean"],
        ),
        (
            Finding::ColoursExchanged { fields: 4 },
            ["exchanged in 4 fields", "refused", "format"],
        ),
        (
            Finding::ManyFieldsRefused {
                refused: 12,
                of_fields: 20,
            },
            ["12 of 20 fields", "refused", "start again"],
        ),
        (
            Finding::OneFieldHoldsMost {
                class: CellClass::Wbc,
                cells: 30,
                of_cells: 41,
                effect,
            },
            ["30 of all 41 WBC", "look at it", "without it"],
        ),
        (
            Finding::ColoursUnlikeTraining {
                distance_e2: 427,
                effect,
            },
            ["unlike", "4.2 standard deviations", "look at"],
        ),
        (
            Finding::PlateletsClump { fields: 3, effect },
            [
                "in clumps in 3 fields",
                "more than were counted",
                "new film",
            ],
        ),
        (
            Finding::Overdispersed {
                class: CellClass::Plt,
                index: 3.25,
            },
            ["PLT", "3.2 times", "count more fields"],
        ),
    ];
    for (finding, parts) in findings {
        let text = finding.to_string();
        for part in parts {
            assert!(text.contains(part), "{part:?} is missing in {text:?}");
        }
    }
}

#[test]
fn where_colours_are_exchanged_in_some_fields_none_is_believed() {
    for (exchanged_fields, verdict) in [
        (0, Verdict::Result),
        (1, Verdict::Result),
        (2, Verdict::Withheld),
    ] {
        let counts = Counts {
            refused: RefusedFields {
                exchanged: exchanged_fields,
                unclear: 0,
            },
            ..counts(5_000, 7, 250, 0)
        };
        assert_eq!(
            found(&counts, &SmearFacts::default()).1,
            verdict,
            "{exchanged_fields}"
        );
    }
}

#[test]
fn a_smear_of_which_a_third_was_refused_is_remarked_upon() {
    // Fields refused for a reason beside ten that were counted.
    use RejectReason::*;
    let cases = [
        (Blurred, 4, Verdict::Result),
        (Blurred, 5, Verdict::ResultWithRemarks),
        (MovedDuringExposure, 30, Verdict::ResultWithRemarks),
        (LowContrast, u32::MAX, Verdict::ResultWithRemarks),
        (TooThick, 30, Verdict::Result),
        (NoContrast, 30, Verdict::Result),
    ];
    for (reason, fields, verdict) in cases {
        let mut refused = RefusedFields::default();
        refused.add(reason, fields);
        let counts = Counts {
            refused,
            ..counts(5_000, 7, 250, 0)
        };
        let assessed = found(&counts, &SmearFacts::default()).1;
        assert_eq!(assessed, verdict, "{reason:?} {fields}");
    }
}

#[test]
fn a_field_with_most_cells_of_a_class_is_told() {
    // Cells of a class in the fields, the fields, and what comes of it.
    let plt = CellClass::Plt;
    let wbc = CellClass::Wbc;
    for (class, in_fields, fields, verdict) in [
        (wbc, [30, 1, 0], 10, Verdict::Withheld),
        (plt, [22, 3, 4], 10, Verdict::Withheld),
        (plt, [7, 3, 2], 10, Verdict::ResultWithRemarks),
        (plt, [6, 3, 3], 10, Verdict::Result),
        (plt, [6, 1, 2], 10, Verdict::Result),
        (plt, [40, 30, 30], 10, Verdict::Result),
        (plt, [30, 1, 0], 9, Verdict::Result),
    ] {
        let fields_of_cells = in_fields.iter().map(|&cells| {
            (0..cells)
                .map(|at| {
                    cell(
                        class,
                        (40 + at * 10, 400),
                        if class == wbc { 90 } else { 12 },
                    )
                })
                .collect()
        });
        let facts = facts(fields_of_cells);
        let total: i32 = in_fields.iter().sum();
        let [wbc, plt] =
            [CellClass::Wbc, plt].map(|one| if one == class { total as u32 } else { 0 });
        let counts = Counts {
            fields,
            ..counts(5_000, wbc, plt, 0)
        };
        assert_eq!(found(&counts, &facts).1, verdict, "{in_fields:?} {class}");
    }
}

fn colours(red: [i32; 3]) -> FieldColours {
    FieldColours {
        red: Some(CellColour {
            red_by_green_permille: red[0],
            blue_by_green_permille: red[1],
            depth_permille: red[2],
        }),
        white: None,
    }
}

#[test]
fn a_smear_of_colours_unlike_those_of_training_is_told() {
    fn cloud<const N: usize>(mean_permille: [i32; N]) -> ColourCloud<N> {
        let entry = |row, column| if row == column { 100_000 } else { 0 };
        ColourCloud {
            mean_permille,
            inverse_e9: std::array::from_fn(|row| std::array::from_fn(|at| entry(row, at))),
        }
    }
    let limits = AssessmentLimits {
        training_colours: Some(TrainingColours {
            red: cloud([600, 700, 300]),
            red_and_white: cloud([600, 700, 600, 200]),
        }),
        ..AssessmentLimits::default()
    };
    for (red, verdict) in [
        ([600, 700, 300], Verdict::Result),
        ([840, 700, 300], Verdict::Result),
        ([860, 700, 300], Verdict::ResultWithRemarks),
        ([600, 1_190, 300], Verdict::ResultWithRemarks),
        ([600, 1_210, 300], Verdict::Withheld),
    ] {
        let mut facts = SmearFacts::default();
        for _ in 0..10 {
            facts.add(&FieldEvidence {
                colours: colours(red),
                ..evidence(&field(50, []))
            });
        }
        let assessment = assess(&counts(5_000, 7, 250, 0), &facts, &limits);
        assert_eq!(assessment.verdict(), verdict, "{red:?}");
        // A model that tells no colours knows none to be strange.
        assert_eq!(found(&counts(5_000, 7, 250, 0), &facts).1, Verdict::Result);
    }
}

#[test]
fn what_withholds_stands_first() {
    let facts = facts((0..10).map(|_| field(30, [])));
    let (ids, verdict) = found(&counts(1_000, 60, 40, 0), &facts);
    assert_eq!(ids, ["cells_of_wrong_size", "white_cells_beyond_blood"]);
    assert_eq!(verdict, Verdict::Withheld);
}

proptest! {
    #[test]
    fn any_counts_and_sizes_are_assessed_without_a_panic(
        certain in prop::array::uniform3(any::<u32>().prop_map(|count| count >> 6)),
        uncertain in any::<u32>().prop_map(|count| count >> 6),
        boxes in prop::collection::vec((0i32..12_000, 0i32..9_000, 0i32..4_000, 0usize..3), 0..60),
        rbc_diameter_q4 in any::<u32>(),
    ) {
        let cells: Vec<Cell> = boxes.iter().map(|&(x0_q4, y0_q4, side_q4, class)| Cell {
            bounds: BoundingBox { x0_q4, y0_q4, x1_q4: x0_q4 + side_q4, y1_q4: y0_q4 + side_q4 },
            ..cell(CellClass::ALL[class], (0, 0), 1)
        }).collect();
        let mut facts = SmearFacts::default();
        for _ in 0..6 {
            facts.add(&FieldEvidence { rbc_diameter_q4, ..evidence(&cells) });
        }
        let counts = counts(certain[0], certain[1], certain[2], uncertain);
        let assessment = assess(&counts, &facts, &AssessmentLimits::default());
        let effects: Vec<bool> = assessment.findings().map(|one| one.effect() == Effect::Remark).collect();
        prop_assert!(effects.is_sorted());
    }
}

#[test]
fn platelets_that_clump_are_told_and_withheld_where_most_fields_show_it() {
    for (clumped, fields, verdict) in [
        (0, 40, Verdict::Result),
        (1, 40, Verdict::Result),
        (2, 40, Verdict::ResultWithRemarks),
        (19, 40, Verdict::ResultWithRemarks),
        (20, 40, Verdict::Withheld),
        (3, 6, Verdict::ResultWithRemarks),
    ] {
        let counts = Counts {
            fields,
            fields_with_clumps: clumped,
            ..counts(5_000, 7, 250, 0)
        };
        let assessment = assess(
            &counts,
            &SmearFacts::default(),
            &AssessmentLimits::default(),
        );
        assert_eq!(assessment.verdict(), verdict, "{clumped} of {fields}");
    }
}
