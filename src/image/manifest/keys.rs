//! Checks the keys of a JSON document, as Go's decoder matches them.
//!
//! Go's decoder treats `config` and `Config` as the same key, and the last one counts. A document
//! that two readers can interpret differently counts as damaged.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::short;

/// The keys of an index and of a manifest that are read.
pub(super) const OF_MANIFESTS: &[&str] = &[
    "schemaVersion",
    "mediaType",
    "artifactType",
    "manifests",
    "config",
    "layers",
    "fsLayers",
    "blobs",
    "digest",
    "size",
    "urls",
    "platform",
    "architecture",
    "os",
    "variant",
    "annotations",
];

/// The keys of a configuration that are read.
pub(super) const OF_CONFIGURATION: &[&str] = &[
    "architecture",
    "os",
    "variant",
    "config",
    "Env",
    "Entrypoint",
    "Cmd",
    "WorkingDir",
    "Labels",
    "rootfs",
    "diff_ids",
];

/// The keys of the list in a Docker archive that are read.
pub(in crate::image) const OF_ARCHIVE: &[&str] = &["Config", "RepoTags", "Layers"];

/// Fields that are maps. Their keys are arbitrary, and Go compares them exactly.
const MAPS: [&str; 4] = ["annotations", "Labels", "ExposedPorts", "Volumes"];

/// Fails if an object has a key twice, or has one of the keys `counting` in another case.
pub(super) fn check(document: &[u8], counting: &[&str]) -> serde_json::Result<()> {
    let mut reader = serde_json::Deserializer::from_slice(document);
    let whole = Value {
        counting,
        map: false,
    };
    whole.deserialize(&mut reader)?;
    reader.end()
}

/// Folds a key as Go does. Apart from ASCII letters, only these two characters fold to an ASCII
/// letter.
fn folded(key: &str) -> String {
    let fold = |letter: char| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        letter => letter.to_ascii_lowercase(),
    };
    key.chars().map(fold).collect()
}

/// A value of the document, which is checked and discarded.
#[derive(Clone, Copy)]
struct Value<'k> {
    counting: &'k [&'k str],
    /// True if the value belongs to one of [`MAPS`].
    map: bool,
}

impl Value<'_> {
    fn wrong(self, key: &str) -> Option<String> {
        if self.map || self.counting.contains(&key) {
            return None;
        }
        let folded = folded(key);
        let mut counting = self.counting.iter();
        let meant = counting.find(|one| one.to_ascii_lowercase() == folded)?;
        Some(format!(
            "it has a key `{key}`, which some readers take for `{meant}`"
        ))
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let element = Value { map: false, ..self };
        while list.next_element_seed(element)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = object.next_key::<String>()? {
            if let Some(wrong) = self.wrong(&key) {
                return Err(A::Error::custom(wrong));
            }
            let map = MAPS.contains(&key.as_str());
            object.next_value_seed(Value { map, ..self })?;
            if let Some(twice) = seen.replace(key) {
                let twice = short(&twice);
                return Err(A::Error::custom(format!("it has the key `{twice}` twice")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_readers_take_for_another_is_refused() {
        for (document, wanted) in [
            (r#"{"config":{"Env":[],"User":"a"},"os":"linux"}"#, ""),
            (r#"{"config":{"Labels":{"os":"a","OS":"b","env":""}}}"#, ""),
            (r#"{"config":{"Volumes":{"/a":{},"/A":{}}}}"#, ""),
            (r#"{"x":[1,-1,1.5,null,true,"y"]}"#, ""),
            (r#"{"x":{"a":1,"A":2}}"#, ""),
            (r#"{"Config":{}}"#, "`Config`"),
            (r#"{"config":{"entrypoint":[]}}"#, "`entrypoint`"),
            (r#"{"config":{"ENV":[]}}"#, "`ENV`"),
            (r#"{"o\u017f":"linux"}"#, "`os`"),
            ("{\"config\":{\"wor\u{212a}ingDir\":\"/\"}}", "`WorkingDir`"),
            (r#"{"Rootfs":{}}"#, "`Rootfs`"),
            (r#"{"rootfs":{"Diff_ids":[]}}"#, "`Diff_ids`"),
            (r#"{"config":1,"\u0063onfig":2}"#, "`config` twice"),
            (r#"{"x":1,"x":2}"#, "`x` twice"),
            (r#"{"config":{"Labels":{"a":"1","a":"2"}}}"#, "`a` twice"),
            (r#"{"labels":{"os":"a"}}"#, "`labels`"),
            ("{} {}", "trailing"),
        ] {
            let error = check(document.as_bytes(), OF_CONFIGURATION).err();
            let error = error.map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(wanted), "{document}: {error}");
            assert_eq!(wanted.is_empty(), error.is_empty(), "{document}: {error}");
        }
    }
}
