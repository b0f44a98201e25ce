//! Checks the cryptographic module of istiod, if FIPS is expected.

use super::fips::judge;
use super::{After, Check, Outcome, Run};
use crate::facts::Role;

pub(super) const CHECK: Check = Check {
    id: "control-plane-fips",
    title: "control planes that require FIPS run FIPS builds",
    category: "fips",
    run: Run::After(run),
    page: include_str!("control_plane_fips.md"),
};

fn run(after: &After<'_>) -> Outcome {
    judge(after, |role| role == Role::Istiod)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{self, fips_outcome, found, own_module, passed, program, running};
    use crate::facts::SelfReport;
    use fips_evidence::RequiredAssurance;

    #[test]
    fn what_is_at_the_floor_and_not_accepted_says_why() {
        let (tag, path) = ("1.31.0-solo-fips", "/usr/local/bin/pilot-discovery");
        let mut istiod = running(Role::Istiod, tag);
        let off = ("GODEBUG".to_owned(), "fips140=off".to_owned());
        istiod.settings.extend([off]);
        let facts = support::holding(&istiod, vec![program(path, path, Ok(own_module()))]);
        let (expected, judge) = (
            support::expecting(tag),
            support::judge(RequiredAssurance::Proven),
        );
        let outcome = run(&After {
            judge: &judge,
            ..support::whole(&expected, &facts)
        });
        let Outcome::Found(findings) = &outcome else {
            panic!("{outcome:?}")
        };
        let message = &findings[0].message;
        assert!(message.contains("is proven: GODEBUG"), "{message}");
    }

    #[test]
    fn only_istiod_is_judged_and_only_where_fips_is_expected() {
        let plain = || SelfReport::Standard("go1.24.3".into());
        assert!(found(
            &fips_outcome(run, Role::Istiod, "1.31.0-solo-fips", plain()),
            "contradicted"
        ));
        assert!(matches!(
            fips_outcome(run, Role::Gateway, "1.31.0-solo-fips", plain()),
            Outcome::NotApplicable(_)
        ));
        assert!(matches!(
            fips_outcome(run, Role::Istiod, "1.31.0-solo", plain()),
            Outcome::NotApplicable(_)
        ));
        let boring = SelfReport::Fips("go1.24.3 X:boringcrypto".into());
        assert!(passed(&fips_outcome(
            run,
            Role::Istiod,
            "1.31.0-solo-fips",
            boring
        )));
    }
}
