//! SIGINT and SIGTERM: noticed by a latch, handed down to the program that runs.
//!
//! A terminal sends its Ctrl-C to the whole group, so that a program of ours has it already; what
//! was sent to our process alone is handed down. The latch wakes our own waits.

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

/// What a signal means while it is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reaction {
    /// Whoever runs sees the latch and winds up.
    Noticed,
    /// The program that runs gets it too.
    HandDown(Pid),
    /// The probe that runs in a group of its own gets it too.
    HandDownToGroup(Pid),
    /// Nobody looks at the latch: end at once.
    End,
}

struct Latch {
    interrupted: AtomicBool,
    /// Id of the program that runs, 0 for none, negative where it leads a group of its own.
    child: AtomicI32,
    /// A signal that came when no program was known to run, which may just have begun to; 0 for none.
    pending: AtomicI32,
    /// Somebody sits in a read that no latch can end.
    at_prompt: AtomicBool,
    /// A file is being written that a sudden end would leave half done.
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

    /// Gives the program that runs what came before it was known, once.
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

/// Begins to listen; later calls do nothing.
pub fn listen() -> io::Result<()> {
    let mut outcome = Ok(());
    LISTENING.call_once(|| {
        outcome = SignalsInfo::<WithOrigin>::new([SIGINT, SIGTERM]).map(|signals| {
            // Lives as long as the process: it ends nothing and holds nothing.
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
            // Either may have ended in between, and then there is nobody to tell.
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

/// Whether a signal asked us to stop.
pub fn interrupted() -> bool {
    LATCH.interrupted.load(Ordering::SeqCst)
}

/// Ends when a signal asks us to stop, at once where one did already.
pub(super) async fn wait() {
    LATCH.wait().await;
}

/// While it lives, signals are handed down to the program of that id.
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

/// While it lives, a signal ends the process with 130: for a prompt, whose read cannot be woken.
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

/// While it lives, no signal ends the process: for a file that is replaced, which takes an instant.
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
