//! Documents without istiod leave the default revision where it is.

use super::Bed;

/// A gateway of the user's own, without a revision.
const GATEWAY: &str = "\
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: second}
spec:
  profile: empty
  components:
    ingressGateways:
    - {name: second-gateway, enabled: true}
";

/// The Services that the three objects of the default revision point to.
fn default_revision(bed: &Bed) -> [String; 3] {
    let webhook = "-o jsonpath={.webhooks[0].clientConfig.service.name}";
    [
        bed.kubectl(&format!(
            "get mutatingwebhookconfiguration istio-revision-tag-default {webhook}"
        )),
        bed.kubectl(&format!(
            "get validatingwebhookconfiguration istiod-default-validator {webhook}"
        )),
        bed.kubectl(
            "get service istiod-revision-tag-default -n istio-system -o jsonpath={.spec.selector.istio\\.io/rev}",
        ),
    ]
}

#[test]
#[ignore = "needs the test bed"]
fn gateways_do_not_take_the_default_revision() {
    let bed = Bed::new();
    bed.install("--preset production --param cluster=one");
    let bed = bed.next();
    bed.install("--istio 1.31.1 -r canary --preset minimal");
    bed.tool(
        "istioctl",
        "tag set default --revision canary --overwrite -y",
    );
    let canary = ["istiod-canary", "istiod-canary", "canary"].map(str::to_owned);
    assert_eq!(default_revision(&bed), canary);

    // By glooistio, a document of the user's own. The first revision has no injector any more, of which the checks
    // complain afterwards; here only the tag counts.
    let bed = Bed::as_it_is();
    bed.env().file("gateway.yaml", GATEWAY);
    let output = bed.line("install --fips --distroless -y --forget-overlays -f gateway.yaml");
    assert!(
        !output.stderr.contains("takes over the default revision"),
        "{output}"
    );
    let gateways = bed.kubectl("get deployments -n istio-system -o name");
    assert!(
        gateways.contains("deployment.apps/second-gateway"),
        "{output}"
    );
    assert_eq!(default_revision(&bed), canary);

    // By istioctl alone, what `render` wrote.
    let render =
        "render --fips --distroless --istio 1.31.0 --preset production --param cluster=one -O out";
    let rendered = bed.line(render);
    assert_eq!(rendered.code(), 0, "{rendered}");
    for document in ["03-glooistio-ingress", "04-glooistio-eastwest"] {
        let file = bed.env().work().join(format!("out/{document}.yaml"));
        bed.tool("istioctl", &format!("install -y -f {}", file.display()));
        assert_eq!(default_revision(&bed), canary, "{document}");
    }
}

#[test]
#[ignore = "needs the test bed"]
fn rendered_files_are_installed_by_their_commands() {
    let bed = Bed::new();
    let render =
        "render --fips --distroless --istio 1.31.0 --preset production --param cluster=one -O out";
    let rendered = bed.line(render);
    assert_eq!(rendered.code(), 0, "{rendered}");
    let out = bed.env().work().join("out");
    let mut files: Vec<_> = std::fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let step = text
            .lines()
            .find_map(|line| line.strip_prefix("# Step of the install: "));
        let words: Vec<&str> = step.unwrap().split(' ').collect();
        let (name, command) = words.split_last().unwrap();
        let (program, args) = command.split_first().unwrap();
        let path = out.join(name).display().to_string();
        bed.tool(program, &[args.join(" "), path].join(" "));
    }
    let rows = bed.kubectl("get deployments -A -o name");
    for name in ["istiod", "istio-ingressgateway", "istio-eastwestgateway"] {
        assert!(rows.contains(&format!("deployment.apps/{name}")), "{rows}");
    }
    let report = bed.line("verify --istio 1.31.0-solo-fips-distroless");
    assert_eq!(report.code(), 0, "{report}");
}
