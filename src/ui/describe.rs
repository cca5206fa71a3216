//! A screen in lines of plain text, for a terminal too small to read the picture in and for
//! whoever cannot see it.

use super::layout::ScreenSize;
use super::model::Screen;
use super::scene::{Element, TextLine};
use super::screen::compose;

/// The gap between two texts of a line.
const GAP: &str = "  ";

/// The words and numbers of a screen, row by row from the top, left to right.
pub fn lines(screen: &Screen<'_>) -> Vec<String> {
    let scene = compose(screen, ScreenSize::Large);
    let mut texts: Vec<&TextLine> = scene
        .elements()
        .iter()
        .filter_map(|element| match element {
            Element::Text(line) if !line.text.is_empty() => Some(line),
            _ => None,
        })
        .collect();
    texts.sort_by_key(|line| (line.place.center().y, line.place.top_left.x));
    let rows = texts.chunk_by(|above, line| line.place.center().y == above.place.center().y);
    rows.map(|row| {
        let words: Vec<&str> = row.iter().map(|line| line.text.as_str()).collect();
        words.join(GAP)
    })
    .collect()
}
