//! The cryptography provider that a ztunnel was built with.

use super::super::Label;
use super::text::{Text, Texts};

/// The bytes before the text of ztunnel's version. They are a separate constant, so that this program does not look
/// like a ztunnel.
const BUILD: &[u8] = b"version.Build";

/// Returns the provider if the program is a ztunnel and contains exactly one provider.
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
