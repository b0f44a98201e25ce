//! The capabilities of versions of Istio and istioctl. Templates and code refer to these names; which versions have
//! each capability is data (`data/capabilities.yaml`).

use std::fmt;
use std::str::FromStr;

macro_rules! capabilities {
    ($($(#[$doc:meta])+ $variant:ident = $name:literal,)+) => {
        /// Something that appeared, disappeared or changed with a version; see `data/capabilities.yaml`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Capability { $($(#[$doc])+ $variant,)+ }

        impl Capability {
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Returns the name in data and templates.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

capabilities! {
    // the installer engine
    /// `-f` files are merged by struct: lists of gateways by name, null deletes.
    StrategicMerge = "strategic-merge",
    /// `-f` files are merged map by map: lists are replaced.
    MapMerge = "map-merge",
    /// A second IstioOperator in one file is refused instead of silently dropped.
    OneDocumentOnly = "one-document-only",
    /// Any second YAML document in a file is refused.
    AnySecondDocumentRefused = "any-second-document-refused",
    /// `-f -` must be the last file.
    StdinLast = "stdin-last",
    /// `--set` accepts a value that contains another `=`.
    SetSecondEquals = "set-second-equals",
    /// A second `=` in `--set` is an error; in versions with neither capability, the flag is silently lost.
    SetSecondEqualsRefused = "set-second-equals-refused",
    /// `--set tag=1.20` stays a string.
    SetTagIsText = "set-tag-is-text",
    /// `--set spec.x=y` means `x=y`.
    SetStripsSpec = "set-strips-spec",
    /// `--set list[:value]` selects by value.
    SetByValue = "set-by-value",
    /// A component without `enabled` is rendered.
    MissingEnabledIsTrue = "missing-enabled-is-true",
    /// `components.pilot.{hub,tag}` win over `values.pilot.{hub,tag}`.
    ComponentImageWins = "component-image-wins",
    /// The tag of a gateway component is used for its image.
    GatewayTag = "gateway-tag",
    /// Unknown keys of meshConfig are refused.
    StrictMeshConfig = "strict-mesh-config",
    /// `profile` may be the path of a file.
    ProfileFile = "profile-file",
    /// istioctl stores the merged IstioOperator in the cluster.
    InstalledState = "installed-state",
    /// `--revision default` means unset.
    RevisionDefaultIsUnset = "revision-default-is-unset",
    /// An install creates webhooks for the revision tag `default`.
    DefaultRevisionTag = "default-revision-tag",
    /// Revision tags have Services too.
    RevisionTagService = "revision-tag-service",
    /// `values.global.operatorManageWebhooks` keeps an install from becoming the default.
    OperatorManageWebhooks = "operator-manage-webhooks",

    // commands and flags
    /// `verify-install`
    VerifyInstall = "verify-install",
    /// `install --verify` has an effect.
    InstallVerifyFlag = "install-verify-flag",
    /// `apply` is an alias of `install`.
    ApplyAlias = "apply-alias",
    /// `upgrade --revision`
    UpgradeRevisionFlag = "upgrade-revision-flag",
    /// `upgrade` has its own engine, which reads the running version and downloads profiles.
    UpgradeEngine = "upgrade-engine",
    /// `uninstall` at the root
    UninstallCommand = "uninstall-command",
    /// `x uninstall`
    ExperimentalUninstall = "experimental-uninstall",
    /// `tag set|generate|list|remove`
    TagCommand = "tag-command",
    /// `profile list|dump|diff`
    ProfileCommand = "profile-command",
    /// `manifest diff`
    ManifestDiff = "manifest-diff",
    /// `manifest translate`
    ManifestTranslate = "manifest-translate",
    /// `operator init|remove|dump`
    OperatorCommand = "operator-command",
    /// `--manifests` takes a URL.
    ManifestsUrl = "manifests-url",
    /// `--as`, `--as-group`, `--as-uid`
    ImpersonationFlags = "impersonation-flags",
    /// `--kubeclient-timeout`
    KubeclientTimeoutFlag = "kubeclient-timeout-flag",
    /// `--vklog`
    VklogFlag = "vklog-flag",
    /// `--dry-run` of istioctl writes nothing.
    SafeDryRun = "safe-dry-run",
    /// `manifest generate -o FILE`
    ManifestOutputFile = "manifest-output-file",
    /// istioctl verifies the certificate of istiod over XDS, unless `--insecure` is given.
    XdsCertificateCheck = "xds-certificate-check",
    /// Release files are signed with the second key of Istio.
    CosignKeyV2 = "cosign-key-v2",

    // fields
    /// `spec.addonComponents`
    AddonComponents = "addon-components",
    /// `spec.compatibilityVersion`
    CompatibilityVersion = "compatibility-version",
    /// `spec.defaultRevision`
    DefaultRevisionField = "default-revision-field",
    /// `values.defaultRevision`
    ValuesDefaultRevision = "values-default-revision",
    /// `components.ztunnel`
    ZtunnelComponent = "ztunnel-component",
    /// `components.istiodRemote` has an effect.
    IstiodRemoteComponent = "istiod-remote-component",
    /// `k8s.volumes`, `k8s.volumeMounts`
    K8sVolumes = "k8s-volumes",
    /// `values.global.variant`
    GlobalVariant = "global-variant",
    /// The injector adds `values.global.variant` to sidecars.
    VariantInInjection = "variant-in-injection",
    /// `meshConfig.defaultConfig.image.imageType`
    ImageType = "image-type",
    /// `values.pilot.cni`
    PilotCni = "pilot-cni",
    /// `values.istio_cni`
    IstioCniValues = "istio-cni-values",
    /// `values.global.platform`
    GlobalPlatform = "global-platform",
    /// `values.global.platform=openshift`
    PlatformOpenshift = "platform-openshift",
    /// `values.pilot.{volumes,volumeMounts,extraContainerArgs,topologySpreadConstraints}`
    PilotVolumes = "pilot-volumes",
    /// `values.pilot.envVarFrom`
    PilotEnvVarFrom = "pilot-env-var-from",
    /// `values.gateways.seccompProfile`
    GatewaySeccompProfile = "gateway-seccomp-profile",
    /// `values.global.{networkPolicy,resourceScope}`
    NetworkPolicyValue = "network-policy-value",
    /// `values.global.nativeNftables`
    NativeNftables = "native-nftables",
    /// `values.global.waypoint`
    WaypointValues = "waypoint-values",

    // profiles
    /// profile `ambient`, ready for use
    AmbientProfile = "ambient-profile",
    /// profile `ambient` sets the variant distroless by itself.
    AmbientIsDistroless = "ambient-is-distroless",
    /// profile `ambient` does so with `values.global.variant`, which can be set to an empty text.
    AmbientGlobalVariant = "ambient-global-variant",
    /// profile `openshift`
    OpenshiftProfile = "openshift-profile",
    /// profile `openshift-ambient`
    OpenshiftAmbientProfile = "openshift-ambient-profile",
    /// profile `stable`
    StableProfile = "stable-profile",
    /// profile `external`
    ExternalProfile = "external-profile",
    /// profile `remote`
    RemoteProfile = "remote-profile",

    // what runs
    /// The proxy is an init container by default.
    NativeSidecarDefault = "native-sidecar-default",
    /// Envoy has the gauge `server.compilation_settings.fips_mode`.
    FipsModeGauge = "fips-mode-gauge",
    /// `COMPLIANCE_POLICY=fips-140-2`
    ComplianceFips1402 = "compliance-fips-140-2",
    /// `COMPLIANCE_POLICY=fips-140-3`
    ComplianceFips1403 = "compliance-fips-140-3",
    /// `COMPLIANCE_POLICY=pqc`
    CompliancePqc = "compliance-pqc",
    /// There is a ztunnel image.
    ZtunnelImage = "ztunnel-image",
    /// `ztunnel version` names its cryptographic provider.
    ZtunnelCryptoProvider = "ztunnel-crypto-provider",
    /// `TLS12_ENABLED` of ztunnel
    ZtunnelTls12 = "ztunnel-tls12",
    /// ztunnel with the OpenSSL backend follows FIPS 140-3 by default.
    ZtunnelFips1403 = "ztunnel-fips-140-3",
    /// There is an operator image.
    OperatorImage = "operator-image",
    /// istioctl shows the whole tag of a control plane, not only the part before its first `-`.
    WholeTagInVersion = "whole-tag-in-version",
    /// The Solo distribution has an istioctl of its own.
    SoloIstioctl = "solo-istioctl",
}

/// The error for a name that is not a capability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a capability: `glooistio matrix capabilities` lists them")]
pub struct UnknownCapability(String);

impl FromStr for Capability {
    type Err = UnknownCapability;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL
            .iter()
            .find(|capability| capability.name() == text);
        found.copied().ok_or_else(|| UnknownCapability(text.into()))
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

dated_data::text_serde!(Capability, "the name of a capability");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back_and_is_its_own() {
        let mut names: Vec<&str> = Capability::ALL.iter().map(|one| one.name()).collect();
        for (capability, name) in Capability::ALL.iter().zip(&names) {
            assert_eq!(name.parse(), Ok(*capability));
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Capability::ALL.len());
        assert!("no-such".parse::<Capability>().is_err());
    }
}
