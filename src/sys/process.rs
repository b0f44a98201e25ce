//! Finds and runs programs, limits them, and forwards signals to them.

use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::exit::{Exit, Failure};
use crate::sys::process::read::{Happened, Lines, Pipes};
use crate::sys::signal::HandedDown;

mod find;
mod invocation;
mod read;

pub use find::{FindError, find};
pub use invocation::{Invocation, KEY_VARIABLE, MARK};
pub use read::Stream;

/// How long to wait for output after a program ended: another process may still hold its pipes.
const DRAIN: Duration = Duration::from_secs(1);

/// The maximum number of chunks of output that are buffered before the program has to wait.
const BACKLOG: usize = 64;

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Code(u8),
    Signal(i32),
}

/// The result of a program that ran to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    pub status: Status,
    /// At most the limit; the rest was read and discarded.
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("cannot start `{}`: {source}", program.display())]
    Start { program: PathBuf, source: io::Error },
    #[error("`{command}` did not end within {} s and was stopped", after.as_secs())]
    Hung { command: String, after: Duration },
    #[error("lost `{}` while waiting for it: {source}", program.display())]
    Wait { program: PathBuf, source: io::Error },
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Failure {
        Failure::new(Exit::Unavailable, &error)
    }
}

impl Invocation {
    fn unstarted(&self, source: io::Error) -> RunError {
        RunError::Start {
            program: self.program.clone(),
            source,
        }
    }

    fn lost(&self, source: io::Error) -> RunError {
        RunError::Wait {
            program: self.program.clone(),
            source,
        }
    }

    fn ended(&self, handle: &duct::Handle) -> Result<Status, RunError> {
        match handle.wait() {
            Ok(output) => Ok(output.status.into()),
            Err(source) => Err(self.lost(source)),
        }
    }
}

impl From<std::process::ExitStatus> for Status {
    fn from(status: std::process::ExitStatus) -> Self {
        match status.signal() {
            Some(signal) => Status::Signal(signal),
            // The operating system keeps eight bits.
            None => Status::Code(
                status
                    .code()
                    .and_then(|code| u8::try_from(code).ok())
                    .unwrap_or(1),
            ),
        }
    }
}

/// Runs a program to its end in a process group of its own. After `timeout` the whole group is
/// stopped. At most `limit` bytes of each stream are kept. The program never reads the standard
/// input of this process.
pub fn capture(
    invocation: &Invocation,
    timeout: Duration,
    limit: usize,
) -> Result<Captured, RunError> {
    let mut grouped = invocation.expression().before_spawn(|command| {
        command.process_group(0);
        Ok(())
    });
    if invocation.stdin.is_none() {
        grouped = grouped.stdin_null();
    }
    let (handle, pipes) = started(invocation, &grouped)?;
    let leader = handle.pids().first().copied().unwrap_or(0);
    let _down = HandedDown::to_group(leader);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let status = follow(
        invocation,
        handle,
        pipes,
        Some(timeout),
        &mut |stream, chunk| {
            let kept = if stream == Stream::Stdout {
                &mut stdout
            } else {
                &mut stderr
            };
            kept.extend_from_slice(&chunk[..chunk.len().min(limit - kept.len())]);
        },
    );
    if matches!(status, Err(RunError::Hung { .. })) {
        stop_group(leader);
    }
    Ok(Captured {
        status: status?,
        stdout,
        stderr,
    })
}

/// Runs a program in the process group of this process, and passes on each line when it arrives.
///
/// Ctrl-C in a terminal reaches the program directly. A SIGINT or SIGTERM that is sent to this
/// process alone is forwarded. `on_line` cannot stop the program.
pub fn stream(
    invocation: &Invocation,
    on_line: &mut dyn FnMut(Stream, &str),
) -> Result<Status, RunError> {
    let (handle, pipes) = started(invocation, &invocation.expression())?;
    let _down = HandedDown::to(handle.pids().first().copied().unwrap_or(0));
    let (mut stdout, mut stderr) = (Lines::default(), Lines::default());
    let status = follow(invocation, handle, pipes, None, &mut |stream, chunk| {
        let lines = if stream == Stream::Stdout {
            &mut stdout
        } else {
            &mut stderr
        };
        lines.push(chunk, |line| on_line(stream, line));
    });
    stdout.flush(|line| on_line(Stream::Stdout, line));
    stderr.flush(|line| on_line(Stream::Stderr, line));
    status
}

/// Runs both functions concurrently, `own` in this thread, for example to query the cluster while a
/// program runs.
pub fn beside<A: Send, B>(other: impl FnOnce() -> A + Send, own: impl FnOnce() -> B) -> (A, B) {
    thread::scope(|scope| {
        let other = scope.spawn(other);
        let own = own();
        let other = other.join();
        (
            other.unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            own,
        )
    })
}

/// Runs a program with the streams of this process, and forwards signals.
pub fn passthrough(invocation: &Invocation) -> Result<Status, RunError> {
    let handle = invocation
        .expression()
        .start()
        .map_err(|error| invocation.unstarted(error))?;
    let _down = HandedDown::to(handle.pids().first().copied().unwrap_or(0));
    invocation.ended(&handle)
}

fn started(
    invocation: &Invocation,
    expression: &duct::Expression,
) -> Result<(duct::Handle, Pipes), RunError> {
    let begin = || {
        // The expression owns this process's copies of the write ends. They must be closed, or the
        // end of the streams is never seen.
        let (attached, pipes) = read::attach(expression)?;
        Ok((attached.start()?, pipes))
    };
    begin().map_err(|error| invocation.unstarted(error))
}

/// Passes on what a program writes until the program and its streams have ended.
fn follow(
    invocation: &Invocation,
    handle: duct::Handle,
    pipes: Pipes,
    timeout: Option<Duration>,
    on_chunk: &mut dyn FnMut(Stream, &[u8]),
) -> Result<Status, RunError> {
    let (sender, happenings) = mpsc::sync_channel(BACKLOG);
    pipes.report(&sender);
    let handle = std::sync::Arc::new(handle);
    let waiter = std::sync::Arc::clone(&handle);
    drop(thread::spawn(move || {
        // The result is read below; this thread only reports the end.
        waiter.wait().ok();
        sender.send(Happened::Ended).ok();
    }));
    let ended = drain(
        &happenings,
        timeout.map(|timeout| Instant::now() + timeout),
        on_chunk,
    );
    match timeout {
        Some(after) if !ended => Err(RunError::Hung {
            command: invocation.to_string(),
            after,
        }),
        _ => invocation.ended(&handle),
    }
}

/// Passes on output. Returns true if the program ended before the deadline.
fn drain(
    happenings: &Receiver<Happened>,
    deadline: Option<Instant>,
    on_chunk: &mut dyn FnMut(Stream, &[u8]),
) -> bool {
    let (mut until, mut open, mut ended) = (deadline, 2, false);
    while !ended || open > 0 {
        let next = match until {
            Some(until) => happenings.recv_timeout(until.saturating_duration_since(Instant::now())),
            None => happenings
                .recv()
                .map_err(|_| RecvTimeoutError::Disconnected),
        };
        match next {
            Ok(Happened::Wrote(stream, chunk)) => on_chunk(stream, &chunk),
            Ok(Happened::Closed) => open -= 1,
            Ok(Happened::Ended) => (ended, until) = (true, Some(Instant::now() + DRAIN)),
            Err(_) => break,
        }
    }
    ended
}

fn stop_group(leader: u32) {
    if let Some(leader) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
        // The group may have ended in the meantime, and then there is nothing to stop.
        rustix::process::kill_process_group(leader, Signal::KILL).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn sh(script: &str) -> Invocation {
        Invocation::new("/bin/sh", &["-c", script])
    }

    #[test]
    fn the_line_shown_is_what_a_shell_reads_back() {
        let mut odd = Invocation::new(
            "istioctl",
            &["install", "-f", "-", "--set", "a=b c", "it's", ""],
        );
        odd.env.push(("KUBECONFIG".to_owned(), "/a b".to_owned()));
        let shown = r"KUBECONFIG='/a b' istioctl install -f - --set 'a=b c' 'it'\''s' ''";
        assert_eq!(odd.to_string(), shown);
        let echoed = sh(&format!(
            "set -- {}; printf '%s|' \"$@\"",
            odd.to_string()
                .split_once(' ')
                .unwrap()
                .1
                .split_once(' ')
                .unwrap()
                .1
        ));
        let said = capture(&echoed, LONG, 1 << 10).unwrap().stdout;
        assert_eq!(
            String::from_utf8(said).unwrap(),
            "istioctl|install|-f|-|--set|a=b c|it's||"
        );
    }

    #[test]
    fn a_probe_keeps_both_streams_up_to_the_limit_and_any_status() {
        let said = capture(
            &sh("echo out; yes err | head -c 100000 >&2; exit 7"),
            LONG,
            100,
        )
        .unwrap();
        assert_eq!(said.status, Status::Code(7));
        assert_eq!(
            (said.stdout.as_slice(), said.stderr.len()),
            (b"out\n".as_slice(), 100)
        );
        let killed = capture(&sh("kill -KILL $$"), LONG, 100).unwrap();
        assert_eq!(killed.status, Status::Signal(9));
    }

    #[test]
    fn a_hanging_probe_is_stopped_with_everything_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let alive = dir.path().join("alive");
        let script = format!("(sleep 1; touch {}) & sleep 60", alive.display());
        let began = Instant::now();
        let error = capture(&sh(&script), Duration::from_millis(200), 100).unwrap_err();
        assert!(matches!(error, RunError::Hung { .. }), "{error}");
        assert!(began.elapsed() < Duration::from_secs(10));
        capture(&sh("sleep 1.2"), LONG, 0).unwrap();
        assert!(!alive.exists());
    }

    #[test]
    fn a_stream_gets_its_stdin_and_hands_on_the_lines_of_both_streams() {
        let mut seen = Vec::new();
        let input = "x".repeat(1 << 20);
        let counting = sh("wc -c; echo bad >&2; printf 'half\\rline'; exit 3").stdin(input);
        let status = stream(&counting, &mut |stream, line| {
            seen.push((stream, line.to_owned()));
        });
        assert_eq!(status.unwrap(), Status::Code(3));
        seen.sort_by_key(|(stream, _)| *stream == Stream::Stderr);
        let said: Vec<&str> = seen.iter().map(|(_, line)| line.trim()).collect();
        assert_eq!(said, ["1048576", "half", "line", "bad"]);
    }

    #[test]
    fn a_program_that_reads_nothing_or_leaves_its_pipes_to_others_ends_the_stream() {
        let input = "x".repeat(1 << 20);
        let began = Instant::now();
        let status = stream(&sh("sleep 30 & exit 0").stdin(input), &mut |_, _| {});
        assert_eq!(status.unwrap(), Status::Code(0));
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn what_cannot_be_started_names_the_program() {
        let error = passthrough(&Invocation::new("/nonexistent/istioctl", &[])).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot start `/nonexistent/istioctl`"),
            "{error}"
        );
    }
}
