//! A page as a terminal shows it: headings, lists and bold words instead of the syntax of Markdown.

use crate::report::text::wrap;

/// How lines of an example begin.
const EXAMPLE: &str = "    ";

/// How items of a list begin.
const ITEM: &str = "- ";

/// Renders a page for so many columns. Examples are not wrapped, so that they can be copied.
pub(super) fn rendered(page: &str, columns: usize, color: bool) -> String {
    let shown = |block: &String| {
        if block.starts_with(EXAMPLE) {
            return format!("{block}\n");
        }
        let heading = block.trim_start_matches('#');
        if heading.len() < block.len() {
            return format!("{}\n", crate::cli::bold(heading.trim_start(), color));
        }
        let indent = if block.starts_with(ITEM) { "  " } else { "" };
        let lines = wrap(&unmarked(block), columns.saturating_sub(indent.len()));
        let lines: Vec<String> = styled(&lines, color);
        format!("{}\n", lines.join(&format!("\n{indent}")))
    };
    blocks(page).iter().map(shown).collect()
}

/// Joins the lines of each paragraph or item; every other line stays separate.
fn blocks(page: &str) -> Vec<String> {
    let alone = |line: &str| line.is_empty() || line.starts_with('#') || line.starts_with(EXAMPLE);
    let mut blocks: Vec<String> = Vec::new();
    for line in page.lines() {
        match blocks.last_mut() {
            Some(block) if !alone(block) && !alone(line) && !line.starts_with(ITEM) => {
                block.push(' ');
                block.push_str(line.trim_start());
            }
            _ => blocks.push(line.to_owned()),
        }
    }
    blocks
}

/// Starts and ends bold text; one character, which takes one column as the `**` in the block does.
const BOLD: char = '\u{1}';

/// Returns the block with one character for each `**`, and without the path of each `[name](path)`.
fn unmarked(block: &str) -> String {
    let mut text = String::with_capacity(block.len());
    let mut rest = block;
    while let Some((before, after)) = rest.split_once('[') {
        text.push_str(before);
        match after.split_once("](") {
            Some((name, link)) if !name.contains([' ', '[']) && link.contains(')') => {
                text.push_str(name);
                rest = link.split_once(')').map_or("", |(_, behind)| behind);
            }
            _ => {
                text.push('[');
                rest = after;
            }
        }
    }
    text.push_str(rest);
    text.replace("**", &BOLD.to_string())
}

/// Returns the lines in bold on a terminal with colours, and without the marks on others.
fn styled(lines: &[String], color: bool) -> Vec<String> {
    let mut on = false;
    let style = anstyle::Style::new().bold();
    let line = |line: &String| {
        let mut text = String::with_capacity(line.len());
        for (at, part) in line.split(BOLD).enumerate() {
            if at > 0 {
                on = !on;
            }
            if on && color && !part.is_empty() {
                text.extend([style.to_string(), part.to_owned(), format!("{style:#}")]);
            } else {
                text.push_str(part);
            }
        }
        text
    };
    lines.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# id\n\n## What to do\nOne line that goes\non here, see [x](y.md).\n- **an item**: of\n  two `lines`\n- another\n\n    key: a value that is **long** enough\n";

    #[test]
    fn marks_become_layout_and_examples_stay() {
        insta::assert_snapshot!(rendered(PAGE, 20, false), @r"
        id

        What to do
        One line that goes
        on here, see x.
        - an item: of
          two `lines`
        - another

            key: a value that is **long** enough
        ");
    }

    #[test]
    fn headings_and_strong_words_are_bold_in_colour() {
        let text = rendered(PAGE, 80, true);
        assert!(
            text.starts_with("\u{1b}[1mid\u{1b}[0m\n\n\u{1b}[1mWhat to do\u{1b}[0m\n"),
            "{text:?}"
        );
        assert!(
            text.contains("- \u{1b}[1man item\u{1b}[0m: of two"),
            "{text:?}"
        );
        assert_eq!(
            anstream::adapter::strip_str(&text).to_string(),
            rendered(PAGE, 80, false)
        );
    }

    #[test]
    fn no_page_loses_a_word_or_keeps_a_mark() {
        for topic in super::super::topic::all() {
            let words = |text: &str| {
                let bare = text.replace("**", "");
                let words = bare.split_whitespace();
                let words = words.filter(|word| !word.chars().all(|c| c == '#'));
                words.map(str::to_owned).collect::<Vec<_>>()
            };
            let rendered = rendered(&topic.page, 60, false);
            assert_eq!(
                words(&rendered),
                words(&unlinked(&topic.page)),
                "{}",
                topic.id
            );
            let marked = rendered.lines().find(|line| line.starts_with('#'));
            assert_eq!(marked, None, "{}", topic.id);
            assert!(!rendered.contains(BOLD), "{}", topic.id);
        }
    }

    /// Returns a page without the paths of its links.
    fn unlinked(page: &str) -> String {
        let lines = page.lines().map(|line| {
            if line.starts_with(EXAMPLE) {
                line.to_owned()
            } else {
                unmarked(line).replace(BOLD, "")
            }
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}
