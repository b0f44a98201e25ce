//! Registries: the pull half of the OCI distribution protocol behind one blocking door.
//!
//! Everything that a registry says is bounded: documents in size, streams by what was declared of
//! them, redirects in number, waits in time.

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

/// Bytes of a manifest or an index: what registries themselves allow.
const MANIFEST_LIMIT: usize = 4 << 20;

/// Documents that are asked for, in the order of preference.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// How registries are reached.
#[derive(Debug, Clone)]
pub struct Options {
    /// `--plain-http HOST[:PORT]`: hosts that are contacted without TLS.
    pub plain_http: BTreeSet<String>,
    /// `--allow-registry HOST[:PORT]`: hosts that may be contacted wherever they are.
    pub allowed: BTreeSet<String>,
    /// Where credentials are looked for.
    pub credentials: Places,
    /// What is found there is added, and left out of what registries say.
    pub secrets: Secrets,
    /// Longest wait for a program that knows credentials.
    pub helper_timeout: Duration,
    /// Longest wait for a connection.
    pub connect: Duration,
    /// Longest wait for the head of an answer, for all of a document, and for the next bytes of a
    /// stream.
    pub read_timeout: Duration,
    /// Time over which the speed of a stream is measured.
    pub rate_window: Duration,
    /// Bytes a second that it must bring in each of them.
    pub min_bytes_per_sec: u64,
    /// Wait before a registry that is busy is asked again, unless it says when; twice as long each
    /// time.
    pub backoff: Duration,
    /// Longest wait of all of these together.
    pub retry_budget: Duration,
    /// Longest time of all work with registries in a run.
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
    /// The usual ones, but all work together within `limit`. A single wait may take half of it, and a
    /// connection a quarter: an outage is then told from a run that had too much to read.
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

/// The way to all registries: connections, credentials and tokens are kept while it lives.
///
/// It can be shared between threads. It blocks, so it is never used inside of `Cluster::run`; a signal
/// ends every wait.
pub struct Registry {
    options: Options,
    waiter: OnceLock<Option<Arc<Waiter>>>,
    /// One for each [`Route`].
    clients: [OnceLock<std::result::Result<Client, String>>; 3],
    allowed: Mutex<Allowed>,
    budget: Arc<Budget>,
    /// What was sent in `Authorization` and accepted, by host and repository.
    accepted: Mutex<HashMap<(String, String), String>>,
    found: Mutex<HashMap<(String, String), Lookup>>,
    /// Schemes that loopback hosts turned out to speak.
    schemes: Mutex<HashMap<String, &'static str>>,
    /// Registries that answered anything, be it a refusal, and those that answered nothing.
    answered: Mutex<BTreeSet<String>>,
    outages: Mutex<HashMap<String, RegistryError>>,
    /// What is left of [`Options::patience`].
    retry_budget: Mutex<Duration>,
}

/// How a place is contacted.
#[derive(Clone, Copy)]
enum Route {
    /// The user named it: by the proxies of the environment, whatever its address is.
    Named,
    /// This machine: without a proxy.
    Loopback,
    /// A stranger named it: by the proxies, and at public addresses only.
    Unnamed,
}

/// A manifest or an index, as it is stored: its digest is that of the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    pub bytes: Vec<u8>,
    pub digest: Digest,
}

impl Registry {
    /// Makes ready; nothing is asked yet. Credentials are looked up when a registry wants some.
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

    /// Lets the registry of a hub or of an image be contacted wherever it is: the user named it.
    pub fn allow(&self, place: &str) {
        let mut allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
        allowed.add(place);
    }

    /// Whether the user named the registry of an image.
    pub fn allows(&self, place: &str) -> bool {
        let allowed = self.allowed.lock().unwrap_or_else(PoisonError::into_inner);
        allowed.names(place)
    }

    /// Counts the time until the result is dropped against [`Options::limit`], also that in which
    /// nothing is waited for.
    pub fn working(&self) -> Working<'_> {
        self.budget.begin()
    }

    /// What the reference names: by its digest where it has one, else by its tag.
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

    /// The bytes of a blob as they come: exactly `size`, or an error. Whether they are those of
    /// `digest` is for the reader to check, who sees them all.
    pub fn blob(&self, reference: &Reference, digest: &Digest, size: u64) -> Result<Blob<'_>> {
        Blob::open(self, reference, digest, size)
    }

    fn accepted(&self) -> MutexGuard<'_, HashMap<(String, String), String>> {
        // What another thread left is whole: it only ever inserts.
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a registry is spoken to.
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
