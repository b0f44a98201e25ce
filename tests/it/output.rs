//! stdout carries the result and nothing else; a machine gets one document always.

use crate::cluster;
use crate::env::TestEnv;

#[test]
fn a_machine_gets_one_document_whatever_happens() {
    let env = TestEnv::new();
    env.file("broken.yaml", "spec: [");
    for (line, code) in [
        ("install -y -o json", 69),
        ("install -y -o json --bogus", 64),
        ("install -o json", 64),
        ("install -y -o json -f broken.yaml", 65),
        ("check -o json -f broken.yaml", 65),
        ("verify -o json", 69),
        ("upgrade -y -o json --to 1.31", 69),
        ("matrix -o json", 0),
        ("explain -o json", 0),
    ] {
        let output = env.line(line);
        assert_eq!(output.code(), code, "{line}: {output}");
        let document = output.json();
        if code != 0 && code != 79 {
            assert_eq!(document["error"]["exit"], code, "{line}: {output}");
            assert_ne!(document["error"]["message"], "", "{line}");
        }
    }
}

#[test]
fn a_short_failure_is_said_once_and_its_hints_beside_it() {
    let env = TestEnv::new();
    env.without_istioctl();
    for (line, code, said) in [
        ("inspect -o short ./missing", 65, "does not exist"),
        ("install -y -o short", 69, "not on PATH"),
        ("verify -o short --bogus", 64, "'--bogus'"),
        ("inspect -o short", 64, "<TARGET>"),
        ("verfy -o short", 64, "usage error: no such command"),
    ] {
        let output = env.line(line);
        assert_eq!(output.code(), code, "{line}: {output}");
        assert!(output.stdout.contains(said), "{line}: {output}");
        assert!(!output.stderr.contains(said), "{line}: {output}");
        assert_eq!(output.stdout.lines().count(), 1, "{line}: {output}");
    }
    env.line("install -y -o short")
        .fails(69, &["hint: name an istioctl by"]);
}

#[test]
fn check_says_first_what_it_could_not_look_at_and_last_what_to_do() {
    let env = TestEnv::new();
    env.without_istioctl();
    let output = env.line("check --istio 1.31.0-solo-fips");
    let said: Vec<&str> = output.stderr.lines().collect();
    assert!(
        said[0].contains("no istioctl: `istioctl` is not on PATH"),
        "{output}"
    );
    assert!(
        said[1].contains("no cluster: no kubeconfig names one"),
        "{output}"
    );
    let (_, next) = output
        .stdout
        .split_once("\nnext steps\n----------\n")
        .unwrap();
    let steps: Vec<&str> = next.lines().take(2).collect();
    assert!(steps[0].contains("--istioctl PATH"), "{output}");
    assert!(steps[1].contains("--kubeconfig FILE"), "{output}");
    let there = TestEnv::new().line("check --istio 1.31.0-solo-fips");
    assert!(!there.stderr.contains("no istioctl"), "{there}");
}

#[test]
fn standard_input_is_offered_where_it_is_read() {
    let env = TestEnv::new();
    for (line, offered) in [
        ("inspect ./none", true),
        ("inspect docker-archive:none.tar", true),
        ("render -f none.yaml", true),
        ("inspect --modules none.yaml x", false),
        ("render --matrix none.yaml", false),
        ("inspect --modules - x", false),
    ] {
        let output = env.line(line);
        assert!(output.stderr.contains("does not exist"), "{line}: {output}");
        let said = output.stderr.contains("standard input");
        assert_eq!(said, offered, "{line}: {output}");
    }
}

#[test]
fn what_is_written_is_named_and_what_is_in_its_way_too() {
    let env = TestEnv::new();
    let output = env.line("render --istio 1.31.0-solo-fips -O out");
    assert!(output.stderr.contains("wrote out/"), "{output}");
    assert!(
        !env.line("render --istio 1.31.0-solo-fips -O out -q")
            .stderr
            .contains("wrote")
    );
    env.file("there", "");
    env.line("render --istio 1.31.0-solo-fips -O there")
        .fails(74, &["`there` exists and is not a directory"]);
    env.line("explain PROVEN").success();
}

#[test]
fn a_day_is_asked_for_in_plain_words() {
    let env = TestEnv::new();
    for day in ["2026-11-01T00:00:00Z", "2026-13-01", "tomorrow", "20261123"] {
        let output = env.line(&format!("inspect --at {day} x"));
        output.fails(64, &["expected a date as YYYY-MM-DD, such as 2026-11-23"]);
    }
}

#[test]
fn a_cluster_that_is_named_and_not_there_is_no_cluster_left_out() {
    let mut env = TestEnv::new();
    env.line("check --istio 1.31.0-solo-fips --kubeconfig /no/such")
        .fails(69, &["/no/such"]);
    env.line("check --istio 1.31.0-solo-fips --context nope")
        .fails(69, &["no kubeconfig"]);
    env.var("KUBECONFIG", "/no/such/either");
    env.line("check --istio 1.31.0-solo-fips")
        .fails(69, &["/no/such/either"]);
}

#[test]
fn what_asks_for_bytes_fails_where_no_registry_may_be_asked() {
    let env = TestEnv::new();
    for (asked, said) in [
        ("--require declared", false),
        ("--require proven", true),
        ("--policy 140-3-active", true),
    ] {
        let output = env.line(&format!("check --istio 1.31.0-solo-fips {asked}"));
        let title = "? planned images contain what their tags say";
        assert_eq!(output.stdout.contains(title), said, "{asked}: {output}");
        assert_eq!(
            output.code(),
            if said { 79 } else { 0 },
            "{asked}: {output}"
        );
    }
}

#[test]
fn a_flag_of_istioctl_that_would_do_nothing_is_refused_and_not_in_the_help() {
    let env = TestEnv::new();
    for (line, flag) in [
        ("verify -f a", "--filename"),
        ("verify --set a=b", "--set"),
        ("verify -y", "--skip-confirmation"),
        ("verify --readiness-timeout 5m", "--readiness-timeout"),
        ("check --force=false", "--force"),
        ("check --dry-run", "--dry-run"),
        ("check --vklog 9", "--vklog"),
    ] {
        let said = format!("`{}` does not use {flag}", &line[..line.find(' ').unwrap()]);
        env.line(line).fails(64, &[&said]);
    }
    for (word, shown, hidden) in [
        (
            "verify",
            "--revision --context --as-group",
            "--set --force --dry-run",
        ),
        (
            "check",
            "--revision --context --set --filename",
            "--force --verify --dry-run",
        ),
        (
            "install",
            "--revision --context --set --force --dry-run",
            "--log_target",
        ),
    ] {
        let help = env.line(&format!("{word} --help")).success();
        let lists = |flag: &str| help.split([' ', '\n', '[']).any(|word| word == flag);
        assert!(shown.split(' ').all(lists), "{word}: {help}");
        assert!(!hidden.split(' ').any(lists), "{word}: {help}");
    }
}

#[test]
fn keys_in_the_hubs_of_a_users_matrix_are_masked_as_well() {
    let env = TestEnv::new();
    let rows = |rows: &str| {
        format!(
            "date: 2027-02-01\nhubs:\n  - source: our list\n    evidence: user\n    page: {{era: our mirror}}\n    order: 100\n    rows:\n{rows}"
        )
    };
    env.file(
        "mine.yaml",
        rows("      - {hub: m.corp/solo-<key>, kind: solo-keyed, has: 1.7..}\n"),
    );
    let key = "0a1b2c3d4e5f";
    // The plan knows one of them, the other only the matrix.
    let line = "render --matrix mine.yaml --istio 1.31.0-solo --hub m.corp/solo-bbbbbbbbbbbb";
    let said = env.line(&format!("{line} --set hub=m.corp/solo-{key}"));
    said.fails(79, &["spec.hub asks for", "m.corp/solo-****"]);
    let said = said.to_string();
    assert!(!said.contains(key) && !said.contains("bbbbbb"), "{said}");
    let keyed = format!("us-docker.pkg.dev/gloo-mesh/istio-{key}");
    let row = format!("      - {{hub: {keyed}, kind: solo-keyless, has: 1.7..}}\n");
    env.file("whole.yaml", rows(&row));
    for line in ["matrix hubs", "matrix hubs -o json"] {
        let said = env.line(&format!("{line} --matrix whole.yaml")).to_string();
        assert!(
            said.contains("****") && !said.contains(key),
            "{line}: {said}"
        );
    }
}

#[test]
fn help_is_a_word_too() {
    let env = TestEnv::new();
    let page = |line: &str| env.line(line).success();
    assert_eq!(page("help --help"), page("--help"));
    assert_eq!(page("help verify-install"), page("verify --help"));
    env.line("help nosuch")
        .fails(64, &["no such command: `nosuch`", "glooistio --help"]);
    env.line("help inspct")
        .fails(64, &["did you mean `glooistio inspect`?"]);
}

#[test]
fn what_was_meant_by_a_mistyped_flag_is_a_hint_for_machines_too() {
    let output = TestEnv::new().line("install -o json --fisp");
    let error = &output.json()["error"];
    assert_eq!(error["message"], "unexpected argument '--fisp' found");
    assert_eq!(error["hints"][0], "a similar argument exists: '--fips'");
}

#[test]
fn a_failed_render_leaves_stdout_empty_in_every_format() {
    let env = TestEnv::new();
    for format in ["text", "json", "yaml"] {
        let output = env.line(&format!("render -o {format} --set tag=1.31.0-fips-solo"));
        assert_eq!(
            (output.code(), output.stdout.as_str()),
            (65, ""),
            "{format}: {}",
            output.stderr
        );
    }
}

#[test]
fn render_gives_a_list_as_json() {
    let env = TestEnv::new();
    let list = env.line("render --istio 1.31.0 --preset production --param cluster=one -o json");
    let list: serde_json::Value = serde_json::from_str(&list.success()).unwrap();
    assert_eq!(list["kind"], "List");
    assert_eq!(list["items"].as_array().unwrap().len(), 3);
}

#[test]
fn a_dry_run_report_holds_its_documents() {
    let (api, env) = cluster::installs("1.31.0-solo-fips-distroless");
    let report = env
        .line("install --dry-run --fips --distroless --istio 1.31.0 -o json")
        .json();
    assert_eq!(report["schema"], 1);
    assert_eq!(report["expected"]["tag"], "1.31.0-solo-fips-distroless");
    let document = &report["documents"][0];
    assert!(
        document["command"]
            .as_str()
            .unwrap()
            .starts_with("istioctl install -f - -y"),
        "{document}"
    );
    let yaml: serde_json::Value = serde_yaml::from_str(document["yaml"].as_str().unwrap()).unwrap();
    assert_eq!(yaml["spec"]["tag"], "1.31.0-solo-fips-distroless");
    assert!(env.calls("install").is_empty() && api.changes().is_empty());
}

#[test]
fn the_key_is_masked_everywhere_but_in_the_manifest() {
    let env = TestEnv::new();
    let output = env.line("render --istio 1.18.7-patch3-solo-fips --repo-key 0a1b2c3d4e5f");
    assert!(output.stdout.contains("0a1b2c3d4e5f"), "{output}");
    assert!(!output.stderr.contains("0a1b2c3d4e5f"), "{output}");
    assert_eq!(
        output.stderr.matches("part of every image name").count(),
        1,
        "{output}"
    );
}

#[test]
fn colours_are_for_those_who_want_them() {
    let mut env = TestEnv::new();
    env.var("NO_COLOR", "");
    for (line, colours) in [
        ("matrix", false),
        ("matrix --color always", true),
        ("matrix --color never", false),
    ] {
        assert_eq!(
            env.line(line).success().contains('\u{1b}'),
            colours,
            "{line}"
        );
    }
}

#[test]
fn a_quiet_install_says_nothing_that_is_not_wrong() {
    let (_api, env) = cluster::installs("1.31.0-solo-fips-distroless");
    let output =
        env.line("install -y -q --fips --distroless -o short --skip istioctl-issues=known");
    assert_eq!(output.code(), 0, "{output}");
    assert_eq!(output.stderr, "", "{output}");
    assert_eq!(output.stdout.lines().count(), 1, "{output}");
}

#[test]
fn the_report_is_the_same_as_json_and_as_yaml() {
    let env = TestEnv::new();
    let json = env.line("check --istio 1.31.0-solo-fips -o json").json();
    let yaml = env.line("check --istio 1.31.0-solo-fips -o yaml");
    assert_eq!(yaml.documents(), [json]);
}

#[test]
fn help_names_every_command_and_every_exit_code_is_documented() {
    let env = TestEnv::new();
    let help = env.line("--help").success();
    for word in [
        "render",
        "check",
        "install",
        "upgrade",
        "verify",
        "matrix",
        "explain",
        "completion",
        "man",
    ] {
        assert!(help.contains(&format!("  {word} ")), "{word}: {help}");
        let page = env.run(&[word, "--help"]).success();
        assert!(page.contains("Usage: glooistio"), "{page}");
    }
}

#[test]
fn the_manual_comes_from_the_commands() {
    let env = TestEnv::new();
    assert!(env.line("man").success().starts_with(".ie"));
}

#[test]
fn explain_needs_nothing() {
    let env = TestEnv::new();
    for check in glooistio::check::CHECKS {
        assert_eq!(
            env.run(&["explain", check.id]).success(),
            check.page,
            "{}",
            check.id
        );
    }
    env.line("explain nothing")
        .fails(64, &["nothing", "`glooistio explain` lists"]);
    env.line("explain proxie")
        .fails(64, &["did you mean `glooistio explain proxies`?"]);
}

#[test]
fn everything_that_has_a_page_is_listed() {
    let env = TestEnv::new();
    let json = env.line("explain -o json").json();
    let short = env.line("explain -o short").success();
    let text = env.line("explain").success();
    let ids = json.as_array().unwrap().iter().map(|one| &one["id"]);
    let ids: Vec<&str> = ids.map(|id| id.as_str().unwrap()).collect();
    let first = |line: &str| line.split_whitespace().next().unwrap().to_owned();
    assert_eq!(short.lines().map(first).collect::<Vec<_>>(), ids);
    let listed = text.lines().filter(|line| line.starts_with("  "));
    assert_eq!(listed.map(first).collect::<Vec<_>>(), ids);
    for word in ["proven", "fipsonly", "fedramp-2026", "modules", "proxies"] {
        assert!(ids.contains(&word), "{word}");
    }
    assert!(
        text.contains("\nchecks before: kubernetes\n  kubernetes-range"),
        "{text}"
    );
}

#[test]
fn a_file_of_ones_own_that_is_wrong_names_the_page_of_its_form() {
    let env = TestEnv::new();
    env.file("mine.yaml", "modules: []\n");
    env.file("program", "");
    env.line("inspect --modules mine.yaml program")
        .fails(65, &["mine.yaml", "glooistio explain modules"]);
    env.line("matrix --matrix mine.yaml")
        .fails(65, &["mine.yaml", "glooistio explain matrix"]);
}

#[test]
fn csv_is_one_table_or_a_usage_error() {
    let env = TestEnv::new();
    let table = env.line("matrix releases -o csv");
    assert_eq!(table.code(), 0, "{table}");
    assert!(table.stdout.starts_with("istio,released,"), "{table}");
    for line in [
        "matrix --all -o csv",
        "explain -o csv",
        "check --print-rbac -o csv",
        "render -o csv",
    ] {
        let refused = env.line(line);
        assert_eq!(
            (refused.code(), refused.stdout.as_str()),
            (64, ""),
            "{line}: {refused}"
        );
        assert!(refused.stderr.contains("hint: "), "{line}: {refused}");
    }
}
