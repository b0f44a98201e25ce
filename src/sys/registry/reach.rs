//! Decides which places may be contacted although the user did not name them.
//!
//! The image of a pod, a redirect and the realm of a token are untrusted content. Without this
//! rule, each of them could make an administrator's machine send requests to services that only
//! this machine, its network or its cloud can reach.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::place::authority;
use crate::sys::os;

/// IPv4 blocks that are not part of the public Internet (IANA special-purpose registry, RFC 6890),
/// and the address at which Azure answers virtual machines.
const NOT_PUBLIC: [(Ipv4Addr, u32); 16] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// Last labels of names of hosts on this machine, network or cluster.
const LOCAL_LABELS: [&str; 10] = [
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "svc",
];

/// Environment variables that name a proxy.
const PROXIES: [&str; 6] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// Places that the user named: the plan, the record, `--plain-http`, `--allow-registry`, a target.
#[derive(Default)]
pub(super) struct Allowed(BTreeSet<String>);

impl Allowed {
    /// Adds the registry of a hub or of an image reference. A place without a port means the
    /// default port of its scheme.
    pub(super) fn add(&mut self, place: &str) {
        let both = ["https", "http"].into_iter();
        self.0
            .extend(both.filter_map(|scheme| registry(scheme, place)));
    }

    /// Returns true if the registry of a hub or of an image reference was added.
    pub(super) fn names(&self, place: &str) -> bool {
        registry("https", place).is_some_and(|registry| self.0.contains(&registry))
    }

    pub(super) fn has(&self, url: &Url) -> bool {
        self.0.contains(&authority(url))
    }
}

fn registry(scheme: &str, place: &str) -> Option<String> {
    let first = place.split('/').next()?;
    let url = Url::parse(&format!("{scheme}://{first}")).ok()?;
    Some(authority(&url))
}

/// Returns true if a place may be contacted only if the user named it, as far as its name shows.
pub(super) fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    match address(host) {
        Some(address) => !is_public(address),
        // The resolver accepts any address for the name of a proxy, so such a place counts as
        // local.
        None => is_local_name(host) || proxies().contains(host),
    }
}

fn address(host: &str) -> Option<IpAddr> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok()
}

/// Returns true for a local name. A name without a dot is local too: the resolver's search list
/// completes it.
fn is_local_name(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let last = host.rsplit('.').next().unwrap_or_default();
    LOCAL_LABELS.contains(&last)
        || !host.contains('.')
        || host.ends_with(".home.arpa")
        // SERVICE.NAMESPACE.svc, with any domain of the cluster.
        || host.split('.').nth(2) == Some("svc")
}

/// Returns true if an address is part of the public Internet.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let within = |(block, bits): &(Ipv4Addr, u32)| {
                let mask = u32::MAX << (32 - bits);
                address.to_bits() & mask == block.to_bits()
            };
            !NOT_PUBLIC.iter().any(within)
        }
        IpAddr::V6(address) => match embedded(address) {
            Some(inner) => is_public(IpAddr::V4(inner)),
            None => is_public_v6(address),
        },
    }
}

/// Returns the IPv4 address in a mapped, compatible, NAT64 or 6to4 address, to which packets are
/// sent.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let bits = address.to_bits();
    let low = u32::try_from(bits & u128::from(u32::MAX)).ok()?;
    let in_6to4 = u32::try_from((bits >> 80) & u128::from(u32::MAX)).ok()?;
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, _, _] | [0x64, 0xff9b, 0, 0, 0, 0, _, _] => {
            Some(Ipv4Addr::from_bits(low))
        }
        [0, 0, 0, 0, 0xffff, 0, _, _] => Some(Ipv4Addr::from_bits(low)),
        [0x2002, ..] => Some(Ipv4Addr::from_bits(in_6to4)),
        _ => None,
    }
}

/// Returns true for global unicast, `2000::/3`, except for the blocks for protocols and for
/// documentation.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let global = first & 0xe000 == 0x2000;
    let protocols = first == 0x2001 && second & 0xfe00 == 0;
    let documentation = (first, second) == (0x2001, 0xdb8) || (first == 0x3fff && second < 0x1000);
    global && !protocols && !documentation
}

/// Returns the hosts of the proxies in the environment.
fn proxies() -> BTreeSet<String> {
    let set = PROXIES.iter().filter_map(|name| os::env(name));
    let hosts = set.filter_map(|value| {
        let text = value.to_str()?.to_owned();
        let whole = if text.contains("://") {
            text
        } else {
            format!("http://{text}")
        };
        Some(Url::parse(&whole).ok()?.host_str()?.to_owned())
    });
    hosts.collect()
}

/// A resolver that returns only public addresses. The connection uses the returned address, so a
/// name that resolves to another address the next time gains nothing.
pub(super) struct PublicOnly {
    /// The hosts of the proxies, which may have any address. Requests through a proxy resolve only
    /// its name here.
    proxies: BTreeSet<String>,
}

/// The error for a name that has addresses but no public one.
#[derive(Debug)]
pub(super) struct NotPublic;

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its name has no public address")
    }
}

impl std::error::Error for NotPublic {}

impl PublicOnly {
    pub(super) fn new() -> PublicOnly {
        PublicOnly { proxies: proxies() }
    }
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        let is_proxy = self.proxies.contains(&name);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            let found: Vec<SocketAddr> = found.collect();
            let usable = found.iter().copied();
            let usable = usable.filter(|address| is_proxy || is_public(address.ip()));
            let usable: Vec<SocketAddr> = usable.collect();
            if usable.is_empty() && !found.is_empty() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(usable.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(place: &str) -> bool {
        is_local(&Url::parse(&format!("https://{place}/v2/")).unwrap())
    }

    #[test]
    fn every_spelling_of_an_address_that_is_not_public_is_recognised() {
        for place in [
            "127.0.0.1:5000",
            "127.1",
            "2130706433",
            "0x7f000001:80",
            "0177.0.0.1",
            "0x7f.1",
            "0",
            "0.0.0.0:443",
            "10.1.2.3",
            "100.64.0.1",
            "100.100.100.200",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.1.1:8443",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "[::]",
            "[::1]:5000",
            "[::ffff:127.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[::ffff:0:10.0.0.1]",
            "[::10.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[64:ff9b:1::1]",
            "[2002:7f00:1::]",
            "[2001::1]",
            "[2001:db8::1]",
            "[fe80::1]",
            "[fec0::1]",
            "[fc00::1]",
            "[fd00:ec2::254]",
            "[ff02::1]",
            "%31%32%37.0.0.1",
            "127。0。0。1",
            "１２７.0.0.1",
        ] {
            assert!(local(place), "{place}");
        }
        for place in [
            "8.8.8.8",
            "1.1.1.1:5000",
            "172.32.0.1",
            "192.0.1.1",
            "[2606:4700::1111]",
            "[::ffff:8.8.8.8]",
            "[64:ff9b::808:808]",
        ] {
            assert!(!local(place), "{place}");
        }
    }

    #[test]
    fn names_of_this_machine_network_or_cluster_are_recognised() {
        for place in [
            "localhost",
            "LOCALHOST.",
            "a.localhost:5000",
            "registry",
            "registry:5000",
            "registry.shop.svc",
            "registry.shop.svc.cluster.local",
            "registry.shop.svc.example.com",
            "metadata.google.internal",
            "host.docker.internal",
            "printer.local",
            "nas.home.arpa",
        ] {
            assert!(local(place), "{place}");
        }
        for place in ["registry.example.com", "quay.io:443", "svc.example.com"] {
            assert!(!local(place), "{place}");
        }
    }

    #[test]
    fn a_place_is_allowed_with_its_port_only() {
        let mut allowed = Allowed::default();
        allowed.add("127.0.0.1:5000/solo");
        allowed.add("registry.corp/istio");
        let has = |url: &str| allowed.has(&Url::parse(url).unwrap());
        for url in [
            "http://127.0.0.1:5000/v2/",
            "https://127.0.0.1:5000/v2/",
            "https://2130706433:5000/v2/",
            "https://registry.corp/v2/",
            "https://registry.corp:443/v2/",
            "http://registry.corp/v2/",
        ] {
            assert!(has(url), "{url}");
        }
        for url in [
            "http://127.0.0.1:5001/v2/",
            "http://127.0.0.1/v2/",
            "http://localhost:5000/v2/",
            "https://registry.corp:8443/v2/",
            "https://registry.corp.evil.example/v2/",
        ] {
            assert!(!has(url), "{url}");
        }
    }
}
