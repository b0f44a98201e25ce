//! The output of istioctl during an install, as our own events.

use crate::ui::Event;
use terminal_text::escape_line;

/// The last step of an install. istioctl up to 1.23 does not end this line, so that its next message follows on the
/// same line.
const LAST_STEP: &str = "Installation complete";

/// Returns the events in a line of istioctl: none for its drawing and for empty lines, two where two messages share the
/// line.
pub fn events(line: &str) -> Vec<Event> {
    let text = line.trim();
    let joined = text.split_once(LAST_STEP);
    let joined = joined.filter(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_uppercase()));
    let parts = match joined {
        Some((mark, rest)) => vec![format!("{mark}{LAST_STEP}"), rest.to_owned()],
        None => vec![text.to_owned()],
    };
    parts.iter().filter_map(|part| event(part)).collect()
}

fn event(text: &str) -> Option<Event> {
    if !text.chars().any(char::is_alphanumeric) {
        return None;
    }
    Some(match text.chars().next() {
        Some('✔') => Event::Done(named(text)),
        Some('✘') => Event::Gave(named(text)),
        Some('-') => Event::Working(named(text)),
        _ if text.starts_with("WARNING") || text.starts_with('!') || text.starts_with('❗') => {
            Event::Warning(escape_line(text))
        }
        _ => Event::Said(escape_line(text)),
    })
}

/// Returns the line without the mark before it and the emoji after it.
fn named(text: &str) -> String {
    let pictured = |c: char| !(c.is_alphanumeric() || c.is_ascii_punctuation());
    let bare = text.trim_start_matches(['✔', '✘', '-', ' ']);
    escape_line(bare.trim_end_matches(pictured))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_both_eras_become_events() {
        for (line, wanted) in [
            (
                "✔ Istio core installed ⛵️",
                Some(Event::Done("Istio core installed".into())),
            ),
            (
                "✔ Istiod installed",
                Some(Event::Done("Istiod installed".into())),
            ),
            (
                "- Processing resources for Istiod. Waiting for Deployment/istio-system/istiod",
                Some(Event::Working(
                    "Processing resources for Istiod. Waiting for Deployment/istio-system/istiod"
                        .into(),
                )),
            ),
            (
                "✘ Istiod encountered an error: failed to wait",
                Some(Event::Gave(
                    "Istiod encountered an error: failed to wait".into(),
                )),
            ),
            ("        |\\          ", None),
            ("/______||__________\\", None),
            ("", None),
            ("Error: no", Some(Event::Said("Error: no".into()))),
            (
                "WARNING: Istio is being upgraded",
                Some(Event::Warning("WARNING: Istio is being upgraded".into())),
            ),
            (
                "\u{1b}[32m✔\u{1b}[0m x",
                Some(Event::Said(r"\u{1b}[32m✔\u{1b}[0m x".into())),
            ),
        ] {
            assert_eq!(events(line), Vec::from_iter(wanted), "{line}");
        }
    }

    #[test]
    fn line_that_the_old_engine_does_not_end_is_two_things() {
        for said in [
            "Made this installation the default for injection and validation.",
            "Making this installation the default for injection and validation.",
        ] {
            assert_eq!(
                events(&format!("✔ Installation complete{said}")),
                [
                    Event::Done("Installation complete".into()),
                    Event::Said(said.into())
                ]
            );
        }
        let alone = events("✔ Installation complete");
        assert_eq!(alone, [Event::Done("Installation complete".into())]);
    }
}
