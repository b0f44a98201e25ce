//! Facts(after) → check(After) → report: verifies what runs, and reports the evidence.

use std::collections::{BTreeMap, BTreeSet};

use super::RunContext;
use super::next_steps::next_steps;
use super::prepare::Prepared;
use super::way_back;
use crate::check::{self, Expectation, Scope, Source, Wanted};
use crate::exit::{Exit, Failure};
use crate::facts::{self, ControlPlane, MeshInventory, Observed, PodGroupKey, WebhookKind};
use crate::image;
use crate::report::{Count, Counts, PodRow};
use crate::sys::cluster::Cluster;
use crate::ui::Event;
use istio_builds::ImageRef;
use istio_builds::image_reference::parse_reference;

/// Verifies what an install changed.
pub fn verify_install(
    ctx: &mut RunContext<'_>,
    cluster: &Cluster,
    prepared: &Prepared,
    before: &facts::Before,
) -> Result<Exit, Failure> {
    let plan = &prepared.plan;
    let wanted = Wanted {
        hub: plan.hub.to_string(),
        tag: plan.tag.clone(),
        source: Source::Plan,
        digests: BTreeSet::new(),
        fips: plan.tag.flavor.is_fips(),
    };
    let expected = Expectation {
        revisions: BTreeMap::from([(plan.revision_label().to_owned(), wanted)]),
        gateways: prepared
            .gateways()
            .into_iter()
            .map(|(namespace, name)| format!("{namespace}/{name}"))
            .collect(),
        others: BTreeMap::new(),
    };
    let exit = verify_cluster(ctx, cluster, expected, Scope::Changed, &plan.namespace)?;
    let next = match exit {
        Exit::Ok => next_steps(prepared, before),
        // The running control plane was judged, and the same upgrade would leave it unchanged again.
        _ if ctx.report.up_to_date.is_some() => {
            way_back::apply_again(prepared).into_iter().collect()
        }
        _ => way_back::commands(ctx, prepared, before),
    };
    ctx.report.next.extend(next);
    Ok(exit)
}

/// Gathers facts about what runs, and judges them, also by the required assurance and the policy.
pub fn verify_cluster(
    ctx: &mut RunContext<'_>,
    cluster: &Cluster,
    mut expected: Expectation,
    scope: Scope,
    namespace: &str,
) -> Result<Exit, Failure> {
    expected.demand(ctx.judge);
    ctx.ui
        .event(&Event::Working("Reading running pods".to_owned()));
    let fips: BTreeMap<&str, bool> = expected
        .revisions
        .iter()
        .map(|(revision, wanted)| (revision.as_str(), wanted.fips))
        .collect();
    let mut facts = facts::after(cluster, &fips, namespace)?;
    expected.others = other_revisions(&facts, &expected);
    accept_injected(&facts, &mut expected);
    // Reading images proves modules; digests only tell builds apart, so they come last within the time limit for
    // registries.
    read_images(ctx, &expected, &mut facts)?;
    confirm_digests(ctx, &facts, &mut expected)?;
    if let (Some(cluster), Some(seen)) = (&mut ctx.report.cluster, facts.cluster.known()) {
        cluster.kubernetes = Some(seen.version.to_string());
    }
    let subject = check::After {
        expected: &expected,
        facts: &facts,
        scope,
        matrix: ctx.matrix,
        judge: ctx.judge,
    };
    let ran = check::after(&subject, ctx.policy);
    ctx.report.checks.extend(ran.results);
    ctx.report.skipped.extend(ran.skipped);
    ctx.report.pending = check::pending(&subject);
    if let Some(inventory) = facts.inventory.known() {
        ctx.report.evidence = check::evidence(&subject);
        ctx.report.counts = counts(inventory, &|group| {
            expected.of(group, planes(&facts)).is_some()
        });
        ctx.report.pods = pod_rows(inventory, planes(&facts));
    }
    ctx.ui.clear();
    Ok(if ctx.report.failed() {
        Exit::Findings
    } else {
        Exit::Ok
    })
}

/// Returns the pods of the mesh, those in namespaces of control planes first, so that a table that is cut does not lose
/// them.
fn pod_rows(inventory: &MeshInventory, planes: &[ControlPlane]) -> Vec<PodRow> {
    let mut rows = inventory.rows.clone();
    rows.sort_by_key(|row| !planes.iter().any(|plane| plane.namespace == row.namespace));
    rows
}

/// Reads the running images of which FIPS is expected, if registries may be read.
fn read_images(
    ctx: &mut RunContext<'_>,
    expected: &Expectation,
    facts: &mut facts::After,
) -> Result<(), Failure> {
    let (Some(images), Some(inventory)) = (&ctx.images, facts.inventory.known()) else {
        return Ok(());
    };
    let on_event = |event: &Event| ctx.ui.event(event);
    let wanted = |group: &PodGroupKey| {
        let wanted = expected.of(group, planes(facts));
        wanted.is_some_and(|wanted| wanted.fips)
    };
    // The registry of another user must not keep these from being read by not answering.
    let references = planes(facts)
        .iter()
        .map(|plane| parse_reference(&plane.image));
    let own = references
        .flatten()
        .map(|it| it.registry().to_owned())
        .collect();
    let read = images
        .reader(ctx.judge, &on_event)
        .running(inventory, &wanted, &own)?;
    facts.images = read.images;
    facts.unreached = read.unreached;
    let notes = &mut ctx.report.expected.notes;
    notes.extend(image::cache_note(&read.cached));
    Ok(())
}

/// Accepts the digests that the injectors of the revisions write.
fn accept_injected(facts: &facts::After, expected: &mut Expectation) {
    for (revision, wanted) in &mut expected.revisions {
        if let Some(injected) = facts.injected.get(revision).and_then(Observed::known) {
            wanted.accept_injected(injected);
        }
    }
}

/// Finds out which digests belong to the expected builds, for images that are pinned by digest.
fn confirm_digests(
    ctx: &RunContext<'_>,
    facts: &facts::After,
    expected: &mut Expectation,
) -> Result<(), Failure> {
    let (Some(images), Some(inventory)) = (&ctx.images, facts.inventory.known()) else {
        return Ok(());
    };
    let registries = images.reader(ctx.judge, &|_| {});
    for (revision, wanted) in &mut expected.revisions {
        let pinned = pinned(inventory, wanted, &own_names(facts, revision));
        wanted.digests.extend(registries.digests(&pinned)?);
    }
    Ok(())
}

/// Returns the names of the images that the control planes and the injector of a revision use.
fn own_names(facts: &facts::After, revision: &str) -> BTreeSet<String> {
    let own = planes(facts).iter().filter(|it| it.revision == revision);
    let injected = facts.injected.get(revision).and_then(Observed::known);
    let injected = injected.into_iter().flat_map(|it| it.images.values());
    let all = own.map(|plane| &plane.image).chain(injected);
    all.filter_map(|image| Some(image.parse::<ImageRef>().ok()?.name().to_owned()))
        .collect()
}

/// Returns the pinned references that may be builds of a mesh. Only known image names are taken, because whoever
/// creates a pod can pin any number of names; pods with deviations are left out, because other code may run in them
/// than that of the image.
fn pinned(inventory: &MeshInventory, wanted: &Wanted, own: &BTreeSet<String>) -> BTreeSet<String> {
    let genuine = inventory
        .groups
        .keys()
        .filter(|it| it.deviations.is_empty());
    let is_known = |image: &String| {
        let image = image.parse::<ImageRef>();
        image.is_ok_and(|it| own.contains(it.name()) || image::is_image_of_istio(it.name()))
    };
    let pinned = genuine.filter_map(|group| wanted.to_confirm(&group.image));
    pinned.filter(is_known).collect()
}

/// Returns the revisions out of scope that an active injector serves, in whatever namespace their control plane is.
fn other_revisions(
    facts: &facts::After,
    expected: &Expectation,
) -> BTreeMap<String, BTreeSet<String>> {
    let hooks = facts.webhooks.known().into_iter().flatten();
    let live = hooks.filter(|hook| hook.kind == WebhookKind::Mutating && !hook.deactivated);
    let mut others: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for hook in live.filter(|hook| !expected.revisions.contains_key(&hook.revision)) {
        let homes = others.entry(hook.revision.clone()).or_default();
        homes.extend(hook.service.iter().map(|(namespace, _)| namespace.clone()));
    }
    others
}

/// Returns the control planes, or none if they are unknown.
fn planes(facts: &facts::After) -> &[ControlPlane] {
    facts.control_planes.known().map_or(&[], Vec::as_slice)
}

/// Returns how many pods were listed, and how many of them were not judged.
fn counts(inventory: &MeshInventory, ours: &dyn Fn(&PodGroupKey) -> bool) -> Counts {
    let pods = |wanted: &dyn Fn(&PodGroupKey) -> bool| -> u64 {
        inventory
            .groups
            .iter()
            .filter(|(group, _)| wanted(group))
            .map(|(_, members)| members.pods)
            .sum()
    };
    let proxy = |group: &PodGroupKey| group.role.is_proxy();
    Counts::from([
        (Count::Pods, inventory.seen),
        (Count::Proxies, pods(&|group| ours(group) && proxy(group))),
        (Count::OtherMeshes, pods(&|group| !ours(group))),
        (
            Count::NotApplicable,
            inventory.not_applicable.values().sum(),
        ),
        (Count::Gone, inventory.gone),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{PodGroup, Role, SelfReport};
    use crate::report::{Deviation, Deviations, SettingKind};

    fn group(name: &str, deviations: Deviations) -> PodGroupKey {
        PodGroupKey {
            role: Role::Sidecar,
            namespace: "shop".to_owned(),
            revision: "default".to_owned(),
            connects: BTreeSet::new(),
            container: "istio-proxy".to_owned(),
            image: format!(
                "r.io/solo/{name}:1.31.0-solo-fips@sha256:{}",
                "0".repeat(64)
            ),
            image_id: String::new(),
            deviations,
            settings: BTreeMap::new(),
            hidden_settings: BTreeSet::new(),
            others: BTreeSet::new(),
            ready: true,
            status: "Running".to_owned(),
            arch: None,
            report: SelfReport::NotCollected,
        }
    }

    #[test]
    fn names_that_strangers_invent_are_asked_of_no_registry() {
        let invented = (0..1200).map(|n| group(&format!("n{n}"), Deviations::default()));
        let command = Deviation::new("istio-proxy", SettingKind::Command, "/bin/sh");
        let all = invented.chain([
            group("proxyv2", Deviations::default()),
            group("own-proxy", Deviations::default()),
            group("ztunnel", Deviations::of([command])),
        ]);
        let inventory = MeshInventory {
            groups: all.map(|it| (it, PodGroup::default())).collect(),
            ..MeshInventory::default()
        };
        let wanted = Wanted {
            hub: "r.io/solo".to_owned(),
            tag: "1.31.0-solo-fips".parse().unwrap(),
            source: Source::Plan,
            digests: BTreeSet::new(),
            fips: true,
        };
        let asked = pinned(
            &inventory,
            &wanted,
            &BTreeSet::from(["own-proxy".to_owned()]),
        );
        let names = ["own-proxy", "proxyv2"];
        let names = names.map(|name| format!("r.io/solo/{name}:1.31.0-solo-fips"));
        assert_eq!(asked, BTreeSet::from(names));
    }
}
