//! Glob patterns of paths, such as `/usr/local/bin/*`.

use globset::{GlobBuilder, GlobMatcher};

/// A text that is not a valid pattern.
#[derive(Debug, thiserror::Error)]
#[error("--path `{pattern}` is not a pattern: {why}")]
pub struct PatternError {
    pattern: String,
    why: String,
}

/// Returns true if a path is a pattern. A `\` escapes the character after it.
pub fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '[', '{', '\\'])
}

/// A glob pattern. `*` and `?` match within one path component, `**` matches any directories,
/// `[ab]` one of these characters, `{a,b}` one of these texts.
#[derive(Debug)]
pub struct Pattern {
    pub(super) text: String,
    matcher: GlobMatcher,
}

impl Pattern {
    pub fn parse(text: &str) -> Result<Pattern, PatternError> {
        let rooted = format!("/{}", text.trim_start_matches('/'));
        let built = GlobBuilder::new(&rooted)
            .literal_separator(true)
            .backslash_escape(true)
            .build();
        match built {
            Ok(glob) => Ok(Pattern {
                text: text.to_owned(),
                matcher: glob.compile_matcher(),
            }),
            Err(error) => Err(PatternError {
                pattern: text.to_owned(),
                why: error.kind().to_string(),
            }),
        }
    }

    /// Returns true if the pattern matches a whole path from the root.
    pub(super) fn matches(&self, path: &str) -> bool {
        self.matcher.is_match(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_whole_paths_and_no_slash() {
        for (pattern, path, wanted) in [
            ("/usr/local/bin/*", "/usr/local/bin/envoy", true),
            ("/usr/local/bin/*", "/usr/local/bin/a/envoy", false),
            ("usr/*/bin/envoy", "/usr/local/bin/envoy", true),
            ("/usr/**", "/usr/local/bin/envoy", true),
            ("**/envoy", "/usr/local/bin/envoy", true),
            ("**/envoy", "/envoy", true),
            ("/bin/pilot-?gent", "/bin/pilot-agent", true),
            ("/bin/{envoy,pilot-*}", "/bin/pilot-agent", true),
            ("/bin/[a-e]nvoy", "/bin/envoy", true),
            ("/bin/\\*", "/bin/*", true),
            ("/bin/\\*", "/bin/x", false),
            ("/bin/*", "/usr/bin/x", false),
        ] {
            assert_eq!(
                Pattern::parse(pattern).unwrap().matches(path),
                wanted,
                "{pattern} {path}"
            );
        }
        assert!(Pattern::parse("/bin/[").is_err());
        assert!(is_pattern("/a/*") && !is_pattern("/a/b"));
    }
}
