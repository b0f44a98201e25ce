//! What has a page: every check, every word that a report judges by, and the files that users write.
//!
//! The words come from the types that judge: a new one does not compile without its page.

use crate::check::CHECKS;
use crate::fips::{Floor, Policy};
use crate::report::{Module, Phase, text};

/// Something that `explain` shows.
pub(super) struct Topic {
    pub(super) id: &'static str,
    /// In a few words.
    pub(super) title: &'static str,
    pub(super) category: &'static str,
    /// When a check looks.
    pub(super) phase: Option<Phase>,
    pub(super) page: &'static str,
}

/// From the strongest to the weakest, in the order of the README.
const STATEMENTS: [Module; 6] = [
    Module::Proven,
    Module::Identified,
    Module::Declared,
    Module::Contradicted,
    Module::Standard,
    Module::Unknown,
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

/// Everything that has a page, in the order it is listed.
pub(super) fn all() -> Vec<Topic> {
    let statements = STATEMENTS.map(statement);
    let floors = Floor::ALL.into_iter().filter_map(floor);
    let policies = Policy::ALL.map(policy);
    let checks = CHECKS.iter().map(|check| Topic {
        id: check.id,
        title: check.title,
        category: check.category,
        phase: Some(check.phase()),
        page: check.page,
    });
    let words = statements.into_iter().chain(floors).chain(policies);
    words.chain(FILES).chain(checks).collect()
}

fn statement(module: Module) -> Topic {
    let page = match module {
        Module::Proven => include_str!("proven.md"),
        Module::Identified => include_str!("identified.md"),
        Module::Declared => include_str!("declared.md"),
        Module::Contradicted => include_str!("contradicted.md"),
        Module::Standard => include_str!("standard.md"),
        Module::Unknown => include_str!("unknown.md"),
    };
    let category = "statements about a module";
    Topic::of(category, module.word(), text::meaning(module), page)
}

/// The other floors are statements.
fn floor(floor: Floor) -> Option<Topic> {
    let (title, page) = match floor {
        Floor::Declared | Floor::Identified | Floor::Proven => return None,
        Floor::FipsOnly => (
            "declared or better, approved algorithms only, no other cryptography",
            include_str!("fipsonly.md"),
        ),
    };
    let category = "floors of --require, beside proven, identified and declared";
    Some(Topic::of(category, floor.name(), title, page))
}

fn policy(policy: Policy) -> Topic {
    let (title, page) = match policy {
        Policy::Any => (
            "nothing is asked of the certificate: the floor decides alone",
            include_str!("any.md"),
        ),
        Policy::Active140_3 => (
            "proven, with a FIPS 140-3 certificate that is active on the day",
            include_str!("140-3-active.md"),
        ),
        Policy::FedRamp2026 => (
            "proven with an active certificate, or an update stream",
            include_str!("fedramp-2026.md"),
        ),
    };
    Topic::of("policies of --policy", policy.name(), title, page)
}

impl Topic {
    const fn of(
        category: &'static str,
        id: &'static str,
        title: &'static str,
        page: &'static str,
    ) -> Topic {
        Topic {
            id,
            title,
            category,
            phase: None,
            page,
        }
    }

    /// What it stands under in the list.
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
    use crate::fips::Modules;
    use crate::istio::{Known, Matrix};

    /// Pages that are no check's.
    fn words() -> impl Iterator<Item = Topic> {
        all().into_iter().filter(|topic| topic.phase.is_none())
    }

    fn page(id: &str) -> &'static str {
        all().iter().find(|topic| topic.id == id).unwrap().page
    }

    #[test]
    fn every_page_has_a_name_of_its_own_and_stands_with_its_like() {
        let ids: BTreeSet<&str> = all().iter().map(|topic| topic.id).collect();
        assert_eq!(ids.len(), all().len(), "an id stands twice");
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
            assert!(topic.title.len() <= 72, "{}", topic.id);
            let longest = topic.page.lines().map(|line| line.chars().count()).max();
            assert!(longest <= Some(130), "{}", topic.id);
        }
    }

    #[test]
    fn statements_are_listed_from_the_strongest() {
        let passing = STATEMENTS.map(|module| module >= Module::Declared);
        assert_eq!(passing, [true, true, true, false, false, false]);
        assert!(STATEMENTS[..3].is_sorted_by(|left, right| left > right));
    }

    /// The indented lines of a page.
    fn example(id: &str) -> String {
        let lines = page(id)
            .lines()
            .filter_map(|line| line.strip_prefix("    "));
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
