//! The screen's type: one family in three sizes, measured before it is drawn.

use super::fixed_string::FixedString;
use embedded_graphics::prelude::*;
use embedded_graphics::primitives::Rectangle;
use u8g2_fonts::types::{FontColor, VerticalPosition};
use u8g2_fonts::{Error, FontRenderer, fonts};

/// What a text is for; a [`TypeScale`] gives it a font.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Labels, intervals, side information.
    Small,
    /// The same size, for names and states.
    SmallBold,
    /// The instruction line and the sample's identity.
    Strong,
    /// The counts.
    Number,
    /// Headings of whole screens.
    Title,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 5] = [
        Role::Small,
        Role::SmallBold,
        Role::Strong,
        Role::Number,
        Role::Title,
    ];
}

/// A set of fonts for one size of screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeScale {
    /// For 320x240 pixels.
    Compact,
    /// For 480x320 pixels.
    Medium,
    /// For 800x480 pixels.
    Large,
}

const HELV_R08: FontRenderer = FontRenderer::new::<fonts::u8g2_font_helvR08_tf>();
const HELV_B08: FontRenderer = FontRenderer::new::<fonts::u8g2_font_helvB08_tf>();
const HELV_R10: FontRenderer = FontRenderer::new::<fonts::u8g2_font_helvR10_tf>();
const HELV_B10: FontRenderer = FontRenderer::new::<fonts::u8g2_font_helvB10_tf>();
const HELV_B12: FontRenderer = FontRenderer::new::<fonts::u8g2_font_helvB12_tf>();
const HELV_R14: FontRenderer = FontRenderer::new::<fonts::u8g2_font_helvR14_tf>();
const HELV_B14: FontRenderer = FontRenderer::new::<fonts::u8g2_font_helvB14_tf>();
const HELV_B18: FontRenderer = FontRenderer::new::<fonts::u8g2_font_helvB18_tf>();
const HELV_B24: FontRenderer = FontRenderer::new::<fonts::u8g2_font_helvB24_tf>();

/// Stands for the rest of a text that does not fit.
const ELLIPSIS: &str = "...";

impl TypeScale {
    fn renderer(self, role: Role) -> FontRenderer {
        let renderer = match (self, role) {
            (Self::Compact, Role::Small) => HELV_R08,
            (Self::Compact, Role::SmallBold) => HELV_B08,
            (Self::Compact, Role::Strong) => HELV_B10,
            (Self::Compact, Role::Number) => HELV_B14,
            (Self::Compact, Role::Title) => HELV_B18,
            (Self::Medium, Role::Small) => HELV_R10,
            (Self::Medium, Role::SmallBold) => HELV_B10,
            (Self::Medium, Role::Strong) => HELV_B12,
            (Self::Medium, Role::Number) => HELV_B18,
            (Self::Medium, Role::Title) => HELV_B24,
            (Self::Large, Role::Small) => HELV_R14,
            (Self::Large, Role::SmallBold) => HELV_B14,
            (Self::Large, Role::Strong) => HELV_B18,
            (Self::Large, Role::Number | Role::Title) => HELV_B24,
        };
        renderer.with_ignore_unknown_chars(true)
    }

    /// Height of a capital letter in pixels.
    pub fn cap_height_px(self, role: Role) -> u32 {
        self.ink(role, "H").map_or(0, |ink| ink.size.height)
    }

    /// Width of a line of text in pixels, from the pen's start to its end or the last ink,
    /// whichever is further right.
    pub fn width_px(self, role: Role, text: &str) -> u32 {
        let dimensions = self.renderer(role).get_rendered_dimensions(
            text,
            Point::zero(),
            VerticalPosition::Baseline,
        );
        let Ok(dimensions) = dimensions else {
            return 0;
        };
        let ink_end = dimensions
            .bounding_box
            .map_or(0, |ink| ink.top_left.x + ink.size.width as i32);
        u32::try_from(dimensions.advance.x.max(ink_end)).unwrap_or(0)
    }

    /// The rectangle that a text's ink covers when its baseline starts at the origin, or `None`
    /// for text without ink.
    pub fn ink(self, role: Role, text: &str) -> Option<Rectangle> {
        self.renderer(role)
            .get_rendered_dimensions(text, Point::zero(), VerticalPosition::Baseline)
            .ok()?
            .bounding_box
    }

    /// Whether a character has a glyph. All fonts of the family have those of Latin-1.
    pub fn knows(self, character: char) -> bool {
        matches!(character, ' '..='~' | '\u{a0}'..='\u{ff}') || self.has_glyph(character)
    }

    fn has_glyph(self, character: char) -> bool {
        self.renderer(Role::Small)
            .with_ignore_unknown_chars(false)
            .get_rendered_dimensions(character, Point::zero(), VerticalPosition::Baseline)
            .is_ok()
    }

    /// The text where it fits into `width_px`, else as much of it as fits with `...`; with `?`
    /// for every character that has no glyph.
    pub fn fitted(self, role: Role, text: &str, width_px: u32) -> FixedString {
        let mut line = FixedString::new();
        for character in text.chars() {
            line.push(if self.knows(character) {
                character
            } else {
                '?'
            });
        }
        if !line.is_cut() && self.width_px(role, &line) <= width_px {
            return line;
        }
        // A character is at least a pixel wide, so more than this cannot fit.
        let widest = line.char_indices().nth(width_px as usize);
        let mut end = widest.map_or(line.len(), |(at, _)| at);
        loop {
            let mut short = FixedString::from(line[..end].trim_end());
            short.push_str(ELLIPSIS);
            if self.width_px(role, &short) <= width_px {
                return short;
            }
            match line[..end].char_indices().next_back() {
                Some((at, _)) => end = at,
                None => return FixedString::new(),
            }
        }
    }

    /// Breaks a text between words into lines of at most `width_px`, and visits them. A word that
    /// is too long is shortened, and so is the last line when there is more text than `max_lines`
    /// hold.
    pub fn for_each_line(
        self,
        role: Role,
        text: &str,
        width_px: u32,
        max_lines: usize,
        mut visit: impl FnMut(&str),
    ) {
        let mut words = text.split_whitespace().peekable();
        for number in 1..=max_lines {
            let Some(first) = words.next() else {
                return;
            };
            let mut line = FixedString::from(first);
            while let Some(word) = words.peek() {
                let mut longer = line.clone();
                longer.push(' ');
                longer.push_str(word);
                if number < max_lines && self.width_px(role, &longer) > width_px {
                    break;
                }
                line = longer;
                words.next();
            }
            visit(&self.fitted(role, &line, width_px));
        }
    }

    /// Draws a line of text from a point on its baseline.
    ///
    /// # Errors
    /// That of the target.
    pub fn draw<D: DrawTarget>(
        self,
        role: Role,
        text: &str,
        baseline: Point,
        colour: D::Color,
        target: &mut D,
    ) -> Result<(), D::Error> {
        let drawn = self.renderer(role).render(
            text,
            baseline,
            VerticalPosition::Baseline,
            FontColor::Transparent(colour),
            target,
        );
        match drawn {
            Err(Error::DisplayError(error)) => Err(error),
            // The other errors cannot happen: no background is asked for, and unknown
            // characters are skipped.
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCALES: [TypeScale; 3] = [TypeScale::Compact, TypeScale::Medium, TypeScale::Large];

    #[test]
    fn every_font_has_the_letters_of_the_three_languages() {
        let letters = "aZ09áéíóúñÑ¿¡üàâçèêëîïôùûÉÀµ±%()/,.:'-";
        let mut missing = Vec::new();
        for scale in SCALES {
            for role in Role::ALL {
                let without_ink = |c: &char| scale.ink(role, &c.to_string()).is_none();
                missing.extend(
                    letters
                        .chars()
                        .filter(without_ink)
                        .map(|c| (scale, role, c)),
                );
            }
        }
        assert_eq!(missing, []);
    }

    #[test]
    fn unknown_characters_become_question_marks() {
        let scale = TypeScale::Compact;
        assert_eq!(&*scale.fitted(Role::Small, "血 A1", 99), "? A1");
    }

    #[test]
    fn known_characters_have_glyphs() {
        for scale in SCALES {
            let wrong: Vec<char> = ('\0'..='\u{200}')
                .filter(|&c| scale.knows(c) != scale.has_glyph(c))
                .collect();
            assert_eq!(wrong, [], "{scale:?}");
        }
    }

    #[test]
    fn shortened_text_fits() {
        let scale = TypeScale::Compact;
        for width_px in [0, 5, 20, 60, 400] {
            let short = scale.fitted(Role::Small, "a long name of a sample", width_px);
            let got = scale.width_px(Role::Small, &short);
            assert!(got <= width_px, "{short:?} is {got} px of {width_px}");
        }
        assert_eq!(&*scale.fitted(Role::Small, "short", 60), "short");
    }

    #[test]
    fn wrapped_lines_fit_and_keep_every_word_while_there_is_room() {
        let scale = TypeScale::Compact;
        let text = "The camera went silent while the slide was being moved to the next field";
        let wrapped = |max_lines| {
            let mut lines: Vec<String> = Vec::new();
            scale.for_each_line(Role::Small, text, 120, max_lines, |line| {
                lines.push(line.to_owned());
            });
            lines
        };
        let lines = wrapped(9);
        assert_eq!(lines.join(" "), text);
        let few = wrapped(2);
        assert_eq!(few.len(), 2);
        assert!(few[1].ends_with(ELLIPSIS), "{few:?}");
        for line in lines.iter().chain(&few) {
            assert!(scale.width_px(Role::Small, line) <= 120, "{line}");
        }
        assert_eq!(wrapped(0), [""; 0]);
    }
}
