//! What was proved and how, in plain words: one line for all programs that say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::page::{Page, Tone};
use crate::report::{Certificate, Evidence, Module, Proof};

/// Everything that makes two statements alike for a reader.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Statement<'a> {
    binary: &'a str,
    module: Module,
    source: &'a str,
    configuration: &'a str,
    name: Option<&'a str>,
    certificate: Option<&'a Certificate>,
    /// Names of cryptography outside of the module.
    other: Option<String>,
    /// The day that it is judged for.
    at: &'a str,
    judged: String,
    /// Why it is not acceptable.
    refused: &'a [String],
    tone: Tone,
}

#[derive(Default)]
struct Sum<'a> {
    processes: u64,
    architectures: BTreeSet<&'a str>,
    digests: BTreeSet<&'a str>,
}

pub(super) fn write(page: &mut Page<'_>, evidence: &[Evidence]) -> io::Result<()> {
    let running: Vec<&Evidence> = evidence.iter().filter(|one| one.count > 0).collect();
    if running.is_empty() {
        return Ok(());
    }
    page.heading("what was proved, and how")?;
    let mut modules = BTreeSet::new();
    for (statement, sum) in fold(&running) {
        modules.insert(statement.module);
        page.marked(statement.tone, &sentence(&statement, &sum))?;
        for because in statement.refused {
            page.labelled(4, "refused", because)?;
        }
        named(page, statement.name, statement.certificate, statement.at)?;
        if let Some(names) = &statement.other {
            other(page, names)?;
        }
        page.labelled(4, "settings", statement.configuration)?;
    }
    for module in modules {
        let meaning = format!("{}: {}", module.word(), meaning(module));
        page.paragraph(0, Tone::Dim, &meaning)?;
    }
    page.blank()
}

/// What computes cryptography in the same program without its module.
pub(super) fn other(page: &mut Page<'_>, names: &str) -> io::Result<()> {
    page.labelled(
        4,
        "also",
        &format!("{names}: cryptography outside of the module"),
    )
}

/// The module, and what is known of its validation.
pub(super) fn named(
    page: &mut Page<'_>,
    name: Option<&str>,
    certificate: Option<&Certificate>,
    at: &str,
) -> io::Result<()> {
    if let Some(name) = name {
        page.labelled(4, "module", name)?;
    }
    let Some(certificate) = certificate else {
        return Ok(());
    };
    page.labelled(4, "CMVP", &validation(certificate, at))?;
    let note = certificate.note.as_ref();
    note.map_or(Ok(()), |note| page.labelled(4, "", note))
}

fn fold<'a>(evidence: &[&'a Evidence]) -> BTreeMap<Statement<'a>, Sum<'a>> {
    let mut sums: BTreeMap<Statement<'a>, Sum<'a>> = BTreeMap::new();
    for one in evidence {
        let proof = one.proof.as_deref();
        let statement = Statement {
            binary: &one.binary,
            module: one.module,
            source: &one.source,
            configuration: &one.configuration,
            name: proof.and_then(|proof| proof.name.as_deref()),
            certificate: proof.and_then(|proof| proof.certificate.as_ref()),
            other: proof.and_then(Proof::other_names),
            at: proof.map_or("", |proof| &proof.judgement.at),
            judged: one.judged(),
            refused: one.refused(),
            tone: tone(one),
        };
        let sum = sums.entry(statement).or_default();
        sum.processes += one.count;
        sum.architectures.extend(one.arch.as_deref());
        sum.digests.extend(one.digest.as_deref());
    }
    sums
}

fn sentence(statement: &Statement<'_>, sum: &Sum<'_>) -> String {
    let processes = counted(sum.processes, "process", "processes");
    let names: Vec<&str> = sum.architectures.iter().copied().collect();
    let on = if names.is_empty() {
        String::new()
    } else {
        format!(" on {}", names.join(", "))
    };
    let images = match sum.digests.len() {
        0 => String::new(),
        images => format!(", {}", counted(images as u64, "image", "images")),
    };
    let Statement {
        binary,
        source,
        judged,
        ..
    } = statement;
    format!("{binary}: {judged} by {source}, for {processes}{on}{images}")
}

fn validation(certificate: &Certificate, at: &str) -> String {
    let number = certificate.number.map(|number| format!("#{number}"));
    let head: Vec<String> = number
        .into_iter()
        .chain(certificate.standard.clone())
        .collect();
    let days = [
        (", since", &certificate.from),
        (", until", &certificate.until),
        (", last seen so on", &certificate.seen),
    ];
    let days = days
        .into_iter()
        .filter_map(|(word, day)| Some(format!("{word} {}", day.as_ref()?)));
    let head = if head.is_empty() {
        "no certificate".to_owned()
    } else {
        head.join(", ")
    };
    format!(
        "{head}: {} on {at}{} ({}, {})",
        certificate.status,
        days.collect::<String>(),
        certificate.source,
        certificate.evidence
    )
}

fn counted(number: u64, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

pub(super) fn tone(one: &Evidence) -> Tone {
    match one.module {
        _ if !one.refused().is_empty() => Tone::Bad,
        Module::Proven if one.is_past() => Tone::Warned,
        Module::Proven | Module::Identified | Module::Declared => Tone::Good,
        Module::Standard => Tone::Aside,
        Module::Contradicted => Tone::Bad,
        Module::Unknown => Tone::Unknown,
    }
}

/// What a module statement means, in a few words: the beginning of its page in `explain`.
pub fn meaning(module: Module) -> &'static str {
    match module {
        Module::Proven => "computed again from the bytes: the value of a module with a certificate",
        Module::Identified => {
            "a FIPS module whose value holds, and that is not, or not yet, validated"
        }
        Module::Declared => "only words say FIPS: labels, build information, metrics, loose texts",
        Module::Contradicted => "a label says FIPS and the bytes do not, or a module was changed",
        Module::Standard => "no FIPS module, or no cryptography at all",
        Module::Unknown => "could not be read, and so never counts as a pass",
    }
}
