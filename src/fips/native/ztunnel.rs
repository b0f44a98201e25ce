//! Which provider of cryptography a ztunnel was built with.

use super::super::Label;
use super::text::{Text, Texts};

/// What stands before the text of its version; kept apart from it, so that this program is no ztunnel.
const BUILD: &[u8] = b"version.Build";

/// The provider, where the program is a ztunnel and names exactly one.
pub(super) fn label(texts: &Texts) -> Option<Label> {
    if !texts
        .of(Text::BuildInfo)
        .any(|found| found.before().ends_with(BUILD))
    {
        return None;
    }
    let mut providers = texts.iter().filter_map(|found| {
        let provider = match found.text {
            Text::ProviderBoring => "tls-boring",
            Text::ProviderAwsLc => "tls-aws-lc",
            Text::ProviderRing => "tls-ring",
            Text::ProviderOpenSsl => "tls-openssl",
            _ => return None,
        };
        Some((provider, found.place))
    });
    let (provider, place) = providers.next()?;
    let only = providers.all(|(other, _)| other == provider);
    only.then(|| Label::Ztunnel {
        provider: provider.to_owned(),
        place,
    })
}
