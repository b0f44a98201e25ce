//! Selects the cluster: kubeconfig files, context and identity.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use kube::config::{AuthInfo, ExecInteractiveMode, KubeConfigOptions, Kubeconfig, NamedAuthInfo};

use super::ClusterError;
use super::error::wrong;
use crate::sys::os;
use crate::sys::process::{self, FindError, KEY_VARIABLE};

/// The value of KUBECONFIG that pipelines set to prevent access to any cluster.
const NO_FILE: &str = "/dev/null";

/// The cluster that the user selects, by the same flags as in istioctl.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KubeTarget {
    /// `--kubeconfig`; without it KUBECONFIG, the file in the home directory, or the pod in which
    /// the program runs.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`; without it the current context.
    pub context: Option<String>,
    /// `--as`.
    pub user: Option<String>,
    /// `--as-uid`.
    pub uid: Option<String>,
    /// `--as-group`.
    pub groups: Vec<String>,
}

/// The configuration for kube, and the context name for reports.
pub(super) struct Resolved {
    pub(super) context: String,
    pub(super) config: kube::Config,
}

/// Whether KUBECONFIG says that no cluster may be reached.
fn is_no_file() -> bool {
    os::env("KUBECONFIG").is_some_and(|list| list == NO_FILE)
}

impl KubeTarget {
    /// Returns true if the user names a cluster, whether it exists or not.
    pub fn is_named(&self) -> bool {
        let by_variable = os::env("KUBECONFIG").is_some() && !is_no_file();
        self.kubeconfig.is_some() || self.context.is_some() || by_variable
    }

    /// Returns the names of the contexts of the kubeconfig; empty if it cannot be read.
    pub fn contexts(&self) -> Vec<String> {
        let read = self.paths().into_iter().filter(|path| path.is_file());
        let read = read.filter_map(|path| Kubeconfig::read_from(path).ok());
        let named = read.flat_map(|kubeconfig| kubeconfig.contexts);
        named.map(|context| context.name).collect()
    }

    pub(super) async fn resolve(&self) -> Result<Resolved, ClusterError> {
        let paths = self.paths();
        // kubectl ignores missing files too.
        let there: Vec<&PathBuf> = paths.iter().filter(|path| path.exists()).collect();
        if let Some(path) = there.iter().find(|path| !path.is_file()) {
            let problem = format!("`{}` is not a regular file", path.display());
            return Err(ClusterError::Kubeconfig(problem));
        }
        if there.is_empty() {
            let has_service = os::env("KUBERNETES_SERVICE_HOST").is_some();
            let in_pod = self.kubeconfig.is_none() && has_service && !is_no_file();
            return if in_pod {
                self.in_pod()
            } else {
                Err(ClusterError::NoKubeconfig(paths))
            };
        }
        let mut merged = Kubeconfig::default();
        for path in there {
            let large = std::fs::metadata(path).is_ok_and(|meta| meta.len() > os::TEXT_LIMIT);
            if large {
                let limit = os::TEXT_LIMIT;
                let problem = format!("`{}` is larger than {limit} bytes", path.display());
                return Err(ClusterError::Kubeconfig(problem));
            }
            merged = Kubeconfig::read_from(path)
                .and_then(|next| merged.merge(next))
                .map_err(|error| {
                    ClusterError::Kubeconfig(format!("`{}`: {}", path.display(), wrong(&error)))
                })?;
        }
        self.select(merged).await
    }

    /// Returns the paths as kubectl does: of the flag, or of each file in KUBECONFIG, or of the
    /// file in the home directory.
    fn paths(&self) -> Vec<PathBuf> {
        if let Some(path) = &self.kubeconfig {
            return vec![path.clone()];
        }
        match os::env("KUBECONFIG") {
            Some(list) => std::env::split_paths(&list)
                .filter(|path| !path.as_os_str().is_empty() && path != Path::new(NO_FILE))
                .collect(),
            None => os::home()
                .into_iter()
                .map(|home| home.join(".kube/config"))
                .collect(),
        }
    }

    async fn select(&self, mut kubeconfig: Kubeconfig) -> Result<Resolved, ClusterError> {
        let known = || {
            kubeconfig
                .contexts
                .iter()
                .map(|context| context.name.clone())
                .collect()
        };
        let chosen = self
            .context
            .clone()
            .or_else(|| kubeconfig.current_context.clone());
        let Some(context) = chosen.filter(|name| !name.is_empty()) else {
            return Err(ClusterError::NoCurrentContext(known()));
        };
        if !kubeconfig
            .contexts
            .iter()
            .any(|named| named.name == context)
        {
            return Err(ClusterError::NoContext {
                wanted: context,
                known: known(),
            });
        }
        kubeconfig.auth_infos.iter_mut().for_each(restrict_plugin);
        find_plugin(&mut kubeconfig, &context, os::env("PATH").as_deref())?;
        let options = KubeConfigOptions {
            context: Some(context.clone()),
            ..Default::default()
        };
        let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(|error| ClusterError::from(&error))?;
        self.impersonate(&mut config.auth_info);
        Ok(Resolved { context, config })
    }

    fn in_pod(&self) -> Result<Resolved, ClusterError> {
        let mut config = kube::Config::incluster()
            .map_err(|error| ClusterError::Kubeconfig(error.to_string()))?;
        self.impersonate(&mut config.auth_info);
        Ok(Resolved {
            context: "in-cluster".to_owned(),
            config,
        })
    }

    fn impersonate(&self, auth: &mut AuthInfo) {
        if self.user.is_some() {
            auth.impersonate.clone_from(&self.user);
        }
        if self.uid.is_some() {
            auth.impersonate_uid.clone_from(&self.uid);
        }
        if !self.groups.is_empty() {
            auth.impersonate_groups = Some(self.groups.clone());
        }
    }
}

/// Removes the repo key from the environment of credential programs, and makes them
/// non-interactive.
///
/// A plugin that prompts would write into the output of glooistio and wait for input that may never
/// come.
fn restrict_plugin(named: &mut NamedAuthInfo) {
    let Some(auth) = named.auth_info.as_mut() else {
        return;
    };
    if let Some(exec) = &mut auth.exec {
        exec.interactive_mode = Some(ExecInteractiveMode::Never);
        let dropped = exec.drop_env.get_or_insert_default();
        dropped.push(KEY_VARIABLE.to_owned());
    }
    if let Some(provider) = &mut auth.auth_provider {
        // Names separated by spaces; kube reads only this key.
        let dropped = provider.config.entry("cmd-drop-env".to_owned());
        let dropped = dropped.or_default();
        dropped.push(' ');
        dropped.push_str(KEY_VARIABLE);
    }
}

/// Replaces the name of the context's credential plugin by its path, which must not come from the
/// current directory.
fn find_plugin(
    kubeconfig: &mut Kubeconfig,
    context: &str,
    path: Option<&OsStr>,
) -> Result<(), ClusterError> {
    let named = kubeconfig
        .contexts
        .iter()
        .find(|named| named.name == context);
    let Some(user) = named.and_then(|named| named.context.as_ref()?.user.clone()) else {
        return Ok(());
    };
    let infos = kubeconfig
        .auth_infos
        .iter_mut()
        .filter(|named| named.name == user);
    for command in infos.flat_map(plugin_commands) {
        match process::find(command, path) {
            Ok(found) => *command = found.to_string_lossy().into_owned(),
            Err(error @ FindError::RelativeEntry { .. }) => {
                let problem = format!("the credential plugin of user `{user}`: {error}");
                return Err(ClusterError::Kubeconfig(problem));
            }
            // A plugin that cannot be started gives an error when it is needed.
            Err(_) => {}
        }
    }
    Ok(())
}

/// Returns the names of the programs that provide a user's credentials: the plugin, and the older
/// `auth-provider`.
fn plugin_commands(named: &mut NamedAuthInfo) -> impl Iterator<Item = &mut String> {
    named.auth_info.iter_mut().flat_map(|auth| {
        let exec = auth.exec.as_mut().and_then(|exec| exec.command.as_mut());
        let provider = auth.auth_provider.as_mut();
        let provider = provider.and_then(|provider| provider.config.get_mut("cmd-path"));
        exec.into_iter().chain(provider)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "
apiVersion: v1
kind: Config
current-context: a
clusters: [{name: c, cluster: {server: 'https://10.0.0.1:6443', insecure-skip-tls-verify: true}}]
users: [{name: u, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: 'false'}}}]
contexts:
- {name: a, context: {cluster: c, user: u}}
- {name: b, context: {cluster: c, user: u, namespace: n}}
";

    fn resolve(target: &KubeTarget, yaml: &str) -> Result<Resolved, ClusterError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        os::write(&path, yaml.as_bytes()).unwrap();
        let target = KubeTarget {
            kubeconfig: Some(path),
            ..target.clone()
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(target.resolve())
    }

    #[test]
    fn the_current_context_is_taken_unless_another_is_named() {
        assert_eq!(resolve(&KubeTarget::default(), TWO).unwrap().context, "a");
        let named = KubeTarget {
            context: Some("b".to_owned()),
            ..Default::default()
        };
        let resolved = resolve(&named, TWO).unwrap();
        assert_eq!(
            resolved.config.cluster_url.to_string(),
            "https://10.0.0.1:6443/"
        );
        assert_eq!(resolved.config.default_namespace, "n");
    }

    #[test]
    fn plugins_never_prompt_and_impersonation_reaches_the_config() {
        let target = KubeTarget {
            user: Some("dev".to_owned()),
            groups: vec!["ops".to_owned()],
            ..Default::default()
        };
        let auth = resolve(&target, TWO).unwrap().config.auth_info;
        assert_eq!(
            auth.exec.unwrap().interactive_mode,
            Some(ExecInteractiveMode::Never)
        );
        assert_eq!(auth.impersonate.as_deref(), Some("dev"));
        assert_eq!(
            auth.impersonate_groups.as_deref(),
            Some(["ops".to_owned()].as_slice())
        );
    }

    #[test]
    fn a_plugin_of_the_current_directory_is_refused() {
        let dir = tempfile::Builder::new().tempdir_in(".").unwrap();
        std::fs::copy("/bin/sh", dir.path().join("plugin")).unwrap();
        let relative = Path::new(".").join(dir.path().file_name().unwrap());
        let read = |command: &str| Kubeconfig::from_yaml(&TWO.replace("'false'", command)).unwrap();
        let mut config = read("plugin");
        let refused = find_plugin(&mut config, "a", Some(relative.as_os_str()));
        assert!(
            matches!(refused, Err(ClusterError::Kubeconfig(_))),
            "{refused:?}"
        );
        for (command, want) in [("sh", "/bin/sh"), ("nosuch", "nosuch"), ("/x/y", "/x/y")] {
            let mut config = read(command);
            find_plugin(&mut config, "a", Some(OsStr::new("/bin"))).unwrap();
            let exec = config.auth_infos[0]
                .auth_info
                .as_ref()
                .unwrap()
                .exec
                .as_ref();
            assert_eq!(exec.unwrap().command.as_deref(), Some(want));
        }
    }

    #[test]
    fn what_is_wrong_with_a_kubeconfig_is_named() {
        let unknown = KubeTarget {
            context: Some("x".to_owned()),
            ..Default::default()
        };
        let known = vec!["a".to_owned(), "b".to_owned()];
        let wanted = "x".to_owned();
        assert_eq!(
            resolve(&unknown, TWO).err(),
            Some(ClusterError::NoContext { wanted, known })
        );
        let broken = resolve(&KubeTarget::default(), "contexts: {").err();
        assert!(
            matches!(broken, Some(ClusterError::Kubeconfig(_))),
            "{broken:?}"
        );
        let slip = TWO.replace(
            "user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: 'false'}}",
            "user: {token: 'hunter2', bad",
        );
        for text in [&slip, &format!("{TWO}\nusers: [hunter2]"), "users: hunter2"] {
            let said = resolve(&KubeTarget::default(), text)
                .err()
                .unwrap()
                .to_string();
            assert!(
                said.contains("line ") && !said.contains("hunter2"),
                "{said}"
            );
            assert_eq!(said.lines().count(), 1, "{said}");
        }
        let empty = resolve(&KubeTarget::default(), "apiVersion: v1\nkind: Config\n").err();
        assert_eq!(empty, Some(ClusterError::NoCurrentContext(vec![])));
        let path = PathBuf::from("/nonexistent/config");
        let missing = KubeTarget {
            kubeconfig: Some(path.clone()),
            ..Default::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let error = runtime.block_on(missing.resolve()).err();
        assert_eq!(error, Some(ClusterError::NoKubeconfig(vec![path])));
    }
}
