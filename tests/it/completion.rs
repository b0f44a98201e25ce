//! What shells are told when a person asks for the next word.

use crate::cluster;
use crate::env::TestEnv;

/// Asks as the script of fish does, which gives the words before the cursor and the last one.
fn fish(env: &TestEnv, words: &[&str]) -> Vec<String> {
    let mut command = env.command(&["--", "glooistio"]);
    command.args(words).env("GLOOISTIO_COMPLETE", "fish");
    let text = env.finish(command.spawn().unwrap()).success();
    let lines = text.lines();
    let values = lines.map(|line| line.split('\t').next().unwrap_or_default().to_owned());
    values.collect()
}

/// Asks as the scripts of bash and zsh do, which count the words.
fn counted(env: &TestEnv, shell: &str, words: &[&str]) -> String {
    let mut command = env.command(&["--", "glooistio"]);
    command
        .args(words)
        .env("GLOOISTIO_COMPLETE", shell)
        .env("_CLAP_COMPLETE_INDEX", words.len().to_string())
        .env("_CLAP_IFS", "\n");
    env.finish(command.spawn().unwrap()).success()
}

#[test]
fn scripts_of_shells_ask_the_program() {
    let env = TestEnv::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = env.run(&["completion", shell]).success();
        assert!(script.contains("GLOOISTIO_COMPLETE"), "{shell}: {script}");
        assert!(
            !script.contains(env!("CARGO_BIN_EXE_glooistio")),
            "{script}"
        );
    }
}

#[test]
fn values_are_offered_in_each_shell() {
    let env = TestEnv::new();
    for (words, offered) in [
        (&["install", "--preset", ""][..], "production"),
        (&["install", "--policy", ""], "140-3-active"),
        (&["install", "--require", ""], "fipsonly"),
        (&["check", "--skip", ""], "end-of-life="),
        (&["check", "--severity", "hub="], "hub=warning"),
        (&["upgrade", "--to", "1.3"], "1.31"),
        (&["install", "--istio", "1.30.5-s"], "1.30.5-solo"),
        (&["explain", "prox"], "proxies"),
        (&["matrix", "rel"], "releases"),
        (&["inst"], "install"),
    ] {
        let all = fish(&env, words);
        assert!(all.iter().any(|one| one == offered), "{words:?}: {all:?}");
        for shell in ["bash", "zsh"] {
            // zsh escapes what means something to it, and adds the help.
            let text = counted(&env, shell, words).replace('\\', "");
            let mut lines = text.lines();
            assert!(
                lines
                    .any(|line| line.trim_end() == offered
                        || line.starts_with(&format!("{offered}:"))),
                "{shell} {words:?}: {text}"
            );
        }
    }
}

#[test]
fn contexts_and_revisions_are_those_of_the_clusters_at_hand() {
    let (api, env) = cluster::installs("1.31.0-solo-fips-distroless");
    assert_eq!(fish(&env, &["install", "--context", ""]), ["test"]);
    for object in cluster::mesh("r.io/istio", "1.31.0-solo") {
        api.add(object);
    }
    assert_eq!(fish(&env, &["verify", "--revision", ""]), ["default"]);
    // A cluster that is not there offers nothing, and fails nothing.
    let words = ["verify", "--context", "nowhere", "--revision", ""];
    assert_eq!(fish(&env, &words), [""; 0]);
    assert!(api.changes().is_empty());
}
