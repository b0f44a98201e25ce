//! Parses an argument of the command line as a file, an archive, a layout or a reference.

use std::path::{Path, PathBuf};

use crate::exit::{Exit, Failure};
use crate::sys::registry::Reference;
use istio_builds::image_reference::parse_reference;

/// What is inspected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A program, an image archive or a layout: its content decides which.
    Path(PathBuf),
    /// `-`: a program or an image archive on standard input.
    Stdin,
    /// `docker-archive:FILE[:REFERENCE]`; `@N` as the reference means image N of its list, counted
    /// from 0.
    DockerArchive {
        file: PathBuf,
        image: Option<String>,
    },
    /// `oci:DIR[:TAG]`
    Layout { dir: PathBuf, tag: Option<String> },
    /// `dir:PATH`: a root file system, or a directory that skopeo wrote.
    Directory(PathBuf),
    /// `oci-archive:FILE[:TAG]`
    OciArchive { file: PathBuf, tag: Option<String> },
    /// `docker://REFERENCE`, or a reference without a prefix.
    Registry(Reference),
}

/// The reason why an argument is not something that can be inspected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error(
        "`{0}` is neither a file here nor an image reference: write a path, `docker://REGISTRY/NAME:TAG`, \
         `docker-archive:FILE[:REFERENCE]`, `oci:DIR[:TAG]`, `oci-archive:FILE[:TAG]`, `dir:DIR`, or `-` for standard input"
    )]
    Unknown(String),
    #[error("`{text}` names no image here: {next}")]
    Elsewhere { text: String, next: &'static str },
    #[error("`{0}` matches nothing that is there: check the path")]
    Pattern(String),
    #[error("`{prefix}` wants {what} after it")]
    Nothing {
        prefix: &'static str,
        what: &'static str,
    },
    #[error(
        "`{text}` is not an image reference ({why}): write one like `registry.example.com/istio/pilot:TAG`"
    )]
    Reference { text: String, why: String },
}

/// Prefixes that other tools accept or that are typing errors, and what to write instead.
const ELSEWHERE: [(&str, &str); 6] = [
    ("https://", "remove `https://`"),
    (
        "http://",
        "remove `http://`, and name the host with --plain-http",
    ),
    (
        "docker-daemon:",
        "`docker save` it, and write `docker-archive:FILE`",
    ),
    (
        "containers-storage:",
        "`podman save` it, and write `docker-archive:FILE`",
    ),
    ("dockerarchive:", "write `docker-archive:FILE`"),
    ("ociarchive:", "write `oci-archive:FILE`"),
];

impl From<TargetError> for Failure {
    fn from(error: TargetError) -> Failure {
        Failure::new(Exit::Data, &error)
    }
}

impl Target {
    /// Parses a target. `exists` returns true for an existing path: an argument that is both a path
    /// and a reference counts as the path. An argument without a host, tag or digest that does not
    /// exist as a path is refused: it is more likely a mistyped path than a reference.
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
            let (file, image) = chosen(file?, exists);
            return Ok(Target::DockerArchive { file, image });
        }
        if let Some(file) = after("oci-archive:", "a file") {
            let (file, tag) = chosen(file?, exists);
            return Ok(Target::OciArchive { file, tag });
        }
        if let Some(dir) = after("oci:", "a directory") {
            let (dir, tag) = chosen(dir?, exists);
            return Ok(Target::Layout { dir, tag });
        }
        if let Some(dir) = after("dir:", "a directory") {
            return Ok(Target::Directory(dir?.into()));
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
        let mut elsewhere = ELSEWHERE.iter();
        if let Some((_, next)) = elsewhere.find(|(prefix, _)| text.starts_with(prefix)) {
            let text = text.to_owned();
            return Err(TargetError::Elsewhere { text, next });
        }
        if text.contains(['*', '?']) {
            return Err(TargetError::Pattern(text.to_owned()));
        }
        if !names_an_image(text) {
            return Err(TargetError::Unknown(text.to_owned()));
        }
        reference(text)
    }
}

/// Splits a text into a path and the image to choose from it. Paths can contain colons, so the
/// longest existing path counts. If none exists, the path ends at the first colon.
fn chosen(text: &str, exists: impl Fn(&Path) -> bool) -> (PathBuf, Option<String>) {
    if exists(Path::new(text)) {
        return (text.into(), None);
    }
    let mut cuts = text
        .match_indices(':')
        .filter_map(|(at, _)| Some((text.get(..at)?, text.get(at + 1..)?)))
        .filter(|(path, _)| !path.is_empty());
    let there = cuts.clone().rev().find(|(path, _)| exists(Path::new(path)));
    match there.or_else(|| cuts.next()) {
        Some((path, image)) => (path.into(), Some(image.to_owned())),
        None => (text.into(), None),
    }
}

fn names_an_image(text: &str) -> bool {
    let (first, rest) = text.split_once('/').unwrap_or(("", text));
    let host = first == "localhost" || first.contains(['.', ':']);
    host || rest.contains([':', '@'])
}

fn reference(text: &str) -> Result<Target, TargetError> {
    match parse_reference(text) {
        Ok(reference) => Ok(Target::Registry(reference)),
        Err(error) => Err(TargetError::Reference {
            text: text.to_owned(),
            why: error.to_string(),
        }),
    }
}

impl Target {
    /// Returns the name of the file, directory or reference that contains the images, without the
    /// choice of an image.
    pub fn holder(&self) -> String {
        match self {
            Target::Path(path) => path.display().to_string(),
            Target::Stdin => "standard input".to_owned(),
            Target::DockerArchive { file, .. } => format!("docker-archive:{}", file.display()),
            Target::Layout { dir, .. } => format!("oci:{}", dir.display()),
            Target::Directory(path) => format!("dir:{}", path.display()),
            Target::OciArchive { file, .. } => format!("oci-archive:{}", file.display()),
            Target::Registry(reference) => reference.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        let here =
            |path: &Path| ["bin/envoy", "lay:out", "h.io/x", "a"].contains(&path.to_str().unwrap());
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
            (
                "docker-archive:b.tar",
                r#"DockerArchive { file: "b.tar", image: None }"#,
            ),
            (
                "docker-archive:b.tar:istio/pilot:1.31",
                r#"DockerArchive { file: "b.tar", image: Some("istio/pilot:1.31") }"#,
            ),
            (
                "docker-archive:lay:out",
                r#"DockerArchive { file: "lay:out", image: None }"#,
            ),
            (
                "docker-archive:lay:out:istio/pilot:1.31",
                r#"DockerArchive { file: "lay:out", image: Some("istio/pilot:1.31") }"#,
            ),
            (
                "docker-archive:a:@1",
                r#"DockerArchive { file: "a", image: Some("@1") }"#,
            ),
            (
                "oci-archive:a:1.31",
                r#"OciArchive { file: "a", tag: Some("1.31") }"#,
            ),
            ("oci-archive::x", r#"OciArchive { file: ":x", tag: None }"#),
            ("dir:root", r#"Directory("root")"#),
            ("oci:dir", r#"Layout { dir: "dir", tag: None }"#),
            (
                "oci:dir:1.31",
                r#"Layout { dir: "dir", tag: Some("1.31") }"#,
            ),
            ("oci:lay:out", r#"Layout { dir: "lay:out", tag: None }"#),
            ("oci:/a:b/c", r#"Layout { dir: "/a", tag: Some("b/c") }"#),
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
            ("h.io/Pilot:1", "is not an image reference"),
            ("https://h.io/pilot:1", "remove `https://`"),
            ("docker-daemon:pilot:1", "`docker save` it"),
            ("dockerarchive:p.tar", "write `docker-archive:FILE`"),
            ("bin.d/*", "matches nothing that is there"),
            ("h.io/pilot@sha256:12", "is not an image reference"),
        ] {
            assert!(parsed(text).contains(wanted), "{text}: {}", parsed(text));
        }
    }
}
