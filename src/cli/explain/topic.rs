//! Topics with a page: every check, every word that a report judges by, and the files that users write.
//!
//! The words come from the types that judge, so that a new word does not compile without its page.

use std::borrow::Cow;

use crate::check::CHECKS;
use crate::exit::Exit;
use crate::render::template::{Head, PRESETS, Param};
use crate::report::{Assurance, Phase, text};
use fips_evidence::{CertificatePolicy, RequiredAssurance};

/// Something that `explain` shows.
pub(super) struct Topic {
    pub(super) id: &'static str,
    /// A title of a few words.
    pub(super) title: Cow<'static, str>,
    pub(super) category: &'static str,
    /// When a check runs.
    pub(super) phase: Option<Phase>,
    /// The page, in Markdown.
    pub(super) page: Cow<'static, str>,
}

/// From the strongest to the weakest, in the order of the README.
const STATEMENTS: [Assurance; 6] = [
    Assurance::Proven,
    Assurance::Identified,
    Assurance::Declared,
    Assurance::Contradicted,
    Assurance::Standard,
    Assurance::Unknown,
];

const FILES: [Topic; 2] = [
    Topic::of(
        "files of your own",
        "modules",
        "a file of rows for --modules, over those of the same key",
        include_str!("modules.md"),
    ),
    Topic::of(
        "files of your own",
        "matrix",
        "a file of rows for --matrix, over those of the same key",
        include_str!("matrix.md"),
    ),
];

/// Returns everything that has a page, in the order of the list.
pub(super) fn all() -> Vec<Topic> {
    let statements = STATEMENTS.map(statement);
    let floors = RequiredAssurance::ALL.into_iter().filter_map(floor);
    let policies = CertificatePolicy::ALL.map(policy);
    let checks = CHECKS.iter().map(|check| Topic {
        id: check.id,
        title: check.title.into(),
        category: check.category,
        phase: Some(check.phase()),
        page: check.page.into(),
    });
    let results = [exit_codes(), json()];
    let presets = PRESETS.iter().map(|(name, text)| preset(name, text));
    let words = statements.into_iter().chain(floors).chain(policies);
    let own = words.chain(results).chain(presets).chain(FILES);
    own.chain(checks).collect()
}

/// Returns the page of the exit codes, made from the table that the program uses.
fn exit_codes() -> Topic {
    let code = |exit: &Exit, why: &str| format!("- **{}**: {why}\n", exit.code());
    let codes: String = Exit::TABLE
        .iter()
        .map(|(exit, why)| code(exit, why))
        .collect();
    let page = format!(
        "# exit-codes

## What it means
The number that a command ends with, for scripts. The first reason that applies counts: usage, then input, then what
is needed to begin, then what the checks found.

## What gives it
{codes}- **any other**: the code of istioctl, where istioctl failed; 128 + N where signal N ended it

## What to do next
The same run as a document, with the reasons: `-o json` (`glooistio explain json`). What a check found, and what it
weighs, is changed by `--severity ID=LEVEL` and `--skip ID=REASON`, not by the exit code.
"
    );
    let title = "the number that a command ends with, for scripts".to_owned();
    Topic::made("results of a run", "exit-codes", title, page)
}

fn json() -> Topic {
    Topic::of(
        "results of a run",
        "json",
        "the report as one JSON document on stdout",
        include_str!("json.md"),
    )
}

/// Returns the page of a preset, made from the head of its template.
fn preset(name: &'static str, text: &str) -> Topic {
    let head = Head::read(text);
    let param = |param: &Param| {
        let default = match param.default.as_deref() {
            None => " (required)".to_owned(),
            Some("") => String::new(),
            Some(default) => format!(" (default: {default})"),
        };
        format!("- `--param {}=…`{default}: {}\n", param.name, param.about)
    };
    let params: String = head.params.iter().map(param).collect();
    let required = head.params.iter().filter(|param| param.default.is_none());
    let flag = |param: &Param| format!(" --param {}=VALUE", param.name);
    let required: String = required.map(flag).collect();
    let needs = match head.needs.as_slice() {
        [] => String::new(),
        needs => format!(
            "\nThe planned Istio must be able to do this (`glooistio matrix capabilities`): {}.\n",
            needs.join(", ")
        ),
    };
    let platform = head.platform.map_or(String::new(), |platform| {
        format!("\nIt is the preset of `--platform {platform}`, where no other is named.\n")
    });
    let page = format!(
        "# {name}

## What it means
{about}.
A preset is the IstioOperator that files and `--set` are merged over.
{platform}
## What gives it
`--preset {name}` of `render`, `check`, `install` and `upgrade`, with these parameters:
{params}{needs}
## What to do next
The documents, without a cluster:

    glooistio render --preset {name}{required}
",
        about = head.about,
    );
    Topic::made("presets of --preset", name, head.about, page)
}

fn statement(module: Assurance) -> Topic {
    let page = match module {
        Assurance::Proven => include_str!("proven.md"),
        Assurance::Identified => include_str!("identified.md"),
        Assurance::Declared => include_str!("declared.md"),
        Assurance::Contradicted => include_str!("contradicted.md"),
        Assurance::Standard => include_str!("standard.md"),
        Assurance::Unknown => include_str!("unknown.md"),
    };
    let category = "statements about a module";
    Topic::of(category, module.word(), text::meaning(module), page)
}

/// Returns the topic of a required assurance, unless it is a module statement too.
fn floor(floor: RequiredAssurance) -> Option<Topic> {
    let (title, page) = match floor {
        RequiredAssurance::Declared | RequiredAssurance::Identified | RequiredAssurance::Proven => {
            return None;
        }
        RequiredAssurance::FipsOnly => (
            "declared or better, approved algorithms only, no other cryptography",
            include_str!("fipsonly.md"),
        ),
    };
    let category = "levels of --require, in addition to proven, identified and declared";
    Some(Topic::of(category, floor.name(), title, page))
}

fn policy(policy: CertificatePolicy) -> Topic {
    let (title, page) = match policy {
        CertificatePolicy::Any => (
            "nothing is asked of the certificate: the floor decides alone",
            include_str!("any.md"),
        ),
        CertificatePolicy::Active140_3 => (
            "proven, with a FIPS 140-3 certificate that is active on the day",
            include_str!("140-3-active.md"),
        ),
        CertificatePolicy::FedRamp2026 => (
            "proven with an active certificate, or an update stream",
            include_str!("fedramp-2026.md"),
        ),
    };
    Topic::of("policies of --policy", policy.name(), title, page)
}

impl Topic {
    /// Creates a topic with a page that is made from what the program knows.
    fn made(category: &'static str, id: &'static str, title: String, page: String) -> Topic {
        Topic {
            id,
            title: Cow::Owned(title),
            category,
            phase: None,
            page: Cow::Owned(page),
        }
    }

    const fn of(
        category: &'static str,
        id: &'static str,
        title: &'static str,
        page: &'static str,
    ) -> Topic {
        Topic {
            id,
            title: Cow::Borrowed(title),
            category,
            phase: None,
            page: Cow::Borrowed(page),
        }
    }

    /// Returns the heading of its group in the list.
    pub(super) fn heading(&self) -> String {
        match self.phase {
            None => self.category.to_owned(),
            Some(Phase::Before) => format!("checks before: {}", self.category),
            Some(Phase::After) => format!("checks after: {}", self.category),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use fips_evidence::Modules;
    use istio_builds::{Known, Matrix};

    /// Returns the pages that do not belong to a check.
    fn words() -> impl Iterator<Item = Topic> {
        all().into_iter().filter(|topic| topic.phase.is_none())
    }

    fn page(id: &str) -> String {
        let topics = all().into_iter();
        let mut found = topics.filter(|topic| topic.id == id);
        found.next().unwrap().page.into_owned()
    }

    #[test]
    fn every_page_has_a_name_of_its_own_and_stands_with_its_like() {
        let ids: BTreeSet<&str> = all().iter().map(|topic| topic.id).collect();
        assert_eq!(ids.len(), all().len(), "an id occurs twice");
        let mut headings: Vec<String> = all().iter().map(Topic::heading).collect();
        headings.dedup();
        let once: BTreeSet<&String> = headings.iter().collect();
        assert_eq!(once.len(), headings.len(), "{headings:?}");
    }

    #[test]
    fn every_page_of_a_word_begins_with_its_meaning() {
        for topic in words() {
            let headings: Vec<&str> = topic
                .page
                .lines()
                .filter(|line| line.starts_with('#'))
                .collect();
            let title = format!("# {}", topic.id);
            let wanted = [
                &title,
                "## What it means",
                "## What gives it",
                "## What to do next",
            ];
            assert_eq!(headings, wanted, "{}", topic.id);
            let (_, meaning) = topic.page.split_once("## What it means\n").unwrap();
            let begins = meaning
                .get(..topic.title.len())
                .unwrap()
                .replace('\n', " ")
                .to_lowercase();
            assert_eq!(begins, topic.title.to_lowercase(), "{}", topic.id);
            // The head of a template is written for other uses too.
            let longest = if topic.category.contains("--preset") {
                96
            } else {
                72
            };
            assert!(topic.title.len() <= longest, "{}", topic.id);
            let longest = topic.page.lines().map(|line| line.chars().count()).max();
            assert!(longest <= Some(130), "{}", topic.id);
        }
    }

    #[test]
    fn statements_are_listed_from_the_strongest() {
        let passing = STATEMENTS.map(|module| module >= Assurance::Declared);
        assert_eq!(passing, [true, true, true, false, false, false]);
        assert!(STATEMENTS[..3].is_sorted_by(|left, right| left > right));
    }

    #[test]
    fn page_of_json_names_every_field_of_a_report() {
        let report = serde_json::to_value(crate::report::samples::full()).unwrap();
        let page = page("json");
        let (_, fields) = page.split_once("## What gives it").unwrap();
        for field in report
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .chain(["error"])
        {
            assert!(fields.contains(&format!("`{field}`")), "{field}");
        }
    }

    #[test]
    fn page_of_exit_codes_has_every_code_and_pages_of_presets_their_parameters() {
        let codes = page("exit-codes");
        for (exit, why) in Exit::TABLE {
            assert!(codes.contains(&format!("- **{}**: {why}\n", exit.code())));
        }
        let production = page("production");
        assert!(production.contains("- `--param cluster=…` (required): name of this cluster"));
        assert!(
            production.contains("glooistio render --preset production --param cluster=VALUE\n")
        );
        for (name, _) in PRESETS {
            assert!(all().iter().any(|topic| topic.id == *name), "{name}");
        }
    }

    /// Returns the indented lines of a page.
    fn example(id: &str) -> String {
        let page = page(id);
        let lines = page.lines().filter_map(|line| line.strip_prefix("    "));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_example_of_modules_is_a_file_of_modules() {
        let example = example("modules");
        let modules = Modules::with_file("example", &example).unwrap();
        let key = example.lines().find_map(|line| line.split_once("frozen: "));
        let frozen = key.unwrap().1.split_whitespace().next().unwrap();
        let row = modules.by_frozen(frozen).unwrap();
        let at = "2027-02-01".parse().unwrap();
        assert_eq!(modules.standing(row, at).unwrap().certificate, Some(9999));
        assert!(Modules::builtin().by_frozen(frozen).is_some());
        for (written, words) in [
            ("family: go ", "go boring-crypto aws-lc open-ssl"),
            ("standard: 140-3 ", "140-3 140-2"),
            (
                "status: active ",
                "active interim historical revoked pending update-stream",
            ),
            (
                "evidence: docs ",
                "docs workshop user second-hand bare derived",
            ),
        ] {
            let (field, _) = written.split_once(' ').unwrap();
            let line = example.lines().find(|line| line.contains(written)).unwrap();
            for word in words.split(' ') {
                assert!(line.contains(word), "{field} {word}");
                let other = example.replacen(written, &format!("{field} {word} "), 1);
                assert!(
                    Modules::with_file("other", &other).is_ok(),
                    "{field} {word}"
                );
            }
        }
    }

    #[test]
    fn the_example_of_the_matrix_is_a_matrix() {
        let example = example("matrix");
        let matrix = Matrix::with_file("example", &example).unwrap();
        let (_, tag) = example.split_once("tag: ").unwrap();
        let tag = tag.split(',').next().unwrap().parse().unwrap();
        assert!(matches!(matrix.known(&tag), Known::Seen(_)));
        assert!(!matches!(Matrix::builtin().known(&tag), Known::Seen(_)));
    }
}
