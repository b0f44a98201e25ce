//! Turns what the user typed into a valid request. The code after this does not know flags.

use std::collections::BTreeMap;
use std::path::Path;

use super::args::PlanArgs;
use super::istioctl_flags::IstioctlFlags;
use crate::exit::{Exit, Failure};
use crate::request::{Consent, Gateways, InstallRequest, Overlay, RevisionChoice, Template};
use crate::sys::os;
use crate::sys::process::KEY_VARIABLE;
use istio_builds::{Distribution, Minor, RepoKey};

/// Makes a request from the flags, and reads the files that they name.
pub(super) fn request(plan: &PlanArgs, flags: &IstioctlFlags) -> Result<InstallRequest, Failure> {
    Ok(InstallRequest {
        build: plan
            .istio
            .as_deref()
            .map(|text| parsed("--istio", text))
            .transpose()?,
        distribution: plan
            .flavor
            .distribution
            .as_deref()
            .map(distribution)
            .transpose()?,
        fips: plan.flavor.fips,
        distroless: plan.flavor.distroless,
        arm: plan.flavor.arm,
        hub: plan
            .hub
            .as_deref()
            .map(|text| parsed("--hub", text))
            .transpose()?,
        repo_key: repo_key(plan)?,
        platform: plan.platform.clone(),
        template: template(plan)?,
        params: params(&plan.param)?,
        gloo_mesh: plan
            .gloo_mesh
            .as_deref()
            .map(|text| parsed::<Minor>("--gloo-mesh", text))
            .transpose()?,
        features: plan.feature.clone(),
        overlays: overlays(flags.all("filename"))?,
        sets: flags.all("set").to_vec(),
        revision: flags
            .last("revision")
            .map_or(Ok(RevisionChoice::Unset), str::parse)
            .map_err(|error| Failure::message(Exit::Data, format!("--revision: {error}")))?,
        namespace: flags.last("istioNamespace").map(str::to_owned),
        gateways: Gateways::default(),
        consent: Consent::default(),
        upgraded: None,
    })
}

/// Parses the value of a flag as its type.
pub(super) fn parsed<T>(flag: &str, text: &str) -> Result<T, Failure>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error| Failure::message(Exit::Data, format!("{flag}: {error}")))
}

pub(super) fn distribution(text: &str) -> Result<Distribution, Failure> {
    match text {
        "solo" => Ok(Distribution::Solo),
        "standard" => Ok(Distribution::Standard),
        _ => Err(Failure::message(
            Exit::Usage,
            format!("--distribution {text}: it is `solo` or `standard`"),
        )),
    }
}

fn repo_key(plan: &PlanArgs) -> Result<Option<RepoKey>, Failure> {
    let (from, text) = match (&plan.repo_key, &plan.repo_key_file) {
        (Some(key), _) => ("--repo-key", key.clone()),
        (None, Some(path)) => {
            let text = os::text(&path.to_string_lossy(), os::read(path, 4096)?)?;
            ("--repo-key-file", text)
        }
        (None, None) => match os::env(KEY_VARIABLE) {
            Some(key) => (KEY_VARIABLE, key.to_string_lossy().into_owned()),
            None => return Ok(None),
        },
    };
    text.parse()
        .map(Some)
        .map_err(|error| Failure::message(Exit::Data, format!("{from}: {error}")))
}

fn template(plan: &PlanArgs) -> Result<Option<Template>, Failure> {
    let Some(path) = &plan.template else {
        return Ok(plan.preset.clone().map(Template::Preset));
    };
    let name = path.display().to_string();
    let text = os::text(&name, os::read(path, os::TEXT_LIMIT)?)?;
    // As in YAML files, a byte order mark is not part of the text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned();
    Ok(Some(Template::File { name, text }))
}

fn params(given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Failure::message(
            Exit::Usage,
            format!("--param {text}: write NAME=VALUE"),
        )),
    };
    given.iter().map(pair).collect()
}

/// Reads the files of `-f` in order; commas separate names, as in istioctl.
fn overlays(given: &[String]) -> Result<Vec<Overlay>, Failure> {
    let names: Vec<String> = given.iter().flat_map(|text| names(text)).collect();
    if names.iter().filter(|name| *name == "-").count() > 1 {
        return Err(Failure::message(
            Exit::Usage,
            "-f - is given twice: stdin can be read only once",
        ));
    }
    names.into_iter().map(read).collect()
}

/// Reads one file, or stdin.
pub(super) fn read(name: String) -> Result<Overlay, Failure> {
    if name == "-" {
        let bytes = os::read_stdin(os::TEXT_LIMIT)?;
        // istioctl takes an empty input for the default profile, but the user probably has a broken pipe.
        if bytes.is_empty() {
            return Err(Failure::message(Exit::Data, "stdin is closed or empty")
                .hint("pipe an IstioOperator into it, or leave -f - out"));
        }
        return Ok(Overlay {
            name: "stdin".to_owned(),
            text: bytes,
        });
    }
    let bytes = os::read(Path::new(&name), os::TEXT_LIMIT).map_err(|error| {
        let missing = matches!(error, os::ReadError::Missing(_));
        let failure = Failure::from(error);
        if missing {
            failure.hint("`-` reads standard input")
        } else {
            failure
        }
    })?;
    Ok(Overlay { name, text: bytes })
}

/// Returns the names in one `-f`, separated by commas; a name that contains a comma is in quotes.
fn names(text: &str) -> Vec<String> {
    let (mut names, mut name, mut quoted) = (Vec::new(), String::new(), false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => names.push(std::mem::take(&mut name)),
            c => name.push(c),
        }
    }
    names.push(name);
    names
        .iter()
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_separate_files_and_quotes_keep_them_together() {
        assert_eq!(names("a,b"), ["a", "b"]);
        assert_eq!(names("a, b"), ["a", "b"]);
        assert_eq!(names(r#""x,y.yaml",z"#), ["x,y.yaml", "z"]);
        assert_eq!(names(""), [""; 0]);
    }

    #[test]
    fn stdin_is_read_once() {
        let failure = overlays(&["-,-".to_owned()]).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
    }
}
