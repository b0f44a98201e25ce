//! Completes what the user requests to one tag.

use super::claim::quotes;
use super::{Matrix, Quote, claims};
use crate::client::ClientVersion;
use crate::flavor::{Distribution, Fips, Flavor};
use crate::request::Request;
use crate::tag::{ImageTag, Rebuild};
use crate::version::{IstioVersion, Minor};

/// The flavour that the flags request; `None` for what they do not mention.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted {
    pub distribution: Option<Distribution>,
    pub fips: Option<bool>,
    pub distroless: Option<bool>,
    pub arm: Option<bool>,
}

impl Wanted {
    /// Returns the flavour of the flags, with the rest taken from `base`.
    fn over(self, base: Flavor) -> Flavor {
        let fips = match self.fips {
            Some(true) if !base.is_fips() => Fips::Fips,
            Some(false) => Fips::None,
            _ => base.fips,
        };
        Flavor {
            distribution: self.distribution.unwrap_or(base.distribution),
            fips,
            distroless: self.distroless.unwrap_or(base.distroless),
            arm: self.arm.unwrap_or(base.arm),
        }
    }
}

/// The chosen tag, the reason, and the sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    pub tag: ImageTag,
    pub why: String,
    pub quotes: Vec<Quote>,
}

/// Why no tag could be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompletionError {
    /// A usage error, because a tag already contains its flavour.
    #[error(
        "the flags request {wanted}, but the tag `{tag}` is {has}: remove the flags, or write `{right}`"
    )]
    Disagree {
        tag: Box<ImageTag>,
        has: Flavor,
        wanted: Flavor,
        right: Box<ImageTag>,
    },
    #[error("no build of {minor} was seen{age}: name one, X.Y.Z, by --istio{near}")]
    NoBuild {
        minor: Minor,
        age: String,
        near: String,
    },
    #[error("the data has no default version: name one, X.Y.Z, by --istio")]
    NoDefault,
}

impl Matrix {
    /// Chooses the tag for a request, the flavour flags, and the istioctl at hand.
    ///
    /// A tag is taken literally. `X.Y` means istioctl's own version if it belongs to this line, else the newest build
    /// seen. No request means istioctl's own version, else the default of the data. Of a version, the newest rebuild
    /// that was seen with that flavour is chosen, else the plain version.
    pub fn complete(
        &self,
        request: Option<&Request>,
        wanted: Wanted,
        client: Option<&ClientVersion>,
    ) -> Result<Completed, CompletionError> {
        match request {
            Some(Request::Tag(tag)) => literal(tag, wanted),
            Some(Request::Rebuild(build)) => {
                Ok(self.with_flavor(build.clone(), wanted, "asked for"))
            }
            Some(Request::Version(version)) => Ok(self.of_version(version, wanted, "asked for")),
            Some(Request::Minor(minor)) => self.of_minor(*minor, wanted, client),
            None => self.unasked(wanted, client),
        }
    }

    fn of_minor(
        &self,
        minor: Minor,
        wanted: Wanted,
        client: Option<&ClientVersion>,
    ) -> Result<Completed, CompletionError> {
        if let Some(client) = client.filter(|client| client.minor() == Some(minor))
            && let Some(completed) = self.of_client(client, wanted)
        {
            return Ok(completed);
        }
        let builds = self.builds_of(minor);
        let usable = |tag: &&&ImageTag| {
            let build = tag.rebuild();
            tag.version.pre().is_none()
                && self
                    .missing(&build.clone().tag(self.flavor(&build, wanted)))
                    .is_empty()
        };
        let Some(newest) = builds.iter().rev().find(usable) else {
            return Err(self.no_build(minor, wanted));
        };
        let why = format!("the newest version of {minor} with a build seen");
        Ok(self.of_version(&newest.version, wanted, &why))
    }

    fn no_build(&self, minor: Minor, wanted: Wanted) -> CompletionError {
        let asked = Rebuild::from(IstioVersion::release(minor, 0));
        let nearest = self.nearest(&asked.tag(wanted.over(Flavor::default())));
        let near = nearest.map(|tag| format!("; the nearest build seen is {tag}"));
        let age = self.date_of_data().map(|date| format!(" (data of {date})"));
        let (near, age) = (near.unwrap_or_default(), age.unwrap_or_default());
        CompletionError::NoBuild { minor, age, near }
    }

    fn unasked(
        &self,
        wanted: Wanted,
        client: Option<&ClientVersion>,
    ) -> Result<Completed, CompletionError> {
        if let Some(completed) = client.and_then(|client| self.of_client(client, wanted)) {
            return Ok(completed);
        }
        let default = self.default_build().ok_or(CompletionError::NoDefault)?;
        let why = match client {
            Some(client) => {
                format!("the data's default, because istioctl calls its version `{client}`")
            }
            None => "the data's default".into(),
        };
        let mut completed = self.with_flavor(default.row.istio.clone(), wanted, &why);
        completed.quotes.insert(0, default.quote());
        Ok(completed)
    }

    fn of_client(&self, client: &ClientVersion, wanted: Wanted) -> Option<Completed> {
        match client {
            ClientVersion::Release(version) => {
                Some(self.of_version(version, wanted, "istioctl's own version"))
            }
            ClientVersion::Solo(tag) => {
                let why = format!("the build that istioctl belongs to ({tag})");
                let tag = tag.rebuild().tag(wanted.over(tag.flavor));
                let quotes = quotes(&claims(&self.builds, |row| row.tag == tag));
                Some(Completed { tag, why, quotes })
            }
            ClientVersion::Unknown { .. } => None,
        }
    }

    /// Chooses the newest rebuild of a version that was seen with that flavour, else the plain version; but if the
    /// plain one is known to be missing, the newest rebuild of any flavour. A numbered FIPS build counts as a rebuild.
    fn of_version(&self, version: &IstioVersion, wanted: Wanted, why: &str) -> Completed {
        let plain = Rebuild::from(version.clone());
        let seen = claims(&self.builds, |row| row.tag.version == *version);
        let flavor = self.flavor(&plain, wanted);
        let alike = seen
            .iter()
            .filter(|claim| same_variety(claim.row.tag.flavor, flavor));
        if let Some(tag) = alike.map(|claim| &claim.row.tag).max() {
            let rebuilt = if tag.flavor != flavor || tag.patch.is_some() {
                ", its newest rebuild seen"
            } else {
                ""
            };
            return self.completed(tag.clone(), wanted, &format!("{why}{rebuilt}"));
        }
        let missing = self.missing(&plain.clone().tag(flavor));
        let newest = seen.iter().map(|claim| claim.row.tag.rebuild()).max();
        match newest.filter(|build| *build > plain) {
            Some(build) if !missing.is_empty() => {
                let why =
                    format!("{why}, its newest rebuild, because {plain} has no {flavor} build");
                let mut completed = self.with_flavor(build, wanted, &why);
                completed.quotes.extend(quotes(&missing));
                completed
            }
            _ => self.with_flavor(plain, wanted, why),
        }
    }

    fn with_flavor(&self, build: Rebuild, wanted: Wanted, why: &str) -> Completed {
        let flavor = self.flavor(&build, wanted);
        self.completed(build.tag(flavor), wanted, why)
    }

    fn completed(&self, tag: ImageTag, wanted: Wanted, why: &str) -> Completed {
        let said = if wanted.distribution.is_some() {
            String::new()
        } else {
            distribution_why(&tag)
        };
        let quotes = quotes(&claims(&self.builds, |row| row.tag == tag));
        Completed {
            tag,
            why: format!("{why}{said}"),
            quotes,
        }
    }

    /// Returns the flavour of a build by the flags; without a distribution, Solo if there is a Solo build of that
    /// version.
    fn flavor(&self, build: &Rebuild, wanted: Wanted) -> Flavor {
        let solo = self.has_distribution(Distribution::Solo, build);
        let distribution = if solo {
            Distribution::Solo
        } else {
            Distribution::Standard
        };
        wanted.over(Flavor {
            distribution,
            ..Flavor::default()
        })
    }
}

/// Whether both are equal except for the number of a numbered FIPS build.
fn same_variety(seen: Flavor, wanted: Flavor) -> bool {
    let fips = if matches!(seen.fips, Fips::Numbered(_)) {
        Fips::Fips
    } else {
        seen.fips
    };
    Flavor { fips, ..seen } == wanted
}

fn distribution_why(tag: &ImageTag) -> String {
    match tag.flavor.distribution {
        Distribution::Solo => ", in the Solo distribution".into(),
        Distribution::Standard => {
            format!(
                ", standard because no Solo build of {} is known",
                tag.version
            )
        }
    }
}

fn literal(tag: &ImageTag, wanted: Wanted) -> Result<Completed, CompletionError> {
    let asked = wanted.over(tag.flavor);
    if asked == tag.flavor {
        let why = "the tag that was given".into();
        return Ok(Completed {
            tag: tag.clone(),
            why,
            quotes: Vec::new(),
        });
    }
    let right = tag.rebuild().tag(asked);
    Err(CompletionError::Disagree {
        tag: Box::new(tag.clone()),
        has: tag.flavor,
        wanted: asked,
        right: Box::new(right),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIPS: Wanted = Wanted {
        distribution: None,
        fips: Some(true),
        distroless: None,
        arm: None,
    };
    const FIPS_DISTROLESS: Wanted = Wanted {
        distroless: Some(true),
        ..FIPS
    };
    const PLAIN: Wanted = Wanted {
        distribution: None,
        fips: None,
        distroless: None,
        arm: None,
    };

    fn complete(request: &str, wanted: Wanted, client: Option<&str>) -> Result<String, String> {
        let request: Option<Request> = (!request.is_empty()).then(|| request.parse().unwrap());
        let client = client.map(ClientVersion::read);
        let completed = Matrix::builtin().complete(request.as_ref(), wanted, client.as_ref());
        completed
            .map(|completed| completed.tag.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_request_becomes_one_tag() {
        let table = [
            // no request: istioctl's own version; a Solo client names its own build
            (
                "",
                FIPS_DISTROLESS,
                Some("1.31.0"),
                "1.31.0-solo-fips-distroless",
            ),
            ("", PLAIN, Some("1.10.4"), "1.10.4"),
            ("", FIPS, Some("1.10.6"), "1.10.6-fips"),
            ("", PLAIN, Some("1.29.2-patch0-solo"), "1.29.2-patch0-solo"),
            (
                "",
                FIPS,
                Some("1.29.2-patch0-solo"),
                "1.29.2-patch0-solo-fips",
            ),
            ("", PLAIN, Some("1.22.3"), "1.22.3-patch1-solo"),
            // X.Y: istioctl's version if it is of that line, else the newest seen
            ("1.31", FIPS, Some("1.31.0"), "1.31.0-solo-fips"),
            ("1.13", PLAIN, Some("1.31.0"), "1.13.8-solo"),
            ("1.26", FIPS, None, "1.26.2-solo-fips"),
            ("1.7", FIPS, None, "1.7.5-fips2"),
            // X.Y.Z: the newest rebuild seen with that flavour, else plain
            ("1.22.3", PLAIN, None, "1.22.3-patch1-solo"),
            ("1.13.5", FIPS, None, "1.13.5-solo-fips"),
            ("1.26.1", FIPS, None, "1.26.1-patch0-solo-fips"),
            ("1.26.1", PLAIN, None, "1.26.1-solo"),
            ("1.99.7", PLAIN, None, "1.99.7-solo"),
            ("1.31.0-rc.0", PLAIN, None, "1.31.0-rc.0-solo"),
            // a rebuild and a tag are not changed
            ("1.22.3-patch0", PLAIN, None, "1.22.3-patch0-solo"),
            ("1.7.5-fips2", PLAIN, None, "1.7.5-fips2"),
            ("1.7.5-fips2", FIPS, None, "1.7.5-fips2"),
            (
                "1.13.5-solo-fips",
                PLAIN,
                Some("1.31.0"),
                "1.13.5-solo-fips",
            ),
        ];
        for (request, wanted, client, tag) in table {
            assert_eq!(
                complete(request, wanted, client).as_deref(),
                Ok(tag),
                "{request} {client:?}"
            );
        }
    }

    #[test]
    fn a_distribution_that_is_asked_for_is_taken() {
        let solo = Wanted {
            distribution: Some(Distribution::Solo),
            ..PLAIN
        };
        let standard = Wanted {
            distribution: Some(Distribution::Standard),
            ..PLAIN
        };
        assert_eq!(complete("1.8.5", solo, None).as_deref(), Ok("1.8.5-solo"));
        assert_eq!(
            complete("1.22.3", standard, None).as_deref(),
            Ok("1.22.3-patch0")
        );
    }

    #[test]
    fn flags_that_disagree_with_a_tag_are_refused_with_the_right_tag() {
        let no_fips = Wanted {
            fips: Some(false),
            ..PLAIN
        };
        let standard = Wanted {
            distribution: Some(Distribution::Standard),
            ..PLAIN
        };
        let table = [
            ("1.13.5-solo", FIPS, "write `1.13.5-solo-fips`"),
            (
                "1.13.5-solo-fips",
                FIPS_DISTROLESS,
                "write `1.13.5-solo-fips-distroless`",
            ),
            ("1.13.5-solo-fips", no_fips, "write `1.13.5-solo`"),
            ("1.13.5-solo-fips", standard, "write `1.13.5-fips`"),
        ];
        for (request, wanted, hint) in table {
            let error = complete(request, wanted, None).unwrap_err();
            assert!(error.ends_with(hint), "{error}");
        }
    }

    #[test]
    fn nothing_known_at_all_takes_the_default_or_asks_for_a_version() {
        let default = complete("", PLAIN, None).unwrap();
        assert_eq!(complete("", PLAIN, Some("unknown")), Ok(default));
        let error = complete("1.99", PLAIN, None).unwrap_err();
        assert!(
            error.contains("no build of 1.99") && error.contains("nearest build seen is 1."),
            "{error}"
        );
        assert_eq!(
            Matrix::default().complete(None, PLAIN, None),
            Err(CompletionError::NoDefault)
        );
    }

    #[test]
    fn the_reason_is_said() {
        let client = ClientVersion::read("1.31.0");
        let completed = Matrix::builtin()
            .complete(None, FIPS, Some(&client))
            .unwrap();
        assert_eq!(
            completed.why,
            "istioctl's own version, in the Solo distribution"
        );
        let request = "1.26.1".parse().unwrap();
        let completed = Matrix::builtin()
            .complete(Some(&request), FIPS, None)
            .unwrap();
        assert!(
            completed
                .why
                .contains("because 1.26.1 has no solo fips build"),
            "{}",
            completed.why
        );
        assert!(!completed.quotes.is_empty());
    }
}
