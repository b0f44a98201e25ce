//! Selects the programs of an image that are read.

use std::collections::BTreeSet;

use super::glob::{Pattern, is_pattern};
use super::manifest::Configuration;
use super::path;
use super::wrapper::may_be;

/// The maximum number of words after the first word of a command that may name a program started by
/// another.
const WORDS: usize = 16;

/// The name of a program with an unknown path.
const STARTED: &str = "the program that it starts";

/// What to look for in an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Want {
    /// What the image starts, and the programs that an image of Istio is known to contain. The
    /// program that it starts, or else the name of the image, shows which image of Istio it is. If
    /// neither does, every known program that it contains.
    #[default]
    Known,
    /// The same, and the programs that its containers start instead: words that are looked up
    /// through its `PATH`.
    Started(BTreeSet<String>),
    /// `--path`: the programs at these paths, after links, and every ELF file that one of the
    /// patterns matches.
    Paths(Vec<String>),
    /// `--all`: every ELF file.
    All,
}

/// An image of Istio.
struct Known {
    /// The last component of its name.
    name: &'static str,
    /// Its programs, the one that it starts first, each with all paths that versions have used.
    programs: &'static [&'static [&'static str]],
}

/// Returns true if this is the name of an image of Istio.
pub fn is_image_of_istio(name: &str) -> bool {
    IMAGES.iter().any(|image| image.name == name)
}

const IMAGES: &[Known] = &[
    Known {
        name: "pilot",
        programs: &[&["/usr/local/bin/pilot-discovery"]],
    },
    Known {
        name: "proxyv2",
        programs: &[&["/usr/local/bin/pilot-agent"], &["/usr/local/bin/envoy"]],
    },
    Known {
        name: "install-cni",
        programs: &[
            &["/usr/local/bin/install-cni", "/opt/cni/bin/install-cni"],
            &["/opt/cni/bin/istio-cni"],
        ],
    },
    Known {
        name: "ztunnel",
        programs: &[&["/usr/local/bin/ztunnel"]],
    },
    Known {
        name: "istioctl",
        programs: &[&["/usr/local/bin/istioctl"]],
    },
    Known {
        name: "operator",
        programs: &[&["/usr/local/bin/operator"]],
    },
    Known {
        name: "agentgateway",
        programs: &[&["/usr/local/bin/agentgateway", "/app/agentgateway"]],
    },
];

/// A program to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WantedProgram {
    /// The name that is reported if the program is missing.
    pub(super) name: String,
    /// The paths at which it may be.
    pub(super) paths: Vec<String>,
    /// True if every file at these paths counts, and not only the first.
    pub(super) each: bool,
    /// True if it is reported when it is missing.
    pub(super) required: bool,
    /// True if it only starts another program.
    pub(super) wrapper: bool,
    /// Why the program cannot be determined.
    pub(super) unknown: Option<String>,
}

impl Want {
    /// Returns the programs to look for in an image with this name; none for [`Want::All`].
    pub(super) fn sought(&self, name: &str, configuration: &Configuration) -> Vec<WantedProgram> {
        match self {
            Want::Known => known(name, configuration, &BTreeSet::new()),
            Want::Started(words) => known(name, configuration, words),
            Want::Paths(_) | Want::All => self.anywhere(),
        }
    }

    /// Returns the patterns among the paths. The request has already refused invalid ones.
    pub(super) fn patterns(&self) -> Vec<Pattern> {
        let Want::Paths(paths) = self else {
            return Vec::new();
        };
        let patterns = paths.iter().filter(|path| is_pattern(path));
        patterns
            .filter_map(|text| Pattern::parse(text).ok())
            .collect()
    }

    /// Returns true if any program of an image can be wanted, so that all of them must be checked.
    pub(super) fn is_open(&self) -> bool {
        *self == Want::All || !self.patterns().is_empty()
    }

    /// Returns the programs to look for while the image is not known yet.
    pub(super) fn anywhere(&self) -> Vec<WantedProgram> {
        match self {
            Want::Known | Want::Started(_) => all(),
            Want::Paths(paths) => {
                let sought = |path| WantedProgram::first_of(std::slice::from_ref(path), true);
                let literal = paths.iter().filter(|path| !is_pattern(path));
                literal.map(sought).collect()
            }
            Want::All => Vec::new(),
        }
    }
}

/// Every known program.
fn all() -> Vec<WantedProgram> {
    IMAGES
        .iter()
        .flat_map(|image| image.sought(false))
        .collect()
}

fn known(
    name: &str,
    configuration: &Configuration,
    words: &BTreeSet<String>,
) -> Vec<WantedProgram> {
    let command = configuration
        .command
        .iter()
        .chain(&configuration.started.words);
    let mut sought = started(configuration, words);
    let image = command.chain(words).find_map(|word| of_main(word));
    let beside = match image.or_else(|| named(name)) {
        Some(image) => image.sought(true).collect(),
        None => all(),
    };
    for mut known in beside {
        let same = |one: &&mut WantedProgram| !one.each && one.paths.first() == known.paths.first();
        if let Some(one) = sought.iter_mut().find(same) {
            one.required |= known.required;
            continue;
        }
        // A program with the same name that is started from another path replaces the known one.
        let elsewhere = |one: &WantedProgram| one.required && base(&one.name) == base(&known.name);
        known.required &= !sought.iter().any(elsewhere);
        sought.push(known);
    }
    sought
}

/// Returns the programs that an image and its containers start, and those that another program
/// starts according to its arguments.
fn started(configuration: &Configuration, words: &BTreeSet<String>) -> Vec<WantedProgram> {
    let command = &configuration.started;
    let first = command
        .wrappers
        .iter()
        .chain(command.words.iter().take(1))
        .chain(words);
    let told = command.words.iter().skip(1).take(WORDS);
    let told = told.filter(|word| of_main(word).is_some());
    let all = first
        .map(|word| (word, true))
        .chain(told.map(|word| (word, false)));
    let mut sought: Vec<WantedProgram> = Vec::new();
    for (word, required) in all {
        if sought.iter().all(|one| one.name != *word) {
            sought.push(WantedProgram {
                name: word.clone(),
                paths: configuration.places(word),
                each: !word.contains('/'),
                required,
                wrapper: command.wrappers.contains(word),
                unknown: None,
            });
        }
    }
    // If pods start other programs, the one that the image starts does not matter.
    if words.is_empty() {
        sought.extend(command.unknown.as_ref().map(|why| WantedProgram {
            name: STARTED.to_owned(),
            paths: Vec::new(),
            each: false,
            required: true,
            wrapper: false,
            unknown: Some(why.clone()),
        }));
    }
    sought
}

impl WantedProgram {
    /// Returns why the file `real` is not the named wrapper but a program that starts others by
    /// unknown rules.
    pub(super) fn is_another(&self, real: &[u8]) -> Option<String> {
        let real = String::from_utf8_lossy(real);
        let another = self.wrapper && !may_be(&self.name, &real);
        another.then(|| format!("it is `/{real}`, and what that starts is not known"))
    }

    /// Looks for the first of these paths that exists.
    fn first_of<P: AsRef<str>>(paths: &[P], required: bool) -> WantedProgram {
        let paths: Vec<String> = paths.iter().map(|path| path.as_ref().to_owned()).collect();
        WantedProgram {
            name: paths.first().cloned().unwrap_or_default(),
            paths,
            each: false,
            required,
            wrapper: false,
            unknown: None,
        }
    }
}

impl Known {
    fn sought(&self, required: bool) -> impl Iterator<Item = WantedProgram> {
        let programs = self.programs.iter();
        programs.map(move |paths| WantedProgram::first_of(paths, required))
    }
}

/// Returns the image that has a main program with the name of `word`.
fn of_main(word: &str) -> Option<&'static Known> {
    IMAGES.iter().find(|image| {
        let main = image.programs.first().and_then(|paths| paths.first());
        main.is_some_and(|main| base(word) == base(main))
    })
}

/// Returns the image of Istio in a reference, such as `hub/pilot:tag` or `hub/pilot@sha256:…`.
fn named(name: &str) -> Option<&'static Known> {
    let bare = name.split('@').next().unwrap_or(name);
    let last = base(bare);
    let last = last.split(':').next().unwrap_or(last);
    IMAGES.iter().find(|image| image.name == last)
}

/// Returns true if an image of Istio has a program with this name.
pub(super) fn is_of_istio(path: &str) -> bool {
    let programs = IMAGES.iter().flat_map(|image| image.programs);
    let mut paths = programs.flat_map(|paths| *paths);
    paths.any(|known| base(known) == base(path))
}

/// Returns the last component of a path.
pub(super) fn base(text: &str) -> &str {
    std::str::from_utf8(path::split(text.as_bytes()).1).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `/a!` is required; `[/b /c]` means every file at these paths.
    fn sought(want: &Want, name: &str, config: &serde_json::Value) -> Vec<String> {
        let image = json!({"architecture": "amd64", "os": "linux", "config": config,
            "rootfs": {"type": "layers", "diff_ids": []}});
        let image = Configuration::parse("x", image.to_string().as_bytes()).unwrap();
        let said = |one: WantedProgram| {
            let paths = if one.each {
                format!("[{}]", one.paths.join(" "))
            } else {
                one.paths.first().unwrap_or(&one.name).clone()
            };
            format!("{paths}{}", if one.required { "!" } else { "" })
        };
        want.sought(name, &image).into_iter().map(said).collect()
    }

    fn first(name: &str, command: &[&str]) -> Vec<String> {
        let config = json!({"Entrypoint": command, "Env": ["PATH=/bin:/opt/bin/"]});
        sought(&Want::Known, name, &config)
    }

    const AGENT: &str = "/usr/local/bin/pilot-agent";

    #[test]
    fn the_images_of_istio_have_the_programs_that_they_always_had() {
        for (name, command, wanted) in [
            ("pilot", "pilot-discovery", &["pilot-discovery"][..]),
            ("proxyv2", "pilot-agent", &["pilot-agent", "envoy"]),
            ("ztunnel", "ztunnel", &["ztunnel"]),
            ("istioctl", "istioctl", &["istioctl"]),
        ] {
            let bin = |name: &&str| format!("/usr/local/bin/{name}!");
            let wanted: Vec<String> = wanted.iter().map(bin).collect();
            let command = format!("/usr/local/bin/{command}");
            for name in [format!("h.io:5000/x/{name}:1"), "mirror/x:1".to_owned()] {
                assert_eq!(first(&name, &[&command, "proxy"]), wanted, "{name}");
            }
            assert_eq!(first(&format!("h.io/{name}@sha256:00"), &[]), wanted);
        }
        let install = "/usr/local/bin/install-cni";
        let wanted = ["/usr/local/bin/install-cni!", "/opt/cni/bin/istio-cni!"];
        assert_eq!(first("h.io/install-cni:1", &[install]), wanted);
    }

    #[test]
    fn what_an_image_starts_is_sought_beside_what_it_is_known_to_have() {
        let (agent, envoy) = (format!("{AGENT}!"), "/usr/local/bin/envoy!");
        for (command, wanted) in [
            (
                &["/opt/pilot-agent"][..],
                &["/opt/pilot-agent!", AGENT, envoy][..],
            ),
            (
                &["/opt/run", "pilot-agent"],
                &[
                    "/opt/run!",
                    "[/bin/pilot-agent /opt/bin/pilot-agent]",
                    &agent,
                    envoy,
                ],
            ),
            (&["/opt/run", AGENT], &["/opt/run!", &agent, envoy]),
            (
                &["pilot-agent"],
                &["[/bin/pilot-agent /opt/bin/pilot-agent]!", AGENT, envoy],
            ),
            (
                &["/bin/sh", "-c", "envoy"],
                &[
                    "/bin/sh!",
                    "[/bin/envoy /opt/bin/envoy]!",
                    &agent,
                    "/usr/local/bin/envoy",
                ],
            ),
            (&["./pilot-agent"], &["/./pilot-agent!", AGENT, envoy]),
        ] {
            assert_eq!(first("h.io/proxyv2:1", command), wanted, "{command:?}");
        }
    }

    #[test]
    fn what_an_image_starts_says_what_it_is_before_its_name_does() {
        assert_eq!(
            first("h.io/x/pilot:1", &[AGENT]),
            first("h.io/proxyv2:1", &[AGENT])
        );
    }

    #[test]
    fn of_an_unknown_image_what_it_starts_is_wanted_and_whatever_is_there() {
        let all = first("app", &["/app/server", "--of=/usr/local/bin/envoy"]);
        assert_eq!(all[0], "/app/server!");
        assert!(all.contains(&"/usr/local/bin/envoy".to_owned()));
        assert_eq!(all.iter().filter(|path| path.ends_with('!')).count(), 1);
    }

    #[test]
    fn what_pods_start_is_sought_by_the_path_of_the_image() {
        let words = Want::Started(BTreeSet::from(["install-cni".to_owned()]));
        let own = "/usr/local/bin/install-cni";
        let config = json!({"Entrypoint": [own], "Env": ["PATH=/bin"]});
        let wanted = [
            &format!("{own}!"),
            "[/bin/install-cni]!",
            "/opt/cni/bin/istio-cni!",
        ];
        assert_eq!(sought(&words, "x", &config), wanted);
    }

    #[test]
    fn paths_of_the_user_are_all_required() {
        let want = Want::Paths(vec!["/a".into(), "b".into()]);
        let sought = want.anywhere();
        assert!(sought.iter().all(|sought| sought.required));
        assert_eq!(sought.len(), 2);
    }
}
