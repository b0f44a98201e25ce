//! Finds calls into a module, which show whether the program uses it.

use std::io;

use super::super::Place;
use super::super::bytes::Bytes;
use super::reference::{Machine, Reference};
use super::{between, clip};

/// Number of bytes of code that are examined at a time. Code that calls a module is usually linked next to it.
const STEP: u64 = 256 << 10;

/// Length of the longest call instruction in bytes.
const CALL: u64 = 5;

/// Number of calls that decide. Bytes that only look like a call lead to arbitrary places. So do calls of functions
/// that were overwritten with a module. The calls of a program that was linked with the module lead to the start of
/// functions.
const ENOUGH: u32 = 32;

/// The targets of the calls, counted.
#[derive(Default)]
struct Votes {
    /// The first call that leads to a function.
    first: Option<u64>,
    to_functions: u32,
    elsewhere: u32,
}

/// Returns the first call to a function of `module` from the rest of `code`, if most calls into the module lead to
/// functions.
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

/// Returns the parts of `place` on both sides of `module`, starting with the nearest.
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
