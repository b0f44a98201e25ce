//! Tests of programs with edited labels and names.

use super::*;

const LATEST: [&str; 2] = ["GOFIPS140=latest", "DefaultGODEBUG=fips140=on"];

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn edited_labels_and_names_are_seen_by_what_they_disagree_with() {
    let settings = |all: &[&str]| {
        let pairs = all.iter().filter_map(|setting| setting.split_once('='));
        pairs
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect::<BTreeMap<_, _>>()
    };
    let carrying = |said: &[&str], copy: Option<&[&str]>, godebug: bool| {
        let mut evidence = go("go1.26.6", said, Some(unfrozen())).sealed(Integrity::Holds);
        if said.is_empty() {
            evidence.go.as_mut().unwrap().buildinfo = None;
        }
        evidence.go.as_mut().unwrap().carried = Some(Carried {
            settings: copy.map(settings),
            place: None,
            godebug: godebug.then_some(PLACE),
            begins: None,
        });
        evidence
    };
    let beginning = |begins: &str| {
        let said = [KEY, "DefaultGODEBUG=fips140=on"];
        let mut evidence = go("go1.26.6", &said, Some(frozen(FROZEN))).sealed(Integrity::Holds);
        evidence.go.as_mut().unwrap().carried = Some(Carried {
            settings: Some(settings(&said)),
            begins: Some(begins.to_owned()),
            ..Carried::default()
        });
        evidence
    };
    let mut resealed = located(&"ab".repeat(32), Integrity::Holds, Some(2_022_061_300));
    resealed.fingerprint = Some(KNOWN.to_owned());
    let uncalled = Names {
        boring_calls: 0,
        ..boring()
    };
    table(vec![
        (
            "the copy agrees",
            carrying(&LATEST, Some(&LATEST), true),
            Assurance::Identified,
            "which no certificate covers",
        ),
        (
            "only the copy is left",
            carrying(&[], Some(&LATEST), true),
            Assurance::Identified,
            "which no certificate covers",
        ),
        (
            "the copy has no key",
            carrying(&LATEST, Some(&["CGO_ENABLED=0"]), true),
            Assurance::Contradicted,
            "GOFIPS140=latest, and the copy",
        ),
        (
            "the copy has another GODEBUG",
            carrying(&LATEST, Some(&["GOFIPS140=latest"]), true),
            Assurance::Contradicted,
            "DefaultGODEBUG=fips140=on, and the copy",
        ),
        (
            "the runtime begins with another GODEBUG",
            carrying(&LATEST, None, false),
            Assurance::Contradicted,
            "DefaultGODEBUG=fips140=on, and the copy",
        ),
        (
            "-ldflags set another GODEBUG",
            beginning("fips140=only"),
            Assurance::Proven,
            "fips140=only, which was set by -ldflags",
        ),
        (
            "-ldflags took the GODEBUG away",
            beginning("panicnil=1"),
            Assurance::Identified,
            "no fips140, which was set by -ldflags",
        ),
        (
            "-ldflags repeats the GODEBUG",
            beginning("fips140=on"),
            Assurance::Proven,
            "#5247",
        ),
        (
            "the copy has another key, whatever the runtime begins with",
            {
                let mut evidence = beginning("fips140=on");
                let carried = evidence.go.as_mut().unwrap().carried.as_mut().unwrap();
                carried.settings = Some(settings(&["CGO_ENABLED=0"]));
                evidence
            },
            Assurance::Contradicted,
            "and the copy",
        ),
        (
            "sealed again",
            go("go1.26.6 X:boringcrypto", &[], Some(boring())).with(resealed),
            Assurance::Contradicted,
            "computed again",
        ),
        (
            "a mark that nothing uses",
            go("go1.26.6", &[], Some(uncalled)),
            Assurance::Contradicted,
            "names or code were edited",
        ),
    ]);
}
