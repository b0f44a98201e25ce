//! Reads the output of a program with one thread per stream, and passes it on in order of arrival.

use std::io::{self, PipeReader, Read};
use std::sync::mpsc::SyncSender;
use std::thread;

/// The maximum number of bytes of a line that is passed on as one. A longer line is split.
const LINE_LIMIT: usize = 16 << 10;

/// The stream that a program wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// An event of a running program.
pub(super) enum Happened {
    Wrote(Stream, Vec<u8>),
    /// A stream ended.
    Closed,
    /// The program ended.
    Ended,
}

/// The read ends of both streams.
pub(super) struct Pipes {
    stdout: PipeReader,
    stderr: PipeReader,
}

/// Returns `expression` with both streams redirected into new pipes.
pub(super) fn attach(expression: &duct::Expression) -> io::Result<(duct::Expression, Pipes)> {
    let (stdout, stdout_end) = io::pipe()?;
    let (stderr, stderr_end) = io::pipe()?;
    let attached = expression.stdout_file(stdout_end).stderr_file(stderr_end);
    Ok((attached, Pipes { stdout, stderr }))
}

impl Pipes {
    /// Reports output when it arrives.
    ///
    /// The threads end with the streams. If another process inherits a pipe from a program that
    /// ended, it delays only such a thread.
    pub(super) fn report(self, to: &SyncSender<Happened>) {
        let (first, second) = (to.clone(), to.clone());
        drop(thread::spawn(move || {
            pump(self.stdout, Stream::Stdout, &first);
        }));
        drop(thread::spawn(move || {
            pump(self.stderr, Stream::Stderr, &second);
        }));
    }
}

fn pump(mut pipe: PipeReader, stream: Stream, to: &SyncSender<Happened>) {
    let mut buffer = [0; 8 << 10];
    loop {
        let happened = match pipe.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Ok(read) if read > 0 => Happened::Wrote(stream, buffer[..read].to_vec()),
            Ok(_) | Err(_) => Happened::Closed,
        };
        let closed = matches!(happened, Happened::Closed);
        if to.send(happened).is_err() || closed {
            break;
        }
    }
}

/// Splits bytes into lines. A carriage return ends a line too, because progress bars use it to
/// redraw.
#[derive(Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    pub(super) fn push(&mut self, chunk: &[u8], mut on_line: impl FnMut(&str)) {
        for &byte in chunk {
            let ends = byte == b'\n' || byte == b'\r';
            if ends || self.begun.len() == LINE_LIMIT {
                self.flush(&mut on_line);
            }
            if !ends {
                self.begun.push(byte);
            }
        }
    }

    /// Passes on an incomplete line, if there is one.
    pub(super) fn flush(&mut self, mut on_line: impl FnMut(&str)) {
        if !self.begun.is_empty() {
            on_line(&String::from_utf8_lossy(&self.begun));
            self.begun.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<String> {
        let (mut lines, mut seen) = (Lines::default(), Vec::new());
        for chunk in chunks {
            lines.push(chunk, |line| seen.push(line.to_owned()));
        }
        lines.flush(|line| seen.push(line.to_owned()));
        seen
    }

    #[test]
    fn lines_end_at_newline_or_carriage_return_wherever_chunks_are_cut() {
        assert_eq!(lines(&[b"a\rb", b"c\r", b"\nd"]), ["a", "bc", "d"]);
        assert_eq!(lines(&[b"\xe2\x9c", b"\x94 done\n"]), ["\u{2714} done"]);
        assert_eq!(lines(&[b"\xff\n"]), ["\u{fffd}"]);
    }

    #[test]
    fn an_endless_line_is_cut() {
        let long = vec![b'x'; LINE_LIMIT + 1];
        assert_eq!(
            lines(&[&long]).iter().map(String::len).collect::<Vec<_>>(),
            [LINE_LIMIT, 1]
        );
    }

    proptest! {
        #[test]
        fn cutting_the_stream_elsewhere_changes_nothing(bytes: Vec<u8>, at in 0..64usize) {
            let at = at.min(bytes.len());
            prop_assert_eq!(lines(&[&bytes]), lines(&[&bytes[..at], &bytes[at..]]));
        }
    }
}
