//! The inputs of an earlier install: which of them the current inputs drop, replace or apply again.

use crate::exit::{Exit, Failure};
use crate::report::AppliedAgain;
use crate::request::{InstallRequest, Template};
use istio_builds::Request;
use istio_operator::UserDocument;

/// Refuses an install that would drop inputs in the record of the last one.
///
/// `request` is the version or tag that the user named. The suggested upgrade repeats it, and otherwise takes the
/// version from istioctl and the flavour from the record.
pub fn refuse_dropped(
    revision: &str,
    request: Option<&Request>,
    dropped: &[String],
) -> Result<(), Failure> {
    if dropped.is_empty() {
        return Ok(());
    }
    let keep = "keep them as its record has them, and add your -f, --set and options of now";
    let to = request.map(Request::to_string);
    let (template, values) = match &to {
        Some(to) => ("glooistio upgrade -r {} --to {}", vec![revision, to]),
        None => ("glooistio upgrade -r {}", vec![revision]),
    };
    let message = format!(
        "this install would drop what the last install of revision {revision} was given: {}",
        dropped.join(", ")
    );
    Err(Failure::message(Exit::Usage, message)
        .hint("give them again")
        .hint_command(keep, template, &values)
        .hint("or give --forget-overlays to install without them"))
}

/// Returns what is applied again from an earlier request, with its settings.
pub(super) fn applied_again(earlier: &InstallRequest, now: &InstallRequest) -> Vec<AppliedAgain> {
    let replaced = now.replaced_overlays(earlier);
    let overlays = earlier.overlays.iter().enumerate();
    let overlays = overlays.filter(|(at, _)| !replaced.contains(at));
    let overlays = overlays.map(|(at, overlay)| {
        let source = format!("overlay {} ({})", at + 1, overlay.name);
        let settings = match istio_operator::read(&source, &overlay.text) {
            Ok(documents) => documents.iter().flat_map(UserDocument::settings).collect(),
            Err(error) => vec![format!("cannot be read: {error}")],
        };
        AppliedAgain { source, settings }
    });
    let lists = [
        ("--set", earlier.sets.clone()),
        ("options", earlier.options()),
    ];
    let lists = lists.into_iter().filter(|(_, values)| !values.is_empty());
    let lists = lists.map(|(source, settings)| AppliedAgain {
        source: source.to_owned(),
        settings,
    });
    let template = match &earlier.template {
        Some(Template::File { name, text }) if now.template.is_none() => Some(AppliedAgain {
            source: format!("template {name}"),
            settings: text.lines().map(str::to_owned).collect(),
        }),
        _ => None,
    };
    overlays.chain(lists).chain(template).collect()
}
