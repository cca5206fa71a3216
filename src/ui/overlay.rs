//! An annotated copy of a frame: every cell marked, with a legend under the image.

use super::colour;
use super::font::{Role, TypeScale};
use super::scene::Scene;
use super::surface::{Align, Surface, TextStyle};
use crate::cell::{Cell, CellClass};
use crate::image::canvas::Canvas;
use crate::image::frame::{Frame, FrameError};
use crate::language::{Language, TextId};
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use thiserror::Error;

/// Images narrower than this are put on a wider ground, so that the legend can be read.
pub const MIN_WIDTH_PX: u32 = 320;

/// Width of the legend's entry for uncertain cells, in hundredths: its word is the longest.
const UNCERTAIN_SHARE: u32 = 31;
/// Width of the legend's entry for each class, in hundredths.
const CLASS_SHARE: u32 = (100 - UNCERTAIN_SHARE) / CellClass::COUNT as u32;

/// Why a frame cannot be annotated: it exceeds the limits of a frame together with its legend.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("the annotated image cannot be drawn: {0}")]
pub struct OverlayError(FrameError);

/// A copy of the frame with a mark on every cell, over a legend that counts them.
///
/// Circles are red cells, squares white cells, triangles platelets, crosses uncertain cells. A
/// dashed mark is a cell that the border rule leaves out of the count. Boxes are in pixels of the
/// frame.
///
/// # Errors
/// Frame and legend together exceed the limits of [`Frame`].
pub fn annotated(frame: &Frame, cells: &[Cell], language: Language) -> Result<Frame, OverlayError> {
    let style = OverlayStyle::for_width(frame.width_px());
    let width_px = frame.width_px().max(MIN_WIDTH_PX);
    let image = Rectangle::new(
        Point::zero(),
        Size::new(frame.width_px(), frame.height_px()),
    );

    let mut scene = Scene::new(style.type_scale);
    let frame_size_px = (frame.width_px(), frame.height_px());
    scene.image(image, frame);
    scene.cells(image, cells, frame_size_px, style.line_px);
    let legend_height_px = legend(cells, language, style, image, width_px, &mut scene);

    let canvas = Canvas::new(width_px, frame.height_px() + legend_height_px);
    let mut canvas = canvas.map_err(OverlayError)?;
    scene.draw(&mut canvas);
    Ok(canvas.into_frame())
}

/// Sizes of type and lines that suit an image's width.
#[derive(Debug, Clone, Copy)]
struct OverlayStyle {
    type_scale: TypeScale,
    row_px: u32,
    line_px: u32,
}

impl OverlayStyle {
    fn for_width(width_px: u32) -> Self {
        match width_px {
            0..600 => Self {
                type_scale: TypeScale::Compact,
                row_px: 14,
                line_px: 1,
            },
            600..1200 => Self {
                type_scale: TypeScale::Medium,
                row_px: 20,
                line_px: 2,
            },
            _ => Self {
                type_scale: TypeScale::Large,
                row_px: 28,
                line_px: 3,
            },
        }
    }
}

/// Adds the legend under the image and tells its height.
fn legend(
    cells: &[Cell],
    language: Language,
    style: OverlayStyle,
    image: Rectangle,
    width_px: u32,
    scene: &mut Scene<'_>,
) -> u32 {
    let margin_px = style.row_px / 3;
    let top = image.size.height as i32;
    let height_px = 2 * style.row_px + 2 * margin_px;
    scene.fill(
        Rectangle::new(Point::new(0, top), Size::new(width_px, height_px)),
        colour::CARD,
    );

    let classes = CellClass::ALL.map(|class| (Some(class), CLASS_SHARE));
    let entries = classes.into_iter().chain([(None, UNCERTAIN_SHARE)]);
    let row_top = top + margin_px as i32;
    let mut left_px = margin_px;
    for (class, share) in entries {
        let slot_px = (width_px - 2 * margin_px) * share / 100;
        let slot = Rectangle::new(
            Point::new(left_px as i32, row_top),
            Size::new(slot_px, style.row_px),
        );
        legend_entry(class, count(cells, class), slot, language, style, scene);
        left_px += slot_px;
    }

    let sentence = Rectangle::new(
        Point::new(margin_px as i32, row_top + style.row_px as i32),
        Size::new(width_px - 2 * margin_px, style.row_px),
    );
    let style = TextStyle::new(Role::Small, colour::LABEL, colour::CARD);
    let words = TextId::ResearchUse.text_in(language);
    scene.text(sentence, words, style.aligned(Align::Left));
    height_px
}

/// Cells of a class that the border rule counts.
fn count(cells: &[Cell], class: Option<CellClass>) -> usize {
    let counted = cells.iter().filter(|cell| cell.counted);
    counted.filter(|cell| cell.class() == class).count()
}

fn legend_entry(
    class: Option<CellClass>,
    count: usize,
    slot: Rectangle,
    language: Language,
    style: OverlayStyle,
    scene: &mut Scene<'_>,
) {
    let side_px = style.row_px * 2 / 3;
    let mark = Rectangle::new(
        slot.top_left + Point::new(0, ((style.row_px - side_px) / 2) as i32),
        Size::new_equal(side_px),
    );
    scene.mark(mark, class, style.line_px);
    let indent_px = style.row_px;
    let words = Rectangle::new(
        slot.top_left + Point::new(indent_px as i32, 0),
        Size::new(slot.size.width.saturating_sub(indent_px), style.row_px),
    );
    // Beside a class, a bare number could be read as the blood's.
    let text = match class {
        Some(class) => format!("{class} n {count}"),
        None => format!("{} {count}", TextId::CountsUncertain.text_in(language)),
    };
    let style = TextStyle::new(Role::SmallBold, colour::TEXT, colour::CARD);
    scene.text(words, &text, style);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::BoundingBox;
    use crate::ui::scene::Element;

    fn cell(best_class: CellClass, at_px: i32, certain: bool, counted: bool) -> Cell {
        Cell {
            best_class: Some(best_class),
            certain,
            bounds: BoundingBox {
                x0_q4: at_px * 16,
                y0_q4: at_px * 16,
                x1_q4: (at_px + 40) * 16,
                y1_q4: (at_px + 40) * 16,
            },
            confidence_e4: 9000,
            counted,
        }
    }

    fn changed(a: &Frame, b: &Frame) -> usize {
        let points = (0..a.height_px()).flat_map(|y| (0..a.width_px()).map(move |x| (x, y)));
        points
            .filter(|(x, y)| a.pixel(*x, *y) != b.pixel(*x, *y))
            .count()
    }

    #[test]
    fn marks_land_on_the_cells_and_dashes_leave_gaps() {
        let frame = Frame::filled(400, 300, [230, 220, 215]).unwrap();
        let mut inks = Vec::new();
        for counted in [true, false] {
            let cells = [cell(CellClass::Wbc, 100, true, counted)];
            let image = annotated(&frame, &cells, Language::English).unwrap();
            assert!(image.height_px() > frame.height_px());
            assert_eq!(
                image.pixel(120, 120),
                frame.pixel(0, 0),
                "the cell stays visible"
            );
            inks.push(changed(&frame, &image));
        }
        let blank = annotated(&frame, &[], Language::English).unwrap();
        assert_eq!(changed(&frame, &blank), 0);
        assert!(inks[1] > 0 && inks[1] * 3 < inks[0] * 2, "{inks:?}");
    }

    #[test]
    fn the_legend_counts_what_the_border_rule_counts() {
        let cells = [
            cell(CellClass::Rbc, 10, true, true),
            cell(CellClass::Rbc, 20, true, false),
            cell(CellClass::Plt, 30, false, true),
        ];
        assert_eq!(count(&cells, Some(CellClass::Rbc)), 1);
        assert_eq!(count(&cells, Some(CellClass::Plt)), 0);
        assert_eq!(count(&cells, None), 1);
    }

    #[test]
    fn the_legend_fits_with_hundreds_of_cells_of_a_class() {
        let classes = CellClass::ALL.map(|class| (class, true)).into_iter();
        let cells: Vec<Cell> = classes
            .chain([(CellClass::Rbc, false)])
            .flat_map(|(class, certain)| vec![cell(class, 0, certain, true); 888])
            .collect();
        let mut cut = Vec::new();
        for width_px in [MIN_WIDTH_PX, 600, 1200] {
            for language in Language::ALL {
                let style = OverlayStyle::for_width(width_px);
                let mut scene = Scene::new(style.type_scale);
                let image = Rectangle::new(Point::zero(), Size::new(width_px, 99));
                legend(&cells, language, style, image, width_px, &mut scene);
                cut.extend(scene.elements().iter().filter_map(|element| match element {
                    Element::Text(line) if line.text.contains("...") => Some(line.text.clone()),
                    _ => None,
                }));
            }
        }
        assert_eq!(cut, Vec::<String>::new());
    }

    #[test]
    fn every_size_of_frame_is_annotated_or_refused_with_a_reason() {
        for (width_px, height_px) in [(1, 1), (33, 2000), (1600, 1200), (8192, 4)] {
            let frame = Frame::filled(width_px, height_px, [200; 3]).unwrap();
            let cells = [cell(CellClass::Plt, 0, true, true)];
            let image = annotated(&frame, &cells, Language::French).unwrap();
            assert!(image.width_px() >= width_px.max(MIN_WIDTH_PX));
        }
        let tall = Frame::filled(1, 8192, [200; 3]).unwrap();
        let error = annotated(&tall, &[], Language::English).unwrap_err();
        assert!(error.to_string().contains("8192"), "{error}");
    }
}
