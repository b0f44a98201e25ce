//! Upgrade: install over something older, with what its record says applied again.

use crate::exit::{Exit, Failure};
use crate::facts::{self, Record};
use crate::install::Session;
use crate::istio::Request;
use crate::options::{Options, Revision};
use crate::plan::DEFAULT_NAMESPACE;

/// The record of the revision that is upgraded; `None` where nothing wrote one.
pub fn record(session: &mut Session<'_>, options: &Options) -> Result<Option<Record>, Failure> {
    let cluster = session.connect()?;
    let namespace = options.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
    let (planes, records) = facts::installed(&cluster, Some(namespace))?;
    if planes.is_empty() {
        let message = format!("there is no Istio in {namespace} to upgrade");
        return Err(Failure::message(Exit::Unavailable, message)
            .hint("install one: glooistio install")
            .hint("or name its namespace by -i"));
    }
    let asked = options.revision.clone().flatten();
    let label = asked.as_ref().map_or("default", Revision::as_str);
    let found = records.into_iter().flatten().find(|record| record.revision == label);
    session.report.expected.notes.push(match &found {
        Some(record) => format!(
            "{} -f and {} --set of the record of revision {label} are applied again",
            record.overlays.len(),
            record.sets.len()
        ),
        None => format!("revision {label} has no record of an install: only what is given now is applied"),
    });
    Ok(found)
}

/// Puts what was installed under what is asked for now: then's inputs come first, so now's count.
///
/// The flavour stays what it was unless a whole tag is asked for; so does the hub within a minor.
pub fn over(record: &Record, options: &mut Options) {
    let then = record.overlays.iter().enumerate();
    let then = then.map(|(at, text)| (format!("overlay {} of the record", at + 1), text.clone().into_bytes()));
    options.files.splice(0..0, then);
    options.sets.splice(0..0, record.sets.iter().cloned());
    options.supersedes = Some(record.tag.to_string());
    let flavor = record.tag.flavor;
    if !matches!(options.request, Some(Request::Tag(_))) {
        options.distribution.get_or_insert(flavor.distribution);
        options.fips |= flavor.is_fips();
        options.distroless |= flavor.distroless;
        options.arm |= flavor.arm;
    }
    let same_minor = options.request.as_ref().is_none_or(|request| request.minor() == record.tag.minor());
    if options.hub.is_none() && options.repo_key.is_none() && same_minor {
        options.hub = record.hub.parse().ok();
    }
}
