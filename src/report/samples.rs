use super::*;
use crate::workload::WorkloadKind;

fn result(
    id: &'static str,
    title: &'static str,
    category: &'static str,
    status: Status,
) -> CheckResult {
    let severity = match status {
        Status::Failed | Status::Unknown => Some(Severity::Error),
        Status::Warned => Some(Severity::Warning),
        _ => None,
    };
    CheckResult {
        id,
        title,
        category,
        phase: Phase::Before,
        status,
        severity,
        detail: String::new(),
        findings: Vec::new(),
    }
}

fn before() -> Vec<CheckResult> {
    let mut results = kubernetes();
    results.extend(build());
    results
}

fn kubernetes() -> Vec<CheckResult> {
    let range = Finding::error("unsupported", "Kubernetes 1.22 is newer than Istio 1.9 supports")
        .subject(Subject::named("Context", "context prod"))
        .found("1.22.3")
        .expected("1.17 to 1.20")
        .why("Istio's table of supported releases gives this range, and a Gloo Mesh page that allows 1.22 does not widen it")
        .fix("take Istio 1.10 or later")
        .command("glooistio install --istio 1.11.8 --distribution solo --fips --distroless --hub gcr.io/istio-enterprise", &[]);
    vec![
        CheckResult {
            detail: "1.31.0 at /usr/bin/istioctl".into(),
            ..result(
                "istioctl-version",
                "istioctl is of the planned minor",
                "istioctl",
                Status::Passed,
            )
        },
        CheckResult {
            findings: vec![range],
            ..result(
                "kubernetes-range",
                "this Istio supports this Kubernetes version",
                "kubernetes",
                Status::Failed,
            )
        },
        CheckResult {
            detail: "not an OpenShift".into(),
            ..result(
                "openshift-range",
                "the OpenShift fits",
                "kubernetes",
                Status::NotApplicable,
            )
        },
        CheckResult {
            detail: "nodes is forbidden: User \"jo\" cannot list resource \"nodes\"".into(),
            ..result("nodes", "nodes accept pods", "kubernetes", Status::Unknown)
        },
    ]
}

fn build() -> Vec<CheckResult> {
    let mirror = Finding::info(
        "mirror",
        "registry.corp:5000/istio is not a hub of Solo or Istio: treated as a mirror",
    );
    let end = Finding::warning(
        "end-of-life",
        "Istio 1.9 has had no fixes from the community since 2021-10-08",
    );
    vec![
        CheckResult {
            findings: vec![mirror],
            severity: Some(Severity::Info),
            ..result("hub", "the hub has this build", "images", Status::Passed)
        },
        CheckResult {
            findings: vec![end],
            ..result(
                "end-of-life",
                "this Istio is still maintained",
                "images",
                Status::Warned,
            )
        },
        CheckResult {
            detail: "left out: agreed with Jo".into(),
            ..result(
                "permissions",
                "the user has all required permissions",
                "permissions",
                Status::Skipped,
            )
        },
    ]
}

fn after() -> CheckResult {
    CheckResult {
        phase: Phase::After,
        ..result(
            "control-plane",
            "the control plane is ready",
            "control plane",
            Status::Passed,
        )
    }
}

fn evidence(binary: &str, module: Assurance, arch: &str, count: u64) -> ModuleStatement {
    ModuleStatement {
        deviations: Deviations::default(),
        digest: Some(format!("sha256:{binary}")),
        arch: Some(arch.into()),
        binary: binary.into(),
        module,
        configuration: "not looked at".into(),
        source: format!("what {binary} says of itself"),
        count,
        runs_in: vec![RunsIn {
            namespace: "bookinfo".into(),
            role: "sidecar",
            pods: count,
        }],
        more_places: 0,
        proof: None,
    }
}

fn pod(name: &str, status: &str, restarts: u32) -> PodRow {
    PodRow {
        namespace: "istio-system".into(),
        name: name.into(),
        ready: "1/1".into(),
        status: status.into(),
        restarts,
    }
}

/// Returns a report with one of everything.
pub(crate) fn full() -> Report {
    let mut report = Report::new("install");
    report.changed = true;
    report.expected = Expected {
        hub: Some("registry.corp:5000/istio".into()),
        tag: Some("1.9.9-fips-distroless".into()),
        revision: Some("default".into()),
        namespace: Some("istio-system".into()),
        chosen: vec![Choice {
            what: "tag".into(),
            value: "1.9.9-fips-distroless".into(),
            why: "newest rebuild seen of istioctl's own 1.9.9".into(),
        }],
        images: Vec::new(),
        applied_again: vec![AppliedAgain {
            source: "overlay 1 (base.yaml)".into(),
            settings: vec!["spec.components.pilot.k8s.replicaCount=2".into()],
        }],
        notes: vec!["overlay.yaml:7:3: kept as text: 1.9".into()],
    };
    report.cluster = Some(Cluster {
        context: "prod".into(),
        server: "https://10.0.0.1".into(),
        kubernetes: Some("1.22.3".into()),
    });
    report.checks = before();
    report.checks.push(after());
    report.evidence = vec![
        evidence("envoy", Assurance::Declared, "amd64", 11),
        evidence("envoy", Assurance::Declared, "arm64", 1),
        evidence("pilot-discovery", Assurance::Contradicted, "amd64", 1),
    ];
    report.counts = Counts::from([(Count::Proxies, 12), (Count::OtherMeshes, 3)]);
    report.skipped = vec![Skipped {
        check: "permissions".into(),
        reason: "agreed with Jo".into(),
    }];
    report.pods = vec![
        pod("istiod-7d4b9c", "Running", 0),
        pod("istio-ingressgateway-0", "ImagePullBackOff", 12),
    ];
    report.pending = vec![PendingRestart {
        namespace: "bookinfo".into(),
        workload: WorkloadRef::new(WorkloadKind::Deployment, "bookinfo", "reviews-v1"),
        pods: 3,
        reason: "runs 1.9.2, wanted 1.9.9-fips-distroless".into(),
        command: SuggestedCommand::new(
            "kubectl rollout restart deployment/{} -n {}",
            &["reviews-v1", "bookinfo"],
        ),
    }];
    report.next = NextStep::command("judges every proxy", "glooistio verify", &[])
        .into_iter()
        .collect();
    report
}

/// Returns a report of `inspect`: an image with a proven and a forged program, and a file.
pub(super) fn inspected() -> Report {
    let mut report = Report::new("inspect");
    let forged = Proof {
        name: None,
        certificate: None,
        other_cryptography: Vec::new(),
        remarks: Vec::new(),
        reasons: vec!["its version says boringcrypto, and no module is in its code".into()],
        judgement: judgement(&["the module is contradicted"]),
        ..proof(Some("r.io/istio/pilot:1"), "/usr/local/bin/pilot-agent")
    };
    report.evidence = vec![
        read(
            Assurance::Proven,
            proof(Some("r.io/istio/pilot:1"), "/usr/local/bin/pilot-discovery"),
        ),
        read(Assurance::Contradicted, forged),
        read(Assurance::Proven, proof(None, "./pilot-discovery")),
    ];
    report
}

/// Returns the report with another status of its first certificate.
pub(super) fn with_certificate_status(mut report: Report, status: &str) -> Report {
    let proof = report.evidence[0].proof.as_mut().unwrap();
    let certificate = proof.certificate.as_mut().unwrap();
    certificate.status = status.into();
    certificate.active = status == "active";
    if !certificate.active {
        proof.remarks.push(Remark {
            kind: RemarkKind::NotActive,
            severity: Severity::Warning,
            message: format!("certificate #4735 is {status}"),
            source: "https://example.com/modules".into(),
        });
    }
    report
}

/// Returns the report with a status of its first certificate that is too old for its policy.
pub(super) fn with_old_status(mut report: Report) -> Report {
    let judgement = &mut report.evidence[0].proof.as_mut().unwrap().judgement;
    judgement.policy = "140-3-active".into();
    judgement.accepted = false;
    judgement.unknown = vec!["its status is too old".into()];
    report
}

fn read(module: Assurance, proof: Proof) -> ModuleStatement {
    let binary = proof.path.rsplit('/').next().unwrap_or_default().to_owned();
    ModuleStatement {
        digest: proof.manifest.clone(),
        source: "its bytes".into(),
        proof: Some(Box::new(proof)),
        ..evidence(&binary, module, "amd64", 0)
    }
}

fn judgement(because: &[&str]) -> Judgement {
    Judgement {
        policy: "any".into(),
        at: "2026-11-22".into(),
        require: Some("declared".into()),
        max_data_age: 90,
        accepted: because.is_empty(),
        because: because.iter().map(|&text| text.into()).collect(),
        unknown: Vec::new(),
    }
}

fn certificate() -> Certificate {
    Certificate {
        number: Some(4735),
        standard: Some("FIPS 140-3".into()),
        level: Some(1),
        vendor: Some("Google, LLC.".into()),
        algorithms: vec!["A2811".into()],
        environments: Vec::new(),
        page: Some("https://csrc.example.gov/certificate/4735".into()),
        security_policy: Some("https://csrc.example.gov/140sp4735.pdf".into()),
        status: "active".into(),
        active: true,
        stage: None,
        from: None,
        until: None,
        seen: Some("2026-08-21".into()),
        age_days: Some(93),
        source: "https://example.com/modules".into(),
        evidence: "second-hand".into(),
        note: Some("for new systems too".into()),
    }
}

fn proof(image: Option<&str>, path: &str) -> Proof {
    let step = |what: &str, place: &str, strength| Statement {
        what: what.into(),
        place: place.into(),
        strength,
    };
    Proof {
        image: image.map(str::to_owned),
        manifest: image.map(|_| "sha256:0a1b".into()),
        path: path.into(),
        size: 136_314_880,
        sha256: Some("5e".repeat(32)),
        program: "ELF 64-bit amd64, Go go1.26.8-X:boringcrypto".into(),
        name: Some("BoringCrypto 2022-06-13".into()),
        certificate: Some(certificate()),
        fipsonly: Some(false),
        other_cryptography: vec![OtherCryptography {
            name: "golang.org/x/crypto/chacha20poly1305".into(),
            shown_by: "golang.org/x/crypto/chacha20poly1305.New".into(),
            place: Some("40 bytes at offset 0x4000".into()),
        }],
        remarks: vec![Remark {
            kind: RemarkKind::Limitation,
            severity: Severity::Info,
            message: "no TLS 1.3 key derivation among the tested algorithms (certificate #4735)"
                .into(),
            source: "https://example.com/modules".into(),
        }],
        reasons: vec!["its integrity value holds".into()],
        chain: vec![
            step(
                "the module's value holds",
                "offset 4096, 753552 bytes",
                Strength::Recomputed,
            ),
            step(
                "certificate #4735",
                "modules.yaml of 2026-11-22",
                Strength::Data,
            ),
        ],
        recipes: vec![Recipe {
            tool: "goversion -crypto",
            says: "unknown Go version".into(),
            but: Some("it gives no verdict on a stripped program"),
        }],
        judgement: judgement(&[]),
    }
}
