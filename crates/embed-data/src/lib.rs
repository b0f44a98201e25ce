//! For build scripts: folders of dated YAML files become JSON that a program embeds.
//!
//! JSON is read ten times as fast as YAML at every start. Scalars stay text (`1.20` is not a number here), except for
//! whole numbers and booleans.
//!
//! ```no_run
//! // In build.rs: the YAML files of `data` become `data.json` and `dates.json` in `OUT_DIR`.
//! embed_data::embed(&[("data", "data.json")])?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(missing_docs)]
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a build script has only the file system, its environment, and stdout to speak with cargo"
)]

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use saphyr_parser::{Event, Parser, ScalarStyle};

/// Writes the YAML files of each folder into one file of `OUT_DIR`: `[[file name, file], …]`. The file `dates.json`
/// gets the date of every file: `[[file name, date], …]`.
///
/// # Errors
/// If a file cannot be read or written, is not valid YAML, or has no line `date: …`.
pub fn embed(folders: &[(&str, &str)]) -> Result<(), Box<dyn Error>> {
    let out = env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?;
    let mut dates = Vec::new();
    for (folder, name) in folders {
        println!("cargo::rerun-if-changed={folder}");
        fs::write(Path::new(&out).join(name), files(folder, &mut dates)?)?;
    }
    let dates = format!("[{}]", dates.join(","));
    fs::write(Path::new(&out).join("dates.json"), dates)?;
    Ok(())
}

/// Every file of a folder in the order of the names. Its date is added to `dates` as `["name","date"]`.
fn files(folder: &str, dates: &mut Vec<String>) -> Result<String, Box<dyn Error>> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, std::io::Error>>()?;
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "yaml")
    });
    files.sort();
    let mut all = Vec::new();
    for path in files {
        println!("cargo::rerun-if-changed={}", path.display());
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let text = fs::read_to_string(&path)?;
        let json = json(&text).map_err(|error| format!("{name}: {error}"))?;
        let date = text.lines().find_map(|line| line.strip_prefix("date: "));
        let date = date.ok_or_else(|| format!("{name}: no date"))?;
        dates.push(format!("[{},{}]", quoted(&name), quoted(date.trim())));
        all.push(format!("[{},{json}]", quoted(&name)));
    }
    Ok(format!("[{}]", all.join(",")))
}

/// A collection that is being written, and whether it waits for a key.
enum Open {
    List { empty: bool },
    Map { empty: bool, key: bool },
}

fn json(yaml: &str) -> Result<String, Box<dyn Error>> {
    let mut json = String::new();
    let mut open: Vec<Open> = Vec::new();
    for event in Parser::new_from_str(yaml) {
        match event?.0 {
            Event::Scalar(text, style, ..) => {
                let is_key = separate(&mut json, &mut open);
                let plain = style == ScalarStyle::Plain && !is_key && is_json(&text);
                json.push_str(&if plain {
                    text.into_owned()
                } else {
                    quoted(&text)
                });
            }
            Event::SequenceStart(..) => {
                separate(&mut json, &mut open);
                json.push('[');
                open.push(Open::List { empty: true });
            }
            Event::MappingStart(..) => {
                separate(&mut json, &mut open);
                json.push('{');
                open.push(Open::Map {
                    empty: true,
                    key: true,
                });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                json.push(if matches!(open.pop(), Some(Open::Map { .. })) {
                    '}'
                } else {
                    ']'
                });
            }
            Event::Alias(_) => return Err("data has no aliases".into()),
            _ => {}
        }
    }
    Ok(json)
}

/// Writes what separates the next value from the last one, and returns whether the next value is a key.
fn separate(json: &mut String, open: &mut [Open]) -> bool {
    match open.last_mut() {
        None => false,
        Some(Open::List { empty }) => {
            if !std::mem::replace(empty, false) {
                json.push(',');
            }
            false
        }
        Some(Open::Map { empty, key }) => {
            let is_key = *key;
            *key = !is_key;
            if !is_key {
                json.push(':');
            } else if !std::mem::replace(empty, false) {
                json.push(',');
            }
            is_key
        }
    }
}

fn is_json(text: &str) -> bool {
    let whole = text == "0"
        || !text.is_empty()
            && !text.starts_with('0')
            && text.bytes().all(|byte| byte.is_ascii_digit());
    whole || text == "true" || text == "false"
}

fn quoted(text: &str) -> String {
    let mut json = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            control if control.is_control() => {
                let _written = write!(json, "\\u{:04x}", u32::from(control));
            }
            other => json.push(other),
        }
    }
    json.push('"');
    json
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
