//! Programs of images, with the facts that their binaries would give.

use serde_json::{Value, json};

use crate::facts::ImageProgram;
use fips_evidence::{BinaryFacts, Go, Modules, Names, ProgramRole, Reading};

/// Returns a program of an image with the entry point `starts`.
pub(in crate::check) fn program(
    path: &str,
    starts: &str,
    evidence: Result<BinaryFacts, &str>,
) -> ImageProgram {
    ImageProgram {
        manifest: Some(format!("sha256:{}", "0a".repeat(32))),
        arch: "amd64".to_owned(),
        env: Vec::new(),
        command: vec![starts.to_owned(), "proxy".to_owned()],
        path: path.to_owned(),
        real_path: None,
        reading: Reading {
            evidence: evidence.map_err(str::to_owned),
            sha256: None,
        },
        role: ProgramRole::Main,
        labelled_fips: false,
    }
}

/// Returns a Go binary with standard cryptography.
pub(in crate::check) fn standard() -> BinaryFacts {
    let names = Names {
        told: true,
        unfrozen: true,
        ..Names::default()
    };
    sealed("go1.26.6", &[], names)
}

/// Returns a Go binary with a validated BoringCrypto.
pub(in crate::check) fn boring(fipsonly: bool) -> BinaryFacts {
    let names = Names {
        told: true,
        boring: true,
        boring_calls: 109,
        unfrozen: true,
        fipsonly,
        ..Names::default()
    };
    let mut known = Modules::builtin().fingerprints().iter();
    let known = known.find(|one| one.fips_version.is_some() && one.arch.0 == "amd64");
    let known = known.unwrap();
    let whole = sealed("go1.26.6-X:boringcrypto", &[], names);
    with(
        &whole,
        "modules",
        json!([{
            "family": "boring-crypto", "place": place(), "algorithm": "sha256", "integrity": "holds",
            "stored": known.hash.to_string(), "version": known.fips_version, "called": place(),
        }]),
    )
}

/// Returns a Go binary with Go's own validated module.
pub(in crate::check) fn own_module() -> BinaryFacts {
    const FROZEN: &str = "v1.0.0-c2097c7c";
    let names = Names {
        told: true,
        frozen: Some(FROZEN.to_owned()),
        ..Names::default()
    };
    let settings = [("GOFIPS140", FROZEN), ("DefaultGODEBUG", "fips140=on")];
    sealed("go1.26.6", &settings, names)
}

fn sealed(version: &str, settings: &[(&str, &str)], names: Names) -> BinaryFacts {
    let settings = settings
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let go = Go {
        version: Some(version.to_owned()),
        settings: settings.collect(),
        names: Some(Names {
            told: true,
            cryptography: true,
            ..names
        }),
        ..Go::default()
    };
    let mut go = serde_json::to_value(go).unwrap();
    go["buildinfo"] = place();
    go["fipsinfo"] = json!({
        "place": place(), "stored": "ab", "ranges": [{"offset": 64, "len": 1 << 20}], "integrity": "holds",
        "coverage": {"functions": 500, "outside": null, "stranger": null, "edges": true},
    });
    let elf = json!({
        "size": 1 << 24, "arch": "amd64", "opaque": null, "go": go, "modules": [], "marks": [],
        "labels": [], "libraries": [], "unmatched_tests": [],
        "format": {"elf": {"bits": 64, "big_endian": false, "headerless": false}},
    });
    serde_json::from_value(elf).unwrap()
}

fn with(evidence: &BinaryFacts, field: &str, value: Value) -> BinaryFacts {
    let mut whole = serde_json::to_value(evidence).unwrap();
    whole[field] = value;
    serde_json::from_value(whole).unwrap()
}

fn place() -> Value {
    json!({"offset": 64, "len": 32})
}
