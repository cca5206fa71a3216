//! The notation in which keys are declared: one entry gives a setting its type, its default, what
//! it allows, its unit and its explanation.

/// Declares the settings: the struct of each table with its [`Default`], `Config`, which holds
/// them all, and `TABLES`, by which files are checked and explained.
///
/// ```text
/// TABLE: STRUCT, "EXPLANATION" {
///     KEY: TYPE = DEFAULT, ALLOWED, unit "UNIT", "EXPLANATION", example "VALUE";
/// }
/// ```
///
/// A key without a unit has none. A key whose default is to leave it out takes an example.
macro_rules! settings {
    ($(
        $(#[$table_attribute:meta])*
        $table:ident: $Table:ident, $title:literal {
            $(
                $(#[$key_attribute:meta])*
                $key:ident: $type:ty = $default:expr, $allowed:expr, $(unit $unit:literal,)?
                    $explanation:literal $(, example $example:literal)?;
            )+
        }
    )+) => {
        /// Every setting. [`Config::documented_toml`] explains each key.
        #[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Config {
            $(#[doc = concat!($title, ".")] pub $table: $Table,)+
        }

        $(
            #[doc = concat!($title, ".")]
            $(#[$table_attribute])*
            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
            #[serde(default, deny_unknown_fields)]
            pub struct $Table {
                $(
                    #[doc = concat!($explanation, ".")]
                    $(#[$key_attribute])*
                    pub $key: $type,
                )+
            }

            impl Default for $Table {
                fn default() -> Self {
                    Self { $($key: $default,)+ }
                }
            }
        )+

        /// Every table, in the order of the printed file.
        pub(super) const TABLES: &[Table] = &[$(
            Table {
                name: stringify!($table),
                explanation: $title,
                keys: &[$(
                    Key {
                        example: concat!($($example)?),
                        ..key(stringify!($key), $allowed, concat!($($unit)?), $explanation)
                    },
                )+],
            },
        )+];
    };
}

pub(super) use settings;
