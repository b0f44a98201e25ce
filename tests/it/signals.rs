//! SIGINT and SIGTERM at every stage.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::cluster;
use crate::env::{LONGEST, TestEnv};

const TAG: &str = "1.31.0-solo-fips-distroless";
const INSTALL: &[&str] = &["install", "--fips", "--distroless", "-y"];

#[test]
fn while_istioctl_is_asked_for_its_version() {
    let (api, env) = cluster::installs(TAG);
    env.script(json!({"version": [{"end": "hang"}]}));
    let ready = env.listen();
    let child = env.command(INSTALL).spawn().unwrap();
    ready.wait();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(env.finish(child).code(), 130);
    ready.ended();
    assert!(api.changes().is_empty());
}

#[test]
fn while_the_cluster_is_asked() {
    let (api, env) = cluster::installs(TAG);
    let asked = api.hang_at("/version");
    let child = env.command(INSTALL).spawn().unwrap();
    asked.recv_timeout(LONGEST).unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(env.finish(child).code(), 130);
    assert!(env.calls("install").is_empty() && api.changes().is_empty());
}

#[test]
fn while_a_pipe_is_waited_for() {
    let env = TestEnv::new();
    let pipe = env.file("unused", "").with_file_name("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let child = env
        .command(&["render", "-f", pipe.to_str().unwrap()])
        .spawn()
        .unwrap();
    // This waits until the program reads.
    let writer = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(env.finish(child).code(), 130);
    drop(writer);
}

#[test]
fn while_istioctl_installs() {
    for (signal, number, code) in [(Signal::INT, "2", 130), (Signal::TERM, "15", 143)] {
        let (_api, env) = cluster::installs(TAG);
        env.script(
            json!({"install": [{"stderr": "- Processing resources for Istiod.\n", "end": "hang"}]}),
        );
        let ready = env.listen();
        let child = env.command(INSTALL).spawn().unwrap();
        ready.wait();
        kill_process(Pid::from_child(&child), signal).unwrap();
        let output = env.finish(child);
        assert_eq!(output.code(), code, "{output}");
        assert_eq!(
            env.signal("install", 1).as_deref(),
            Some(number),
            "it was handed down"
        );
        assert!(
            output.stderr.contains("run the same command again"),
            "{output}"
        );
    }
}

#[test]
fn an_istioctl_that_ends_in_its_own_way_keeps_its_code() {
    let (_api, env) = cluster::installs(TAG);
    env.script(json!({"install": [{"end": {"catch": 1}}]}));
    let ready = env.listen();
    let child = env.command(INSTALL).spawn().unwrap();
    ready.wait();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = env.finish(child);
    assert_eq!(output.code(), 1, "{output}");
}

#[test]
fn while_the_rollout_is_awaited() {
    let (api, env) = cluster::installs(TAG);
    // istiod never comes up: the wait goes on until somebody has had enough.
    let waiting = api.hang_at("/apis/apps/v1/namespaces/istio-system/deployments?");
    let child = env.command(INSTALL).spawn().unwrap();
    waiting.recv_timeout(LONGEST).unwrap();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = env.finish(child);
    assert_eq!(output.code(), 130, "{output}");
}

#[test]
fn with_one_document_even_then() {
    let (_api, env) = cluster::installs(TAG);
    env.script(json!({"install": [{"end": "hang"}]}));
    let ready = env.listen();
    let child = env
        .command(&[INSTALL, &["-o", "json"]].concat())
        .spawn()
        .unwrap();
    ready.wait();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let report = env.finish(child).json();
    assert_eq!(report["error"]["exit"], 130);
    assert_eq!(report["expected"]["tag"], TAG);
}
