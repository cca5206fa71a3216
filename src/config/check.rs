//! Checks a settings file key by key, with the line of whatever is wrong.

use super::error::ConfigError;
use super::keys::{self, Allowed, Key, Table};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// The most characters of an unknown name or a refused value that a message repeats.
const MAX_QUOTED_CHARS: usize = 60;

/// Checks that every key is known and that every value has the type and range of its key.
pub(super) fn check(text: &str, name: &str) -> Result<(), ConfigError> {
    let document = DeTable::parse(text).map_err(|error| syntax_error(&error, text, name))?;
    let source = Source { text, name };
    for (key, value) in in_order(document.get_ref()) {
        source.check_table(key, value)?;
    }
    Ok(())
}

/// The TOML parser's complaint, with its line.
pub(super) fn syntax_error(error: &toml::de::Error, text: &str, name: &str) -> ConfigError {
    let offset = error.span().map_or(0, |span| span.start);
    let message = error.message().lines().collect::<Vec<_>>().join(", ");
    ConfigError::Syntax {
        name: name.to_owned(),
        line: line_of(text.as_bytes(), offset),
        message,
    }
}

/// The line, from 1, on which the byte at `offset` stands.
pub(super) fn line_of(text: &[u8], offset: usize) -> usize {
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
}

impl Source<'_> {
    fn line(&self, key: &Spanned<DeString<'_>>) -> usize {
        line_of(self.text.as_bytes(), key.span().start)
    }

    fn check_table(
        &self,
        key: &Spanned<DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), ConfigError> {
        let entries = value.get_ref().as_table();
        match (keys::table(key.get_ref()), entries) {
            (Some(table), Some(entries)) => in_order(entries)
                .into_iter()
                .try_for_each(|(key, value)| self.check_key(table, key, value)),
            (Some(table), None) => Err(ConfigError::NotATable {
                name: self.name.to_owned(),
                table: table.name,
                line: self.line(key),
            }),
            (None, Some(_)) => Err(ConfigError::UnknownTable {
                name: self.name.to_owned(),
                table: shortened(key.get_ref()),
                line: self.line(key),
                nearest: keys::nearest_table(key.get_ref()),
            }),
            (None, None) => Err(self.key_outside_table(key)),
        }
    }

    fn key_outside_table(&self, key: &Spanned<DeString<'_>>) -> ConfigError {
        let (nearest_table, nearest) = keys::nearest_key(key.get_ref(), None);
        ConfigError::KeyOutsideTable {
            name: self.name.to_owned(),
            key: shortened(key.get_ref()),
            line: self.line(key),
            nearest,
            nearest_table,
        }
    }

    fn check_key(
        &self,
        table: &'static Table,
        key: &Spanned<DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<(), ConfigError> {
        let Some(known) = table.keys.iter().find(|known| known.name == key.get_ref()) else {
            return Err(self.unknown_key(table, key));
        };
        match allows(known.allowed, value.get_ref()) {
            Verdict::Allowed => Ok(()),
            Verdict::WrongType => Err(self.wrong_type(table, known, key, value)),
            Verdict::NotAllowed(value) => Err(ConfigError::NotAllowed {
                name: self.name.to_owned(),
                key: known.name,
                table: table.name,
                line: self.line(key),
                value: shortened(&value),
                expected: known.allowed.to_string(),
            }),
        }
    }

    fn unknown_key(&self, table: &'static Table, key: &Spanned<DeString<'_>>) -> ConfigError {
        let (nearest_table, nearest) = keys::nearest_key(key.get_ref(), Some(table));
        let suggestion = if nearest_table == table.name {
            format!("`{nearest}`")
        } else {
            format!("`{nearest}` in [{nearest_table}]")
        };
        ConfigError::UnknownKey {
            name: self.name.to_owned(),
            key: shortened(key.get_ref()),
            table: table.name.to_owned(),
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
            table: table.name,
            line: self.line(key),
            found: in_words(value.get_ref()),
            expected: known.allowed.to_string(),
        }
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
        _ => Verdict::WrongType,
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
