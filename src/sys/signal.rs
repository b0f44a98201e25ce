//! Handles SIGINT and SIGTERM: sets a latch, and forwards them to the running program.
//!
//! The terminal sends Ctrl-C to the whole process group, so a program in this group already has it.
//! A signal that is sent to this process alone is forwarded. The latch wakes the waits of this
//! process.

use std::io;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread;

use rustix::process::{Pid, Signal};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::origin::WithOrigin;
use signal_hook::low_level::siginfo::Cause;
use tokio::sync::Notify;

use crate::exit::Exit;

static LATCH: Latch = Latch::new();
static LISTENING: Once = Once::new();

/// The reaction to a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reaction {
    /// The running code sees the latch and stops.
    Noticed,
    /// The running program gets the signal too.
    HandDown(Pid),
    /// The running program and its process group get the signal too.
    HandDownToGroup(Pid),
    /// No code checks the latch: the process ends at once.
    End,
}

struct Latch {
    interrupted: AtomicBool,
    /// The ID of the running program; 0 for none, negative if it leads its own process group.
    child: AtomicI32,
    /// A signal that arrived when no program was known to run, although one may just have started;
    /// 0 for none.
    pending: AtomicI32,
    /// True during a read that the latch cannot end.
    at_prompt: AtomicBool,
    /// True while a file is written that would be incomplete if the process ended.
    unfinished: AtomicBool,
    wake: Notify,
}

impl Latch {
    const fn new() -> Self {
        Latch {
            interrupted: AtomicBool::new(false),
            child: AtomicI32::new(0),
            pending: AtomicI32::new(0),
            at_prompt: AtomicBool::new(false),
            unfinished: AtomicBool::new(false),
            wake: Notify::const_new(),
        }
    }

    fn react(&self, from_terminal: bool) -> Reaction {
        let again = self.interrupted.swap(true, Ordering::SeqCst);
        self.wake.notify_waiters();
        let child = self.child.load(Ordering::SeqCst);
        match Pid::from_raw(child.abs()) {
            Some(leader) if child < 0 => Reaction::HandDownToGroup(leader),
            Some(_) if from_terminal => Reaction::Noticed,
            Some(child) => Reaction::HandDown(child),
            None if self.unfinished.load(Ordering::SeqCst) => Reaction::Noticed,
            None if again || self.at_prompt.load(Ordering::SeqCst) => Reaction::End,
            None => Reaction::Noticed,
        }
    }

    /// Forwards a signal that arrived before the running program was known, once.
    fn hand_down_early(&self) {
        let child = self.child.load(Ordering::SeqCst);
        let Some(child) = Pid::from_raw(child.max(0)) else {
            return;
        };
        let signal = match self.pending.swap(0, Ordering::SeqCst) {
            SIGINT => Signal::INT,
            SIGTERM => Signal::TERM,
            _ => return,
        };
        rustix::process::kill_process(child, signal).ok();
    }

    async fn wait(&self) {
        let mut woken = std::pin::pin!(self.wake.notified());
        woken.as_mut().enable();
        if !self.interrupted.load(Ordering::SeqCst) {
            woken.await;
        }
    }
}

/// Starts to listen for signals. Later calls do nothing.
pub fn listen() -> io::Result<()> {
    let mut outcome = Ok(());
    LISTENING.call_once(|| {
        outcome = SignalsInfo::<WithOrigin>::new([SIGINT, SIGTERM]).map(|signals| {
            // The thread lives as long as the process, and holds no resources.
            drop(thread::spawn(move || serve(signals)));
        });
    });
    outcome
}

fn serve(mut signals: SignalsInfo<WithOrigin>) {
    for origin in &mut signals {
        let signal = if origin.signal == SIGINT {
            Signal::INT
        } else {
            Signal::TERM
        };
        let from_terminal = matches!(origin.cause, Cause::Kernel);
        match LATCH.react(from_terminal) {
            Reaction::Noticed if from_terminal => {}
            Reaction::Noticed => {
                LATCH.pending.store(origin.signal, Ordering::SeqCst);
                LATCH.hand_down_early();
            }
            // The receiver may have ended in the meantime, and then there is nothing to signal.
            Reaction::HandDown(child) => {
                rustix::process::kill_process(child, signal).ok();
            }
            Reaction::HandDownToGroup(leader) => {
                rustix::process::kill_process_group(leader, signal).ok();
            }
            Reaction::End => signal_hook::low_level::exit(Exit::Interrupted.code().into()),
        }
    }
}

/// Returns true if a signal interrupted the run.
pub fn interrupted() -> bool {
    LATCH.interrupted.load(Ordering::SeqCst)
}

/// Completes when a signal interrupts the run, or at once if one already did.
pub(super) async fn wait() {
    LATCH.wait().await;
}

/// A guard. While it exists, signals are forwarded to the program with this ID.
pub(super) struct HandedDown;

impl HandedDown {
    pub(super) fn to(child: u32) -> Self {
        LATCH
            .child
            .store(i32::try_from(child).unwrap_or(0), Ordering::SeqCst);
        LATCH.hand_down_early();
        HandedDown
    }

    pub(super) fn to_group(leader: u32) -> Self {
        LATCH
            .child
            .store(-i32::try_from(leader).unwrap_or(0), Ordering::SeqCst);
        HandedDown
    }
}

impl Drop for HandedDown {
    fn drop(&mut self) {
        LATCH.child.store(0, Ordering::SeqCst);
    }
}

/// A guard. While it exists, a signal ends the process with exit code 130. For prompts: a signal
/// cannot wake the read.
#[must_use]
pub struct AtPrompt(());

impl AtPrompt {
    pub fn begin() -> Self {
        LATCH.at_prompt.store(true, Ordering::SeqCst);
        AtPrompt(())
    }
}

impl Drop for AtPrompt {
    fn drop(&mut self) {
        LATCH.at_prompt.store(false, Ordering::SeqCst);
    }
}

/// A guard. While it exists, no signal ends the process. For the replacement of a file, which takes
/// an instant.
#[must_use]
pub struct Unfinished(());

impl Unfinished {
    pub(super) fn begin() -> Self {
        LATCH.unfinished.store(true, Ordering::SeqCst);
        Unfinished(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        LATCH.unfinished.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_program_gets_what_was_sent_to_us_alone() {
        let latch = Latch::new();
        latch.child.store(7, Ordering::SeqCst);
        assert_eq!(latch.react(true), Reaction::Noticed);
        assert_eq!(
            latch.react(false),
            Reaction::HandDown(Pid::from_raw(7).unwrap())
        );
        assert_eq!(
            latch.react(false),
            Reaction::HandDown(Pid::from_raw(7).unwrap())
        );
    }

    #[test]
    fn a_probe_in_its_own_group_gets_what_the_terminal_sent_to_ours() {
        let latch = Latch::new();
        latch.child.store(-7, Ordering::SeqCst);
        assert_eq!(
            latch.react(true),
            Reaction::HandDownToGroup(Pid::from_raw(7).unwrap())
        );
    }

    #[test]
    fn the_second_signal_ends_us_and_so_does_the_first_at_a_prompt() {
        let latch = Latch::new();
        assert_eq!(latch.react(true), Reaction::Noticed);
        assert_eq!(latch.react(true), Reaction::End);
        let writing = Latch::new();
        writing.unfinished.store(true, Ordering::SeqCst);
        assert_eq!(writing.react(false), Reaction::Noticed);
        assert_eq!(writing.react(false), Reaction::Noticed);
        let asking = Latch::new();
        asking.at_prompt.store(true, Ordering::SeqCst);
        assert_eq!(asking.react(false), Reaction::End);
    }

    #[test]
    fn a_wait_ends_by_a_signal_before_or_after_it_began() {
        let latch = Latch::new();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let waiting = latch.wait();
            let signal = async { latch.react(true) };
            tokio::join!(waiting, signal);
            latch.wait().await;
        });
    }
}
