//! The screen as it is kept while a run goes on: one image, and only what changed is drawn anew.

use super::counting::Region;
use super::draw;
use crate::image::canvas::Canvas;
use crate::panel::ScreenSize;
use crate::ui::layout::CountingLayout;
use crate::ui::model::{Counting, Screen};
use crate::ui::painter::Painter;
use crate::ui::surface::{Record, Surface};

/// A canvas kept for good, and what stands on it. Once the counting screen has been shown,
/// showing it again allocates nothing.
#[derive(Debug)]
pub struct LiveScreen {
    size: ScreenSize,
    layout: CountingLayout,
    canvas: Canvas,
    /// What each region of the counting screen looks like now; nothing while another screen shows.
    shown: Option<[Record; Region::ALL.len()]>,
    next: Record,
    preview_number: Option<u64>,
}

impl LiveScreen {
    /// A black screen.
    pub fn new(size: ScreenSize) -> Self {
        Self {
            size,
            layout: CountingLayout::of(size),
            canvas: size.canvas(),
            shown: None,
            next: Record::new(size.type_scale()),
            preview_number: None,
        }
    }

    /// The image.
    pub fn canvas(&self) -> &Canvas {
        &self.canvas
    }

    /// Draws a screen: of the counting screen what differs from the one shown before, any other
    /// anew. Gives whether anything was drawn.
    pub fn show(&mut self, screen: &Screen<'_>) -> bool {
        if let Screen::Counting(counting) = screen {
            return self.show_counting(counting);
        }
        self.shown = None;
        draw(screen, self.size, &mut self.canvas);
        true
    }

    fn show_counting(&mut self, counting: &Counting<'_>) -> bool {
        let preview_number = counting.preview.and_then(|preview| preview.number);
        let same_preview = preview_number.is_some() && preview_number == self.preview_number;
        self.preview_number = preview_number;
        let is_first = self.shown.is_none();
        let scale = self.size.type_scale();
        let shown = self
            .shown
            .get_or_insert_with(|| Region::ALL.map(|_| Record::new(scale)));
        if is_first {
            Painter::new(scale, &mut self.canvas).fill(
                crate::ui::layout::Area::of_screen(self.size).rectangle(),
                crate::ui::colour::GROUND,
            );
        }
        let mut any_changed = false;
        for (region, shown) in Region::ALL.into_iter().zip(shown) {
            self.next.clear();
            region.draw(counting, &self.layout, self.size, &mut self.next);
            let same_image =
                region != Region::Preview || same_preview || counting.preview.is_none();
            if !is_first && same_image && self.next.bytes() == shown.bytes() {
                continue;
            }
            std::mem::swap(&mut self.next, shown);
            any_changed = true;
            let mut painter = Painter::new(scale, &mut self.canvas);
            region.draw(counting, &self.layout, self.size, &mut painter);
        }
        any_changed
    }
}
