//! What was proved and how, in plain words: one line for all programs that say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::page::{Page, Tone};
use crate::report::{Evidence, Module};

/// Everything that makes two statements alike for a reader.
type Statement<'a> = (&'a str, Module, &'a str, &'a str);

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
    for ((binary, module, source, configuration), sum) in fold(&running) {
        modules.insert(module);
        page.marked(tone(module), &sentence(binary, module, source, &sum))?;
        page.labelled(4, "settings", configuration)?;
    }
    for module in modules {
        let meaning = format!("{}: {}", module.word(), meaning(module));
        page.paragraph(0, Tone::Dim, &meaning)?;
    }
    page.blank()
}

fn fold<'a>(evidence: &[&'a Evidence]) -> BTreeMap<Statement<'a>, Sum<'a>> {
    let mut sums: BTreeMap<Statement<'a>, Sum<'a>> = BTreeMap::new();
    for one in evidence {
        let key = (
            one.binary.as_str(),
            one.module,
            one.source.as_str(),
            one.configuration.as_str(),
        );
        let sum = sums.entry(key).or_default();
        sum.processes += one.count;
        sum.architectures.extend(one.arch.as_deref());
        sum.digests.extend(one.digest.as_deref());
    }
    sums
}

fn sentence(binary: &str, module: Module, source: &str, sum: &Sum<'_>) -> String {
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
    let word = module.word();
    format!("{binary}: {word} by {source}, for {processes}{on}{images}")
}

fn counted(number: u64, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

pub(super) fn tone(module: Module) -> Tone {
    match module {
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
