//! The rules of ARCHITECTURE.md that no compiler keeps.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::env::root;

/// Top modules of the root package; each uses only what stands before it. Cargo keeps the order of the crates.
const ORDER: &[&str] = &[
    "suggestion",
    "workload",
    "exit",
    "report",
    "secret",
    "sys",
    "ui",
    "request",
    "plan",
    "render",
    "image",
    "facts",
    "data",
    "check",
    "action",
    "install",
    "verify",
    "upgrade",
    "inspect",
    "cli",
];

/// Lines that a file may have without its tests.
const LONGEST_FILE: usize = 400;

/// One file of Rust.
struct Source {
    path: PathBuf,
    /// Path from the package's root, for messages.
    name: String,
    /// Everything before the unit tests.
    code: String,
    /// The whole file belongs to unit tests.
    for_tests: bool,
}

impl Source {
    fn read(path: PathBuf) -> Source {
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text
            .split("\n#[cfg(test)]\nmod tests")
            .next()
            .unwrap_or_default()
            .to_owned();
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        let for_tests = is_for_tests(&path);
        Source {
            path,
            name,
            code,
            for_tests,
        }
    }

    /// `plan` for src/plan.rs and everything in src/plan/; `None` for a file of another crate.
    fn module(&self) -> Option<&str> {
        let inner = self.name.strip_prefix("src/")?;
        Some(inner.split('/').next().unwrap().trim_end_matches(".rs"))
    }

    /// Lines of code with their numbers: no comments, no documentation.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
            .map(|(n, line)| (n + 1, line))
    }
}

/// Whether a file, or one that it is a part of, is declared for tests only.
fn is_for_tests(path: &Path) -> bool {
    declaration(path).is_some_and(|(parent, line)| {
        let text = std::fs::read_to_string(&parent).unwrap();
        text.lines().nth(line.wrapping_sub(1)) == Some("#[cfg(test)]") || is_for_tests(&parent)
    })
}

/// The file that declares the module at `path`, and the number of the line that does.
fn declaration(path: &Path) -> Option<(PathBuf, usize)> {
    let name = path.file_stem()?.to_str()?;
    let dir = path.parent()?;
    let places = [
        dir.with_extension("rs"),
        dir.join("lib.rs"),
        dir.join("main.rs"),
    ];
    places.iter().find_map(|place| {
        let text = std::fs::read_to_string(place).ok()?;
        let line = text.lines().position(|line| {
            let bare = line
                .trim_start_matches("pub(super) ")
                .trim_start_matches("pub(crate) ")
                .trim_start_matches("pub ");
            bare == format!("mod {name};")
        })?;
        Some((place.clone(), line))
    })
}

fn files(dir: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(dir)];
    while let Some(dir) = open.pop() {
        let Ok(entries) = std::fs::read_dir(dir) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The product's sources, less files that are tests as a whole.
fn sources() -> Vec<Source> {
    let all = ["src", "crates"]
        .iter()
        .flat_map(|dir| files(dir, "rs"))
        .filter(|path| !path.ends_with("build.rs"))
        .map(Source::read)
        .filter(|source| !source.for_tests);
    let found: Vec<Source> = all.collect();
    assert!(found.len() > 10, "the sources are found");
    found
}

/// Top modules that a line names by `crate::`.
fn named(line: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
            .collect()
    };
    line.split("crate::")
        .skip(1)
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(group) => group
                .split([',', '}'])
                .map(|part| word(part.trim()))
                .collect(),
            None => vec![word(rest)],
        })
        .filter(|module| ORDER.contains(&module.as_str()))
        .collect()
}

#[track_caller]
fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn modules_use_only_earlier_modules() {
    let rank = |module: &str| ORDER.iter().position(|known| *known == module);
    let mut complaints = Vec::new();
    for source in sources() {
        let module = match source.module() {
            None | Some("lib" | "main") => continue,
            Some(module) => module,
        };
        let Some(own) = rank(module) else {
            complaints.push(format!("{}: not in the list of modules", source.name));
            continue;
        };
        for (n, line) in source.lines() {
            let later = named(line)
                .into_iter()
                .filter(|module| rank(module) > Some(own));
            complaints.extend(
                later.map(|module| {
                    format!("{}:{n}: uses `{module}`, which comes later", source.name)
                }),
            );
        }
    }
    none(&complaints);
}

/// Words of the dialect that `docs/glossary.md` replaces.
const DIALECT: [&str; 11] = [
    "nobody",
    "whose",
    "lies there",
    "lie there",
    "mend",
    "leave away",
    "looks after",
    "looked after",
    "the way of",
    "goes on",
    "stands",
];

/// Whether the line has the phrase as words of their own.
fn has_words(line: &str, phrase: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(phrase).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + phrase.len()..]);
        let is_meaning = phrase == "stands" && after.starts_with(" for");
        !is_part(before.chars().next_back()) && !is_part(after.chars().next()) && !is_meaning
    })
}

#[test]
fn sources_and_pages_are_in_plain_english() {
    let mut all = Vec::new();
    for extension in ["rs", "md", "yaml"] {
        all.extend(files("src", extension));
        all.extend(files("crates", extension));
    }
    all.extend(files("docs", "md"));
    let pages = [
        "README.md",
        "SECURITY.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
    ];
    all.extend(pages.map(|name| root().join(name)));
    let mut complaints = Vec::new();
    for path in all {
        let text = std::fs::read_to_string(&path).unwrap().to_lowercase();
        for (at, line) in text.lines().enumerate() {
            let found = DIALECT.iter().find(|phrase| has_words(line, phrase));
            complaints
                .extend(found.map(|phrase| format!("{}:{}: {phrase}", path.display(), at + 1)));
        }
    }
    none(&complaints);
}

#[test]
fn every_file_is_declared() {
    let mut all = files("src", "rs");
    all.extend(files("crates", "rs"));
    all.extend(files("tests/it", "rs"));
    let is_root = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str());
        matches!(name, Some("lib.rs" | "main.rs" | "build.rs"))
    };
    let forgotten = all
        .iter()
        .filter(|path| !is_root(path) && declaration(path).is_none());
    none(
        &forgotten
            .map(|path| format!("{}: no `mod` names it", path.display()))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn files_stay_short() {
    let long = sources().into_iter().filter_map(|source| {
        let lines = source.code.lines().count();
        (lines > LONGEST_FILE).then(|| format!("{}: {lines} lines without tests", source.name))
    });
    none(&long.collect::<Vec<_>>());
}

#[test]
fn only_sys_touches_the_outside() {
    let complaints = sources()
        .into_iter()
        .filter(|source| !matches!(source.module(), Some("sys" | "ui")))
        .filter(|source| !source.path.ends_with("istio-builds/src/client.rs"))
        // It runs in build scripts.
        .filter(|source| !source.path.ends_with("embed-data/src/lib.rs"))
        .filter_map(|source| {
            let (n, _) = source
                .lines()
                .find(|(_, line)| line.contains("clippy::disallowed_"))?;
            Some(format!(
                "{}:{n}: lifts a ban that only `sys` may lift",
                source.name
            ))
        });
    none(&complaints.collect::<Vec<_>>());
    let banned = std::fs::read_to_string(root().join("clippy.toml")).unwrap();
    for name in [
        "std::process::Command::new",
        "duct::cmd",
        "which::which",
        "std::env::var",
        "std::fs::read",
        "std::fs::write",
        "std::fs::File::open",
        "std::time::SystemTime::now",
        "std::net::TcpStream",
        "std::io::stdout",
        "std::io::stderr",
        "std::thread::sleep",
    ] {
        assert!(
            banned.contains(&format!("\"{name}\"")),
            "clippy.toml no longer bans {name}"
        );
    }
}

/// Whether the text holds something like `1.31.0` or `#4407`, or the name of a registry.
fn names_data(text: &str) -> bool {
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).count();
    let release = |at: usize| {
        let minor = &text[at + 2..];
        let patch = minor
            .get(digits(minor)..)
            .and_then(|rest| rest.strip_prefix('.'));
        !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '.')
            && patch.is_some_and(|patch| digits(minor) > 0 && digits(patch) > 0)
    };
    text.match_indices("1.").any(|(at, _)| release(at))
        || text
            .match_indices('#')
            .any(|(at, _)| digits(&text[at + 1..]) == 4)
        || text.contains("gcr.io")
        || text.contains("docker.pkg.dev")
}

#[test]
fn no_code_names_a_release_a_hub_or_a_certificate() {
    for (text, data) in [
        ("\"1.31.0\"", true),
        ("1.7.5-fips2", true),
        ("11.1.2", false),
        ("0..1.max(2)", false),
        ("1.0", false),
        ("#4407", true),
        ("r#\"", false),
        ("gcr.io/x", true),
    ] {
        assert_eq!(names_data(text), data, "{text}");
    }
    let mut complaints = Vec::new();
    for source in sources() {
        let bad = source.lines().filter(|(_, line)| names_data(line));
        complaints.extend(bad.map(|(n, line)| format!("{}:{n}: {}", source.name, line.trim())));
    }
    none(&complaints);
}

#[test]
fn every_check_is_registered_and_has_its_page() {
    let dir = root().join("src/check");
    let pages: BTreeSet<String> = files("src/check", "md")
        .iter()
        .map(|path| kebab(path))
        .collect();
    let registered: BTreeSet<String> = glooistio::check::CHECKS
        .iter()
        .map(|check| check.id.to_owned())
        .collect();
    assert_eq!(
        pages,
        registered,
        "the pages in {} and the checks in CHECKS",
        dir.display()
    );
    assert_eq!(
        registered.len(),
        glooistio::check::CHECKS.len(),
        "an id occurs twice"
    );
    for check in glooistio::check::CHECKS {
        let file = dir.join(format!("{}.rs", check.id.replace('-', "_")));
        assert!(
            file.exists(),
            "{} is not in a file of its own name",
            check.id
        );
        assert!(
            check.page.contains(check.id),
            "the page of {} does not name it",
            check.id
        );
    }
}

fn kebab(path: &Path) -> String {
    path.file_stem()
        .unwrap()
        .to_str()
        .unwrap()
        .replace('_', "-")
}

#[test]
fn every_template_is_embedded() {
    let code: String = sources()
        .iter()
        .filter(|source| source.module() == Some("render"))
        .map(|source| source.code.clone())
        .collect();
    let forgotten = files("templates", "hbs").into_iter().filter_map(|path| {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        (!code.contains(&name)).then(|| format!("{name}: nothing embeds it"))
    });
    none(&forgotten.collect::<Vec<_>>());
}

#[test]
fn main_only_starts_the_program() {
    let main = sources()
        .into_iter()
        .find(|source| source.path.ends_with("src/main.rs"))
        .unwrap();
    assert!(main.code.lines().count() <= 10);
}

#[test]
fn templates_ask_for_capabilities_that_exist() {
    let known: BTreeSet<&str> = istio_builds::Capability::ALL
        .iter()
        .map(|one| one.name())
        .collect();
    let word = |text: &str| -> String {
        text.chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
            .collect()
    };
    let mut asked = 0;
    for path in files("templates", "hbs") {
        let text = std::fs::read_to_string(&path).unwrap();
        let needs = text.split("needs: ").skip(1).flat_map(|rest| {
            let list = rest.split("--}}").next().unwrap_or_default();
            list.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        });
        for name in text.split("can.").skip(1).map(word).chain(needs) {
            asked += 1;
            assert!(
                known.contains(name.as_str()),
                "{}: no capability is called {name}",
                path.display()
            );
        }
    }
    assert!(asked > 0, "the templates were read");
}
