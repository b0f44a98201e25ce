//! Checks that the certificates of the modules in the planned images are active on the given date and were
//! confirmed recently.

use super::certificates::Remarks;
use super::expectation::demanded;
use super::image_evidence::statement;
use super::{Before, Check, Outcome, Run};

pub(super) const CHECK: Check = Check {
    id: "image-certificates",
    title: "the certificates of the FIPS modules in the images are active",
    category: "build",
    run: Run::Before(run),
    page: include_str!("image_certificates.md"),
};

fn run(before: &Before<'_>) -> Outcome {
    if !before.plan.tag.flavor.is_fips() && demanded(before.judge).is_none() {
        return Outcome::NotApplicable("no FIPS build is planned".to_owned());
    }
    before.facts.images.judge(|images| {
        let mut remarks = Remarks::default();
        for image in images {
            let programs = image.programs.known().into_iter().flatten();
            let statements: Vec<_> = programs
                .map(|program| statement(before, image, program))
                .collect();
            remarks.add(&statements, 1);
        }
        remarks.outcome("images", "no image was read")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::support::{Given, boring, found, own_module, passed, program};
    use crate::facts::{NoImage, Observed, PlannedImage};

    const PATH: &str = "/usr/local/bin/pilot-discovery";

    fn outcome(tag: &str, evidence: fips_evidence::BinaryFacts, max_age: u32) -> Outcome {
        let mut given = Given::tag(tag);
        given.judge.max_age = max_age;
        given.facts.images = Observed::Known(vec![PlannedImage {
            reference: format!("r.io/istio/pilot:{tag}"),
            found: Err(NoImage::Broken("not looked at here".to_owned())),
            programs: Observed::Known(vec![program(PATH, PATH, Ok(evidence))]),
            cached: None,
        }]);
        given.run(run)
    }

    #[test]
    fn images_of_a_fips_plan_are_remarked_before_anything_changes() {
        const FIPS: &str = "1.31.0-solo-fips";
        assert!(passed(&outcome(FIPS, own_module(), 90)));
        assert!(found(
            &outcome(FIPS, own_module(), 30),
            "last seen on 2026-09-30"
        ));
        let limited = outcome(FIPS, boring(true), 90);
        assert!(found(&limited, "no TLS 1.3 key derivation"), "{limited:?}");
        let plain = outcome("1.31.0-solo", boring(true), 90);
        assert!(matches!(plain, Outcome::NotApplicable(_)), "{plain:?}");
    }
}
