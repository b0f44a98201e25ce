//! What the recipes that auditors know would have said, and where they are wrong.

use serde::Serialize;

use super::verdict::{Toolchain, Verdict};
use super::{Evidence, Format, Go, Label};
use crate::report::Module;

/// The names of functions in assembler got a suffix with this minor of Go 1, and `goversion` looks for
/// the bare name.
const SUFFIXED: u32 = 17;

/// One recipe and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recipe {
    /// As a person would type it.
    pub command: &'static str,
    /// What it would have printed.
    pub says: String,
    /// Why that is not what is in the bytes, where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrong: Option<&'static str>,
}

/// What an answer claims.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Claim {
    Fips,
    Standard,
    Nothing,
}

/// What each recipe for this kind of program would have said, by its published rules.
pub fn recipes(evidence: &Evidence, verdict: &Verdict) -> Vec<Recipe> {
    let recipe = |command, (says, claim): (String, Claim)| Recipe {
        command,
        says,
        wrong: wrong(claim, verdict.module),
    };
    if let Some(go) = &evidence.go {
        return vec![
            recipe("goversion -crypto FILE", goversion(evidence, go)),
            recipe("go version FILE", go_version(go)),
        ];
    }
    let tuple = evidence.labels.iter().find_map(envoy_version);
    tuple
        .map(|answer| recipe("envoy --version", answer))
        .into_iter()
        .collect()
}

fn wrong(claim: Claim, module: Module) -> Option<&'static str> {
    let fips = module >= Module::Declared;
    match claim {
        Claim::Fips if module == Module::Standard || module == Module::Contradicted => {
            Some("it calls FIPS what is none")
        }
        Claim::Standard if fips => Some("it misses the module that is there"),
        Claim::Nothing if fips => Some("it gives no verdict, and still exits with 0"),
        _ => None,
    }
}

fn goversion(evidence: &Evidence, go: &Go) -> (String, Claim) {
    if !matches!(evidence.format, Format::Elf { .. }) {
        return ("not a Go executable".to_owned(), Claim::Nothing);
    }
    if !go.symbols {
        let headerless = matches!(
            evidence.format,
            Format::Elf {
                headerless: true,
                ..
            }
        );
        let says = if headerless {
            "no symbol section"
        } else {
            "unknown Go version"
        };
        return (says.to_owned(), Claim::Nothing);
    }
    let names = go.names.as_ref();
    let foreign = names.is_some_and(|names| names.foreign.is_some());
    let boring = names.is_some_and(|names| names.boring || names.boring_calls > 0);
    let standard = names.is_some_and(|names| names.standard);
    let fipsonly = names.is_some_and(|names| names.fipsonly)
        && Toolchain::of_go(go)
            .version
            .is_some_and(|version| version.minor < SUFFIXED);
    let (word, claim) = match (boring, standard && !foreign) {
        (true, true) => (" (boring AND standard crypto!!!)", Claim::Fips),
        (true, false) => (" (boring crypto)", Claim::Fips),
        (false, true) => (" (standard crypto)", Claim::Standard),
        (false, false) => ("", Claim::Nothing),
    };
    let version = go.version.as_deref().unwrap_or("unknown Go version");
    let only = if fipsonly {
        " +crypto/tls/fipsonly"
    } else {
        ""
    };
    (format!("{version}{word}{only}"), claim)
}

fn go_version(go: &Go) -> (String, Claim) {
    let Some(version) = go.version.as_ref().filter(|_| go.buildinfo.is_some()) else {
        return ("could not read Go build info".to_owned(), Claim::Nothing);
    };
    let toolchain = Toolchain::of_go(go);
    let claim = if toolchain.boring.is_some() {
        Claim::Fips
    } else {
        Claim::Standard
    };
    (version.clone(), claim)
}

/// `REVISION/VERSION/STATUS/BUILD/SSL`, as far as the bytes tell it.
fn envoy_version(label: &Label) -> Option<(String, Claim)> {
    let Label::Envoy {
        revision,
        version,
        status,
        build,
        ssl,
        ..
    } = label
    else {
        return None;
    };
    let words = [revision, version, status, build, ssl].map(|word| word.as_deref().unwrap_or("?"));
    let claim = match ssl {
        Some(ssl) if ssl.contains("-FIPS") => Claim::Fips,
        Some(_) => Claim::Standard,
        None => Claim::Nothing,
    };
    Some((words.join("/"), claim))
}
