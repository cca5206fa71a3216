//! An image in memory that everything is drawn into before a panel shows it.

use super::frame::{Frame, FrameError};
use embedded_graphics::pixelcolor::Rgb888;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use std::convert::Infallible;

/// A frame to draw on; drawing outside of it changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canvas(Frame);

impl Canvas {
    /// A black canvas.
    ///
    /// # Errors
    /// A size outside [`Frame::check_size`].
    pub fn new(width_px: u32, height_px: u32) -> Result<Self, FrameError> {
        Frame::filled(width_px, height_px, [0; 3]).map(Self)
    }

    /// A black canvas of a size that is known to be within the limits.
    pub(crate) fn black(width_px: u32, height_px: u32) -> Self {
        Self(Frame::black(width_px, height_px))
    }

    /// What has been drawn.
    pub fn frame(&self) -> &Frame {
        &self.0
    }

    /// What has been drawn, taken out.
    pub fn into_frame(self) -> Frame {
        self.0
    }

    /// Width in pixels, at least 1.
    pub fn width_px(&self) -> u32 {
        self.0.width_px()
    }

    /// Height in pixels, at least 1.
    pub fn height_px(&self) -> u32 {
        self.0.height_px()
    }

    /// The bytes: rows of red, green, blue triples without padding.
    pub fn rgb(&self) -> &[u8] {
        self.0.rgb()
    }

    /// The bytes of [`Canvas::rgb`], to change in place.
    pub fn rgb_mut(&mut self) -> &mut [u8] {
        self.0.rgb_mut()
    }

    /// Bytes of a row.
    pub fn stride(&self) -> usize {
        self.0.stride()
    }

    /// The colour at a place, or `None` outside.
    pub fn pixel(&self, point: Point) -> Option<Rgb888> {
        let (x_px, y_px) = self.inside(point)?;
        let [red, green, blue] = self.0.pixel(x_px, y_px);
        Some(Rgb888::new(red, green, blue))
    }

    /// The part of the canvas that lies in an area, to be drawn on.
    pub fn window(&mut self, area: Rectangle) -> Window<'_> {
        Window {
            inside: area.intersection(&self.bounding_box()),
            stride: self.stride(),
            rgb: self.0.rgb_mut(),
        }
    }

    /// Puts pixels side by side from a place on; those outside are left out.
    pub fn put_row(&mut self, at: Point, pixels: &[[u8; 3]]) {
        let clipped = (-i64::from(at.x)).max(0) as usize;
        let first = at + Point::new(clipped.min(pixels.len()) as i32, 0);
        let Some(start) = self.offset(first) else {
            return;
        };
        let room_px = (self.width_px() as i32 - first.x) as usize;
        let pixels = &pixels[clipped.min(pixels.len())..];
        let bytes = pixels[..room_px.min(pixels.len())].as_flattened();
        self.rgb_mut()[start..start + bytes.len()].copy_from_slice(bytes);
    }

    /// Column and row of a point, or `None` outside.
    fn inside(&self, point: Point) -> Option<(u32, u32)> {
        let x_px = u32::try_from(point.x).ok()?;
        let y_px = u32::try_from(point.y).ok()?;
        (x_px < self.width_px() && y_px < self.height_px()).then_some((x_px, y_px))
    }

    fn offset(&self, point: Point) -> Option<usize> {
        let (x_px, y_px) = self.inside(point)?;
        Some(self.0.offset(x_px, y_px))
    }
}

/// A part of a canvas, in the canvas's own places; drawing outside of it changes nothing.
#[derive(Debug)]
pub struct Window<'c> {
    inside: Rectangle,
    stride: usize,
    rgb: &'c mut [u8],
}

impl Window<'_> {
    /// Fills the square of `side_px` that lies around a point.
    pub fn dot(&mut self, point: Point, side_px: u32, colour: Rgb888) {
        let pixel = [colour.r(), colour.g(), colour.b()];
        let (first, end) = (
            self.inside.top_left,
            self.inside.top_left + self.inside.size,
        );
        let start = point - Point::new_equal((side_px.saturating_sub(1) / 2) as i32);
        let columns = start.x.max(first.x)..(start.x + side_px as i32).min(end.x);
        let rows = start.y.max(first.y)..(start.y + side_px as i32).min(end.y);
        for y in rows {
            // Inside the canvas, so neither is negative.
            for x in columns.clone() {
                let at = y as usize * self.stride + x as usize * 3;
                self.rgb[at..at + 3].copy_from_slice(&pixel);
            }
        }
    }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.width_px(), self.height_px())
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Self::Error>
    where
        I: IntoIterator<Item = Pixel<Self::Color>>,
    {
        for Pixel(point, colour) in pixels {
            if let Some(at) = self.offset(point) {
                self.rgb_mut()[at..at + 3].copy_from_slice(&[colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }

    fn fill_contiguous<I>(&mut self, area: &Rectangle, colours: I) -> Result<(), Self::Error>
    where
        I: IntoIterator<Item = Self::Color>,
    {
        if area.intersection(&self.bounding_box()) != *area {
            let points = area.points();
            return self.draw_iter(points.zip(colours).map(|(at, colour)| Pixel(at, colour)));
        }
        let mut colours = colours.into_iter();
        for y in area.rows() {
            let Some(start) = self.offset(Point::new(area.top_left.x, y)) else {
                continue;
            };
            let row = &mut self.rgb_mut()[start..][..area.size.width as usize * 3];
            for (pixel, colour) in row.chunks_exact_mut(3).zip(&mut colours) {
                pixel.copy_from_slice(&[colour.r(), colour.g(), colour.b()]);
            }
        }
        Ok(())
    }

    fn fill_solid(&mut self, area: &Rectangle, colour: Self::Color) -> Result<(), Self::Error> {
        let inside = area.intersection(&self.bounding_box());
        let Some(start) = self.offset(inside.top_left) else {
            return Ok(());
        };
        let pixel = [colour.r(), colour.g(), colour.b()];
        let (stride, row_bytes) = (self.stride(), inside.size.width as usize * 3);
        for row in self.rgb_mut()[start..]
            .chunks_mut(stride)
            .take(inside.size.height as usize)
        {
            row[..row_bytes].as_chunks_mut::<3>().0.fill(pixel);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_land_in_place_inside_and_across_the_edge() {
        let mut canvas = Canvas::new(4, 3).unwrap();
        let colours = (1..=6).map(|level| Rgb888::new(level, 0, 0));
        for (left, expected) in [(1, [0, 1, 2, 0]), (3, [0, 1, 2, 1])] {
            let area = Rectangle::new(Point::new(left, 0), Size::new(2, 3));
            let Ok(()) = canvas.fill_contiguous(&area, colours.clone());
            let row = [0, 1, 2, 3].map(|x| canvas.pixel(Point::new(x, 0)).unwrap().r());
            assert_eq!(row, expected);
        }
        assert_eq!(canvas.pixel(Point::new(3, 2)).unwrap().r(), 5);
    }

    #[test]
    fn rows_of_pixels_are_cut_at_the_edges() {
        let pixels = [[1; 3], [2; 3], [3; 3]];
        let cases = [
            ((0, 0), [1, 2, 3, 0]),
            ((2, 0), [0, 0, 1, 2]),
            ((-2, 0), [3, 0, 0, 0]),
            ((-3, 0), [0; 4]),
            ((4, 0), [0; 4]),
            ((0, -1), [0; 4]),
            ((0, 1), [0; 4]),
            ((i32::MIN, 0), [0; 4]),
        ];
        for (at, expected) in cases {
            let mut canvas = Canvas::new(4, 1).unwrap();
            canvas.put_row(Point::from(at), &pixels);
            let row = [0, 1, 2, 3].map(|x| canvas.pixel(Point::new(x, 0)).unwrap().r());
            assert_eq!(row, expected, "{at:?}");
        }
    }

    #[test]
    fn dots_stay_in_their_window() {
        let window = Rectangle::new(Point::new(1, 1), Size::new(90, 2));
        let cases = [
            ((2, 2), 1, vec![(2, 2)]),
            ((1, 1), 3, vec![(1, 1), (2, 1), (1, 2), (2, 2)]),
            ((4, 1), 2, vec![(4, 1), (4, 2)]),
            ((0, 1), 1, vec![]),
            ((5, 1), 1, vec![]),
            ((-90, 90), 3, vec![]),
        ];
        for (at, side_px, expected) in cases {
            let mut canvas = Canvas::new(5, 4).unwrap();
            canvas
                .window(window)
                .dot(Point::from(at), side_px, Rgb888::RED);
            let red: Vec<_> = canvas
                .bounding_box()
                .points()
                .filter(|point| canvas.pixel(*point) == Some(Rgb888::RED))
                .map(|point| (point.x, point.y))
                .collect();
            assert_eq!(red, expected, "{at:?}");
        }
    }

    #[test]
    fn drawing_outside_changes_nothing_and_inside_lands_in_place() {
        let mut canvas = Canvas::new(4, 3).unwrap();
        let blank = canvas.clone();
        for point in [(-1, 0), (0, -1), (4, 0), (0, 3), (i32::MAX, i32::MIN)] {
            let pixel = Pixel(Point::from(point), Rgb888::WHITE);
            canvas.draw_iter([pixel]).unwrap();
        }
        assert_eq!(canvas, blank);

        let area = Rectangle::new(Point::new(-2, 1), Size::new(4, 9));
        canvas.fill_solid(&area, Rgb888::RED).unwrap();
        let red: Vec<_> = canvas
            .bounding_box()
            .points()
            .filter(|point| canvas.pixel(*point) == Some(Rgb888::RED))
            .collect();
        let expected = [(0, 1), (1, 1), (0, 2), (1, 2)].map(Point::from);
        assert_eq!(red, expected);
        assert_eq!(canvas.pixel(Point::new(0, 3)), None);
    }
}
