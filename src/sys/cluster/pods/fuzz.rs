//! The properties of the decoder of pod lists that hold for any bytes, and lists that a fuzzer can
//! change.
//!
//! Every protobuf message is preceded by its length, so that a random change makes it invalid. Most
//! inputs are therefore instructions that build a list.

use bytes::Bytes;
use prost::Message as _;
use prost::encoding::encode_varint;

use super::super::message::Pod;
use super::super::text::Message;
use super::{ClusterError, Listed, MAGIC, Page, decode};
use terminal_text::fuzz::Input;

/// Instructions. Any other byte describes a field: its number in the lower six bits, its kind in
/// the upper two.
const END_OF_POD: u8 = 0xff;
const END_OF_MESSAGE: u8 = 0xfe;
/// Adds the next byte to the message unchanged.
const RAW: u8 = 0xfd;

/// A text with a smaller length is part of the input. Other lengths select one of [`WORDS`].
const LONGEST_TEXT: u8 = 0x80;

/// 15 minutes before the time at which the mesh inventory judges pods.
const NOW: u64 = 1_767_225_600 - 900;

/// The maximum number of bytes of all pods: a repeated field must not make a list longer than that
/// of a server.
const LONGEST_LIST: usize = 4 << 20;

/// Words that the classification of pods looks for.
const WORDS: [&str; 64] = [
    "istio-proxy",
    "istio-init",
    "istio-validation",
    "discovery",
    "install-cni",
    "agentgateway",
    "ztunnel",
    "proxyv2",
    "r/proxyv2:1",
    "r/ztunnel:1",
    "r/pilot:1",
    "r/install-cni:1",
    "r/app:1",
    "proxy",
    "sidecar",
    "router",
    "waypoint",
    "pilot-agent",
    "pilot-discovery",
    "istio-iptables",
    "envoy",
    "sh",
    "-c",
    "Always",
    "Running",
    "Succeeded",
    "Failed",
    "Pending",
    "Ready",
    "True",
    "app",
    "istiod",
    "istio.io/rev",
    "sidecar.istio.io/status",
    "sidecar.istio.io/inject",
    "true",
    "false",
    "inject.istio.io/templates",
    "gateway",
    "proxy.istio.io/config",
    "PROXY_CONFIG",
    "XDS_ADDRESS",
    "CA_ADDR",
    "GODEBUG",
    "COMPLIANCE_POLICY",
    "fips140=on",
    "istiod.a.svc:15012",
    "ReplicaSet",
    "Deployment",
    "apps/v1",
    "pod-template-hash",
    "shop",
    "free",
    "out",
    "real",
    "virtual",
    "/etc/istio/proxy",
    "/etc/istio/config",
    "/usr/local/bin",
    "$(X)",
    "--discoveryAddress",
    "{\"revision\": \"a\"}",
    "discoveryAddress: istiod.b.svc",
    "proxyMetadata: {A: b, C_D: {e: [f]}}",
];

/// Returns the pods in a server's answer, each decoded or counted as unreadable, or `None` if the
/// list as a whole cannot be read.
///
/// # Panics
///
/// Panics if a property does not hold.
pub(crate) fn pods(bytes: &[u8]) -> Option<Vec<Listed>> {
    let mut input = Input::new(bytes);
    match input.byte() {
        0..=223 => Some(structured(&mut input)),
        224..=239 => {
            let list = input.bytes(usize::MAX);
            let page = page(
                [
                    MAGIC,
                    &super::Unknown {
                        raw: Bytes::copy_from_slice(list),
                    }
                    .encode_to_vec(),
                ]
                .concat(),
            )?;
            assert_eq!(Some(page.pods.len()), items(list));
            Some(page.pods)
        }
        240..=247 => page([MAGIC, input.bytes(usize::MAX)].concat()).map(|page| page.pods),
        _ => {
            let json = input.bytes(usize::MAX);
            let page = page(json.to_vec())?;
            let list = serde_json::from_slice::<serde_json::Value>(json).ok()?;
            let items = list.get("items").and_then(|it| it.as_array());
            assert_eq!(page.pods.len(), items.map_or(0, Vec::len));
            Some(page.pods)
        }
    }
}

fn page(body: Vec<u8>) -> Option<Page> {
    match decode(&body.into()) {
        Ok(page) => Some(page),
        Err(error) => {
            assert!(matches!(error, ClusterError::Garbled { .. }), "{error:?}");
            None
        }
    }
}

/// Builds the list that the input describes. It can always be read as a list, and each pod
/// separately.
fn structured(input: &mut Input<'_>) -> Vec<Listed> {
    let (mut list, mut built) = (Vec::new(), Vec::new());
    while !input.is_empty() && list.len() < LONGEST_LIST {
        let pod = Draft::pod(input);
        field(&mut list, 2, &pod.bytes);
        built.push(pod);
    }
    let mut unknown = Vec::new();
    field(&mut unknown, 2, &list);
    let page = page([MAGIC, &unknown].concat());
    let pods = page.map(|page| page.pods).unwrap_or_default();
    assert_eq!(pods.len(), built.len());
    for (pod, draft) in pods.iter().zip(&built) {
        // A pod with a `?` for each invalid byte must decode to the same value.
        let clean = Pod::decode(draft.clean.as_slice());
        if let (Ok(clean), true) = (clean, draft.comparable) {
            assert_eq!(pod.as_ref(), Ok(&clean));
        }
    }
    pods
}

/// Returns the number of items of an encoded list, or `None` if it is not a valid message.
fn items(mut list: &[u8]) -> Option<usize> {
    let mut count = 0;
    while !list.is_empty() {
        let key = prost::encoding::decode_varint(&mut list).ok()?;
        let length = match key & 7 {
            0 => {
                prost::encoding::decode_varint(&mut list).ok()?;
                0
            }
            1 => 8,
            5 => 4,
            2 => usize::try_from(prost::encoding::decode_varint(&mut list).ok()?).ok()?,
            // The decoder skips groups by their content and not by a length.
            _ => return None,
        };
        count += usize::from(key == 0x12);
        list = list.get(length..)?;
    }
    Some(count)
}

/// A message under construction: as it is sent, and with all texts as UTF-8.
struct Draft {
    bytes: Vec<u8>,
    clean: Vec<u8>,
    /// The message as which the decoder reads it; `None` if the decoder does not know a message at
    /// this place.
    schema: Option<Message>,
    /// True if no text is at a place where the decoder expects a message.
    comparable: bool,
}

impl Draft {
    fn of(schema: Option<Message>) -> Draft {
        Draft {
            bytes: Vec::new(),
            clean: Vec::new(),
            schema,
            comparable: true,
        }
    }

    /// Executes the instructions for one pod.
    fn pod(input: &mut Input<'_>) -> Draft {
        let mut pod = Draft::of(Some(Message::Pod));
        let mut open: Vec<(u32, Draft)> = Vec::new();
        while !input.is_empty() {
            let instruction = input.byte();
            let schema = open.last().map_or(pod.schema, |(_, draft)| draft.schema);
            let number = u32::from(instruction & 0x3f);
            match instruction {
                END_OF_POD => break,
                END_OF_MESSAGE => {
                    if let Some((number, draft)) = open.pop() {
                        let outer = open.last_mut().map_or(&mut pod, |(_, outer)| outer);
                        outer.message(number, &draft);
                    }
                }
                // The limit is deeper than any message of a pod.
                0x00..=0x3f if open.len() < 12 => {
                    let inner = schema.and_then(|it| it.field(number.into()));
                    open.push((number, Draft::of(inner)));
                }
                _ => {
                    let draft = open.last_mut().map_or(&mut pod, |(_, draft)| draft);
                    draft.part(instruction, number, input);
                }
            }
        }
        while let Some((number, draft)) = open.pop() {
            let outer = open.last_mut().map_or(&mut pod, |(_, outer)| outer);
            outer.message(number, &draft);
        }
        pod
    }

    fn message(&mut self, number: u32, inner: &Draft) {
        field(&mut self.bytes, number, &inner.bytes);
        field(&mut self.clean, number, &inner.clean);
        self.comparable &= inner.comparable;
    }

    fn part(&mut self, instruction: u8, number: u32, input: &mut Input<'_>) {
        match instruction {
            RAW => {
                let raw = input.byte();
                self.bytes.push(raw);
                self.clean.push(raw);
                self.comparable = false;
            }
            0x80..=0xbf => {
                let value = input.byte();
                let value = number_of(value);
                for bytes in [&mut self.bytes, &mut self.clean] {
                    encode_varint(u64::from(number) << 3, bytes);
                    encode_varint(value, bytes);
                }
            }
            _ => {
                let text = text(input);
                let times = if instruction < 0x80 {
                    1
                } else {
                    usize::from(input.byte())
                };
                let schema = self.schema.and_then(|it| it.field(number.into()));
                self.comparable &= schema.is_none();
                let clean = repaired(text);
                for _ in 0..times {
                    if self.bytes.len() < LONGEST_LIST / 64 {
                        field(&mut self.bytes, number, text);
                        field(&mut self.clean, number, &clean);
                    }
                }
            }
        }
    }
}

/// Returns small numbers, the largest of every width, times around [`NOW`] and negative numbers of
/// every width.
fn number_of(value: u8) -> u64 {
    match value {
        ..0x80 => value.into(),
        0x80..0xc0 => u64::MAX >> (value & 0x3f),
        0xc0..0xe0 => NOW + 60 * u64::from(value & 0x1f),
        0xe0.. => u64::MAX << (value & 0x1f),
    }
}

fn text<'a>(input: &mut Input<'a>) -> &'a [u8] {
    let length = input.byte();
    match length.checked_sub(LONGEST_TEXT) {
        None => input.bytes(usize::from(length)),
        Some(at) => WORDS[usize::from(at) % WORDS.len()].as_bytes(),
    }
}

fn field(message: &mut Vec<u8>, number: u32, content: &[u8]) {
    encode_varint(u64::from(number) << 3 | 2, message);
    encode_varint(content.len() as u64, message);
    message.extend_from_slice(content);
}

/// Returns the text with a `?` for each byte that is not UTF-8.
fn repaired(text: &[u8]) -> Vec<u8> {
    let mut repaired = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        repaired.extend_from_slice(chunk.valid().as_bytes());
        repaired.extend(chunk.invalid().iter().map(|_| b'?'));
    }
    repaired
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A pod with a name, a label that is not UTF-8 and a proxy.
    const PROXY: &[u8] = &[
        0x01,
        0x41,
        1,
        b'a',
        0x43,
        0x80 + 51,
        0x0b,
        0x41,
        1,
        b'l',
        0x42,
        2,
        0xc3,
        b'x',
        0xfe,
        0xfe,
        0x02,
        0x02,
        0x41,
        0x80,
        0x42,
        0x88,
        0xfe,
        0xfe,
        0x03,
        0x41,
        0x80 + 24,
        0xfe,
    ];

    #[test]
    fn instructions_make_pods() {
        let listed = pods(&[&[0], PROXY, &[0xff], PROXY].concat()).unwrap();
        let [Ok(first), Ok(second)] = listed.as_slice() else {
            panic!("{listed:?}");
        };
        assert_eq!(first, second);
        assert_eq!(
            (
                first.metadata.name.as_str(),
                first.metadata.namespace.as_str()
            ),
            ("a", "shop")
        );
        assert_eq!(first.metadata.labels["l"], "?x");
        assert_eq!(first.spec.containers[0].image, "r/proxyv2:1");
        assert_eq!(first.status.phase, "Running");
    }

    #[test]
    fn a_pod_that_is_no_message_is_counted() {
        let listed = pods(&[&[0, RAW, 0xff, 0xff], PROXY].concat()).unwrap();
        assert!(listed[0].is_err() && listed[1].is_ok());
    }

    proptest! {
        #[test]
        fn holds_on_any_bytes(first: u8, bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            pods(&[&[first], bytes.as_slice()].concat());
            pods(&[&[0], PROXY, bytes.as_slice()].concat());
        }
    }
}
