//! Blocking access to registries: the pull part of the OCI distribution protocol.
//!
//! Everything that a registry sends is limited: the size of documents, streams by their declared
//! size, the number of redirects, and the time of each wait.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use oci_spec::image::{Digest, DigestAlgorithm};
use reqwest::Client;

use crate::secret::Secrets;

mod answer;
mod auth;
mod blob;
mod budget;
mod credentials;
mod digest;
mod error;
mod failure;
mod http;
mod place;
mod probe;
mod reach;
mod tags;
mod wait;

pub use blob::Blob;
pub use budget::Working;
pub use credentials::Places;
pub use digest::Hasher;
pub use error::{RegistryError, Why};
pub use oci_spec::distribution::{ParseError, Reference};

use budget::Budget;
use credentials::Lookup;
use digest::digest_of;
use reach::Allowed;
use wait::Waiter;

pub type Result<T> = std::result::Result<T, RegistryError>;

/// The maximum number of bytes of a manifest or an index, which is the limit of registries.
const MANIFEST_LIMIT: usize = 4 << 20;

/// The accepted documents, in order of preference.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// How registries are contacted.
#[derive(Debug, Clone)]
pub struct Options {
    /// `--plain-http HOST[:PORT]`: hosts that are contacted without TLS.
    pub plain_http: BTreeSet<String>,
    /// `--allow-registry HOST[:PORT]`: hosts that may be contacted at any address.
    pub allowed: BTreeSet<String>,
    /// Where credentials are looked up.
    pub credentials: Places,
    /// The secrets of the run. Credentials are added to them, and they are masked in messages of
    /// registries.
    pub secrets: Secrets,
    /// The longest wait for a credential program.
    pub helper_timeout: Duration,
    /// The longest wait for a connection.
    pub connect: Duration,
    /// The longest wait for the head of an answer, for a whole document, and for the next bytes of
    /// a stream.
    pub read_timeout: Duration,
    /// The time over which the speed of a stream is measured.
    pub rate_window: Duration,
    /// The number of bytes per second that a stream must deliver in each window.
    pub min_bytes_per_sec: u64,
    /// The wait before a busy registry is asked again, unless it states a time. It doubles each
    /// time.
    pub backoff: Duration,
    /// The longest total time of all these waits.
    pub retry_budget: Duration,
    /// The longest total time of all work with registries in a run.
    pub limit: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            plain_http: BTreeSet::new(),
            allowed: BTreeSet::new(),
            credentials: Places::of_user(),
            secrets: Secrets::default(),
            helper_timeout: Duration::from_secs(30),
            connect: Duration::from_secs(10),
            read_timeout: Duration::from_secs(30),
            rate_window: Duration::from_secs(30),
            min_bytes_per_sec: 16 << 10,
            backoff: Duration::from_millis(500),
            retry_budget: Duration::from_secs(30),
            limit: Duration::MAX,
        }
    }
}

impl Options {
    /// Returns the default options with a total of `limit` for all work. A single wait may take
    /// half of it, and a connection a quarter, so that an outage can be distinguished from a run
    /// with too much to read.
    pub fn within(limit: Duration) -> Options {
        let usual = Options::default();
        Options {
            helper_timeout: usual.helper_timeout.min(limit / 2),
            connect: usual.connect.min(limit / 4),
            read_timeout: usual.read_timeout.min(limit / 2),
            retry_budget: usual.retry_budget.min(limit / 2),
            limit,
            ..usual
        }
    }
}

/// Access to all registries. It keeps connections, credentials and tokens while it exists.
///
/// Threads can share it. It blocks, so it must not be used inside of `Cluster::run`. A signal ends
/// every wait.
pub struct Registry {
    options: Options,
    waiter: OnceLock<Option<Arc<Waiter>>>,
    /// One client for each [`Route`].
    clients: [OnceLock<std::result::Result<Client, String>>; 3],
    allowed: Mutex<Allowed>,
    budget: Arc<Budget>,
    /// The `Authorization` headers that were accepted, by host and repository.
    accepted: Mutex<HashMap<(String, String), String>>,
    found: Mutex<HashMap<(String, String), Lookup>>,
    /// The schemes of loopback hosts that were found by trying.
    schemes: Mutex<HashMap<String, &'static str>>,
    /// The registries that gave any answer, including a refusal.
    answered: Mutex<BTreeSet<String>>,
    outages: Mutex<HashMap<String, RegistryError>>,
    /// The rest of [`Options::retry_budget`].
    retry_budget: Mutex<Duration>,
}

/// How a host is contacted.
#[derive(Clone, Copy)]
enum Route {
    /// A host that the user named: through the proxies of the environment, at any address.
    Named,
    /// This machine: without a proxy.
    Loopback,
    /// A host that untrusted content named: through the proxies, and only at public addresses.
    Unnamed,
}

/// A manifest or an index as it is stored. The digest is that of the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    pub bytes: Vec<u8>,
    pub digest: Digest,
}

impl Registry {
    /// Creates the access without sending requests. Credentials are looked up when a registry
    /// requires them.
    pub fn new(options: Options) -> Registry {
        let mut allowed = Allowed::default();
        let named = options.plain_http.iter().chain(&options.allowed);
        named.for_each(|place| allowed.add(place));
        Registry {
            retry_budget: Mutex::new(options.retry_budget),
            budget: Arc::new(Budget::new(options.limit)),
            options,
            waiter: OnceLock::new(),
            clients: Default::default(),
            allowed: Mutex::new(allowed),
            answered: Mutex::default(),
            accepted: Mutex::default(),
            found: Mutex::default(),
            schemes: Mutex::default(),
            outages: Mutex::default(),
        }
    }

    /// Allows the registry of a hub or of an image at any address, because the user named it.
    pub fn allow(&self, place: &str) {
        let mut allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
        allowed.add(place);
    }

    /// Returns true if the user named the registry of an image.
    pub fn allows(&self, place: &str) -> bool {
        let allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
        allowed.names(place)
    }

    /// Counts the time until the result is dropped against [`Options::limit`], including the time
    /// without waits.
    pub fn working(&self) -> Working<'_> {
        self.budget.begin()
    }

    /// Returns the manifest or index that the reference names: by its digest if it has one,
    /// otherwise by its tag.
    pub fn manifest(&self, reference: &Reference) -> Result<Manifest> {
        let asked = reference.digest().or(reference.tag()).unwrap_or("latest");
        let path = format!("manifests/{asked}");
        let what = reference.to_string();
        let mut answer = self.get(reference, &what, &path, &[("accept", ACCEPT)])?;
        if answer.is_html() {
            return Err(answer.broken(answer::HTML));
        }
        let stated = answer.digest();
        let bytes = answer.bounded(MANIFEST_LIMIT)?;
        if bytes.is_empty() {
            return Err(answer.broken("the answer is empty"));
        }
        let wrong = |wanted: &str, found: &str| {
            answer.broken(&format!("its digest is {found}, not {wanted}"))
        };
        if let Some(wanted) = reference.digest() {
            let digest: Digest = wanted.parse().map_err(|_| answer.broken("no digest"))?;
            let found = digest_of(digest.algorithm(), &bytes);
            return match found {
                Some(found) if found == digest => Ok(Manifest { bytes, digest }),
                Some(found) => Err(wrong(wanted, found.as_ref())),
                None => Err(answer.broken("its digest is of an algorithm that is not known here")),
            };
        }
        let digest = digest_of(&DigestAlgorithm::Sha256, &bytes)
            .ok_or_else(|| answer.broken("its digest cannot be computed"))?;
        match stated {
            Some(stated)
                if digest_of(stated.algorithm(), &bytes).is_some_and(|own| own != stated) =>
            {
                Err(wrong(stated.as_ref(), digest.as_ref()))
            }
            _ => Ok(Manifest { bytes, digest }),
        }
    }

    /// Opens a stream of the bytes of a blob: exactly `size` bytes, or an error. The reader must
    /// check `digest`, because only the reader sees all bytes.
    pub fn blob(&self, reference: &Reference, digest: &Digest, size: u64) -> Result<Blob<'_>> {
        Blob::open(self, reference, digest, size)
    }

    fn accepted(&self) -> MutexGuard<'_, HashMap<(String, String), String>> {
        // A panic in another thread leaves the map valid: threads only insert.
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the host at which a registry is contacted.
fn host(reference: &Reference) -> &str {
    match reference.registry() {
        "docker.io" => "registry-1.docker.io",
        host => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_wait_is_longer_than_the_limit_and_none_becomes_longer_by_it() {
        let waits = |options: &Options| {
            let Options {
                helper_timeout,
                connect,
                read_timeout,
                retry_budget,
                ..
            } = options;
            [*helper_timeout, *connect, *read_timeout, *retry_budget]
        };
        let limit = Duration::from_secs(3);
        let (half, quarter) = (limit / 2, limit / 4);
        assert_eq!(waits(&Options::within(limit)), [half, quarter, half, half]);
        assert_eq!(Options::within(limit).limit, limit);
        let usual = waits(&Options::default());
        assert_eq!(waits(&Options::within(Duration::MAX)), usual);
    }
}
