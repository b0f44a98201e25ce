//! Every kind of bad input: a clear error with the next step, the right code, and nothing changed.

use serde_json::json;

use crate::api::{Answer, Api, kubeconfig};
use crate::env::{CommandOutput, TestEnv};

/// A healthy cluster and the words that install on it.
fn install(env: &TestEnv, more: &[&str]) -> CommandOutput {
    env.run(&[&["install", "-y"], more].concat())
}

/// Nothing was given to istioctl but the question for its version.
#[track_caller]
fn untouched(env: &TestEnv, api: &Api) {
    assert!(env.calls("install").is_empty(), "istioctl was run");
    assert!(api.changes().is_empty(), "{:?}", api.changes());
}

fn healthy() -> (Api, TestEnv) {
    let api = Api::new();
    let env = TestEnv::with(&api);
    (api, env)
}

mod istioctl {
    use super::*;

    #[test]
    fn there_is_none() {
        let (api, env) = healthy();
        env.without_istioctl();
        install(&env, &[]).fails(69, &["istioctl", "--istioctl PATH"]);
        untouched(&env, &api);
    }

    #[test]
    fn the_named_one_is_not_there_or_not_a_program() {
        let (api, env) = healthy();
        install(&env, &["--istioctl", "/nowhere/istioctl"]).fails(69, &["/nowhere/istioctl"]);
        let text = env.file("text", "not a program");
        install(&env, &["--istioctl", text.to_str().unwrap()]).fails(69, &["$DIR/work/text"]);
        untouched(&env, &api);
    }

    #[test]
    fn it_hangs() {
        let (api, env) = healthy();
        env.script(json!({"version": [{"end": "hang"}]}));
        let _ready = env.listen();
        install(&env, &["--timeout", "1s"]).fails(69, &["istioctl", "--istioctl PATH"]);
        untouched(&env, &api);
    }

    #[test]
    fn it_prints_rubbish() {
        for answer in [
            json!({"stdout": ""}),
            json!({"stdout": "hello\n"}),
            json!({"stdout": "{\"clientVersion\": 7}"}),
            json!({"stdout": "{\"clientVersion\": {\"version\": \"1.31.0\""}),
            json!({"bytes": [255, 254, 0, 10]}),
            json!({"stdout": "{\"clientVersion\": {\"version\": \"not-a-version\"}}"}),
        ] {
            let (api, env) = healthy();
            env.script(json!({"version": [answer]}));
            let output = install(&env, &[]);
            assert!([69, 79].contains(&output.code()), "{answer}: {output}");
            assert!(
                output.to_string().contains("istioctl"),
                "{answer}: {output}"
            );
            untouched(&env, &api);
        }
    }

    #[test]
    fn it_fails_or_dies_by_a_signal() {
        for (end, says) in [
            (json!({"exit": 3}), "3"),
            (json!({"signal": 9}), "9"),
            (json!({"signal": 11}), "11"),
        ] {
            let (api, env) = healthy();
            env.script(json!({"version": [{"end": end, "stderr": "the reason\n"}]}));
            install(&env, &[]).fails(69, &[says]);
            untouched(&env, &api);
        }
    }

    #[test]
    fn it_is_of_another_minor() {
        let (api, env) = healthy();
        env.script(json!({"is": "1.28.3"}));
        let output = install(&env, &["--istio", "1.31.0-solo-fips"]);
        assert_eq!(output.code(), 79, "{output}");
        assert!(
            output.stdout.contains("1.28.3") || output.stderr.contains("1.28.3"),
            "{output}"
        );
        untouched(&env, &api);
    }

    #[test]
    fn it_is_not_stamped() {
        let (api, env) = healthy();
        env.script(json!({"is": "unknown"}));
        let output = install(&env, &["--istio", "1.31.0-solo-fips"]);
        assert_eq!(output.code(), 79, "{output}");
        untouched(&env, &api);
    }

    #[test]
    fn a_log_line_before_its_version_does_no_harm() {
        let (api, env) = healthy();
        let version = "2026-11-23T02:00:00.000000Z\\tinfo\\tsomething\\n{\\\"clientVersion\\\": {\\\"version\\\": \\\"1.31.0\\\"}}";
        let script = format!("{{\"version\": [{{\"stdout\": \"{version}\"}}]}}");
        env.script(serde_json::from_str(&script).unwrap());
        let output = env.line("install --dry-run");
        assert_eq!(output.code(), 0, "{output}");
        untouched(&env, &api);
    }
}

mod cluster {
    use super::*;

    #[test]
    fn there_is_no_kubeconfig() {
        let env = TestEnv::new();
        install(&env, &[]).fails(69, &["$DIR/home/.kube/config"]);
    }

    #[test]
    fn nobody_listens() {
        let env = TestEnv::new();
        env.kubeconfig(&kubeconfig("http://127.0.0.1:1"));
        install(&env, &[]).fails(69, &["127.0.0.1:"]);
    }

    #[test]
    fn the_kubeconfig_is_broken() {
        for text in [
            "{",
            "hello",
            "- a\n- b\n",
            "apiVersion: v1\nkind: Config\nclusters: 7\n",
        ] {
            let env = TestEnv::new();
            env.kubeconfig(text);
            let output = install(&env, &[]);
            assert!([65, 69].contains(&output.code()), "{text}: {output}");
            assert!(output.stderr.contains("kubeconfig"), "{text}: {output}");
        }
    }

    #[test]
    fn the_context_is_missing() {
        let (api, env) = healthy();
        let output = install(&env, &["--context", "elsewhere"]);
        output.fails(69, &["elsewhere", "test"]);
        untouched(&env, &api);
    }

    #[test]
    fn credentials_have_expired() {
        let (api, env) = healthy();
        api.refuse("GET", "/", 401, "Unauthorized");
        api.refuse("POST", "/", 401, "Unauthorized");
        install(&env, &[]).fails(69, &["log in"]);
        untouched(&env, &api);
    }

    #[test]
    fn something_else_answers() {
        for answer in [
            Answer::Raw(200, "text/html", b"<html>log in here</html>".to_vec()),
            Answer::Raw(502, "text/html", b"<html>bad gateway</html>".to_vec()),
            Answer::Raw(200, "application/json", vec![0xff, 0, 1]),
            Answer::Close,
            Answer::Cut,
        ] {
            let (api, env) = healthy();
            api.answer("GET", "/", answer);
            let output = install(&env, &[]);
            assert_eq!(output.code(), 69, "{output}");
            untouched(&env, &api);
        }
    }

    #[test]
    fn it_never_answers() {
        let (api, env) = healthy();
        api.answer("GET", "/", Answer::Hang(None));
        install(&env, &["--timeout", "1s"]).fails(69, &["1 s"]);
        untouched(&env, &api);
    }

    #[test]
    fn reading_is_forbidden() {
        let (api, env) = healthy();
        let message = "nodes is forbidden: User \"x\" cannot list resource \"nodes\" in API group \"\" at the cluster scope";
        api.refuse("GET", "/api/v1/nodes", 403, message);
        let output = install(&env, &[]);
        assert_eq!(output.code(), 79, "{output}");
        assert!(output.to_string().contains("forbidden"), "{output}");
        untouched(&env, &api);
    }

    #[test]
    fn installing_is_forbidden() {
        let (api, env) = healthy();
        for group in ["selfsubjectaccessreviews", "selfsubjectrulesreviews"] {
            let path = format!("/apis/authorization.k8s.io/v1/{group}");
            let no = json!({"status": {"allowed": false, "reason": "no role"}, "spec": {}, "metadata": {}});
            api.answer("POST", &path, Answer::Json(201, no));
        }
        let output = install(&env, &[]);
        assert_eq!(output.code(), 79, "{output}");
        assert!(output.to_string().contains("permissions"), "{output}");
        untouched(&env, &api);
    }

    #[test]
    fn it_goes_away_in_the_middle() {
        let (api, env) = healthy();
        api.answer("GET", "/api/v1/nodes", Answer::Close);
        api.answer("GET", "/apis/", Answer::Close);
        let output = install(&env, &[]);
        assert!([69, 79].contains(&output.code()), "{output}");
        untouched(&env, &api);
    }
}

mod files {
    use super::*;

    #[track_caller]
    fn refused(text: &str, says: &[&str]) {
        let env = TestEnv::new();
        env.file("op.yaml", text);
        let output = env.line("render -f op.yaml");
        output.fails(65, says);
        assert_eq!(output.stdout, "", "{text}");
        assert!(output.stderr.contains("op.yaml"), "{output}");
    }

    #[test]
    fn not_there() {
        let env = TestEnv::new();
        env.line("render -f missing.yaml")
            .fails(65, &["missing.yaml"]);
        env.line("render -f .").fails(65, &["`.`"]);
        env.line("render --template missing.hbs")
            .fails(65, &["missing.hbs"]);
        env.line("render --matrix missing.yaml")
            .fails(65, &["missing.yaml"]);
    }

    #[test]
    fn not_yaml() {
        refused("spec: [", &[]);
        refused("a: b: c", &[]);
        refused("\tx: 1", &[]);
        refused("just words", &[]);
    }

    #[test]
    fn bytes() {
        let env = TestEnv::new();
        env.file("op.yaml", [0xff, 0xfe, 0x00]);
        env.line("render -f op.yaml").fails(65, &["op.yaml"]);
    }

    #[test]
    fn a_second_document_of_another_kind() {
        let one = "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nspec: {}\n";
        refused(
            &format!("{one}---\napiVersion: v1\nkind: Namespace\n"),
            &["kubectl"],
        );
    }

    #[test]
    fn two_documents_of_one_name() {
        let one = "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nmetadata: {name: NAME}\nspec: {}\n";
        let (a, b) = (one.replace("NAME", "a"), one.replace("NAME", "b"));
        let env = TestEnv::new();
        env.file("op.yaml", format!("{a}---\n{b}"));
        let documents = env.line("render -f op.yaml");
        // Each for itself, or refused: never one of them silently lost.
        assert!(
            documents.code() == 65 || documents.documents().len() == 2,
            "{documents}"
        );
    }

    #[test]
    fn a_key_twice() {
        refused("spec:\n  tag: 1.31.0\n  tag: 1.31.1\n", &["tag"]);
    }

    #[test]
    fn a_bomb() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let before = vec![format!("*a{}", n - 1); 9].join(", ");
            text = format!("{text}a{n}: &a{n} [{before}]\n");
        }
        refused(&text, &[]);
    }

    #[test]
    fn ordinary_anchors_are_no_bomb() {
        let env = TestEnv::new();
        env.file(
            "op.yaml",
            "apiVersion: install.istio.io/v1alpha1\nkind: IstioOperator\nspec:\n  components:\n    pilot:\n      k8s:\n        \
             resources: &small {requests: {cpu: 10m}}\n    ingressGateways:\n    - name: istio-ingressgateway\n      enabled: true\n      \
             k8s: {resources: *small}\n",
        );
        let output = env.line("render -f op.yaml");
        assert_eq!(output.code(), 0, "{output}");
        assert_eq!(output.stdout.matches("10m").count(), 2, "{output}");
    }

    #[test]
    fn a_user_matrix_that_is_broken() {
        let env = TestEnv::new();
        env.file("m.yaml", "builds: 7\n");
        env.line("render --matrix m.yaml").fails(65, &["m.yaml"]);
    }

    #[test]
    fn a_template_that_is_broken() {
        let env = TestEnv::new();
        env.file("t.hbs", "apiVersion: {{#if}}");
        env.line("render --template t.hbs").fails(65, &["t.hbs"]);
        env.file("t.hbs", "apiVersion: {{nothing}}");
        env.line("render --template t.hbs").fails(65, &["nothing"]);
    }
}

mod words {
    use super::*;

    fn render(line: &str) -> CommandOutput {
        let output = TestEnv::new().line(&format!("render {line}"));
        assert_eq!(output.stdout, "", "{line}");
        output
    }

    #[test]
    fn usage_names_what_works() {
        for (line, says) in [
            ("--preset nothing", "production"),
            ("--param nothing=1", "nothing"),
            ("--param nothing", "NAME=VALUE"),
            ("--distribution gold", "solo"),
            ("--istio 1.31.0-solo --fips", "1.31.0-solo-fips"),
            (
                "--istio 1.31.0-solo-fips --distroless",
                "1.31.0-solo-fips-distroless",
            ),
            ("--bogus", "--bogus"),
            ("-o table", "json"),
            ("-f - -f -", "stdin"),
            ("--skip nothing=x", "nothing"),
            ("--severity istioctl-version=loud", "loud"),
        ] {
            render(line).fails(64, &[says]);
        }
    }

    #[test]
    fn malformed_values_name_the_right_spelling() {
        for (line, says) in [
            ("--istio 1.31.3-asm.9", "asm"),
            ("--istio 1.31.0-fips-solo", "1.31.0-solo-fips"),
            ("--istio 1.31.0-solo-solo", "1.31.0-solo"),
            ("--istio latest", "latest"),
            ("--istio v1.31.0", "1.31.0"),
            ("--hub gcr.io/x@sha256:0000", "digest"),
            ("--hub https://gcr.io/x", "https"),
            ("--hub $REPO", "--repo-key"),
            ("--set hub=$REPO", "--repo-key"),
            ("--set hub=", "hub"),
            ("--repo-key a/b", "--repo-key"),
            ("-r Upper", "upper"),
            ("-r 1.20.3", "1-20-3"),
            ("-i Upper", "Upper"),
            ("--set tag", "tag"),
            ("--set =x", "=x"),
        ] {
            render(line).fails(65, &[says]);
        }
    }

    #[test]
    fn a_missing_key_names_both_sources() {
        render("--istio 1.18.7-solo-fips").fails(65, &["Support Center", "account representative"]);
    }

    #[test]
    fn reserved_words_never_reach_istioctl() {
        let env = TestEnv::new();
        for word in ["inspect", "images", "istioctl"] {
            env.line(word).fails(64, &[word]);
            assert!(env.calls(word).is_empty());
        }
    }
}

mod ends {
    use std::process::Stdio;

    use super::*;

    #[test]
    fn nobody_can_answer() {
        let (api, env) = healthy();
        env.line("install").fails(64, &["-y"]);
        untouched(&env, &api);
    }

    #[test]
    fn stdin_is_closed() {
        let env = TestEnv::new();
        let script = "exec \"$@\" <&-";
        let mut shell = std::process::Command::new("/bin/sh");
        env.prepare(&mut shell);
        shell.args([
            "-c",
            script,
            "sh",
            env!("CARGO_BIN_EXE_glooistio"),
            "render",
            "-f",
            "-",
        ]);
        let output = env.finish(shell.spawn().unwrap());
        assert_eq!(output.code(), 65, "{output}");
        assert!(output.stderr.contains("stdin"), "{output}");
    }

    /// The shell starts the program without any stdout; `/dev/null` in its place is a choice, and is fine.
    #[test]
    fn exits_74_when_stdout_was_closed_before_the_start() {
        let env = TestEnv::new();
        for (redirection, code) in [(">&-", 74), (">/dev/null", 0), ("1<>/dev/null", 0)] {
            for line in ["render", "matrix", "--help", "man"] {
                let script = format!("exec \"$0\" {line} {redirection}");
                let program = env!("CARGO_BIN_EXE_glooistio");
                let mut shell = std::process::Command::new("/bin/sh");
                env.prepare(&mut shell);
                shell.args(["-c", &script, program]);
                let output = env.finish(shell.spawn().unwrap());
                assert_eq!(output.code(), code, "{line} {redirection}: {output}");
                if code == 74 {
                    output.fails(74, &["cannot write the result"]);
                }
            }
        }
    }

    #[test]
    fn stdout_is_closed() {
        let env = TestEnv::new();
        let mut child = env.command(&["render"]).spawn().unwrap();
        drop(child.stdout.take());
        let output = env.finish(child);
        assert_eq!(output.code(), 0, "{output}");
    }

    #[test]
    fn stdout_is_full() {
        let env = TestEnv::new();
        env.file("program", "#!/bin/sh");
        for (line, code) in [
            ("render", 74),
            ("matrix", 74),
            ("explain -o json", 74),
            ("--help", 74),
            ("install --help", 74),
            ("completion bash", 74),
            ("man", 74),
            // What went wrong before says more.
            ("inspect program", 79),
            ("verify -o json", 69),
            ("verify -o json --bogus", 64),
            ("verify -o short", 69),
        ] {
            let full = std::fs::File::options()
                .write(true)
                .open("/dev/full")
                .unwrap();
            let args: Vec<&str> = line.split(' ').collect();
            let mut command = env.command(&args);
            let child = command.stdout(Stdio::from(full)).spawn().unwrap();
            let output = env.finish(child);
            output.fails(code, &["cannot write the result"]);
            let said = ["no kubeconfig", "--bogus"].map(|words| output.stderr.contains(words));
            assert_eq!(said.contains(&true), [64, 69].contains(&code), "{output}");
        }
    }

    #[test]
    fn the_disk_is_full() {
        let env = TestEnv::new();
        std::fs::create_dir(env.work().join("out")).unwrap();
        let script = "mount -t tmpfs -o size=4k tmpfs out && : > out/there && head -c 4096 /dev/zero > out/fill; \
                      exec \"$@\"";
        let mut unshare = std::process::Command::new("/usr/bin/unshare");
        env.prepare(&mut unshare);
        unshare.env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
        unshare.args([
            "--user",
            "--map-root-user",
            "--mount",
            "/bin/sh",
            "-c",
            script,
            "sh",
        ]);
        unshare.args([env!("CARGO_BIN_EXE_glooistio"), "render", "-O", "out"]);
        env.finish(unshare.spawn().unwrap()).fails(74, &["out/"]);
    }

    #[test]
    fn the_directory_cannot_be_written() {
        let env = TestEnv::new();
        env.file("taken", "a file");
        env.line("render -O taken").fails(74, &["taken"]);
    }
}
