//! Threads of the network as TOML writes them: `auto` or a number.

use crate::device::thermal::ThreadsWanted;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Word(Word),
    Number(u8),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Auto,
}

pub(super) fn serialize<S: Serializer>(
    threads: &ThreadsWanted,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match threads {
        ThreadsWanted::Auto => Written::Word(Word::Auto),
        ThreadsWanted::Fixed(number) => Written::Number(*number),
    }
    .serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<ThreadsWanted, D::Error> {
    Ok(match Written::deserialize(deserializer)? {
        Written::Word(Word::Auto) => ThreadsWanted::Auto,
        Written::Number(number) => ThreadsWanted::Fixed(number),
    })
}
