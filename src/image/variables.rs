//! Environment variables that change what a program does independently of its file.

use std::sync::LazyLock;

use serde::Deserialize;

use dated_data::{DataError, parse};

static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let text = include_str!(concat!(env!("OUT_DIR"), "/image.json"));
    // A test checks that the data can be read. Without data there are no names.
    let files: Vec<(String, Table)> = serde_json::from_str(text).unwrap_or_default();
    let groups = files.into_iter().flat_map(|(_, table)| table.variables);
    groups.flat_map(|group| group.names).collect()
});

#[derive(Deserialize)]
struct Table {
    #[serde(default)]
    variables: Vec<Group>,
}

/// Reads the variables of a data file, to find mistakes in it.
pub(super) fn read_table(name: &str, text: &str) -> Result<(), DataError> {
    parse::<Table>(name, text).map(drop)
}

/// The names from one source.
#[derive(Deserialize)]
struct Group {
    names: Vec<String>,
}

/// Returns why the files of an image do not show what runs: the image sets a variable that replaces
/// it.
pub(super) fn takes_over(env: &[String]) -> Option<String> {
    let pairs = env.iter().filter_map(|pair| pair.split_once('='));
    let mut set = pairs.filter(|(_, value)| !value.is_empty());
    let (name, _) = set.find(|(name, _)| NAMES.iter().any(|known| is(name, known)))?;
    Some(format!(
        "its image sets {name}, by which other code or other settings get into the process"
    ))
}

/// Returns true if a variable is the known one. A `*` at the end of `known` matches any rest.
pub(super) fn is(name: &str, known: &str) -> bool {
    match known.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_bring_other_code_are_named() {
        for (pair, named) in [
            ("LD_PRELOAD=/x.so", Some("LD_PRELOAD")),
            ("LD_LIBRARY_PATH=/x", Some("LD_LIBRARY_PATH")),
            ("LD_BIND_NOW=1", Some("LD_BIND_NOW")),
            ("GLIBC_TUNABLES=a=b", Some("GLIBC_TUNABLES")),
            ("OPENSSL_CONF=/x", Some("OPENSSL_CONF")),
            ("ISTIO_BOOTSTRAP=/x", Some("ISTIO_BOOTSTRAP")),
            (
                "ISTIO_BOOTSTRAP_OVERRIDE=/x",
                Some("ISTIO_BOOTSTRAP_OVERRIDE"),
            ),
            ("PROXY_CONFIG={}", Some("PROXY_CONFIG")),
            (
                "ENVOY_DYNAMIC_MODULES_SEARCH_PATH=/x",
                Some("ENVOY_DYNAMIC"),
            ),
            ("LD_PRELOAD=", None),
            ("LD_PRELOAD", None),
            ("BUILD_LD_X=1", None),
            ("PATH=/bin", None),
            ("ISTIO_META_ISTIO_VERSION=1.31.0", None),
            ("SSL_CERT_FILE=/etc/ssl/certs/ca.crt", None),
        ] {
            let said = takes_over(&["HOME=/".to_owned(), pair.to_owned()]);
            let wanted = named.map(|name| format!("its image sets {name}"));
            match (&said, &wanted) {
                (Some(said), Some(wanted)) => assert!(said.starts_with(wanted), "{said}"),
                _ => assert_eq!(said, wanted, "{pair}"),
            }
        }
    }
}
