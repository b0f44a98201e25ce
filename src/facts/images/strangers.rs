//! Registries that the user did not name: whoever creates a pod chooses where its image comes from.

use std::collections::BTreeSet;

use crate::sys::registry::{RegistryError, Why};
use istio_builds::image_reference::parse_reference;

/// Number of such registries that are contacted in a run. Meshes pull their images from a few.
const MOST: usize = 16;

/// The registries contacted so far that the user did not name.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    asked: BTreeSet<String>,
    /// Whether one of them did not answer: a wait uses up to half of the time that all registries together
    /// have.
    silent: bool,
}

/// Why another registry is not contacted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error(
        "its registry {0} is not asked: pods name more than {MOST} (--allow-registry {0} names it)"
    )]
    Number(String),
    #[error(
        "its registry {0} is not asked: another one did not answer (--allow-registry {0} names it)"
    )]
    Time(String),
}

impl Strangers {
    /// Counts the registry of an image that is about to be contacted, unless the user named it.
    pub(super) fn admit(&mut self, image: &str, is_named: bool) -> Result<(), Refused> {
        match parse_reference(image) {
            Ok(reference) if !is_named => self.admit_host(reference.registry()),
            // An invalid reference leads to no registry.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn admit_host(&mut self, host: &str) -> Result<(), Refused> {
        if self.asked.contains(host) {
            return Ok(());
        }
        if self.silent {
            return Err(Refused::Time(host.to_owned()));
        }
        if self.asked.len() >= MOST {
            return Err(Refused::Number(host.to_owned()));
        }
        self.asked.insert(host.to_owned());
        Ok(())
    }

    /// Records how such a registry failed.
    pub(super) fn note(&mut self, error: &RegistryError) {
        let RegistryError::Unreachable { why, .. } = error else {
            return;
        };
        self.silent |= matches!(why, Why::Silent(_) | Why::Slow { .. });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unreachable(why: Why) -> RegistryError {
        RegistryError::Unreachable {
            registry: "a".to_owned(),
            host: "a".to_owned(),
            why,
        }
    }

    #[test]
    fn registries_of_strangers_are_few_and_none_more_after_one_that_kept_silent() {
        let mut strangers = Strangers::default();
        for n in 0..60 {
            let admitted = strangers.admit(&format!("r{n}.example/a:1"), false);
            assert_eq!(admitted.is_ok(), n < MOST, "{n}");
        }
        assert_eq!(strangers.admit("r0.example/b:1", false), Ok(()));
        let mut strangers = Strangers::default();
        for why in [Why::Name, Why::Connect("refused".to_owned())] {
            strangers.admit("a.example/a:1", false).unwrap();
            strangers.note(&unreachable(why));
            strangers.admit("b.example/a:1", false).unwrap();
        }
        strangers.note(&unreachable(Why::Silent(15)));
        let refused = strangers.admit("c.example/a:1", false).unwrap_err();
        assert_eq!(refused, Refused::Time("c.example".to_owned()));
        assert_eq!(strangers.admit("a.example/b:1", false), Ok(()));
        assert_eq!(strangers.admit("own.example/a:1", true), Ok(()));
    }
}
