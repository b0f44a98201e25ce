//! Locates BoringCrypto and related modules in the code of a program, and checks whether the integrity value that a
//! module stores matches its bytes.
//!
//! A module that was measured is found by its bytes, even if the copy is damaged. Any other module is found by its
//! own integrity test: the code of the test refers to the first and the last byte of the module.

mod callers;
mod copy;
mod mac;
mod reference;
#[cfg(test)]
mod sample;
mod selftest;
mod word;

use std::io;

use super::bytes::Bytes;
use super::elf::Layout;
use super::fingerprint::Fingerprint;
use super::{Arch, Located, Mark, Place};
use copy::Copies;
use reference::Machine;
pub(super) use selftest::TEXT as INTEGRITY_TEST;
use selftest::{Search, TEXTS, WORK};

/// The reason to search for a module.
#[derive(Debug, Clone, Copy)]
pub(super) enum Hint<'a> {
    /// Function names of a Go program; texts were not searched for.
    Names,
    /// Texts that were found.
    Marks(&'a [Mark]),
}

/// The result of the search.
#[derive(Debug)]
pub(super) struct Found {
    pub modules: Vec<Located>,
    /// The texts of integrity tests for which no matching module was found.
    pub unmatched_tests: Vec<Place>,
}

/// Maximum number of modules that are recorded for one file; a program has one.
const MODULES: usize = 8;

/// Locates all modules in the executable part of a program, up to [`MODULES`]. Searches the whole file if its
/// headers do not describe the executable part. An intact module does not hide a damaged one.
pub(super) fn locate(
    bytes: &Bytes<'_>,
    layout: Option<&Layout>,
    arch: Option<&Arch>,
    known: &[Fingerprint],
    hint: Hint<'_>,
) -> io::Result<Found> {
    let code = executable(bytes, layout);
    let tests = hint.tests(bytes, &code)?;
    let fits = |row: &&Fingerprint| arch.is_none_or(|arch| *arch == row.arch);
    let known = known.iter().filter(fits);
    // A module contains the texts of its tests, so a copy is near one of them.
    let reach = known.clone().map(|row| row.bytes).max().unwrap_or(0);
    let mut copies = Copies::new(bytes, &code, known);
    for place in around(&hint.texts(&tests), reach, &code) {
        copies.find(place)?;
    }
    if copies.found.is_empty() && matches!(hint, Hint::Names) {
        // The byte that was changed can be part of the text, so all of the code is searched.
        code.iter().try_for_each(|&place| copies.find(place))?;
    }
    let mut found = copies.found;
    let mut unmatched_tests = Vec::new();
    for &machine in Machine::of(arch) {
        let mut search = Search::new(bytes, layout, &code, machine, WORK);
        for &text in &tests {
            let known = found.iter().any(|one| holds(one.place, text));
            if !known && found.len() < MODULES {
                found.extend(search.module(text)?);
            }
        }
        unmatched_tests.extend(search.unmatched);
    }
    Ok(Found {
        modules: found,
        unmatched_tests,
    })
}

/// Checks whether the byte at `offset` is inside `place`.
fn holds(place: Place, offset: u64) -> bool {
    let inside = offset.checked_sub(place.offset);
    inside.is_some_and(|inside| inside < place.len)
}

impl Hint<'_> {
    /// Returns the offsets of the texts of integrity tests.
    fn tests(self, bytes: &Bytes<'_>, code: &[Place]) -> io::Result<Vec<u64>> {
        match self {
            Hint::Names => selftest::texts(bytes, code),
            Hint::Marks(marks) => Ok(marks
                .iter()
                .filter(|mark| mark.text == INTEGRITY_TEST)
                .map(|mark| mark.place.offset)
                .take(TEXTS)
                .collect()),
        }
    }

    /// Returns the offsets of all known texts of a module.
    fn texts(self, tests: &[u64]) -> Vec<u64> {
        match self {
            Hint::Names => tests.to_vec(),
            Hint::Marks(marks) => marks.iter().map(|mark| mark.place.offset).collect(),
        }
    }
}

/// Returns the parts of `code` that are at most `reach` bytes from one of `texts`.
fn around(texts: &[u64], reach: u64, code: &[Place]) -> Vec<Place> {
    let near = texts
        .iter()
        .map(|text| (text.saturating_sub(reach), text.saturating_add(reach)));
    let near = merged(near.collect());
    let parts = code.iter().flat_map(|place| {
        let clipped = near.iter().map(|&(from, to)| clip(*place, from, to));
        clipped.filter(|part| part.len > 0)
    });
    parts.collect()
}

/// Returns the executable segments, or the whole file if the headers do not list segments.
pub(super) fn executable(bytes: &Bytes<'_>, layout: Option<&Layout>) -> Vec<Place> {
    match layout {
        Some(layout) if !layout.segments.is_empty() => layout.places(|segment| segment.executable),
        _ => vec![between(0, bytes.size())],
    }
}

fn merged(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for (from, to) in ranges {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    merged
}

/// Returns the part of `place` between two offsets.
fn clip(place: Place, from: u64, to: u64) -> Place {
    let end = place.offset.saturating_add(place.len);
    between(place.offset.max(from), end.min(to))
}

fn between(from: u64, to: u64) -> Place {
    Place {
        offset: from,
        len: to.saturating_sub(from),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fingerprint::{Algorithm, Hex};
    use super::super::{Family, Integrity};
    use super::sample::{BYTES, CALLER, END, START, STORED, Sample};
    use super::*;

    const ALL: [(Machine, Algorithm); 4] = [
        (Machine::Amd64, Algorithm::Sha256),
        (Machine::Amd64, Algorithm::Sha512),
        (Machine::Arm64, Algorithm::Sha256),
        (Machine::Arm64, Algorithm::Sha512),
    ];

    fn locate_modules(
        bytes: &Bytes<'_>,
        layout: Option<&Layout>,
        arch: Option<&Arch>,
        known: &[Fingerprint],
        hint: Hint<'_>,
    ) -> io::Result<Vec<Located>> {
        locate(bytes, layout, arch, known, hint).map(|found| found.modules)
    }

    fn find(sample: &Sample, known: &[Fingerprint]) -> Vec<Located> {
        let bytes = Bytes::new(&sample.file, sample.file.len() as u64);
        locate_modules(&bytes, None, Some(&sample.arch()), known, Hint::Names).unwrap()
    }

    #[test]
    fn a_module_that_nobody_measured_is_found_by_its_own_test() {
        for (machine, algorithm) in ALL {
            let sample = Sample::new(machine, algorithm);
            let expected = Located {
                family: Family::BoringCrypto,
                place: between(START as u64, END as u64),
                algorithm: algorithm.to_string(),
                stored: Hex::from(sample.stored()).to_string(),
                integrity: Integrity::Holds,
                fingerprint: None,
                version: Some(20_240_407),
                called: Some(Place {
                    offset: CALLER as u64,
                    len: 5,
                }),
            };
            assert_eq!(find(&sample, &[]), [expected], "{machine:?} {algorithm}");
        }
    }

    #[test]
    fn a_measured_module_is_found_by_its_bytes() {
        for (machine, algorithm) in ALL {
            let sample = Sample::new(machine, algorithm);
            let row = sample.row();
            let [module] = find(&sample, std::slice::from_ref(&row))
                .try_into()
                .unwrap();
            assert_eq!(
                module.integrity,
                Integrity::Holds,
                "{machine:?} {algorithm}"
            );
            assert_eq!(module.fingerprint, Some(row.hash.to_string()));
            assert_eq!(module.place.len, BYTES as u64);
        }
    }

    #[test]
    fn bounds_that_the_loader_writes_into_a_table_are_read_there() {
        for (machine, algorithm) in ALL {
            let sample = Sample::new(machine, algorithm);
            let (arch, stored) = (sample.arch(), Sample::new(machine, algorithm).stored());
            let file = sample.bounds_in_table();
            let bytes = Bytes::new(&file, file.len() as u64);
            let layout = Layout::read(&bytes).unwrap().unwrap();
            let found =
                |layout| locate_modules(&bytes, layout, Some(&arch), &[], Hint::Names).unwrap();
            let [module] = found(Some(&layout)).try_into().unwrap();
            assert_eq!(
                module.integrity,
                Integrity::Holds,
                "{machine:?} {algorithm}"
            );
            assert_eq!(module.place.len, BYTES as u64);
            assert_ne!(module.stored, Hex::from(stored).to_string());
            // Without headers, the addresses of the bytes are unknown.
            assert_eq!(found(None), []);
        }
    }

    #[test]
    fn a_module_is_called_where_a_call_leads_to_one_of_its_functions() {
        let called = |sample: &Sample| {
            let measured = find(sample, &[sample.row()]);
            let found = find(sample, &[]);
            let called = [measured, found].map(|modules| modules[0].called);
            assert_eq!(called[0], called[1]);
            called[0]
        };
        for (machine, algorithm) in ALL {
            let sample = Sample::new(machine, algorithm);
            let place = called(&sample).unwrap();
            assert_eq!(place.offset, CALLER as u64, "{machine:?} {algorithm}");
            assert_eq!(called(&sample.uncalled()), None, "{machine:?} {algorithm}");
        }
        // Calls of the code that the module overwrote lead to arbitrary places in the module.
        let mut covered = Sample::new(Machine::Amd64, Algorithm::Sha256);
        for (index, to) in [START + 0x3000, START + 0x4000].into_iter().enumerate() {
            let from = CALLER + 16 * (index + 1);
            let distance = to.wrapping_sub(from + 5).to_le_bytes();
            covered.file[from] = 0xe8;
            covered.file[from + 1..from + 5].copy_from_slice(&distance[..4]);
            covered.file[to - 1] = 0x55;
        }
        covered.seal();
        assert_eq!(called(&covered), None);
    }

    #[test]
    fn a_whole_copy_hides_no_damaged_one_and_the_other_way_round() {
        let whole = Sample::new(Machine::Amd64, Algorithm::Sha256);
        let mut flipped = Sample::new(Machine::Amd64, Algorithm::Sha256);
        flipped.file[START + 0x123] ^= 1;
        let row = [whole.row()];
        for order in [[&whole, &flipped], [&flipped, &whole]] {
            let file = order.map(|sample| &sample.file[..]).concat();
            let bytes = Bytes::new(&file, file.len() as u64);
            let found = locate_modules(&bytes, None, None, &row, Hint::Names).unwrap();
            let holds: Vec<_> = found
                .iter()
                .map(|one| (one.integrity == Integrity::Holds, one.called.is_some()))
                .collect();
            let expected = order.map(|sample| [sample.file == whole.file; 2].into());
            assert_eq!(holds, expected);
        }
    }

    #[test]
    fn measured_modules_hide_no_other_and_no_more_than_the_limit_are_found() {
        let measured = Sample::new(Machine::Amd64, Algorithm::Sha256);
        let row = [measured.row()];
        let mut other = Sample::new(Machine::Amd64, Algorithm::Sha512);
        for anchor in &row[0].anchors {
            other.file[START + usize::try_from(anchor.at).unwrap()] ^= 1;
        }
        other.seal();
        let found = |samples: &[&Sample]| {
            let files: Vec<&[u8]> = samples.iter().map(|sample| &sample.file[..]).collect();
            let file = files.concat();
            let bytes = Bytes::new(&file, file.len() as u64);
            let arch = measured.arch();
            locate_modules(&bytes, None, Some(&arch), &row, Hint::Names).unwrap()
        };
        let both = found(&[&measured, &other]);
        let measured_first: Vec<bool> = both.iter().map(|one| one.fingerprint.is_some()).collect();
        assert_eq!(measured_first, [true, false]);
        assert_eq!(found(&[&measured; MODULES + 1]).len(), MODULES);
        assert_eq!(found(&[&other; MODULES + 1]).len(), MODULES);
    }

    #[test]
    fn any_flipped_byte_of_a_measured_module_differs_and_hides_nothing() {
        let sample = Sample::new(Machine::Amd64, Algorithm::Sha256);
        let row = sample.row();
        let mut places = vec![
            START,
            START + 1,
            START + BYTES / 2,
            END - 1,
            STORED,
            STORED + 31,
        ];
        for anchor in &row.anchors {
            places.push(START + usize::try_from(anchor.at).unwrap());
        }
        for at in places {
            let mut flipped = Sample::new(Machine::Amd64, Algorithm::Sha256);
            flipped.file[at] ^= 0x40;
            let [module] = find(&flipped, std::slice::from_ref(&row))
                .try_into()
                .unwrap();
            let Integrity::Differs(computed) = &module.integrity else {
                panic!("{at:#x}: {:?}", module.integrity);
            };
            assert_eq!(module.stored, Hex::from(flipped.stored()).to_string());
            assert_eq!(module.fingerprint, Some(row.hash.to_string()));
            assert_eq!(*computed == row.hash.to_string(), at >= STORED, "{at:#x}");
        }
    }

    #[test]
    fn a_flipped_byte_of_an_unmeasured_module_leaves_nothing_to_locate() {
        for at in [START, START + BYTES / 2, END - 1, STORED] {
            let mut flipped = Sample::new(Machine::Amd64, Algorithm::Sha256);
            flipped.file[at] ^= 1;
            assert_eq!(find(&flipped, &[]), [], "{at:#x}");
        }
    }

    #[test]
    fn integrity_test_that_nothing_fits_is_noted_and_one_that_fits_is_not() {
        let unmatched = |sample: &Sample| {
            let bytes = Bytes::new(&sample.file, sample.file.len() as u64);
            let found = locate(&bytes, None, Some(&sample.arch()), &[], Hint::Names).unwrap();
            let offsets = found.unmatched_tests.iter().map(|place| place.offset);
            offsets.collect::<Vec<_>>()
        };
        for (machine, algorithm) in ALL {
            let mut sample = Sample::new(machine, algorithm);
            assert_eq!(unmatched(&sample), [0; 0], "{machine:?}");
            sample.file[START + BYTES / 2] ^= 1;
            assert_eq!(unmatched(&sample), [START as u64 + 0x1000], "{machine:?}");
        }
    }

    #[test]
    fn one_piece_alone_is_no_copy() {
        let sample = Sample::new(Machine::Amd64, Algorithm::Sha256);
        let row = sample.row();
        let piece = &sample.file[START + 0x9000..START + 0x9020];
        let file = [&vec![0; 0x40000], piece, &vec![0; 0x40000]].concat();
        let bytes = Bytes::new(&file, file.len() as u64);
        let found = locate_modules(&bytes, None, None, &[row], Hint::Names).unwrap();
        assert_eq!(found, []);
    }

    #[test]
    fn a_row_for_another_processor_is_not_looked_for() {
        let mut sample = Sample::new(Machine::Amd64, Algorithm::Sha256);
        let row = sample.row();
        sample.file[START] ^= 1;
        let bytes = Bytes::new(&sample.file, sample.file.len() as u64);
        let find = |arch: &str| {
            let arch = Arch(arch.to_owned());
            locate_modules(
                &bytes,
                None,
                Some(&arch),
                std::slice::from_ref(&row),
                Hint::Names,
            )
            .unwrap()
        };
        assert_eq!(find("arm64"), []);
        assert_eq!(find("amd64").len(), 1);
    }

    #[test]
    fn a_module_that_cannot_be_run_is_none() {
        let sample = Sample::new(Machine::Amd64, Algorithm::Sha256);
        for (flags, modules) in [(4, 0), (5, 1)] {
            let file = sample.elf(flags);
            let bytes = Bytes::new(&file, file.len() as u64);
            let layout = Layout::read(&bytes).unwrap().unwrap();
            let row = [sample.row()];
            for known in [&row[..], &[]] {
                let arch = layout.arch.as_ref();
                let found =
                    locate_modules(&bytes, Some(&layout), arch, known, Hint::Names).unwrap();
                assert_eq!(found.len(), modules, "{flags}");
            }
        }
    }

    #[test]
    fn marks_say_where_to_look() {
        let sample = Sample::new(Machine::Amd64, Algorithm::Sha256);
        let bytes = Bytes::new(&sample.file, sample.file.len() as u64);
        let row = [sample.row()];
        let find = |text: &str, offset, known: &[Fingerprint]| {
            let mark = Mark {
                family: Family::BoringCrypto,
                text: text.to_owned(),
                place: Place { offset, len: 19 },
            };
            let found = locate_modules(&bytes, None, None, known, Hint::Marks(&[mark]));
            found.unwrap().len()
        };
        let text = START as u64 + 0x1000;
        assert_eq!(find(INTEGRITY_TEST, text, &[]), 1);
        assert_eq!(find(INTEGRITY_TEST, text + 1, &[]), 0);
        assert_eq!(find("FIPS self test", text, &[]), 0);
        assert_eq!(find("FIPS self test", text, &row), 1);
        assert_eq!(find("FIPS self test", (START + 3 * BYTES) as u64, &row), 0);
    }

    #[test]
    fn a_measured_module_is_looked_for_around_its_texts() {
        let code = [between(1000, 100_000)];
        let around = |texts: &[u64]| around(texts, 500, &code);
        assert_eq!(around(&[]), []);
        assert_eq!(around(&[1200]), [between(1000, 1700)]);
        let expected = [between(49_500, 51_000), between(89_500, 90_500)];
        assert_eq!(around(&[50_000, 50_500, 90_000]), expected);
        assert_eq!(around(&[200_000]), []);
    }

    #[test]
    fn a_module_whose_text_was_changed_is_found_by_names_alone() {
        let mut flipped = Sample::new(Machine::Amd64, Algorithm::Sha256);
        let row = [flipped.row()];
        flipped.file[START + 0x1000] ^= 1;
        let [module] = find(&flipped, &row).try_into().unwrap();
        assert!(matches!(module.integrity, Integrity::Differs(_)));
    }

    #[test]
    fn a_search_ends_however_many_places_the_code_names() {
        let sample = Sample::new(Machine::Amd64, Algorithm::Sha256);
        let bytes = Bytes::new(&sample.file, sample.file.len() as u64);
        let code = [sample.code()];
        let found = |work| {
            let mut search = Search::new(&bytes, None, &code, Machine::Amd64, work);
            search.module(START as u64 + 0x1000).unwrap().is_some()
        };
        assert!(found(WORK));
        assert!(!found(sample.file.len() as u64 + BYTES as u64));
        assert!(!found(100));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn arbitrary_code_never_panics(
            code in prop::collection::vec(any::<u8>(), 0..4000),
            at in 0_u64..5000,
            arm in any::<bool>(),
        ) {
            let machine = if arm { Machine::Arm64 } else { Machine::Amd64 };
            let bytes = Bytes::new(&code, code.len() as u64);
            let place = [Place { offset: at / 2, len: u64::MAX }];
            let mut search = Search::new(&bytes, None, &place, machine, 1 << 20);
            search.module(at).unwrap();
            word::version(&code, Family::BoringCrypto, machine);
            machine.references(&code, at, |_| {});
        }
    }
}
