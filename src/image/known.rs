//! Which programs of an image are looked at.

use super::path;

/// What to look for in an image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Want {
    /// The programs that an image of Istio is known to have. Which image it is follows from what it
    /// starts, or else from its name; where neither says it, what it starts and every known program
    /// that is there.
    #[default]
    Known,
    /// `--path`: these, wherever links lead.
    Paths(Vec<String>),
    /// `--all`: every ELF file.
    All,
}

/// An image of Istio.
struct Known {
    /// Last part of its name.
    name: &'static str,
    /// Its programs, the one that it starts first; each with the paths that it had over time.
    programs: &'static [&'static [&'static str]],
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

/// A program that is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sought {
    /// Where it may be; the first that is there counts. Never empty.
    pub(super) paths: Vec<String>,
    /// It is reported where it is missing.
    pub(super) required: bool,
}

impl Want {
    /// What to seek in an image of that name that starts `command`; nothing for [`Want::All`].
    pub(super) fn sought(&self, name: &str, command: &[String]) -> Vec<Sought> {
        match self {
            Want::All => Vec::new(),
            Want::Paths(paths) => paths
                .iter()
                .map(|path| Sought {
                    paths: vec![path.clone()],
                    required: true,
                })
                .collect(),
            Want::Known => known(name, command),
        }
    }
}

/// Every known program.
pub(super) fn all() -> Vec<Sought> {
    IMAGES
        .iter()
        .flat_map(|image| image.sought(false))
        .collect()
}

fn known(name: &str, command: &[String]) -> Vec<Sought> {
    if let Some(image) = started(command).or_else(|| named(name)) {
        return image.sought(true).collect();
    }
    let own = command
        .first()
        .filter(|program| program.starts_with('/'))
        .map(|program| Sought {
            paths: vec![program.clone()],
            required: false,
        });
    own.into_iter().chain(all()).collect()
}

impl Known {
    fn sought(&self, required: bool) -> impl Iterator<Item = Sought> {
        self.programs.iter().map(move |paths| Sought {
            paths: paths.iter().map(|&path| path.to_owned()).collect(),
            required,
        })
    }
}

/// The image whose main program a word of the command names.
fn started(command: &[String]) -> Option<&'static Known> {
    let words = || command.iter().map(|word| base(word));
    IMAGES.iter().find(|image| {
        let main = image.programs.first().and_then(|paths| paths.first());
        main.is_some_and(|main| words().any(|word| word == base(main)))
    })
}

/// The image that a reference names: `hub/pilot:tag`, `hub/pilot@sha256:…`.
fn named(name: &str) -> Option<&'static Known> {
    let bare = name.split('@').next().unwrap_or(name);
    let last = base(bare);
    let last = last.split(':').next().unwrap_or(last);
    IMAGES.iter().find(|image| image.name == last)
}

fn base(text: &str) -> &str {
    std::str::from_utf8(path::split(text.as_bytes()).1).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(name: &str, command: &[&str]) -> Vec<String> {
        let command: Vec<String> = command.iter().map(|&word| word.to_owned()).collect();
        let sought = Want::Known.sought(name, &command);
        sought
            .into_iter()
            .map(|sought| {
                format!(
                    "{}{}",
                    sought.paths[0],
                    if sought.required { "!" } else { "" }
                )
            })
            .collect()
    }

    #[test]
    fn what_an_image_starts_says_what_it_is_before_its_name_does() {
        let proxy = [
            "/usr/local/bin/pilot-agent!".to_owned(),
            "/usr/local/bin/envoy!".to_owned(),
        ];
        assert_eq!(
            first("h.io/x/pilot:1", &["/usr/local/bin/pilot-agent"]),
            proxy
        );
        assert_eq!(first("h.io:5000/x/proxyv2:1", &[]), proxy);
        assert_eq!(first("h.io/proxyv2@sha256:00", &["/bin/sh", "-c"]), proxy);
    }

    #[test]
    fn of_an_unknown_image_whatever_is_there_is_wanted() {
        let all = first("app", &["/app/server"]);
        assert_eq!(all[0], "/app/server");
        assert!(all.contains(&"/usr/local/bin/envoy".to_owned()));
        assert!(all.iter().all(|path| !path.ends_with('!')));
    }

    #[test]
    fn paths_of_the_user_are_all_required() {
        let want = Want::Paths(vec!["/a".into(), "b".into()]);
        let sought = want.sought("pilot", &[]);
        assert!(sought.iter().all(|sought| sought.required));
        assert_eq!(sought.len(), 2);
    }
}
