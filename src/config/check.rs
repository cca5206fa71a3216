//! Checks a file key by key against what it may hold, with the line of whatever is wrong.

use super::error::{ConfigError, MAX_FILE_BYTES};
use super::schema::{Allowed, Key, MAX_LISTED_CHARS, Schema, Table};
use std::ops::RangeInclusive;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// The most characters of an unknown name or a refused value that a message repeats.
const MAX_QUOTED_CHARS: usize = 60;

/// Checks that every key is known and that every value has the type and range of its key.
pub(crate) fn check(text: &str, name: &str, schema: Schema) -> Result<(), ConfigError> {
    if text.len() > MAX_FILE_BYTES {
        return Err(ConfigError::TooLarge {
            name: name.to_owned(),
        });
    }
    let document = DeTable::parse(text).map_err(|error| syntax_error(&error, text, name))?;
    let source = Source { text, name, schema };
    source.check_entries("", document.get_ref())?;
    source.check_required(document.get_ref())
}

/// The TOML parser's complaint, with its line.
pub(crate) fn syntax_error(error: &toml::de::Error, text: &str, name: &str) -> ConfigError {
    let offset = error.span().map_or(0, |span| span.start);
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    ConfigError::Syntax {
        name: name.to_owned(),
        line: line_of(text.as_bytes(), offset),
        message,
    }
}

/// The line, from 1, on which the byte at `offset` stands.
pub(crate) fn line_of(text: &[u8], offset: usize) -> usize {
    let before = &text[..offset.min(text.len())];
    1 + before.iter().filter(|&&byte| byte == b'\n').count()
}

type Entry<'a, 'i> = (&'a Spanned<DeString<'i>>, &'a Spanned<DeValue<'i>>);

/// The entries in the order of the file, so that the first mistake is reported first.
fn in_order<'a, 'i>(table: &'a DeTable<'i>) -> Vec<Entry<'a, 'i>> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

struct Source<'a> {
    text: &'a str,
    name: &'a str,
    schema: Schema,
}

impl Source<'_> {
    fn line(&self, key: &Spanned<DeString<'_>>) -> usize {
        line_of(self.text.as_bytes(), key.span().start)
    }

    /// Checks what a table, or the file before its first table, holds.
    fn check_entries(&self, place: &str, entries: &DeTable<'_>) -> Result<(), ConfigError> {
        in_order(entries)
            .into_iter()
            .try_for_each(|(key, value)| self.check_entry(place, key, value))
    }

    /// Checks that what must be given is. A table within another one may be left out whole.
    fn check_required(&self, document: &DeTable<'_>) -> Result<(), ConfigError> {
        for table in self.schema.tables {
            let entries = find_table(document, table.name);
            if entries.is_none() && table.name.contains('.') {
                continue;
            }
            let is_missing = |key: &&Key| {
                key.is_required && entries.is_none_or(|entries| !entries.contains_key(key.name))
            };
            if let Some(key) = table.keys.iter().find(is_missing) {
                return Err(ConfigError::MissingKey {
                    name: self.name.to_owned(),
                    key: key.name,
                    place: place_of(table.name),
                    expected: key.allowed.to_string(),
                });
            }
        }
        Ok(())
    }

    fn check_entry(
        &self,
        place: &str,
        key: &Spanned<DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), ConfigError> {
        let inner = match place {
            "" => key.get_ref().to_string(),
            outer => format!("{outer}.{}", key.get_ref()),
        };
        let entries = value.get_ref().as_table();
        match (self.schema.table(&inner), entries) {
            (Some(table), Some(entries)) => return self.check_entries(table.name, entries),
            (Some(table), None) => {
                return Err(ConfigError::NotATable {
                    name: self.name.to_owned(),
                    table: table.name,
                    line: self.line(key),
                });
            }
            (None, _) => {}
        }
        let table = self.schema.table(place);
        let known = table.and_then(|table| {
            table
                .keys
                .iter()
                .find(|key_of| key_of.name == key.get_ref())
        });
        match (table, known, entries) {
            (Some(table), Some(known), _) => self.check_key(table, known, key, value),
            (_, _, Some(_)) if place.is_empty() => Err(ConfigError::UnknownTable {
                name: self.name.to_owned(),
                table: shortened(key.get_ref()),
                line: self.line(key),
                nearest: self.schema.nearest_table(key.get_ref()),
            }),
            (table, ..) => Err(self.unknown_key(table, key)),
        }
    }

    fn check_key(
        &self,
        table: &'static Table,
        known: &'static Key,
        key: &Spanned<DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), ConfigError> {
        match allows(known.allowed, value.get_ref()) {
            Verdict::Allowed => Ok(()),
            Verdict::WrongType => Err(self.wrong_type(table, known, key, value)),
            Verdict::NotAllowed(value) => Err(ConfigError::NotAllowed {
                name: self.name.to_owned(),
                key: known.name,
                place: place_of(table.name),
                line: self.line(key),
                value: shortened(&value),
                expected: known.allowed.to_string(),
            }),
        }
    }

    fn unknown_key(
        &self,
        table: Option<&'static Table>,
        key: &Spanned<DeString<'_>>,
    ) -> ConfigError {
        let (nearest_table, nearest) = self.schema.nearest_key(key.get_ref(), table);
        let home = table.map_or("", |table| table.name);
        let suggestion = match nearest_table {
            same if same == home => format!("`{nearest}`"),
            other => format!("`{nearest}` {}", place_of(other)),
        };
        ConfigError::UnknownKey {
            name: self.name.to_owned(),
            key: shortened(key.get_ref()),
            place: place_of(home),
            line: self.line(key),
            suggestion,
        }
    }

    fn wrong_type(
        &self,
        table: &'static Table,
        known: &Key,
        key: &Spanned<DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
    ) -> ConfigError {
        ConfigError::WrongType {
            name: self.name.to_owned(),
            key: known.name,
            place: place_of(table.name),
            line: self.line(key),
            found: in_words(value.get_ref()),
            expected: known.allowed.to_string(),
        }
    }
}

/// The table of a dotted name; the whole file for an empty one.
fn find_table<'a, 'i>(document: &'a DeTable<'i>, name: &str) -> Option<&'a DeTable<'i>> {
    let steps = name.split('.').filter(|step| !step.is_empty());
    steps.into_iter().try_fold(document, |table, step| {
        table.get(step)?.get_ref().as_table()
    })
}

/// Where a table's keys stand, in words.
fn place_of(table: &str) -> String {
    match table {
        "" => "outside any table".to_owned(),
        table => format!("in [{table}]"),
    }
}

enum Verdict {
    Allowed,
    WrongType,
    /// The value as it stands in the file.
    NotAllowed(String),
}

impl Verdict {
    fn of(allowed: bool, value: impl FnOnce() -> String) -> Self {
        if allowed {
            Verdict::Allowed
        } else {
            Verdict::NotAllowed(value())
        }
    }
}

fn allows(allowed: Allowed, value: &DeValue<'_>) -> Verdict {
    match (allowed, value) {
        (
            Allowed::Text {
                min_chars,
                max_chars,
            },
            DeValue::String(text),
        ) => {
            let fits = (min_chars..=max_chars).contains(&text.chars().count());
            let printable = !text.chars().any(char::is_control);
            Verdict::of(fits && printable, || format!("{text:?}"))
        }
        (Allowed::Number { min, max }, DeValue::Float(number)) => {
            let number = number.as_str();
            let fits = |number: f64| (min..=max).contains(&number);
            Verdict::of(number.parse().is_ok_and(fits), || number.to_owned())
        }
        (Allowed::Number { min, max }, DeValue::Integer(number)) => {
            let fits = |number: i64| (min..=max).contains(&(number as f64));
            Verdict::of(integer(number).is_some_and(fits), || number.to_string())
        }
        (Allowed::Integer { min, max }, DeValue::Integer(number)) => {
            let fits = |number: i64| (min..=max).contains(&number);
            Verdict::of(integer(number).is_some_and(fits), || number.to_string())
        }
        (Allowed::Switch, DeValue::Boolean(_)) => Verdict::Allowed,
        (Allowed::Choice(words), DeValue::String(text)) => {
            Verdict::of(words.contains(&text.as_ref()), || format!("{text:?}"))
        }
        (Allowed::WordOrInteger { word, .. }, DeValue::String(text)) => {
            Verdict::of(word == text, || format!("{text:?}"))
        }
        (Allowed::WordOrInteger { min, max, .. }, DeValue::Integer(number)) => {
            let fits = |number: i64| (min..=max).contains(&number);
            Verdict::of(integer(number).is_some_and(fits), || number.to_string())
        }
        (Allowed::OneOf(numbers), DeValue::Integer(number)) => {
            let fits = |number: i64| numbers.contains(&number);
            Verdict::of(integer(number).is_some_and(fits), || number.to_string())
        }
        (
            Allowed::TextList {
                min_items,
                max_items,
            },
            DeValue::Array(items),
        ) => allows_list(min_items..=max_items, items),
        _ => Verdict::WrongType,
    }
}

/// Texts of a list, each once and of a length that fits; `counts` says how many there may be.
fn allows_list(counts: RangeInclusive<usize>, items: &[Spanned<DeValue<'_>>]) -> Verdict {
    let texts: Option<Vec<&str>> = items
        .iter()
        .map(|item| match item.get_ref() {
            DeValue::String(text) => Some(text.as_ref()),
            _ => None,
        })
        .collect();
    let fits = |text: &&str| {
        (1..=MAX_LISTED_CHARS).contains(&text.chars().count())
            && !text.chars().any(char::is_control)
    };
    match texts {
        Some(texts) => {
            let is_once = |(at, text): (usize, &&str)| !texts[..at].contains(text);
            let allowed = counts.contains(&texts.len())
                && texts.iter().all(fits)
                && texts.iter().enumerate().all(is_once);
            Verdict::of(allowed, || format!("{texts:?}"))
        }
        None => Verdict::WrongType,
    }
}

/// `None` beyond 64 bits.
fn integer(number: &toml::de::DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn in_words(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Names and values from the file without control characters, and of bearable length.
fn shortened(text: &str) -> String {
    let mut short: String = text
        .chars()
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .take(MAX_QUOTED_CHARS)
        .collect();
    if text.chars().nth(MAX_QUOTED_CHARS).is_some() {
        short.push_str("...");
    }
    short
}
