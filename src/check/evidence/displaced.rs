//! What keeps the programs of an image from being all that runs in a container.

use super::{name, starter};
use crate::facts::{Class, ImageProgram, Start, loads_code};

/// Why the file in the image is not what a container has at its path, or not the Envoy that is started.
pub(super) fn covered(start: &Start, program: &ImageProgram) -> Option<String> {
    let paths = [Some(&program.path), program.real_path.as_ref()];
    for path in paths.into_iter().flatten() {
        if let Some(place) = start.over(path) {
            let why = format!("its pod mounts something at {place}, over the image's {path}");
            return Some(why);
        }
    }
    let envoy = start.names_envoy && name(&program.path) == "envoy";
    let envoy =
        envoy.then(|| "its pod names another Envoy by binaryPath of ProxyConfig".to_owned());
    envoy.or_else(|| loaded(start, &program.env))
}

/// Why none of the programs in its image are what a container starts.
pub(super) fn instead(class: &Class, programs: &[ImageProgram]) -> Option<String> {
    let of_image = programs.first().and_then(|program| program.command.first());
    let (first, who) = match &class.start.command {
        Some(first) => (first, "its pod"),
        None => (of_image?, "its image"),
    };
    let elsewhere = first.contains('/')
        && !programs.is_empty()
        && programs.iter().all(|program| program.path != *first);
    if name(first) != starter(class.role) || elsewhere {
        let own = starter(class.role);
        return Some(format!("{who} starts `{first}`, not the image's {own}"));
    }
    let found_by_path = !first.contains('/') && class.start.variables.contains("PATH");
    found_by_path.then(|| format!("its pod sets PATH, by which `{first}` is found"))
}

/// Why other code may run in the same process: `image` has the variables of the image.
pub(super) fn loaded(start: &Start, image: &[String]) -> Option<String> {
    let of_image = image.iter().filter_map(|pair| pair.split_once('='));
    let mut of_image = of_image.filter(|(_, value)| !value.is_empty());
    let of_image = of_image.find(|(name, _)| loads_code(name));
    let of_pod = start.variables.iter().find(|name| loads_code(name));
    let (who, variable) = match (of_pod, of_image) {
        (Some(name), _) => ("its pod", name.as_str()),
        (None, Some((name, _))) => ("its image", name),
        (None, None) => return None,
    };
    Some(format!(
        "{who} sets {variable}, by which the loader takes other code into the process"
    ))
}
