//! The classes of cells, and one value for each of them.

use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::iter::zip;
use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

/// The classes that the network tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CellClass {
    /// Red blood cell.
    Rbc,
    /// White blood cell.
    Wbc,
    /// Platelet.
    Plt,
}

impl CellClass {
    /// Every class, in the order of the network's heat channels.
    pub const ALL: [CellClass; 3] = [CellClass::Rbc, CellClass::Wbc, CellClass::Plt];
    /// How many classes there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Place in [`CellClass::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// The field's abbreviation: `RBC`, `WBC`, `PLT`.
    pub const fn name(self) -> &'static str {
        match self {
            CellClass::Rbc => "RBC",
            CellClass::Wbc => "WBC",
            CellClass::Plt => "PLT",
        }
    }

    /// The key in record lines and in a model's known answer: `rbc`, `wbc`, `plt`.
    pub const fn key(self) -> &'static str {
        match self {
            CellClass::Rbc => "rbc",
            CellClass::Wbc => "wbc",
            CellClass::Plt => "plt",
        }
    }
}

impl fmt::Display for CellClass {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// One value for each class. Reads and writes as a map from [`CellClass::key`]; [`by_name`] writes
/// it under the classes' names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct PerClass<T>([T; CellClass::COUNT]);

impl<T> PerClass<T> {
    /// What `value` gives for each class.
    pub fn from_fn(value: impl FnMut(CellClass) -> T) -> Self {
        Self(CellClass::ALL.map(value))
    }

    /// The classes with their values, in the order of [`CellClass::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (CellClass, &T)> {
        zip(CellClass::ALL, &self.0)
    }

    /// The classes with their values to be changed, in the order of [`CellClass::ALL`].
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (CellClass, &mut T)> {
        zip(CellClass::ALL, &mut self.0)
    }

    /// The values, in the order of [`CellClass::ALL`].
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }

    /// Another value for each class, made of this one.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> PerClass<U> {
        PerClass(self.0.map(change))
    }

    /// The values by reference.
    pub fn each_ref(&self) -> PerClass<&T> {
        PerClass(self.0.each_ref())
    }
}

impl<T> Index<CellClass> for PerClass<T> {
    type Output = T;

    fn index(&self, class: CellClass) -> &T {
        &self.0[class.index()]
    }
}

impl<T> IndexMut<CellClass> for PerClass<T> {
    fn index_mut(&mut self, class: CellClass) -> &mut T {
        &mut self.0[class.index()]
    }
}

/// The default value for every class that is not given; of a class given twice the last counts.
impl<T: Default, const N: usize> From<[(CellClass, T); N]> for PerClass<T> {
    fn from(given: [(CellClass, T); N]) -> Self {
        let mut values = Self::from_fn(|_| T::default());
        for (class, value) in given {
            values[class] = value;
        }
        values
    }
}

impl<T: Serialize> Serialize for PerClass<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_map(self, CellClass::key, serializer)
    }
}

/// Writes the values under the classes' names, such as `RBC`; for `#[serde(serialize_with)]`.
///
/// # Errors
///
/// The serializer's own.
pub fn by_name<T: Serialize, S: Serializer>(
    values: &PerClass<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serialize_map(values, CellClass::name, serializer)
}

fn serialize_map<T: Serialize, S: Serializer>(
    values: &PerClass<T>,
    key: impl Fn(CellClass) -> &'static str,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(CellClass::COUNT))?;
    for (class, value) in values.iter() {
        map.serialize_entry(key(class), value)?;
    }
    map.end()
}

/// The keys as a constant, as a deserializer wants them.
const KEYS: [&str; CellClass::COUNT] = {
    let mut keys = [""; CellClass::COUNT];
    let mut at = 0;
    while at < CellClass::COUNT {
        keys[at] = CellClass::ALL[at].key();
        at += 1;
    }
    keys
};

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for PerClass<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // As a struct, so that a flattened value takes its own keys only.
        deserializer.deserialize_struct("PerClass", &KEYS, PerClassVisitor(PhantomData))
    }
}

struct PerClassVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for PerClassVisitor<T> {
    type Value = PerClass<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a map with the keys {}", KEYS.join(", "))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PerClass<T>, A::Error> {
        let mut values = PerClass::default();
        let mut is_given = PerClass::from_fn(|_| false);
        while let Some(key) = map.next_key::<String>()? {
            let class = CellClass::ALL.into_iter().find(|class| class.key() == key);
            let class = class.ok_or_else(|| A::Error::unknown_field(&key, &KEYS))?;
            if is_given[class] {
                return Err(A::Error::duplicate_field(class.key()));
            }
            is_given[class] = true;
            values[class] = map.next_value()?;
        }
        match is_given.iter().find(|(_, is_given)| !**is_given) {
            Some((class, _)) => Err(A::Error::missing_field(class.key())),
            None => Ok(values),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts() -> PerClass<u32> {
        PerClass::from([(CellClass::Plt, 4), (CellClass::Rbc, 5_012)])
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Flattened {
        field: Option<u64>,
        #[serde(flatten)]
        counts: PerClass<u32>,
        uncertain: u32,
    }

    #[derive(Serialize)]
    struct Named {
        #[serde(flatten, serialize_with = "by_name")]
        counts: PerClass<u32>,
        uncertain: u32,
    }

    #[test]
    fn values_are_found_by_their_class() {
        let counts = counts();
        assert_eq!((counts[CellClass::Rbc], counts[CellClass::Wbc]), (5_012, 0));
        let classes: Vec<_> = counts.iter().map(|(class, _)| class).collect();
        assert_eq!(classes, CellClass::ALL);
        let doubled = counts.map(|count| count * 2);
        assert_eq!(doubled[CellClass::Plt], 8);
        assert_eq!(PerClass::from_fn(|class| counts[class]), counts);
    }

    #[test]
    fn values_are_written_in_place_of_the_fields_that_they_replace() {
        let flattened = Flattened {
            field: None,
            counts: counts(),
            uncertain: 7,
        };
        let text = serde_json::to_string(&flattened).unwrap();
        assert_eq!(
            text,
            r#"{"field":null,"rbc":5012,"wbc":0,"plt":4,"uncertain":7}"#
        );
        assert_eq!(serde_json::from_str::<Flattened>(&text).unwrap(), flattened);
        let named = Named {
            counts: counts(),
            uncertain: 7,
        };
        assert_eq!(
            serde_json::to_string(&named).unwrap(),
            r#"{"RBC":5012,"WBC":0,"PLT":4,"uncertain":7}"#
        );
    }

    #[test]
    fn every_class_is_wanted_once_and_nothing_else() {
        let cases = [
            (r#"{"rbc":1,"plt":3}"#, "missing field `wbc`"),
            (
                r#"{"rbc":1,"wbc":2,"wbc":2,"plt":3}"#,
                "duplicate field `wbc`",
            ),
            (r#"{"rbc":1,"wbc":2,"RBC":3}"#, "unknown field `RBC`"),
            (r#"[1,2,3]"#, "a map with the keys rbc, wbc, plt"),
        ];
        for (text, expected) in cases {
            let error = serde_json::from_str::<PerClass<u32>>(text).unwrap_err();
            assert!(error.to_string().contains(expected), "{text}: {error}");
        }
        let unknown = r#"{"field":1,"rbc":1,"wbc":2,"plt":3,"uncertain":0,"more":1}"#;
        let error = serde_json::from_str::<Flattened>(unknown).unwrap_err();
        assert!(error.to_string().contains("more"), "{error}");
    }
}
