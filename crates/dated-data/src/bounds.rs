//! Limits for a user's data file, checked before it is parsed.
//!
//! The parser behind serde needs time that grows with the square of the depth of flow collections, and reads the whole
//! file before it reports that they are nested too deeply.

use saphyr_parser::{Event, Parser};

/// A file with at most this many brackets needs no further check: the square of their number is small.
const FEW: usize = 5_000;

/// Maximum number of brackets in a file: the scanner keeps a whole flow collection in memory while it can still be a
/// key.
const MOST: usize = 100_000;

/// Maximum nesting of maps and lists: the data has fewer than ten levels.
const DEPTH: usize = 64;

/// Refuses a text that would take unbounded time, with the line and the reason.
pub(super) fn check(text: &str) -> Result<(), (usize, String)> {
    let brackets = text.bytes().filter(|byte| b"[{".contains(byte)).count();
    if brackets <= FEW {
        return Ok(());
    }
    if brackets > MOST {
        let problem = format!("more than {MOST} opening brackets: use several files");
        return Err((1, problem));
    }
    let mut depth = 0_usize;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let line = error.marker().line().max(1);
            (line, error.info().to_owned())
        })?;
        match event {
            Event::MappingStart(..) | Event::SequenceStart(..) => depth += 1,
            Event::MappingEnd | Event::SequenceEnd => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH {
            let problem = format!("nested deeper than {DEPTH} levels: make it flatter");
            return Err((span.start.line().max(1), problem));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn refuses_nesting_that_would_take_unbounded_time() {
        let refused: [(&str, &str, usize); 4] = [
            (&"{a: ".repeat(MOST), "recursion limit", 1),
            (
                &format!("x: 1\ny: {}", "[".repeat(MOST)),
                "recursion limit",
                2,
            ),
            (&"[".repeat(MOST + 1), "opening brackets", 1),
            (
                &format!(
                    "a: {}1{}\n{}",
                    "[".repeat(100),
                    "]".repeat(100),
                    "# [\n".repeat(FEW)
                ),
                "nested deeper",
                1,
            ),
        ];
        for (text, why, line) in refused {
            let start = Instant::now();
            let (at, message) = check(text).unwrap_err();
            assert!(message.contains(why), "{message}");
            assert_eq!(at, line, "{message}");
            assert!(start.elapsed() < Duration::from_secs(10), "{message}");
        }
    }

    #[test]
    fn accepts_long_and_flat_files_and_leaves_small_ones_to_parser() {
        for text in ["", "a: [\n1\n]", "a: [", "%", &"{a: ".repeat(FEW)] {
            assert_eq!(check(text), Ok(()));
        }
        assert_eq!(check(&"- {a: [1, 2]}\n".repeat(20_000)), Ok(()));
    }
}
