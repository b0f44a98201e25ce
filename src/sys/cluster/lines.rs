//! Finds the few wanted lines of a long text while it arrives.

/// The maximum number of bytes of one line.
const LINE: usize = 8 << 10;

/// The maximum number of bytes of all wanted lines.
const KEPT: usize = 16 << 10;

/// Which lines of a text are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The prefix of the wanted lines.
    pub prefix: &'static str,
    /// The maximum number of bytes of the whole text.
    pub limit: usize,
}

/// A text that arrives in chunks.
pub(super) struct Lines {
    wanted: Wanted,
    read: usize,
    /// The line that is not complete yet.
    line: Vec<u8>,
    /// True if the rest of the line is not wanted.
    skipping: bool,
    kept: String,
}

impl Lines {
    pub(super) fn new(wanted: Wanted) -> Lines {
        Lines {
            wanted,
            read: 0,
            line: Vec::new(),
            skipping: false,
            kept: String::new(),
        }
    }

    /// Processes the next chunk. An error names the limit that the text exceeds.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<(), String> {
        self.read = self.read.saturating_add(chunk.len());
        if self.read > self.wanted.limit {
            return Err(format!("larger than {} bytes", self.wanted.limit));
        }
        let mut parts = chunk.split(|byte| *byte == b'\n');
        let mut part = parts.next();
        while let Some(bytes) = part {
            self.append(bytes)?;
            part = parts.next();
            if part.is_some() {
                self.end_line()?;
            }
        }
        Ok(())
    }

    /// Returns the wanted lines, each with a line break.
    pub(super) fn finish(mut self) -> Result<String, String> {
        self.end_line()?;
        Ok(self.kept)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), String> {
        if self.skipping {
            return Ok(());
        }
        let prefix = self.wanted.prefix.as_bytes();
        let begin = self.line.len().min(prefix.len());
        let seen = bytes.iter().zip(&prefix[begin..]);
        if seen.into_iter().any(|(byte, wanted)| byte != wanted) {
            self.skipping = true;
            self.line.clear();
        } else if self.line.len() + bytes.len() > LINE {
            return Err(format!("a line is longer than {LINE} bytes"));
        } else {
            self.line.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), String> {
        let wanted = self.line.starts_with(self.wanted.prefix.as_bytes());
        if wanted && !self.skipping {
            if self.kept.len() + self.line.len() > KEPT {
                return Err(format!("more than {KEPT} bytes of lines are of interest"));
            }
            self.kept.push_str(&String::from_utf8_lossy(&self.line));
            self.kept.push('\n');
        }
        self.skipping = false;
        self.line.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WANTED: Wanted = Wanted {
        prefix: "go_info",
        limit: 1 << 20,
    };

    fn lines(chunks: &[&[u8]]) -> Result<String, String> {
        let mut lines = Lines::new(WANTED);
        for chunk in chunks {
            lines.push(chunk)?;
        }
        lines.finish()
    }

    #[test]
    fn keeps_the_wanted_lines_wherever_a_chunk_ends() {
        let text = b"# HELP go_info x\ngo_info{a=\"b\"} 1\ngo_inf 2\n\ngo_information 3";
        let kept = "go_info{a=\"b\"} 1\ngo_information 3\n";
        for size in 1..=text.len() {
            let chunks: Vec<&[u8]> = text.chunks(size).collect();
            assert_eq!(lines(&chunks).as_deref(), Ok(kept), "{size}");
        }
    }

    #[test]
    fn keeps_no_more_than_its_limits() {
        let long = [b"go_info".as_slice(), &[b'x'; LINE]].concat();
        assert!(lines(&[&long]).unwrap_err().contains("a line is longer"));
        let other = vec![b'x'; 4 * LINE];
        assert_eq!(lines(&[&other, b"\ngo_info 1"]).unwrap(), "go_info 1\n");
        let many = b"go_info{} 1\n".repeat(KEPT / 8);
        assert!(lines(&[&many]).unwrap_err().contains("of interest"));
        let whole = vec![b'\n'; WANTED.limit + 1];
        assert!(lines(&[&whole]).unwrap_err().contains("larger than"));
    }

    proptest! {
        #[test]
        fn holds_what_the_lines_of_the_whole_text_hold(text in "(go_info|go|x|\n){0,40}", size in 1usize..9) {
            let wanted = text.split('\n').filter(|line| line.starts_with("go_info"));
            let wanted = wanted.flat_map(|line| [line, "\n"]).collect::<String>();
            let chunks: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            prop_assert_eq!(lines(&chunks).unwrap(), wanted);
        }
    }
}
