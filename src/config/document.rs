//! The settings file that explains itself.

use super::keys::TABLES;
use super::schema::{Key, Table};
use crate::RESEARCH_USE_NOTICE;

const HEADER: &str =
    "# Settings of hemoscope. Every key may be left out; it then has the value shown here.";

/// Every key at its default, with its unit, what it allows and what it means. `defaults` holds a
/// table of values for each table of keys.
pub(super) fn documented_toml(defaults: &toml::Table) -> String {
    let tables = TABLES.iter().map(|table| documented_table(table, defaults));
    std::iter::once(format!("{HEADER}\n# {RESEARCH_USE_NOTICE}\n"))
        .chain(tables)
        .collect()
}

fn documented_table(table: &Table, defaults: &toml::Table) -> String {
    let values = defaults.get(table.name);
    let keys = table.keys.iter().map(|key| {
        let default = values.and_then(|values| values.get(key.name));
        documented_key(key, default)
    });
    let title = format!("\n# {}.\n[{}]\n", table.explanation, table.name);
    std::iter::once(title).chain(keys).collect()
}

fn documented_key(key: &Key, default: Option<&toml::Value>) -> String {
    let unit = if key.unit.is_empty() {
        String::new()
    } else {
        format!(" Unit: {}.", key.unit)
    };
    let (name, allowed) = (key.name, key.allowed);
    let comment = format!("# {}.{unit} Allowed: {allowed}.\n", key.explanation);
    match default {
        Some(value) => format!("{comment}{name} = {value}\n"),
        None => format!(
            "{comment}# Default: left out.\n# {name} = {}\n",
            key.example
        ),
    }
}
