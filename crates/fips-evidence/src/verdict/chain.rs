//! The chain of statements that a verdict is based on, from the file to the certificate.

use super::{Ground, Standing, Step, Strength, name_of, native};
use crate::{BinaryFacts, Fipsinfo, Format, Go, Integrity, Located, Place};

pub(super) fn chain(
    evidence: &BinaryFacts,
    ground: Ground<'_>,
    standing: Option<&Standing>,
) -> Vec<Step> {
    let mut chain = vec![of_bytes(file(evidence), None, Strength::Code)];
    for label in native::claims(evidence) {
        let what = format!("it calls itself {}", label.text);
        chain.push(of_bytes(what, Some(label.place), Strength::Label));
    }
    if let Some(go) = &evidence.go {
        chain.extend(of_go(go));
    }
    for mark in &evidence.marks {
        let what = format!("the text {:?} of {}", mark.text, name_of(mark.family));
        chain.push(of_bytes(what, Some(mark.place), Strength::Label));
    }
    for located in &evidence.modules {
        chain.extend(of_module(located, ground));
    }
    if let Some(standing) = standing {
        chain.push(of_data(
            standing.to_string(),
            format!("{} ({})", standing.source, standing.evidence.name()),
        ));
    }
    chain
}

fn file(evidence: &BinaryFacts) -> String {
    let arch = evidence.arch.as_ref().map_or("", |arch| arch.0.as_str());
    let format = match &evidence.format {
        Format::Elf {
            bits, headerless, ..
        } => {
            let headers = if *headerless {
                " without section headers"
            } else {
                ""
            };
            format!("ELF {bits} bit{headers}")
        }
        Format::MachO => "Mach-O".to_owned(),
        Format::Pe => "PE".to_owned(),
        Format::Script(interpreter) => format!("script for {interpreter}"),
        Format::Empty => "empty".to_owned(),
        Format::Other => "of no known format".to_owned(),
    };
    let words = [format.as_str(), arch, "of"];
    let said: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    format!("file: {} {} bytes", said.join(" "), evidence.size)
}

fn of_go(go: &Go) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Some(version) = &go.version {
        let what = format!("Go build information: {version}");
        steps.push(of_bytes(what, go.buildinfo, Strength::Label));
    }
    for key in super::DECIDING {
        if let Some(value) = go.settings.get(key) {
            let what = format!("Go build setting: {key}={value}");
            steps.push(of_bytes(what, go.buildinfo, Strength::Label));
        }
    }
    if let Some(names) = &go.names {
        let seen = [
            names
                .boring
                .then(|| "functions: crypto/internal/boring/sig.BoringCrypto".to_owned()),
            (names.boring_calls > 0).then(|| {
                format!(
                    "functions: {} entry points of BoringCrypto",
                    names.boring_calls
                )
            }),
            names
                .fipsonly
                .then(|| "functions: crypto/tls/fipsonly".to_owned()),
            names
                .frozen
                .as_ref()
                .map(|frozen| format!("functions: crypto/internal/fips140/{frozen}")),
            names
                .foreign
                .as_ref()
                .map(|package| format!("functions: {package}")),
        ];
        let seen = seen.into_iter().flatten();
        steps.extend(seen.map(|what| of_bytes(what, names.place, Strength::Code)));
    }
    let signatures = [
        ("BoringCrypto", go.signatures.boring),
        ("StandardCrypto", go.signatures.standard),
        ("FIPSOnly", go.signatures.fipsonly),
    ];
    for (name, place) in signatures {
        if let Some(place) = place {
            let what = format!("code signature: {name}");
            steps.push(of_bytes(what, Some(place), Strength::Code));
        }
    }
    steps.extend(go.fipsinfo.iter().flat_map(of_seal));
    steps
}

fn of_seal(seal: &Fipsinfo) -> Vec<Step> {
    let what = format!(
        "Go's seal over its cryptographic code: {}",
        integrity(&seal.stored, "sha256", &seal.integrity)
    );
    let mut steps = vec![of_bytes(what, Some(seal.place), strength(&seal.integrity))];
    if let Some(coverage) = &seal.coverage {
        let what = format!(
            "functions in the sealed code: {} of the module",
            coverage.functions
        );
        steps.push(of_bytes(what, seal.ranges.first().copied(), Strength::Code));
    }
    steps
}

fn of_module(located: &Located, ground: Ground<'_>) -> Vec<Step> {
    let family = name_of(located.family);
    let bytes = located.place.len;
    let value = integrity(&located.stored, &located.algorithm, &located.integrity);
    let mut steps = vec![of_bytes(
        format!("{family} module of {bytes} bytes: {value}"),
        Some(located.place),
        strength(&located.integrity),
    )];
    let holds = located.integrity == Integrity::Holds;
    if holds {
        let what = match located.called {
            Some(_) => "code outside of the module calls its functions",
            None => "no code outside of the module calls its functions",
        };
        steps.push(of_bytes(what.to_owned(), located.called, Strength::Code));
    }
    if let Some(row) = ground.modules.by_value(&located.stored).filter(|_| holds) {
        let what = format!("that value is {} {}", row.name, row.version);
        steps.push(of_data(
            what,
            format!("{} ({})", row.source, row.evidence.name()),
        ));
    }
    steps
}

fn integrity(stored: &str, algorithm: &str, integrity: &Integrity) -> String {
    match integrity {
        Integrity::Holds => format!("HMAC-{algorithm} computed again: {stored}, as stored"),
        Integrity::Differs(computed) => {
            format!("HMAC-{algorithm} computed again: {computed}, not {stored} as stored")
        }
        Integrity::NotComputed(why) => format!("HMAC-{algorithm} not computed: {why}"),
    }
}

fn strength(integrity: &Integrity) -> Strength {
    match integrity {
        Integrity::NotComputed(_) => Strength::Code,
        Integrity::Holds | Integrity::Differs(_) => Strength::Recomputed,
    }
}

fn of_bytes(what: String, place: Option<Place>, strength: Strength) -> Step {
    Step {
        what,
        place,
        source: None,
        strength,
    }
}

fn of_data(what: String, source: String) -> Step {
    Step {
        what,
        place: None,
        source: Some(source),
        strength: Strength::Data,
    }
}
