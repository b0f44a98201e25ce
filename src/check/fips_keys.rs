//! The planned build takes the keys of the authority that istiod is given, and of the gateways' certificates.

use super::{Before, Check, Outcome, Run};
use crate::facts::{Fact, Held};
use crate::fips::{Key, KeyRow, Secret};
use crate::istio::Fips;
use crate::report::{Finding, Severity};

pub(super) const CHECK: Check = Check {
    id: "fips-keys",
    title: "the planned FIPS build takes the keys of cacerts and of gateways",
    category: "cryptography",
    run: Run::Before(run),
    page: include_str!("fips_keys.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    if !before.plan.tag.flavor.is_fips() {
        return Outcome::NotApplicable("no FIPS build is planned".to_owned());
    }
    before.facts.authority.judge(|authority| {
        let held: Vec<&Held> = authority
            .iter()
            .flatten()
            .chain(before.facts.served.known().into_iter().flatten())
            .collect();
        let unseen = match &before.facts.served {
            Fact::Unknown(why) => vec![Finding::warning(format!(
                "the certificates of gateways could not be read: {why}"
            ))],
            Fact::Known(_) | Fact::NotAsked(_) => Vec::new(),
        };
        if held.is_empty() && unseen.is_empty() {
            return Outcome::NotApplicable(
                "no cacerts, so istiod makes its own authority, and no certificate of a gateway"
                    .to_owned(),
            );
        }
        outcome(before, &held, unseen)
    })
}

fn outcome(before: &Before<'_>, held: &[&Held], mut findings: Vec<Finding>) -> Outcome {
    let mut seen = Vec::new();
    for one in held {
        let subject = format!("Secret {}, {}", one.secret, one.entry);
        let keys = match &one.keys {
            Ok(keys) => keys,
            Err(error) => {
                let finding = Finding::warning(format!("its certificates cannot be read: {error}"));
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

/// The rows that refuse a key; a tag without `fipsonly` does not say which kind of build it is.
fn refusals<'b>(before: &Before<'b>, key: &Key, used: Secret) -> Vec<(Severity, &'b KeyRow)> {
    let build = before.plan.tag.rebuild();
    let modules = &before.judge.modules;
    let rows = |fipsonly| modules.refusals(key, used, &build, fipsonly);
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
    Finding::new(severity, format!("{key} is refused by {}", row.program))
        .found(key.to_string())
        .wanted(row.accepted())
        .why(format!("{note}{} ({})", row.source, row.evidence.name()))
        .fix(format!(
            "make {remade} with a key that is taken, or skip the check if the build is another"
        ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed};
    use crate::fips::KeyError;

    fn outcome_of(tag: &str, keys: Result<Vec<Key>, KeyError>) -> Outcome {
        let mut given = Given::tag(tag);
        given.facts.authority = Fact::Known(Some(vec![held(Secret::Cacerts, keys)]));
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
            given.facts.authority = Fact::Known(None);
            given.facts.served = Fact::Known(vec![held(Secret::Gateway, Ok(vec![key.clone()]))]);
            let outcome = given.run(run);
            assert_eq!(found(&outcome, "Envoy"), refused, "{key}: {outcome:?}");
            assert_eq!(passed(&outcome), !refused, "{key}: {outcome:?}");
        }
        let mut given = Given::tag("1.31.0-solo-fips");
        given.facts.authority = Fact::Known(None);
        given.facts.served = Fact::Unknown("no answer".into());
        assert!(found(&given.run(run), "no answer"));
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
        given.facts.authority = Fact::Known(None);
        assert!(matches!(given.run(run), Outcome::NotApplicable(_)));
        given.facts.authority = Fact::Unknown("no answer".into());
        assert_eq!(given.run(run), Outcome::Unknown("no answer".into()));
    }
}
