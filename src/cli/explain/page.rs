//! A page as a terminal shows it.

use crate::report::text::wrap;

/// How lines of an example begin.
const EXAMPLE: &str = "    ";

/// Paragraphs and items broken anew for so many columns; examples stay as they are, to be copied.
pub(super) fn fitted(page: &str, columns: usize, color: bool) -> String {
    let shown = |block: &String| {
        if block.starts_with(EXAMPLE) {
            return format!("{block}\n");
        }
        if block.starts_with('#') {
            return format!("{}\n", crate::cli::bold(block, color));
        }
        let indent = if block.starts_with("- ") { "  " } else { "" };
        let lines = wrap(block, columns.saturating_sub(indent.len()));
        format!("{}\n", lines.join(&format!("\n{indent}")))
    };
    blocks(page).iter().map(shown).collect()
}

/// The lines of a paragraph or an item as one; every other line by itself.
fn blocks(page: &str) -> Vec<String> {
    let alone = |line: &str| line.is_empty() || line.starts_with('#') || line.starts_with(EXAMPLE);
    let mut blocks: Vec<String> = Vec::new();
    for line in page.lines() {
        match blocks.last_mut() {
            Some(block) if !alone(block) && !alone(line) && !line.starts_with("- ") => {
                block.push(' ');
                block.push_str(line.trim_start());
            }
            _ => blocks.push(line.to_owned()),
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_terminal_breaks_words_and_no_example() {
        let page = "# id\n\n## What to do\nOne line that goes\non here.\n- an item\n  in two lines\n- another\n\n    key: a value that is long enough\n";
        insta::assert_snapshot!(fitted(page, 20, false), @r"
        # id

        ## What to do
        One line that goes
        on here.
        - an item in two
          lines
        - another

            key: a value that is long enough
        ");
        assert!(fitted(page, 20, true).starts_with("\u{1b}[1m# id\u{1b}[0m\n\n"));
    }

    #[test]
    fn no_page_loses_a_word() {
        for topic in super::super::topic::all() {
            let words = |text: &str| {
                text.split_whitespace()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            };
            let fitted = fitted(topic.page, 60, false);
            assert_eq!(words(&fitted), words(topic.page), "{}", topic.id);
        }
    }
}
