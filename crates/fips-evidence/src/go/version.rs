//! The version that a Go toolchain records.

/// A version of Go, with what its builder added to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoVersion {
    /// The minor version: 26 for `go1.26.6`.
    pub minor: u32,
    /// The patch version: 6 for `go1.26.6`; 0 if there is none.
    pub patch: u32,
    /// The BoringCrypto release: 4 for `go1.14.12b4`, from the branch that had BoringCrypto before Go 1.19.
    pub boring_release: Option<u32>,
    /// `rc1`, `beta2`, `devel`, or the dated `20250209` of a toolchain between two releases.
    pub prerelease: Option<String>,
    /// The experiments after `X:`, which follows a space or, since Go 1.26, a dash.
    pub experiments: Vec<String>,
}

impl GoVersion {
    /// Parses `go1.26.6-X:boringcrypto`, `go1.22.9 (Red Hat 1.22.9-1.el9)`, `go1.24.1-1`,
    /// `go1.25-20250209-RC00 cl/724970549 +ff27d270c9 X:fieldtrack,boringcrypto`,
    /// `devel go1.20-1ba7341cb2 …`. Returns `None` if the text does not name a release of Go 1.
    pub fn parse(text: &str) -> Option<GoVersion> {
        let devel = text.strip_prefix("devel ");
        let mut words = devel.unwrap_or(text).split_ascii_whitespace();
        let (minor, mut rest) = number(words.next()?.strip_prefix("go1.")?)?;
        let mut patch = 0;
        if let Some((value, after)) = rest.strip_prefix('.').and_then(number) {
            (patch, rest) = (value, after);
        }
        let boring = rest.strip_prefix('b').and_then(number);
        let dated = |rest: &str| {
            let word = rest.strip_prefix('-')?.split('-').next()?;
            let date = word.len() == 8 && word.bytes().all(|byte| byte.is_ascii_digit());
            (date || word.starts_with("devel")).then(|| word.to_owned())
        };
        let prerelease = match (devel, boring) {
            (Some(_), _) => Some("devel".to_owned()),
            (None, Some(_)) => None,
            (None, None) => candidate(rest).or_else(|| dated(rest)),
        };
        Some(GoVersion {
            minor,
            patch,
            boring_release: boring.map(|(release, _)| release),
            prerelease,
            experiments: experiments(text),
        })
    }

    /// Checks whether the toolchain was built with this experiment.
    pub fn has_experiment(&self, name: &str) -> bool {
        self.experiments.iter().any(|experiment| experiment == name)
    }
}

/// Returns `rc1`, `beta2` and the like, up to the next dash.
fn candidate(rest: &str) -> Option<String> {
    let word = rest.split('-').next()?;
    (word.starts_with("rc") || word.starts_with("beta")).then(|| word.to_owned())
}

fn experiments(text: &str) -> Vec<String> {
    let list = text.find("X:").filter(|at| {
        let before = text[..*at].chars().next_back();
        matches!(before, Some(' ' | '-'))
    });
    let list = list.map_or("", |at| &text[at + 2..]);
    let list = list.split_ascii_whitespace().next().unwrap_or("");
    let names = list.split(',').filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

fn number(text: &str) -> Option<(u32, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at(digits);
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_with_what_their_builders_added() {
        let google = "go1.25-20250209-RC00 cl/724970549 +ff27d270c9 X:fieldtrack,boringcrypto";
        for (text, minor, patch, prerelease, experiments) in [
            ("go1.27", 27, 0, "", ""),
            ("go1.25.5", 25, 5, "", ""),
            ("go1.25.5 X:boringcrypto", 25, 5, "", "boringcrypto"),
            ("go1.26.6-X:boringcrypto", 26, 6, "", "boringcrypto"),
            ("go1.26.6-X:a,systemcrypto", 26, 6, "", "a,systemcrypto"),
            (google, 25, 0, "20250209", "fieldtrack,boringcrypto"),
            ("go1.22.9 (Red Hat 1.22.9-1.el9)", 22, 9, "", ""),
            (
                "go1.22.9 (Red Hat 1.22.9-1.el9) X:strict",
                22,
                9,
                "",
                "strict",
            ),
            ("go1.24.1-1", 24, 1, "", ""),
            ("go1.24.1-1 X:systemcrypto", 24, 1, "", "systemcrypto"),
            ("go1.22rc2", 22, 0, "rc2", ""),
            ("go1.26rc1-X:boringcrypto", 26, 0, "rc1", "boringcrypto"),
            ("go1.18beta1", 18, 0, "beta1", ""),
            ("devel go1.20-1ba7341cb2 Wed Nov 2", 20, 0, "devel", ""),
            ("go1.26-devel_1ba7 Wed Nov 2", 26, 0, "devel_1ba7", ""),
            ("go1.21.1 maX:imum", 21, 1, "", ""),
            ("go1.21.1 X:", 21, 1, "", ""),
        ] {
            let version = GoVersion::parse(text).unwrap();
            assert_eq!((version.minor, version.patch), (minor, patch), "{text}");
            assert_eq!(version.prerelease.unwrap_or_default(), prerelease, "{text}");
            assert_eq!(version.experiments.join(","), experiments, "{text}");
            assert_eq!(version.boring_release, None, "{text}");
        }
    }

    #[test]
    fn an_experiment_is_told_by_its_whole_name() {
        let version = GoVersion::parse("go1.26.6-X:noboring,boringcrypto2").unwrap();
        assert!(version.has_experiment("noboring") && !version.has_experiment("boringcrypto"));
    }

    #[test]
    fn a_release_of_the_boring_branch_has_its_number() {
        let version = GoVersion::parse("go1.14.12b4").unwrap();
        assert_eq!((version.minor, version.patch), (14, 12));
        assert_eq!(
            (version.boring_release, version.prerelease),
            (Some(4), None)
        );
        let first = GoVersion::parse("go1.18b7").unwrap();
        assert_eq!(
            (first.minor, first.patch, first.boring_release),
            (18, 0, Some(7))
        );
    }

    #[test]
    fn what_names_no_release_of_go_is_none() {
        for text in [
            "",
            "devel +b357b05b70 Thu Jan 1",
            "go2.1",
            "go1.",
            "go1.x",
            "1.22",
            "go1.99999999999",
            "devel",
        ] {
            assert_eq!(GoVersion::parse(text), None, "{text}");
        }
    }
}
