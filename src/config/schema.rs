//! What a TOML file may hold: tables, keys, what each allows, and which known name is meant by an
//! unknown one. Settings and board descriptions are both told in these words.

use std::fmt;

/// A table of a file.
pub(crate) struct Table {
    /// With the tables around it, such as `panel.drm`; empty for the keys before every table.
    pub name: &'static str,
    pub explanation: &'static str,
    pub keys: &'static [Key],
}

/// A key of a table.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    pub name: &'static str,
    pub allowed: Allowed,
    /// Unit of the value; empty where it has none.
    pub unit: &'static str,
    pub explanation: &'static str,
    /// A value to show where the default is to leave the key out.
    pub example: &'static str,
    /// Whether a file without it is refused, where its table stands or is none within another.
    pub is_required: bool,
}

/// The values that a key allows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Allowed {
    /// Text without control characters, from `min_chars` to `max_chars` long.
    Text { min_chars: usize, max_chars: usize },
    /// A number from `min` to `max`.
    Number { min: f64, max: f64 },
    /// A whole number from `min` to `max`.
    Integer { min: i64, max: i64 },
    /// `true` or `false`.
    Switch,
    /// One of some words.
    Choice(&'static [&'static str]),
    /// A word, or a whole number from `min` to `max`.
    WordOrInteger {
        word: &'static str,
        min: i64,
        max: i64,
    },
    /// One of some whole numbers.
    OneOf(&'static [i64]),
    /// A list of texts without control characters, none empty, none twice.
    TextList { min_items: usize, max_items: usize },
}

/// The longest text in a list.
pub(crate) const MAX_LISTED_CHARS: usize = 128;

impl fmt::Display for Allowed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Allowed::Text {
                min_chars: 0,
                max_chars,
            } => write!(formatter, "text in quotes, at most {max_chars} characters"),
            Allowed::Text {
                min_chars,
                max_chars,
            } => write!(
                formatter,
                "text in quotes, {min_chars} to {max_chars} characters"
            ),
            Allowed::Number { min, max } => write!(formatter, "a number from {min} to {max}"),
            Allowed::Integer { min, max } => {
                write!(formatter, "a whole number from {min} to {max}")
            }
            Allowed::Switch => formatter.write_str("true or false"),
            Allowed::Choice(words) => write!(formatter, "\"{}\"", words.join("\" or \"")),
            Allowed::WordOrInteger { word, min, max } => {
                write!(
                    formatter,
                    "\"{word}\" or a whole number from {min} to {max}"
                )
            }
            Allowed::OneOf(numbers) => {
                let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
                formatter.write_str(&numbers.join(" or "))
            }
            Allowed::TextList {
                min_items,
                max_items,
            } => write!(
                formatter,
                "a list of {min_items} to {max_items} different texts in quotes, each 1 to \
                 {MAX_LISTED_CHARS} characters"
            ),
        }
    }
}

/// A name or a path.
pub(crate) const NAME: Allowed = text(1, 1024);

/// On or off.
pub(crate) const SWITCH: Allowed = Allowed::Switch;

pub(crate) const fn text(min_chars: usize, max_chars: usize) -> Allowed {
    Allowed::Text {
        min_chars,
        max_chars,
    }
}

pub(crate) const fn number(min: f64, max: f64) -> Allowed {
    Allowed::Number { min, max }
}

pub(crate) const fn integer(min: i64, max: i64) -> Allowed {
    Allowed::Integer { min, max }
}

pub(crate) const fn choice(words: &'static [&'static str]) -> Allowed {
    Allowed::Choice(words)
}

pub(crate) const fn word_or_integer(word: &'static str, min: i64, max: i64) -> Allowed {
    Allowed::WordOrInteger { word, min, max }
}

pub(crate) const fn key(
    name: &'static str,
    allowed: Allowed,
    unit: &'static str,
    explanation: &'static str,
) -> Key {
    Key {
        name,
        allowed,
        unit,
        explanation,
        example: "",
        is_required: false,
    }
}

/// The same key, which must be given.
pub(crate) const fn required(key: Key) -> Key {
    Key {
        is_required: true,
        ..key
    }
}

/// Every table that a file may hold, and what it is called in messages.
#[derive(Clone, Copy)]
pub(crate) struct Schema {
    pub tables: &'static [Table],
}

impl Schema {
    /// The table of this name.
    pub(crate) fn table(self, name: &str) -> Option<&'static Table> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// The table whose name is most like `name`.
    pub(crate) fn nearest_table(self, name: &str) -> &'static str {
        let named = self.tables.iter().filter(|table| !table.name.is_empty());
        nearest(named.map(|table| (table.name, likeness(name, table.name)))).unwrap_or_default()
    }

    /// The table and name of the key most like `name`; keys of `home` are preferred a little.
    pub(crate) fn nearest_key(
        self,
        name: &str,
        home: Option<&Table>,
    ) -> (&'static str, &'static str) {
        const PREFERENCE_FOR_HOME: f64 = 0.2;
        let keys = self.tables.iter().flat_map(|table| {
            let at_home = home.is_some_and(|home| home.name == table.name);
            let preference = if at_home { PREFERENCE_FOR_HOME } else { 0.0 };
            table.keys.iter().map(move |key| {
                let score = likeness(name, key.name) + preference;
                ((table.name, key.name), score)
            })
        });
        nearest(keys).unwrap_or_default()
    }
}

/// The first of the candidates with the highest score.
fn nearest<T>(candidates: impl Iterator<Item = (T, f64)>) -> Option<T> {
    let better = |best: (T, f64), next: (T, f64)| if next.1 > best.1 { next } else { best };
    candidates.reduce(better).map(|(candidate, _)| candidate)
}

/// Typing errors keep the edit distance small, left-out words keep the pairs of letters.
fn likeness(typed: &str, known: &str) -> f64 {
    let typed = typed.to_lowercase();
    strsim::normalized_damerau_levenshtein(&typed, known) + strsim::sorensen_dice(&typed, known)
}
