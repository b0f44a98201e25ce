//! The modules of running programs: one line for all programs with the same statement.

mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::page::{Page, Tone};
use super::tables::left_out;
use crate::report::{Assurance, Certificate, ModuleStatement, Proof, Remark, RemarkKind};
use table::{limits, table};

/// How many statements of one program and module are shown, unless the mode is verbose: pods of other users can differ
/// in any number of ways.
const SHOWN: usize = 10;

/// Places of a program that are shown unless verbose.
const PLACES: usize = 4;

/// The properties that make two statements the same to a reader.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Statement<'a> {
    binary: &'a str,
    module: Assurance,
    source: &'a str,
    configuration: &'a str,
    validation: Validation<'a>,
    /// Names of cryptography outside of the module.
    other: Option<String>,
    judged: String,
    /// Why the statement is not acceptable.
    refused: &'a [String],
    /// Why that cannot be decided.
    undecided: &'a [String],
    tone: Tone,
}

/// The module of a program, and what is known about its validation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Validation<'a> {
    name: Option<&'a str>,
    certificate: Option<&'a Certificate>,
    remarks: &'a [Remark],
    /// The day of the judgement.
    at: &'a str,
}

impl<'a> From<&'a Proof> for Validation<'a> {
    fn from(proof: &'a Proof) -> Self {
        Validation {
            name: proof.name.as_deref(),
            certificate: proof.certificate.as_ref(),
            remarks: &proof.remarks,
            at: &proof.judgement.at,
        }
    }
}

/// The certificates that a page has described already, so that each is described only once.
#[derive(Default)]
pub(super) struct Described<'a>(BTreeSet<Validation<'a>>);

#[derive(Default)]
struct Sum<'a> {
    processes: u64,
    architectures: BTreeSet<&'a str>,
    digests: BTreeSet<&'a str>,
    /// Pods by role and namespace.
    places: BTreeMap<(&'static str, &'a str), u64>,
    more_places: u64,
}

impl Sum<'_> {
    /// Returns where the processes run, such as `gateway in istio-ingress (2), sidecar in shop (3)`; at most `shown` places.
    fn places(&self, shown: usize) -> String {
        let places = self.places.iter().take(shown);
        let mut texts: Vec<String> = places
            .map(|((role, namespace), pods)| format!("{role} in {namespace} ({pods})"))
            .collect();
        let more = self.places.len().saturating_sub(shown) as u64 + self.more_places;
        if more > 0 {
            texts.push(format!("and {more} more places"));
        }
        texts.join(", ")
    }
}

pub(super) fn write(page: &mut Page<'_>, evidence: &[ModuleStatement]) -> io::Result<()> {
    let quiet = page.is_quiet();
    let is_shown = |one: &&ModuleStatement| one.count > 0 && (!quiet || needs_attention(one));
    let running: Vec<&ModuleStatement> = evidence.iter().filter(is_shown).collect();
    if running.is_empty() {
        return Ok(());
    }
    page.heading("FIPS modules")?;
    let all = fold(&running);
    let verbose = page.is_verbose();
    let has_table = !verbose && !quiet && table(page, &all)?;
    let modules: BTreeSet<Assurance> = all.keys().map(|statement| statement.module).collect();
    let mut described = Described::default();
    let mut of_kind: BTreeMap<(&str, Assurance), usize> = BTreeMap::new();
    // The line of the table says enough about a statement that needs no action.
    let is_detailed = |statement: &Statement<'_>| {
        !has_table || !matches!(statement.tone, Tone::Good | Tone::Aside)
    };
    let (detailed, plain): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|(statement, _)| is_detailed(statement));
    limits(page, plain.iter().map(|(statement, _)| statement))?;
    let (number, mut shown) = (detailed.len(), 0);
    for (statement, sum) in detailed {
        let alike = of_kind.entry((statement.binary, statement.module));
        let alike = alike.or_default();
        if *alike >= SHOWN && !verbose {
            continue;
        }
        (*alike, shown) = (*alike + 1, shown + 1);
        details_of(page, &statement, &sum, &mut described)?;
    }
    left_out(page, number, shown)?;
    for module in modules {
        let meaning = format!("{}: {}", module.word(), meaning(module));
        page.paragraph(0, Tone::Dim, &meaning)?;
    }
    page.blank()
}

/// Writes everything about one statement.
fn details_of<'a>(
    page: &mut Page<'_>,
    statement: &Statement<'a>,
    sum: &Sum<'_>,
    described: &mut Described<'a>,
) -> io::Result<()> {
    page.marked(statement.tone, &sentence(statement, sum))?;
    for because in statement.refused {
        page.labelled(4, "refused", because)?;
    }
    for why in statement.undecided {
        page.labelled(4, "unknown", why)?;
    }
    described.write(page, statement.validation)?;
    if let Some(names) = &statement.other {
        other(page, names)?;
    }
    if !statement.configuration.is_empty() {
        page.labelled(4, "settings", statement.configuration)?;
    }
    if sum.places.is_empty() {
        return Ok(());
    }
    let shown = if page.is_verbose() {
        usize::MAX
    } else {
        PLACES
    };
    page.labelled(4, "runs as", &sum.places(shown))
}

/// Writes which code implements cryptography in the same program outside of its module.
pub(super) fn other(page: &mut Page<'_>, names: &str) -> io::Result<()> {
    page.labelled(
        4,
        "also",
        &format!("{names}: cryptography outside of the module"),
    )
}

impl<'a> Described<'a> {
    /// Writes the module and its certificate, in full if the page has not described them yet.
    pub(super) fn write(
        &mut self,
        page: &mut Page<'_>,
        validation: Validation<'a>,
    ) -> io::Result<()> {
        if let Some(name) = validation.name {
            page.labelled(4, "module", name)?;
        }
        if let Some(certificate) = validation.certificate {
            page.labelled(4, "CMVP", &state(certificate, validation.at))?;
            if self.0.insert(validation) {
                details(page, certificate)?;
            }
        }
        for remark in validation.remarks {
            let label = match remark.kind {
                // The line above contains the status.
                RemarkKind::NotActive => continue,
                RemarkKind::Outdated => "warning",
                RemarkKind::Limitation => "limit",
            };
            page.labelled(4, label, &remark.message)?;
        }
        Ok(())
    }
}

/// Writes where to look up a certificate, what it was issued for, and where its status was read.
fn details(page: &mut Page<'_>, certificate: &Certificate) -> io::Result<()> {
    if let Some(note) = &certificate.note {
        page.labelled(4, "", note)?;
    }
    if let Some(link) = &certificate.page {
        page.labelled(4, "page", link)?;
    }
    if !certificate.algorithms.is_empty() {
        page.labelled(4, "CAVP", &certificate.algorithms.join(", "))?;
    }
    match (
        &certificate.security_policy,
        certificate.environments.as_slice(),
    ) {
        (Some(policy), []) => {
            let text = format!("the environments that its security policy lists: {policy}");
            page.labelled(4, "tested on", &text)?;
        }
        (_, tested) => {
            for (at, environment) in tested.iter().enumerate() {
                let label = if at == 0 { "tested on" } else { "" };
                page.labelled(4, label, environment)?;
            }
        }
    }
    let read = format!("{} ({})", certificate.source, certificate.evidence);
    page.labelled(4, "read in", &read)
}

fn fold<'a>(evidence: &[&'a ModuleStatement]) -> BTreeMap<Statement<'a>, Sum<'a>> {
    let mut sums: BTreeMap<Statement<'a>, Sum<'a>> = BTreeMap::new();
    for one in evidence {
        let proof = one.proof.as_deref();
        let statement = Statement {
            binary: &one.binary,
            module: one.module,
            source: &one.source,
            configuration: &one.configuration,
            validation: proof.map(Validation::from).unwrap_or_default(),
            other: proof.and_then(Proof::other_names),
            judged: one.judged(),
            refused: one.refused(),
            undecided: one.undecided(),
            tone: tone(one),
        };
        let sum = sums.entry(statement).or_default();
        sum.processes += one.count;
        sum.architectures.extend(one.arch.as_deref());
        sum.digests.extend(one.digest.as_deref());
        sum.more_places += one.more_places;
        for place in &one.runs_in {
            let pods = sum.places.entry((place.role, &place.namespace));
            *pods.or_default() += place.pods;
        }
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
    let pause = if judged.contains(',') { "," } else { "" };
    format!("{binary}: {judged}{pause} by {source}, for {processes}{on}{images}")
}

/// Returns `#4735, FIPS 140-3 level 1, Google, LLC.: active on 2026-11-30, since …, until …, last seen so on …`.
fn state(certificate: &Certificate, at: &str) -> String {
    let number = certificate.number.map(|number| format!("#{number}"));
    let level = certificate.level.map(|level| format!(" level {level}"));
    let standard = certificate.standard.as_ref();
    let standard = standard.map(|standard| format!("{standard}{}", level.unwrap_or_default()));
    let none = number.is_none().then(|| "no certificate".to_owned());
    let vendor = certificate.vendor.clone();
    let head = [none, number, standard, vendor].into_iter().flatten();
    let stage = certificate.stage.as_ref();
    let stage = stage.map(|stage| format!(" ({stage})")).unwrap_or_default();
    let days = [
        (", since", &certificate.from),
        (", until", &certificate.until),
        (", last seen so on", &certificate.seen),
    ];
    let days = days
        .into_iter()
        .filter_map(|(word, day)| Some(format!("{word} {}", day.as_ref()?)));
    format!(
        "{}: {}{stage} on {at}{}",
        head.collect::<Vec<_>>().join(", "),
        certificate.status,
        days.collect::<String>(),
    )
}

fn counted(number: u64, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

/// Whether a statement is more than a plain description: refused, unknown, or with a warning about its validation.
pub(super) fn needs_attention(one: &ModuleStatement) -> bool {
    matches!(tone(one), Tone::Bad | Tone::Unknown) || one.has_warning()
}

pub(super) fn tone(one: &ModuleStatement) -> Tone {
    match one.module {
        _ if !one.refused().is_empty() => Tone::Bad,
        _ if !one.undecided().is_empty() => Tone::Unknown,
        Assurance::Proven | Assurance::Identified if !one.has_warning() => Tone::Good,
        // For a declared module, no integrity value was recomputed.
        Assurance::Proven | Assurance::Identified | Assurance::Declared => Tone::Warned,
        Assurance::Standard => Tone::Aside,
        Assurance::Contradicted => Tone::Bad,
        Assurance::Unknown => Tone::Unknown,
    }
}

/// Returns what a module statement means, in a few words: the beginning of its page in `explain`.
pub fn meaning(module: Assurance) -> &'static str {
    match module {
        Assurance::Proven => {
            "computed again from the bytes: the value of a module with a certificate"
        }
        Assurance::Identified => {
            "a FIPS module with a correct integrity value, but not (yet) validated"
        }
        Assurance::Declared => "only labels, metrics or texts say FIPS, or pods were not compared",
        Assurance::Contradicted => {
            "a label says FIPS and the bytes do not, or a module was changed"
        }
        Assurance::Standard => "no FIPS module, or no cryptography at all",
        Assurance::Unknown => "could not be read, and so never counts as a pass",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::text::{Detail, Style};
    use crate::report::{Deviations, samples};

    /// Returns the text for so many pods, each with a statement from a source of its own.
    fn text(number: usize, verbose: bool) -> String {
        let one = |n| ModuleStatement {
            source: format!("nothing: container c{n:04} is unknown"),
            module: Assurance::Unknown,
            binary: "envoy".to_owned(),
            count: 1,
            proof: None,
            deviations: Deviations::default(),
            ..samples::full().evidence.remove(0)
        };
        let mut evidence: Vec<ModuleStatement> = (0..number).map(one).collect();
        evidence.push(ModuleStatement {
            binary: "pilot-discovery".to_owned(),
            ..one(number)
        });
        let style = Style {
            color: false,
            width: 80,
            ascii: false,
            detail: if verbose {
                Detail::Verbose
            } else {
                Detail::Normal
            },
        };
        let mut bytes = Vec::new();
        write(&mut Page::new(&style, &mut bytes), &evidence).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn ten_statements_of_a_kind_are_shown_and_the_others_counted() {
        let short = text(1200, false);
        assert_eq!(short.matches("envoy: ").count(), SHOWN);
        assert_eq!(short.matches("pilot-discovery: ").count(), 1);
        let rest = "and 1190 more: --verbose shows them";
        assert!(short.contains(rest) && short.len() < 4000, "{short}");
        let all = text(1200, true);
        assert!(all.matches("envoy: ").count() == 1200 && !all.contains(rest));
    }
}
