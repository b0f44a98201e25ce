//! Reports records of earlier installs that cannot be used and are ignored.

use super::{Before, Check, Outcome, Run};
use crate::report::Finding;

pub(super) const CHECK: Check = Check {
    id: "record",
    title: "records of earlier installs are readable",
    category: "mesh in place",
    run: Run::Before(run),
    page: include_str!("record.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    before.facts.records.judge(|records| {
        let unusable = records.iter().filter_map(|record| record.as_ref().err());
        let findings = unusable.map(|why| {
            Finding::warning(
                "record-ignored",
                "a record of an earlier install is ignored",
            )
            .found(why)
            .why("without it an upgrade cannot repeat the overlays of the install")
            .fix("give the same -f and --set again")
        });
        Outcome::of(findings.collect(), format!("{} records", records.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, found, passed};
    use crate::facts::Observed;

    #[test]
    fn a_record_that_does_not_fit_is_said() {
        let mut given = Given::tag("1.31.0");
        assert!(passed(&given.run(run)));
        given.facts.records = Observed::Known(vec![Err("hashes differ".to_owned())]);
        assert!(found(&given.run(run), "is ignored"));
    }
}
