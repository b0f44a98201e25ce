//! What a program reports about FIPS in its own metrics.

use super::SelfReport;
use crate::sys::cluster::{ClusterError, Wanted};

/// Envoy's metric for how it was built.
const GAUGE: &str = "envoy_server_compilation_settings_fips_mode";

/// Go's metric for the toolchain that built the program.
const GO: &str = "go_info";

/// The endpoint at which a program reports how it was built, and the lines that are needed from it.
pub(super) struct Question {
    pub(super) port: u16,
    pub(super) path: &'static str,
    pub(super) wanted: Wanted,
    pub(super) read: fn(&str) -> SelfReport,
}

/// The query for Envoy, on Envoy's own port: the metrics that the agent merges could come from the application.
/// The response is one gauge if Envoy supports the filter.
pub(super) const PROXY: Question = Question {
    port: 15090,
    path: "/stats/prometheus?filter=%5Eserver.compilation_settings.fips_mode%24",
    wanted: Wanted {
        prefix: GAUGE,
        limit: 256 << 10,
    },
    read: proxy,
};

/// The query for istiod. Its metrics grow with the mesh.
pub(super) const ISTIOD: Question = Question {
    port: 15014,
    path: "/metrics",
    wanted: Wanted {
        prefix: GO,
        limit: 16 << 20,
    },
    read: istiod,
};

/// The first Go version with its own FIPS module, which leaves no trace in the version string.
const GO_WITH_MODULE: (u32, u32) = (1, 24);

/// Parses a proxy's metrics.
fn proxy(text: &str) -> SelfReport {
    match samples(text, GAUGE)
        .map(|(_, value)| value)
        .collect::<Vec<_>>()
        .as_slice()
    {
        [] => SelfReport::Silent("no fips_mode among its metrics".to_owned()),
        ["1"] => SelfReport::Fips("fips_mode 1".to_owned()),
        ["0"] => SelfReport::Standard("fips_mode 0".to_owned()),
        _ => SelfReport::Unreadable("fips_mode is neither 0 nor 1".to_owned()),
    }
}

/// Parses istiod's metrics.
fn istiod(text: &str) -> SelfReport {
    let mut builds = samples(text, GO).filter_map(|(labels, _)| {
        let (_, version) = labels.split_once("version=\"")?;
        version.split_once('"').map(|(version, _)| version)
    });
    match (builds.next(), builds.next()) {
        (Some(version), None) => go(version),
        (Some(_), Some(_)) => SelfReport::Unreadable("more than one go_info".to_owned()),
        (None, _) => SelfReport::Silent("no go_info among its metrics".to_owned()),
    }
}

/// Parses a version of Go: `go1.19.4 X:boringcrypto`, `go1.14.12b4`, `go1.26.8`.
fn go(version: &str) -> SelfReport {
    let said = version.to_owned();
    let (core, rest) = match version.find([' ', '-']) {
        Some(at) => version.split_at(at),
        None => (version, ""),
    };
    let experiments = rest
        .split_once("X:")
        .map_or("", |(_, experiments)| experiments);
    let boring = experiments.split([',', ' ']).any(|it| it == "boringcrypto");
    let mut numbers = core.trim_start_matches("go").split('.');
    let mut next = || numbers.next()?.parse::<u32>().ok();
    let minor = next().zip(next());
    // Before Go 1.19, the boringcrypto branch appended its own number to the number of the release.
    let branch = core
        .rsplit('.')
        .next()
        .and_then(|last| last.split_once('b'));
    let branch = branch.is_some_and(|(point, number)| {
        [point, number]
            .iter()
            .all(|it| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit()))
    });
    match minor {
        _ if boring || branch => SelfReport::Fips(said),
        Some(minor) if minor < GO_WITH_MODULE => SelfReport::Standard(said),
        _ => SelfReport::Silent(said),
    }
}

/// Returns labels and value of each sample with exactly that name.
fn samples<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    text.lines().filter_map(move |line| {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = match rest.strip_prefix('{') {
            Some(inner) => inner.rsplit_once('}')?,
            None => ("", rest.strip_prefix(' ').map(|_| rest)?),
        };
        Some((labels, value.split_whitespace().next()?))
    })
}

/// Returns why a pod could not be read, without the parts that differ from pod to pod, so that such pods share
/// a group.
pub(super) fn unreadable(error: &ClusterError) -> SelfReport {
    let text = error.to_string();
    let known = [
        "connection refused",
        "no route to host",
        "i/o timeout",
        "connection reset",
    ];
    let reason = match error {
        ClusterError::Timeout { .. } => "no answer in time".to_owned(),
        ClusterError::Forbidden(_) => {
            "forbidden: needs get of pods/proxy or create of pods/portforward".to_owned()
        }
        ClusterError::Garbled { reason, .. } | ClusterError::LeftOut { reason, .. } => {
            reason.clone()
        }
        ClusterError::Api { code, .. } => format!("answered {code}"),
        _ => match known.into_iter().find(|known| text.contains(known)) {
            Some(known) => known.to_owned(),
            None => "neither pod proxy nor port-forward reaches it".to_owned(),
        },
    };
    SelfReport::Unreadable(reason)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_gauge_is_read_strictly() {
        let fips = |text: &str| SelfReport::Fips(text.into());
        let silent = SelfReport::Silent("no fips_mode among its metrics".into());
        let odd = SelfReport::Unreadable("fips_mode is neither 0 nor 1".into());
        for (text, expected) in [
            (
                format!("# TYPE {GAUGE} gauge\n{GAUGE}{{}} 1\n"),
                fips("fips_mode 1"),
            ),
            (format!("{GAUGE} 1"), fips("fips_mode 1")),
            (
                format!("{GAUGE}{{a=\"}}\"}} 0 1690000000\n"),
                SelfReport::Standard("fips_mode 0".into()),
            ),
            (format!("{GAUGE}_other{{}} 1\n"), silent.clone()),
            (format!("x_{GAUGE}{{}} 1\n"), silent.clone()),
            (format!("# {GAUGE} 1\n"), silent.clone()),
            (String::new(), silent),
            (format!("{GAUGE}{{}} 2\n"), odd.clone()),
            (format!("{GAUGE}{{}} 1\n{GAUGE}{{}} 0\n"), odd),
        ] {
            assert_eq!(proxy(&text), expected, "{text}");
        }
    }

    #[test]
    fn the_version_of_go_tells_the_experiment_and_is_silent_about_gos_own_module() {
        let read = |version: &str| {
            istiod(&format!(
                "# HELP go_info x\ngo_info{{version=\"{version}\"}} 1\n"
            ))
        };
        for boring in [
            "go1.19.4 X:boringcrypto",
            "go1.14.12b4",
            "go1.26.8 X:nodwarf5,boringcrypto",
            "go1.27.1-X:boringcrypto",
        ] {
            assert_eq!(read(boring), SelfReport::Fips(boring.into()));
        }
        for plain in ["go1.19.4", "go1.23.0", "go1.20 X:nocoverageredesign"] {
            assert_eq!(read(plain), SelfReport::Standard(plain.into()));
        }
        for silent in ["go1.24.0", "go1.26.8 X:nodwarf5", "devel"] {
            assert_eq!(read(silent), SelfReport::Silent(silent.into()));
        }
        assert!(matches!(istiod("go_goroutines 7\n"), SelfReport::Silent(_)));
    }

    proptest! {
        #[test]
        fn no_metrics_panic(text: String, version: String) {
            proxy(&format!("{GAUGE}{text}"));
            istiod(&format!("go_info{{{text}"));
            go(&version);
        }
    }
}
