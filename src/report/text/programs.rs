//! Programs that were inspected, one by one: a heading for each image, and below it each path with its module.

use std::io;

use super::page::{Page, Tone};
use super::proof::Described;
use crate::report::{ModuleStatement, Proof, Report};

pub(super) fn write(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    let mut heading = None;
    let mut described = Described::default();
    // Running programs are summarised elsewhere; JSON lists each of them.
    for one in report.evidence.iter().filter(|one| one.count == 0) {
        let Some(proof) = one.proof.as_deref() else {
            continue;
        };
        if page.is_quiet() && proof.judgement.accepted && !super::proof::needs_attention(one) {
            continue;
        }
        let image = proof.image.as_deref().map(|image| (image, &one.arch));
        if heading != Some(image) {
            if let Some((image, arch)) = image {
                page.heading(&match arch {
                    Some(arch) => format!("{image}, {arch}"),
                    None => image.to_owned(),
                })?;
                digests(page, report, proof)?;
            }
            heading = Some(image);
        }
        program(page, one, proof, &mut described)?;
        page.blank()?;
    }
    Ok(())
}

/// Writes the digests, each on its own line: a digest with its label fills the width of a terminal.
fn digests(page: &mut Page<'_>, report: &Report, proof: &Proof) -> io::Result<()> {
    let Some(manifest) = &proof.manifest else {
        return Ok(());
    };
    let mut pinned = report.expected.images.iter();
    let index = pinned.find(|it| Some(&it.reference) == proof.image.as_ref());
    if let Some(index) = index.filter(|it| it.digest != *manifest) {
        page.paragraph(0, Tone::Plain, &format!("index {}", index.digest))?;
    }
    page.paragraph(0, Tone::Plain, &format!("manifest {manifest}"))
}

fn program<'a>(
    page: &mut Page<'_>,
    one: &ModuleStatement,
    proof: &'a Proof,
    described: &mut Described<'a>,
) -> io::Result<()> {
    let tone = super::proof::tone(one);
    // An image in which no program was found still has a statement.
    let path = if one.binary.is_empty() {
        "no program"
    } else {
        proof.path.as_str()
    };
    page.marked(tone, &format!("{path}: {}", one.judged()))?;
    for because in one.refused() {
        page.labelled(4, "refused", because)?;
    }
    for why in one.undecided() {
        page.labelled(4, "unknown", why)?;
    }
    described.write(page, proof.into())?;
    if let Some(names) = proof.other_names() {
        super::proof::other(page, &names)?;
    }
    if !one.configuration.is_empty() {
        page.labelled(4, "settings", &one.configuration)?;
    }
    page.labelled(4, "program", &proof.program)?;
    if let Some(sha256) = &proof.sha256 {
        page.labelled(4, "sha256", sha256)?;
    }
    for (at, reason) in proof.reasons.iter().enumerate() {
        page.labelled(4, if at == 0 { "because" } else { "" }, reason)?;
    }
    for recipe in &proof.recipes {
        page.labelled(4, "elsewhere", &format!("{}: {}", recipe.tool, recipe.says))?;
        if let Some(but) = &recipe.but {
            page.labelled(4, "", but)?;
        }
    }
    chain(page, proof)?;
    if proof.judgement.accepted {
        return Ok(());
    }
    let topic = if one.undecided().is_empty() || !one.refused().is_empty() {
        one.module.word()
    } else {
        &proof.judgement.policy
    };
    let page_of = format!("glooistio explain {topic}");
    page.command(4, "see", &page_of)
}

/// Writes the steps from the file to the certificate; the chain is empty unless the user requested it.
fn chain(page: &mut Page<'_>, proof: &Proof) -> io::Result<()> {
    for (at, step) in proof.chain.iter().enumerate() {
        let strength = step.strength.word();
        let text = format!("{}. {} ({}; {strength})", at + 1, step.what, step.place);
        page.labelled(4, if at == 0 { "chain" } else { "" }, &text)?;
    }
    Ok(())
}
