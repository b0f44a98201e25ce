//! The output of a program, read by a thread per stream and handed over in order of arrival.

use std::io::{self, PipeReader, Read};
use std::sync::mpsc::SyncSender;
use std::thread;

/// Bytes of a line that is handed on at once; the rest of a longer one comes as lines of their own.
const LINE_LIMIT: usize = 16 << 10;

/// Which of its two streams a program wrote to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// What a running program does.
pub(super) enum Happened {
    Wrote(Stream, Vec<u8>),
    /// A stream came to its end.
    Closed,
    /// The program itself did.
    Ended,
}

/// The reading ends of both streams.
pub(super) struct Pipes {
    stdout: PipeReader,
    stderr: PipeReader,
}

/// `expression` with both streams going into pipes of ours.
pub(super) fn attach(expression: &duct::Expression) -> io::Result<(duct::Expression, Pipes)> {
    let (stdout, stdout_end) = io::pipe()?;
    let (stderr, stderr_end) = io::pipe()?;
    let attached = expression.stdout_file(stdout_end).stderr_file(stderr_end);
    Ok((attached, Pipes { stdout, stderr }))
}

impl Pipes {
    /// Reports what arrives, as it arrives.
    ///
    /// The threads end with the streams: whoever inherits a pipe from a program that ended holds up
    /// nothing but such a thread.
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

/// Bytes → lines. A carriage return ends one too: progress bars redraw by it.
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

    /// Hands on what is left; nothing where nothing is.
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
