//! What a word on the command line names: a file, an archive, a layout or a reference.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};
use crate::sys::registry::Reference;

/// What is inspected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A program, an image archive or a layout: told apart by what is there.
    Path(PathBuf),
    /// `-`: a program or an image archive on standard input.
    Stdin,
    /// `docker-archive:FILE`
    DockerArchive(PathBuf),
    /// `oci:DIR[:TAG]`
    Layout { dir: PathBuf, tag: Option<String> },
    /// `oci-archive:FILE`
    OciArchive(PathBuf),
    /// `docker://REFERENCE`, or a bare one.
    Registry(Reference),
}

/// Why a word names nothing that can be inspected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error(
        "`{0}` is neither a file here nor an image reference: write a path, `docker://REGISTRY/NAME:TAG`, \
         `docker-archive:FILE`, `oci:DIR[:TAG]`, `oci-archive:FILE`, or `-` for standard input"
    )]
    Unknown(String),
    #[error("`{prefix}` wants {what} after it")]
    Nothing {
        prefix: &'static str,
        what: &'static str,
    },
    #[error("`{text}` is no image reference: {why}, as in `registry.example.com/istio/pilot:TAG`")]
    Reference { text: String, why: String },
}

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Failure {
        Failure::new(Exit::Data, &error)
    }
}

impl Target {
    /// `exists` tells whether a path is there: a bare word that is both a path and a reference is the
    /// path. What is not there and has neither host, tag nor digest is no reference either: more
    /// likely it is a path with a slip.
    pub fn parse(text: &str, exists: impl Fn(&Path) -> bool) -> Result<Target, TargetError> {
        let after = |prefix: &'static str, what: &'static str| {
            let rest = text.strip_prefix(prefix)?;
            let nothing = TargetError::Nothing { prefix, what };
            Some(if rest.is_empty() {
                Err(nothing)
            } else {
                Ok(rest)
            })
        };
        if text == "-" {
            return Ok(Target::Stdin);
        }
        if let Some(file) = after("docker-archive:", "a file") {
            return Ok(Target::DockerArchive(file?.into()));
        }
        if let Some(file) = after("oci-archive:", "a file") {
            return Ok(Target::OciArchive(file?.into()));
        }
        if let Some(dir) = after("oci:", "a directory") {
            return Ok(layout(dir?, exists));
        }
        if let Some(name) = after("docker://", "a reference") {
            return reference(name?);
        }
        let path = Path::new(text);
        let meant = ["/", "./", "../"]
            .iter()
            .any(|start| text.starts_with(start));
        if meant || exists(path) {
            return Ok(Target::Path(path.to_owned()));
        }
        if !names_an_image(text) {
            return Err(TargetError::Unknown(text.to_owned()));
        }
        reference(text)
    }
}

/// A layout, and a tag where the whole is no directory.
fn layout(text: &str, exists: impl Fn(&Path) -> bool) -> Target {
    match text.rsplit_once(':') {
        Some((dir, tag)) if !exists(Path::new(text)) && !dir.is_empty() && !tag.contains('/') => {
            Target::Layout {
                dir: dir.into(),
                tag: Some(tag.to_owned()),
            }
        }
        _ => Target::Layout {
            dir: text.into(),
            tag: None,
        },
    }
}

fn names_an_image(text: &str) -> bool {
    let (first, rest) = text.split_once('/').unwrap_or(("", text));
    let host = first == "localhost" || first.contains(['.', ':']);
    host || rest.contains([':', '@'])
}

fn reference(text: &str) -> Result<Target, TargetError> {
    match text.parse() {
        Ok(reference) => Ok(Target::Registry(reference)),
        Err(error) => Err(TargetError::Reference {
            text: text.to_owned(),
            why: error.to_string(),
        }),
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Path(path) => path.display().fmt(f),
            Target::Stdin => f.write_str("standard input"),
            Target::DockerArchive(file) => write!(f, "docker-archive:{}", file.display()),
            Target::Layout { dir, tag: None } => write!(f, "oci:{}", dir.display()),
            Target::Layout {
                dir,
                tag: Some(tag),
            } => write!(f, "oci:{}:{tag}", dir.display()),
            Target::OciArchive(file) => write!(f, "oci-archive:{}", file.display()),
            Target::Registry(reference) => reference.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        let here =
            |path: &Path| ["bin/envoy", "lay:out", "h.io/x"].contains(&path.to_str().unwrap());
        match Target::parse(text, here) {
            Ok(Target::Registry(reference)) => format!("registry {reference}"),
            Ok(target) => format!("{target:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn every_way_to_name_a_target() {
        for (text, wanted) in [
            ("-", "Stdin"),
            ("bin/envoy", r#"Path("bin/envoy")"#),
            ("./no/such", r#"Path("./no/such")"#),
            ("/no/such:1", r#"Path("/no/such:1")"#),
            ("h.io/x", r#"Path("h.io/x")"#),
            ("docker-archive:a:b.tar", r#"DockerArchive("a:b.tar")"#),
            ("oci-archive:a.tar", r#"OciArchive("a.tar")"#),
            ("oci:dir", r#"Layout { dir: "dir", tag: None }"#),
            (
                "oci:dir:1.31",
                r#"Layout { dir: "dir", tag: Some("1.31") }"#,
            ),
            ("oci:lay:out", r#"Layout { dir: "lay:out", tag: None }"#),
            ("oci:/a:b/c", r#"Layout { dir: "/a:b/c", tag: None }"#),
            (
                "docker://istio/pilot",
                "registry docker.io/istio/pilot:latest",
            ),
            ("h.io/a/pilot:1.31", "registry h.io/a/pilot:1.31"),
            ("localhost/pilot", "registry localhost/pilot:latest"),
            (
                "localhost:5000/pilot",
                "registry localhost:5000/pilot:latest",
            ),
            ("istio/pilot:1.31", "registry docker.io/istio/pilot:1.31"),
        ] {
            assert_eq!(parsed(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_nothing_is_told_how_to_be_written() {
        for (text, wanted) in [
            ("pilot", "neither a file here nor an image reference"),
            ("bin/envy", "neither a file here nor an image reference"),
            ("oci:", "`oci:` wants a directory after it"),
            ("docker://", "`docker://` wants a reference after it"),
            ("h.io/Pilot:1", "is no image reference"),
            ("h.io/pilot@sha256:12", "is no image reference"),
        ] {
            assert!(parsed(text).contains(wanted), "{text}: {}", parsed(text));
        }
    }
}
