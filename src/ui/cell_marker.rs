//! The shapes that stand for cells: circle, square, triangle, and a cross for uncertain ones.

use super::colour;
use crate::cell::{BoundingBox, Cell, CellClass, SUBPIXELS};
use crate::image::canvas::Window;
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::{Line, Rectangle};

/// Marks are never smaller than this, so that the shape can be told.
pub const MIN_MARK_SIDE_PX: u32 = 7;

/// How a cell's outline is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stroke {
    /// Width of the coloured line in pixels, at least 1.
    pub width_px: u32,
    /// Whether the line has gaps: the cell is not counted.
    pub dashed: bool,
}

/// Visits the points of a class's outline within an area, each with its number along the line that
/// it lies on.
///
/// Red cells get a circle (an ellipse where the area is longer than wide), white cells a
/// rectangle, platelets a triangle, and uncertain cells (`None`) a cross.
fn trace_outline(class: Option<CellClass>, area: Rectangle, mut visit: impl FnMut(u32, Point)) {
    let Some(last) = area.bottom_right() else {
        return;
    };
    let first = area.top_left;
    let middle = first + (last - first) / 2;
    let mut number = 0..;
    let visit_next = |point| visit(number.next().unwrap_or_default(), point);
    match class {
        Some(CellClass::Rbc) => trace_ellipse(first, last, visit),
        Some(CellClass::Wbc) => {
            let corners = [
                first,
                Point::new(last.x, first.y),
                last,
                Point::new(first.x, last.y),
            ];
            trace_closed(corners.into_iter(), visit_next);
        }
        Some(CellClass::Plt) => {
            let corners = [
                Point::new(middle.x, first.y),
                last,
                Point::new(first.x, last.y),
            ];
            trace_closed(corners.into_iter(), visit_next);
        }
        None => {
            let falling = Line::new(first, last).points();
            let rising = Line::new(Point::new(first.x, last.y), Point::new(last.x, first.y));
            falling.chain(rising.points()).for_each(visit_next);
        }
    }
}

/// Visits the ellipse that touches the sides of an area from its left and right ends to its upper
/// and lower ones, four points of the same number at a time.
///
/// The quarter is walked from pixel to pixel, each time to the neighbour nearest to the curve
/// (J. Bresenham, "A linear algorithm for incremental digital display of circular arcs", 1977).
/// Places are doubled and count from the middle, so that they are whole for odd sides, too: the
/// curve is where b² x² + a² y² - a² b² is zero.
fn trace_ellipse(first: Point, last: Point, mut visit: impl FnMut(u32, Point)) {
    let extent = last - first;
    let middle = first + last;
    let (a, b) = (i64::from(extent.x), i64::from(extent.y));
    let (mut x, mut y) = (extent.x, extent.y % 2);
    // At the start x is a.
    let mut excess = a * a * i64::from(y) * i64::from(y);
    for number in 0.. {
        for (x, y) in [(-x, -y), (x, -y), (x, y), (-x, y)] {
            visit(number, (middle + Point::new(x, y)) / 2);
        }
        let further = excess + 4 * a * a * (i64::from(y) + 1);
        let inward = excess - 4 * b * b * (i64::from(x) - 1);
        let steps = [
            (2, 2, further + inward - excess),
            (0, 2, further),
            (2, 0, inward),
        ];
        let nearest = steps
            .into_iter()
            .filter(|(dx, dy, _)| x >= *dx && y + dy <= extent.y)
            .min_by_key(|(_, _, excess)| excess.abs());
        let Some((dx, dy, next)) = nearest else {
            return;
        };
        (x, y, excess) = (x - dx, y + dy, next);
    }
}

/// Visits the points of a polygon once each where sides meet.
fn trace_closed(corners: impl Iterator<Item = Point> + Clone, mut visit: impl FnMut(Point)) {
    let mut visited = None;
    let mut start = None;
    for end in corners.clone().chain(corners.take(1)) {
        let Some(side_start) = start.replace(end) else {
            continue;
        };
        for point in Line::new(side_start, end).points() {
            if visited.replace(point) != Some(point) {
                visit(point);
            }
        }
    }
}

/// Draws the outline of a class within an area.
pub fn draw_outline(
    class: Option<CellClass>,
    area: Rectangle,
    line_colour: Rgb888,
    stroke: Stroke,
    window: &mut Window<'_>,
) {
    let width_px = stroke.width_px.max(1);
    // Dashes as long as gaps; both grow with the line so that they stay visible.
    let dash_px = width_px + 2;
    trace_outline(class, area, |number, point| {
        let is_gap = stroke.dashed && !(number / dash_px).is_multiple_of(2);
        if !is_gap {
            window.dot(point, width_px, line_colour);
        }
    });
}

/// Draws a straight line.
pub fn draw_line(line: Line, line_colour: Rgb888, width_px: u32, window: &mut Window<'_>) {
    line.points()
        .for_each(|point| window.dot(point, width_px, line_colour));
}

/// Draws the mark of a cell of a frame into an area that shows the whole frame.
pub fn draw_cell(
    cell: &Cell,
    frame_size_px: (u32, u32),
    area: Rectangle,
    width_px: u32,
    window: &mut Window<'_>,
) {
    let class = cell.class();
    let shown = placed(&cell.bounds, frame_size_px, area);
    let bounds = match class {
        Some(_) => at_least(shown, MIN_MARK_SIDE_PX),
        // What is no cell of these is crossed out whole.
        None if cell.best_class.is_none() => at_least(shown, MIN_MARK_SIDE_PX),
        None => Rectangle::with_center(shown.center(), Size::new_equal(cross_side_px(shown))),
    };
    let stroke = Stroke {
        width_px,
        dashed: !cell.counted,
    };
    draw_dark_edge(class, bounds, stroke, window);
    draw_outline(class, bounds, colour::of_class(class), stroke, window);
}

/// Sets a mark off from the image under it: a dark line around circles and squares, and on both
/// sides of the slanting lines of triangles and crosses.
fn draw_dark_edge(
    class: Option<CellClass>,
    bounds: Rectangle,
    stroke: Stroke,
    window: &mut Window<'_>,
) {
    let (edge, width_px) = match class {
        Some(CellClass::Rbc | CellClass::Wbc) => (bounds.offset(1), stroke.width_px),
        Some(CellClass::Plt) | None => (bounds, stroke.width_px + 2),
    };
    let edge_stroke = Stroke { width_px, ..stroke };
    draw_outline(class, edge, colour::INK, edge_stroke, window);
}

/// A cross stays small, since the cell under it is what the operator has to look at.
fn cross_side_px(shown: Rectangle) -> u32 {
    (shown.size.width.min(shown.size.height) / 2).max(MIN_MARK_SIDE_PX)
}

fn at_least(area: Rectangle, side_px: u32) -> Rectangle {
    let size = area.size.component_max(Size::new_equal(side_px));
    Rectangle::with_center(area.center(), size)
}

/// A box of a frame in the pixels of the area that shows the frame.
fn placed(bounds: &BoundingBox, frame_size_px: (u32, u32), area: Rectangle) -> Rectangle {
    let scaled = |value_q4: i32, shown_px: u32, frame_px: u32| {
        let frame_q4 = i64::from(frame_px.max(1)) * i64::from(SUBPIXELS);
        let limit_q4 = i64::from(value_q4).clamp(0, frame_q4);
        // At most `shown_px`, which is the side of a canvas.
        (limit_q4 * i64::from(shown_px) / frame_q4) as i32
    };
    let (width, height) = (area.size.width, area.size.height);
    let (frame_width, frame_height) = frame_size_px;
    let first = Point::new(
        scaled(bounds.x0_q4, width, frame_width),
        scaled(bounds.y0_q4, height, frame_height),
    );
    let end = Point::new(
        scaled(bounds.x1_q4, width, frame_width),
        scaled(bounds.y1_q4, height, frame_height),
    );
    let last = (end - Point::new_equal(1)).component_max(first);
    Rectangle::with_corners(area.top_left + first, area.top_left + last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::canvas::Canvas;
    use std::iter;

    fn outline(class: Option<CellClass>, area: Rectangle) -> Vec<Point> {
        let mut points = Vec::new();
        trace_outline(class, area, |_, point| points.push(point));
        points
    }

    fn square(side_px: u32) -> Rectangle {
        Rectangle::new(Point::new(3, 2), Size::new_equal(side_px))
    }

    /// Uncertain cells and every class.
    fn marked() -> impl Iterator<Item = Option<CellClass>> {
        iter::once(None).chain(CellClass::ALL.map(Some))
    }

    #[test]
    fn outlines_stay_inside_and_touch_every_side() {
        for class in marked() {
            for side_px in [1, 2, 7, 20, 41] {
                let area = square(side_px);
                let points = outline(class, area);
                let last = area.bottom_right().unwrap();
                assert!(
                    points.iter().all(|point| area.contains(*point)),
                    "{class:?} {side_px} leaves its area"
                );
                let touches = points.iter().any(|p| p.x == area.top_left.x)
                    && points.iter().any(|p| p.y == area.top_left.y)
                    && points.iter().any(|p| p.x == last.x)
                    && points.iter().any(|p| p.y == last.y);
                assert!(touches, "{class:?} {side_px} is too small");
            }
        }
        assert_eq!(outline(None, Rectangle::zero()), []);
    }

    /// Every point lies within a pixel of the curve, every one touches the next, and the outline
    /// is the same from all four sides.
    #[test]
    fn ellipses_are_closed_and_true() {
        for (width_px, height_px) in [(7, 7), (8, 8), (25, 13), (12, 61), (300, 9), (64, 64)] {
            let area = Rectangle::new(Point::new(3, 2), Size::new(width_px, height_px));
            let points = outline(Some(CellClass::Rbc), area);
            let (a, b) = (
                f64::from(width_px - 1) / 2.0,
                f64::from(height_px - 1) / 2.0,
            );
            for point in &points {
                let mirrored = Point::new(2 * 3 + width_px as i32 - 1 - point.x, point.y);
                assert!(
                    points.contains(&mirrored),
                    "{area:?}: {mirrored} is missing"
                );
                let neighbours = points.iter().filter(|other| {
                    let apart = (**other - *point).abs();
                    **other != *point && apart.x <= 1 && apart.y <= 1
                });
                assert!(neighbours.count() >= 2, "{area:?}: a gap at {point}");
                let (x, y) = (f64::from(point.x - 3) - a, f64::from(point.y - 2) - b);
                let nearest = (0..10_000)
                    .map(|step| std::f64::consts::TAU * f64::from(step) / 10_000.0)
                    .map(|angle| (x - a * angle.cos()).hypot(y - b * angle.sin()))
                    .fold(f64::INFINITY, f64::min);
                assert!(nearest < 0.75, "{area:?}: {point} is {nearest} px off");
            }
        }
    }

    #[test]
    fn shapes_differ_without_colour() {
        let drawn: Vec<Canvas> = marked()
            .map(|class| {
                let mut canvas = Canvas::new(20, 20).unwrap();
                let stroke = Stroke {
                    width_px: 1,
                    dashed: false,
                };
                let mut window = canvas.window(square(20));
                draw_outline(class, square(9), Rgb888::WHITE, stroke, &mut window);
                canvas
            })
            .collect();
        for (i, a) in drawn.iter().enumerate() {
            for b in &drawn[i + 1..] {
                let differing = a.rgb().iter().zip(b.rgb()).filter(|(a, b)| a != b).count();
                assert!(differing / 3 > 8, "two shapes look alike: {differing}");
            }
        }
    }

    #[test]
    fn boxes_land_where_the_image_shows_them() {
        let area = Rectangle::new(Point::new(10, 20), Size::new(160, 120));
        let bounds = |x0: i32, y0: i32, x1: i32, y1: i32| BoundingBox {
            x0_q4: x0 * 16,
            y0_q4: y0 * 16,
            x1_q4: x1 * 16,
            y1_q4: y1 * 16,
        };
        let cases = [
            ("whole frame", bounds(0, 0, 640, 480), area),
            (
                "quarter",
                bounds(320, 240, 640, 480),
                Rectangle::new(Point::new(90, 80), Size::new(80, 60)),
            ),
            ("outside", bounds(-90, -90, 9000, 9000), area),
            (
                "inverted",
                bounds(320, 240, 0, 0),
                Rectangle::new(Point::new(90, 80), Size::new(1, 1)),
            ),
        ];
        for (name, cell, expected) in cases {
            assert_eq!(placed(&cell, (640, 480), area), expected, "{name}");
        }
        let huge = bounds(i32::MIN / 16, i32::MIN / 16, i32::MAX / 16, i32::MAX / 16);
        assert_eq!(placed(&huge, (0, 0), area), area);
    }
}
