//! Checks that the planned build accepts the keys of istiod's CA and of the gateways' certificates.

use std::collections::BTreeSet;

use super::{Before, Check, Outcome, Run};
use crate::facts::{Held, Observed};
use crate::report::{Finding, Severity, Subject};
use fips_evidence::{Key, KeyRow, Secret};
use istio_builds::{Fips, Spans};

pub(super) const CHECK: Check = Check {
    id: "fips-keys",
    title: "the planned FIPS build accepts the keys of cacerts and gateways",
    category: "cryptography",
    run: Run::Before(run),
    page: include_str!("fips_keys.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    if !before.plan.tag.flavor.is_fips() {
        return Outcome::NotApplicable("no FIPS build is planned".to_owned());
    }
    let mut seen = Seen::default();
    match &before.facts.authority {
        Observed::NotCollected(why) => return Outcome::NotChecked((*why).to_owned()),
        Observed::Unknown(why) => seen.unread.extend([why.as_str()]),
        Observed::Known(authority) => seen.held.extend(authority.iter().flatten()),
    }
    match &before.facts.served {
        Observed::NotCollected(_) => {}
        Observed::Unknown(why) => seen.unread.extend([why.as_str()]),
        Observed::Known(served) => {
            seen.held.extend(&served.held);
            seen.unread.extend(served.unread.iter().map(String::as_str));
            seen.left_out = served.left_out;
        }
    }
    seen.judge(before)
}

/// What could be read of both, and what could not.
#[derive(Default)]
struct Seen<'a> {
    held: Vec<&'a Held>,
    unread: BTreeSet<&'a str>,
    left_out: usize,
}

impl Seen<'_> {
    fn judge(&self, before: &Before<'_>) -> Outcome {
        let more = (self.left_out > 0).then(|| {
            let more = self.left_out;
            format!("gateways name more secrets than are read: {more} or more were left out")
        });
        let unread = self.unread.iter().copied().chain(more.as_deref());
        let unread: Vec<&str> = unread.collect();
        let unseen = || format!("certificates could not be read: {}", unread.join("; "));
        let all_read = unread.is_empty();
        match outcome(before, &self.held) {
            Outcome::Found(mut findings) => {
                findings.extend((!all_read).then(|| Finding::error("keys-not-read", unseen())));
                Outcome::Found(findings)
            }
            _ if !all_read => Outcome::Unknown(unseen()),
            _ if self.held.is_empty() => Outcome::NotApplicable(
                "no cacerts, so istiod makes its own authority, and no certificate of a gateway"
                    .to_owned(),
            ),
            passed => passed,
        }
    }
}

fn outcome(before: &Before<'_>, held: &[&Held]) -> Outcome {
    let (mut seen, mut findings) = (Vec::new(), Vec::new());
    for one in held {
        let subject = Subject::named("Secret", format!("Secret {}, {}", one.secret, one.entry));
        let keys = match &one.keys {
            Ok(keys) => keys,
            Err(error) => {
                let finding = Finding::warning(
                    "certificates-unreadable",
                    format!("its certificates cannot be read: {error}"),
                );
                findings.push(finding.subject(subject));
                continue;
            }
        };
        for key in keys {
            seen.push(key.to_string());
            let refusals = refusals(before, key, one.used).into_iter();
            findings.extend(refusals.map(|(severity, row)| {
                refused(severity, (key, one.used), row).subject(subject.clone())
            }));
        }
    }
    seen.sort();
    seen.dedup();
    Outcome::of(findings, seen.join(", "))
}

/// Returns the rows that reject a key; a tag without `fipsonly` does not show which kind of build it is.
fn refusals<'b>(before: &Before<'b>, key: &Key, used: Secret) -> Vec<(Severity, &'b KeyRow)> {
    let build = before.plan.tag.rebuild();
    let modules = &before.judge.modules;
    let is_built = |ranges: &str| {
        let ranges = ranges.parse::<Spans>();
        ranges.is_ok_and(|ranges| ranges.contains(&build))
    };
    let rows = |fipsonly| modules.refusals(key, used, fipsonly, is_built);
    if before.plan.tag.flavor.fips == Fips::Only {
        let weight = |row: &KeyRow| {
            if row.evidence.can_refuse() {
                Severity::Error
            } else {
                Severity::Warning
            }
        };
        return rows(true)
            .into_iter()
            .map(|row| (weight(row), row))
            .collect();
    }
    let either = [rows(false), rows(true)].concat();
    either
        .into_iter()
        .map(|row| (Severity::Warning, row))
        .collect()
}

fn refused(severity: Severity, (key, used): (&Key, Secret), row: &KeyRow) -> Finding {
    let remade = match used {
        Secret::Cacerts => "the authority",
        Secret::Gateway => "the certificate",
    };
    let note = if row.note.is_empty() {
        String::new()
    } else {
        format!("{}; ", row.note)
    };
    Finding::new(
        "key-refused",
        severity,
        format!("{key} is refused by {}", row.program),
    )
    .found(key.to_string())
    .expected(row.accepted())
    .why(format!("{note}{} ({})", row.source, row.evidence.name()))
    .fix(format!(
        "make {remade} with a key that is taken, or skip the check if the build is another"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed};
    use crate::facts::Served;
    use fips_evidence::KeyError;

    fn outcome_of(tag: &str, keys: Result<Vec<Key>, KeyError>) -> Outcome {
        let mut given = Given::tag(tag);
        given.facts.authority = Observed::Known(Some(vec![held(Secret::Cacerts, keys)]));
        given.run(run)
    }

    fn held(used: Secret, keys: Result<Vec<Key>, KeyError>) -> Held {
        Held {
            secret: "istio-system/some".to_owned(),
            used,
            entry: "tls.crt",
            keys,
        }
    }

    #[test]
    fn what_gateways_show_is_judged_by_their_own_builds() {
        let table = [
            (Key::Ed25519, true),
            (Key::Rsa(5120), true),
            (Key::Rsa(4096), false),
        ];
        for (key, refused) in table {
            let mut given = Given::tag("1.31.0-solo-fips");
            given.facts.authority = Observed::Known(None);
            given.facts.served = serving(Ok(vec![key.clone()]));
            let outcome = given.run(run);
            assert_eq!(found(&outcome, "Envoy"), refused, "{key}: {outcome:?}");
            assert_eq!(passed(&outcome), !refused, "{key}: {outcome:?}");
        }
    }

    fn serving(keys: Result<Vec<Key>, KeyError>) -> Observed<Served> {
        Observed::Known(Served {
            held: vec![held(Secret::Gateway, keys)],
            ..Served::default()
        })
    }

    #[test]
    fn what_could_not_be_read_is_no_pass_and_takes_nothing_away() {
        let unread = |authority: Observed<Option<Vec<Held>>>, served: Served| {
            let mut given = Given::tag("1.31.0-solo-fips");
            given.facts.authority = authority;
            given.facts.served = Observed::Known(served);
            given.run(run)
        };
        let served = |keys: Option<Key>| Served {
            held: keys
                .map(|key| held(Secret::Gateway, Ok(vec![key])))
                .into_iter()
                .collect(),
            unread: BTreeSet::from(["ask for y".to_owned()]),
            left_out: 0,
        };
        for keys in [None, Some(Key::Rsa(2048))] {
            let outcome = unread(Observed::Known(None), served(keys));
            let said = "certificates could not be read: ask for y".to_owned();
            assert_eq!(outcome, Outcome::Unknown(said));
        }
        let outcome = unread(
            Observed::Unknown("ask for x".into()),
            served(Some(Key::Ed25519)),
        );
        assert!(found(&outcome, "Ed25519 is refused"), "{outcome:?}");
        assert!(found(&outcome, "ask for x; ask for y"), "{outcome:?}");
        let many = Served {
            left_out: 3,
            ..Served::default()
        };
        let outcome = unread(Observed::Known(None), many);
        assert!(
            matches!(&outcome, Outcome::Unknown(why) if why.contains("3 or more were left out"))
        );
    }

    #[test]
    fn only_the_strict_build_is_known_to_refuse() {
        use Severity::{Error, Warning};
        let table = [
            ("1.8.5-solo-fipsonly", Key::Rsa(4096), Some(Error)),
            ("1.8.5-solo-fips", Key::Rsa(4096), Some(Warning)),
            ("1.8.5-solo-fips", Key::Rsa(3072), None),
            ("1.31.0-solo-fips", Key::Rsa(4096), None),
            ("1.31.0-solo-fips", Key::Ed25519, Some(Warning)),
            ("1.31.0-solo-fips", Key::Ecdsa("P-256".into()), None),
        ];
        for (tag, key, worst) in table {
            let outcome = outcome_of(tag, Ok(vec![key.clone()]));
            let severity = match &outcome {
                Outcome::Found(findings) => findings.iter().map(|one| one.severity).max(),
                _ => None,
            };
            assert_eq!(severity, worst, "{tag} {key}: {outcome:?}");
            assert!(
                worst.is_some() || passed(&outcome),
                "{tag} {key}: {outcome:?}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_a_warning() {
        let outcome = outcome_of("1.31.0-solo-fips", Err(KeyError::Empty));
        assert!(
            matches!(&outcome, Outcome::Found(findings) if findings[0].severity == Severity::Warning),
            "{outcome:?}"
        );
    }

    #[test]
    fn without_fips_or_without_the_secret_it_does_not_apply() {
        let outcome = outcome_of("1.31.0-solo", Ok(vec![Key::Rsa(1024)]));
        assert!(matches!(outcome, Outcome::NotApplicable(_)), "{outcome:?}");
        let mut given = Given::tag("1.31.0-solo-fips");
        given.facts.authority = Observed::Known(None);
        assert!(matches!(given.run(run), Outcome::NotApplicable(_)));
        given.facts.authority = Observed::Unknown("no answer".into());
        given.facts.served = Observed::Unknown("no answer".into());
        let said = "certificates could not be read: no answer".to_owned();
        assert_eq!(given.run(run), Outcome::Unknown(said));
    }
}
