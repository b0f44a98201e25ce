//! The cryptographic module of istiod, where FIPS is expected.

use super::fips::judge;
use super::{After, Check, Outcome, Run};
use crate::facts::Role;

pub(super) const CHECK: Check = Check {
    id: "control-plane-fips",
    title: "the control plane is a FIPS build",
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
    use crate::check::support::{fips_outcome, found, passed};
    use crate::facts::SelfReport;

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
