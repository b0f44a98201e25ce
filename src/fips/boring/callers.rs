//! Calls into a module: whether the program uses what lies in it.

use std::io;

use super::super::Place;
use super::super::bytes::Bytes;
use super::reference::{Machine, Reference};
use super::{between, clip};

/// Bytes of code that are looked at together; what calls a module is linked beside it.
const STEP: u64 = 256 << 10;

/// The longest call.
const CALL: u64 = 5;

/// Calls that decide. Bytes that only look like a call lead anywhere, and so do those to functions that a
/// module was written over; the calls of a program that was linked with it lead to where its functions begin.
const ENOUGH: u32 = 32;

/// What the calls say.
#[derive(Default)]
struct Votes {
    /// The first that leads to a function.
    first: Option<u64>,
    to_functions: u32,
    elsewhere: u32,
}

/// The first call of a function of `module` in the rest of `code`, if most calls into it are such.
pub(super) fn find(
    bytes: &Bytes<'_>,
    code: &[Place],
    machine: Machine,
    module: Place,
) -> io::Result<Option<Place>> {
    let inside = bytes.window(module)?;
    let mut votes = Votes::default();
    let holds = |place: &&Place| clip(**place, module.offset, module.offset + 1).len > 0;
    let around = code.iter().find(holds).map(|&place| around(place, module));
    for step in around.into_iter().flatten() {
        let window = bytes.window(Place {
            len: step.len + CALL - 1,
            ..step
        })?;
        machine.calls(&window, step.offset, |call| {
            votes.count(call, machine, (module.offset, &inside));
        });
        if votes.to_functions + votes.elsewhere >= ENOUGH {
            break;
        }
    }
    let called = votes.first.filter(|_| votes.to_functions > votes.elsewhere);
    Ok(called.map(|offset| Place { offset, len: CALL }))
}

impl Votes {
    fn count(&mut self, call: Reference, machine: Machine, (start, module): (u64, &[u8])) {
        let to = call.to.checked_sub(start);
        let Some(to) = to.filter(|_| call.to.is_multiple_of(machine.function_alignment())) else {
            return;
        };
        let before = usize::try_from(to).ok().filter(|to| *to < module.len());
        let Some(before) = before.and_then(|to| module.get(..to)) else {
            return;
        };
        if before.is_empty() || machine.function_ends(before) {
            self.to_functions += 1;
            self.first.get_or_insert(call.from);
        } else {
            self.elsewhere += 1;
        }
    }
}

/// The parts of `place` on both sides of `module`, the nearest first.
fn around(place: Place, module: Place) -> impl Iterator<Item = Place> {
    let end = module.offset.saturating_add(module.len);
    let steps = (0..=place.len / STEP).map(|step| step * STEP);
    let parts = steps.flat_map(move |far| {
        let after = end.saturating_add(far);
        let before = module.offset.saturating_sub(far);
        [
            between(after, after.saturating_add(STEP)),
            between(before.saturating_sub(STEP), before),
        ]
    });
    let parts = parts.map(move |part| clip(place, part.offset, part.offset + part.len));
    parts.filter(|part| part.len > 0)
}
