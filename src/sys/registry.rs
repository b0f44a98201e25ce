//! Registries: the pull half of the OCI distribution protocol behind one blocking door.
//!
//! Everything that a registry says is bounded: manifests in size, streams by what their manifest
//! declares, redirects in number, waits in time.

mod error;

pub use error::{RegistryError, Why};
pub use oci_spec::distribution::Reference;

use std::time::Duration;

/// How registries are reached.
#[derive(Debug, Clone)]
pub struct Options {
    /// `--plain-http HOST[:PORT]`: hosts that are spoken to without TLS; loopback needs no naming.
    pub plain_http: Vec<String>,
    /// Longest wait for a connection.
    pub connect: Duration,
    /// Longest wait for the next bytes of an answer.
    pub idle: Duration,
    /// Bytes a second that a stream must bring after its first minute.
    pub slowest: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            plain_http: Vec::new(),
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            slowest: 4 << 10,
        }
    }
}

/// The way to all registries: connections, credentials and tokens are kept while it lives.
///
/// It can be shared between threads. It blocks, so it is never used inside of `Cluster::run`.
pub struct Registry {
    options: Options,
}

impl Registry {
    /// Makes ready; nothing is asked yet. Credentials are looked up when a registry wants some.
    pub fn new(options: Options) -> Registry {
        Registry { options }
    }
}
