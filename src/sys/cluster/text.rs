//! Repairs text of pods that is not UTF-8.
//!
//! A client that creates a pod as protobuf can put any bytes into its annotations and arguments,
//! and the API server stores them. One such pod must not make the list of all pods unreadable.

use prost::encoding::decode_varint;

/// The messages of a pod that contain other messages. All other fields with a length are text.
#[derive(Clone, Copy)]
pub(super) enum Message {
    Pod,
    Meta,
    Spec,
    Ephemeral,
    Container,
    Variable,
    ValueFrom,
    Bulk,
    BulkSource,
    FileSource,
    SecretVolume,
    Probe,
    Lifecycle,
    Handler,
    Security,
    Volume,
    VolumeSource,
    DownwardApi,
    DownwardFile,
    Projected,
    Projection,
    Status,
    ContainerStatus,
    State,
    /// A message with only text and numbers.
    Flat,
}

impl Message {
    /// Returns the message in a field, by the field's number in the Kubernetes API.
    pub(super) fn field(self, number: u64) -> Option<Message> {
        use Message as M;
        Some(match (self, number) {
            (M::Pod, 1) => M::Meta,
            (M::Pod, 2) => M::Spec,
            (M::Pod, 3) => M::Status,
            (M::Spec, 1) => M::Volume,
            (M::Spec, 2 | 20) | (M::Ephemeral, 1) => M::Container,
            (M::Spec, 34) => M::Ephemeral,
            (M::Container, 7) => M::Variable,
            (M::Container, 10 | 11 | 22) => M::Probe,
            (M::Container, 12) => M::Lifecycle,
            (M::Container, 15) => M::Security,
            (M::Container, 19) => M::Bulk,
            (M::Variable, 3) => M::ValueFrom,
            (M::Probe, 1) | (M::Lifecycle, 1 | 2) => M::Handler,
            (M::Bulk, 2 | 3) => M::BulkSource,
            (M::VolumeSource, 19) | (M::Projection, 1 | 3) => M::FileSource,
            (M::VolumeSource, 6) => M::SecretVolume,
            (M::Volume, 2) => M::VolumeSource,
            (M::VolumeSource, 16) => M::DownwardApi,
            (M::VolumeSource, 26) => M::Projected,
            (M::DownwardApi, 1) => M::DownwardFile,
            (M::Projected, 1) => M::Projection,
            (M::Status, 8 | 10 | 13) => M::ContainerStatus,
            (M::ContainerStatus, 2) => M::State,
            (M::Meta, 8 | 9 | 11 | 12 | 13)
            | (M::Container, 9 | 21)
            | (M::ValueFrom, 1 | 2)
            | (M::Handler | M::Security | M::BulkSource | M::FileSource, 1)
            | (M::VolumeSource, 1 | 2 | 28)
            | (M::DownwardFile | M::Status | M::FileSource | M::SecretVolume, 2)
            | (M::Projection, 2 | 4 | 5)
            | (M::State, 1..=3) => M::Flat,
            _ => return None,
        })
    }
}

/// Returns the encoded pod with a `?` for every byte of its text that is not UTF-8, or `None` if it
/// is not a valid message.
///
/// Lengths do not change, so no other field has to change. Messages that are not decoded are
/// treated as text. This has no effect on the result, because the decoder skips them by their
/// length.
pub(super) fn repair(pod: &[u8]) -> Option<Vec<u8>> {
    let mut repaired = pod.to_vec();
    walk(&mut repaired, Message::Pod)?;
    Some(repaired)
}

fn walk(bytes: &mut [u8], message: Message) -> Option<()> {
    let mut at = 0;
    while at < bytes.len() {
        let key = varint(bytes, &mut at)?;
        match key & 7 {
            0 => drop(varint(bytes, &mut at)?),
            1 => at = at.checked_add(8)?,
            5 => at = at.checked_add(4)?,
            2 => {
                let length = usize::try_from(varint(bytes, &mut at)?).ok()?;
                let end = at.checked_add(length)?;
                let content = bytes.get_mut(at..end)?;
                match message.field(key >> 3) {
                    Some(inner) => walk(content, inner)?,
                    None => replace(content),
                }
                at = end;
            }
            _ => return None,
        }
    }
    Some(())
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut rest = bytes.get(*at..)?;
    let value = decode_varint(&mut rest).ok()?;
    *at = bytes.len() - rest.len();
    Some(value)
}

fn replace(mut text: &mut [u8]) {
    while let Err(error) = std::str::from_utf8(text) {
        let begin = error.valid_up_to();
        let length = error.error_len().unwrap_or(text.len() - begin);
        let (broken, rest) = text[begin..].split_at_mut(length);
        broken.fill(b'?');
        text = rest;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message as _;
    use serde_json::json;

    use super::super::message::Pod;
    use super::*;

    /// Returns a pod with text in every field that is decoded. Each text is the mark `ZZ`.
    fn pod() -> Pod {
        let hook = json!({"exec": {"command": ["ZZ"]}});
        let container = |name: &str| {
            json!({"name": name, "image": "ZZ", "command": ["ZZ"], "args": ["ZZ"], "restartPolicy": "ZZ",
                "volumeMounts": [{"name": "ZZ", "mountPath": "ZZ", "subPath": "ZZ", "subPathExpr": "ZZ"}],
                "envFrom": [{"prefix": "ZZ", "configMapRef": {"name": "ZZ"}, "secretRef": {"name": "ZZ"}}],
                "livenessProbe": hook, "readinessProbe": hook, "startupProbe": hook,
                "lifecycle": {"postStart": hook, "preStop": hook}, "workingDir": "ZZ", "terminationMessagePath": "ZZ",
                "securityContext": {"procMount": "ZZ", "capabilities": {"add": ["ZZ"]}},
                "volumeDevices": [{"devicePath": "ZZ"}],
                "env": [{"name": "ZZ", "value": "ZZ"}, {"name": "ZZ", "valueFrom": {"fieldRef": {"fieldPath": "ZZ"}}}]})
        };
        let files = json!({"items": [{"path": "ZZ", "fieldRef": {"fieldPath": "ZZ"}}]});
        let sources = json!([{"secret": {"name": "ZZ"}}, {"configMap": {"name": "ZZ"}}, {"serviceAccountToken": {}}]);
        let volumes = json!([{"name": "ZZ", "hostPath": {"path": "ZZ"}}, {"name": "ZZ", "secret": {"secretName": "ZZ"}},
            {"name": "ZZ", "downwardAPI": files}, {"name": "ZZ", "configMap": {"name": "ZZ"}},
            {"name": "ZZ", "projected": {"sources": sources}}, {"name": "ZZ", "csi": {"driver": "ZZ"}}]);
        let state = json!({"waiting": {"reason": "ZZ", "message": "ZZ"}, "running": {},
            "terminated": {"reason": "ZZ", "message": "ZZ", "exitCode": 3}});
        let status = json!([{"name": "ZZ", "imageID": "ZZ", "ready": true, "restartCount": 300, "state": state}]);
        serde_json::from_value(json!({
            "metadata": {"name": "ZZ", "namespace": "ZZ", "uid": "ZZ", "labels": {"ZZ": "ZZ"}, "annotations": {"ZZ": "ZZ"},
                "deletionTimestamp": "2026-01-01T00:00:00Z",
                "ownerReferences": [{"kind": "ZZ", "name": "ZZ", "controller": true}]},
            "spec": {"nodeName": "ZZ", "volumes": volumes, "containers": [container("ZZ")], "initContainers": [container("ZZ")],
                "ephemeralContainers": [container("ZZ")]},
            "status": {"phase": "ZZ", "message": "ZZ", "reason": "ZZ",
                "conditions": [{"type": "ZZ", "status": "ZZ", "reason": "ZZ", "message": "ZZ"}],
                "containerStatuses": status, "initContainerStatuses": status, "ephemeralContainerStatuses": status},
        }))
        .unwrap()
    }

    fn marked(bytes: &[u8], mark: [u8; 2]) -> Vec<u8> {
        let mut marked = bytes.to_vec();
        for at in 0..marked.len() - 1 {
            if &marked[at..at + 2] == b"ZZ" {
                marked[at..at + 2].copy_from_slice(&mark);
            }
        }
        marked
    }

    #[test]
    fn repairs_every_text_of_a_pod_and_nothing_else() {
        let whole = pod().encode_to_vec();
        let broken = marked(&whole, [0xff, 0xc3]);
        assert!(Pod::decode(broken.as_slice()).is_err());
        let repaired = repair(&broken).unwrap();
        let wanted = Pod::decode(marked(&whole, *b"??").as_slice()).unwrap();
        assert_eq!(Pod::decode(repaired.as_slice()).unwrap(), wanted);
        assert_eq!(repair(&whole).unwrap(), whole);
    }

    #[test]
    fn leaves_text_around_broken_bytes() {
        for (text, repaired) in [
            (&b"a\xffb"[..], "a?b"),
            (b"\xe2\x82", "??"),
            ("\u{e9}\u{20ac}".as_bytes(), "\u{e9}\u{20ac}"),
            (b"\xed\xa0\x80x", "???x"),
            (b"", ""),
        ] {
            let mut bytes = text.to_vec();
            replace(&mut bytes);
            assert_eq!(bytes, repaired.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn keeps_the_length_of_any_bytes(bytes: Vec<u8>) {
            let repaired = repair(&bytes);
            prop_assert!(repaired.is_none_or(|it| it.len() == bytes.len()));
        }
    }
}
