//! Programs that start another program, which their command line names.

use std::sync::LazyLock;

use serde::Deserialize;

use super::variables::is;
use dated_data::{DataError, parse};

mod shell;

/// The maximum number of wrappers that may start each other.
const DEPTH: usize = 8;

static TABLE: LazyLock<Data> = LazyLock::new(|| {
    let text = include_str!(concat!(env!("OUT_DIR"), "/image.json"));
    // A test checks that the data can be read. Without data there are no rows.
    let files: Vec<(String, Table)> = serde_json::from_str(text).unwrap_or_default();
    let mut data = Data::default();
    for (_, table) in files {
        let groups = table.wrappers.into_iter();
        data.rows.extend(groups.flat_map(|group| group.rows));
        let shells = table.shells.into_iter();
        data.built_in.extend(shells.flat_map(|group| group.words));
        let inherited = table.inherited.into_iter();
        data.inherited
            .extend(inherited.flat_map(|group| group.names));
        let holders = table.holders.into_iter();
        data.holders.extend(holders.flat_map(|group| group.names));
    }
    data
});

#[derive(Default)]
struct Data {
    rows: Vec<Row>,
    /// Words that a shell interprets itself.
    built_in: Vec<String>,
    /// Variables that make a wrapper start another program.
    inherited: Vec<String>,
    /// Files with built-in wrappers.
    holders: Vec<String>,
}

/// Reads the wrappers of a data file, to find mistakes in it.
pub(super) fn read_table(name: &str, text: &str) -> Result<(), DataError> {
    parse::<Table>(name, text).map(drop)
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Table {
    wrappers: Vec<Group>,
    shells: Vec<Words>,
    inherited: Vec<Names>,
    holders: Vec<Names>,
}

/// The rows from one source.
#[derive(Deserialize)]
struct Group {
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Words {
    words: Vec<String>,
}

#[derive(Deserialize)]
struct Names {
    names: Vec<String>,
}

#[derive(Deserialize)]
struct Row {
    /// The last components of its paths.
    names: Vec<String>,
    form: Form,
    /// Options without a value.
    flags: Vec<String>,
    /// Options with a value.
    values: Vec<String>,
}

/// What follows the options on the command line of a wrapper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Form {
    /// The program and its arguments.
    Program,
    /// A user, and then the program.
    User,
    /// Variables, and then the program.
    Environment,
    /// `-c`, a shell script, and the arguments of the script: `$0`, `$1`, …
    Shell,
    /// The name of a built-in wrapper, and its arguments.
    Applet,
    /// Nothing: files of the image define what it starts.
    Services,
}

/// A word of a command line; `None` if only the running container knows its value.
type Word = Option<String>;

/// What a command line starts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Command {
    /// The wrappers, in the order in which they start each other.
    pub(super) wrappers: Vec<String>,
    /// The program that is finally started and its arguments, as far as they are known. Empty if
    /// `unknown` is set.
    pub(super) words: Vec<String>,
    /// Variables that wrappers set: `NAME=VALUE`.
    pub(super) env: Vec<String>,
    /// The reason why the started program cannot be determined.
    pub(super) unknown: Option<String>,
}

impl Command {
    /// Follows a command line to the program that it finally starts. `env` are the variables of the
    /// image.
    pub(super) fn follow(line: &[String], env: &[String]) -> Command {
        let command = Command::of_line(line);
        if command.wrappers.is_empty() || command.unknown.is_some() {
            return command;
        }
        let name = |pair: &String| pair.split('=').next().unwrap_or_default().to_owned();
        let mut set = command.env.iter().map(name);
        let changed = set.find(|name| is_inherited(name) || is(name, "PATH") || is(name, "LD_*"));
        match changed.or_else(|| env.iter().map(name).find(|name| is_inherited(name))) {
            Some(name) => {
                let why = format!("the variable {name} changes what is started");
                command.lost(&why)
            }
            None => command,
        }
    }

    fn of_line(line: &[String]) -> Command {
        let mut command = Command::default();
        // The program that contains the next one as a built-in.
        let mut holder: Option<String> = None;
        let mut words: Vec<Word> = line.iter().cloned().map(Some).collect();
        for _ in 0..=DEPTH {
            let Some(first) = words.first() else {
                break;
            };
            let Some(first) = first.clone() else {
                return command.lost("the running container decides what is started");
            };
            let Some(row) = TABLE.rows.iter().find(|row| row.has(&first)) else {
                let built_in = holder.is_some();
                command.words = holder.into_iter().collect();
                command
                    .words
                    .extend(words.into_iter().flatten().filter(|_| !built_in));
                return command;
            };
            // An interactive shell, or an init without a program.
            if words.len() == 1 && row.form != Form::Services {
                command.words = vec![holder.unwrap_or(first)];
                return command;
            }
            let Some(next) = row.next(&words[1..], &mut command.env) else {
                let why = format!(
                    "what `{}` starts is not known from its command line",
                    base(&first)
                );
                command.wrappers.push(holder.unwrap_or(first));
                return command.lost(&why);
            };
            if row.form == Form::Applet {
                holder = Some(first);
            } else {
                command.wrappers.push(holder.take().unwrap_or(first));
            }
            words = next;
        }
        if line.is_empty() {
            return command;
        }
        command.lost("too many programs start each other")
    }

    fn lost(mut self, why: &str) -> Command {
        self.unknown = Some(format!("{why}: name the program by --path"));
        self
    }
}

impl Row {
    fn has(&self, word: &str) -> bool {
        self.names.iter().any(|name| name == base(word))
    }

    /// Returns the command line that the arguments `words` start, or `None` if they do not show it.
    fn next(&self, words: &[Word], env: &mut Vec<String>) -> Option<Vec<Word>> {
        let rest = match self.form {
            Form::Shell => return self.of_shell(words, env),
            Form::Services => return None,
            Form::Program | Form::Applet => self.behind_options(words)?,
            Form::User => self.behind_options(words)?.get(1..)?,
            Form::Environment => {
                let rest = self.behind_options(words)?;
                // Any name is possible here, not only that of a shell variable.
                let is_set = |word: &&Word| word.as_deref().is_some_and(|word| word.contains('='));
                let set = rest.iter().take_while(is_set);
                let count = set.clone().count();
                env.extend(set.flatten().cloned());
                rest.get(count..)?
            }
        };
        (!rest.is_empty()).then(|| rest.to_vec())
    }

    /// Returns the words after the options, or `None` if an option is unknown.
    fn behind_options<'w>(&self, words: &'w [Word]) -> Option<&'w [Word]> {
        let mut rest = words;
        loop {
            let Some((word, after)) = rest.split_first() else {
                return Some(rest);
            };
            let word = word.as_deref()?;
            if word == "--" {
                return Some(after);
            }
            if !word.starts_with('-') || word == "-" {
                return Some(rest);
            }
            let takes_next = self.option(word)?;
            rest = if takes_next { after.get(1..)? } else { after };
        }
    }

    /// Returns true if the value of an option is the next word, or `None` if the option is unknown.
    fn option(&self, word: &str) -> Option<bool> {
        let has = |options: &[String], name: &str| options.iter().any(|it| it == name);
        if has(&self.flags, word) {
            return Some(false);
        }
        if word.starts_with("--") {
            return match word.split_once('=') {
                Some((name, _)) => has(&self.values, name).then_some(false),
                None => has(&self.values, word).then_some(true),
            };
        }
        // Several letters after one dash. The rest after a letter that takes a value is the value.
        let letters: Vec<char> = word.chars().skip(1).collect();
        for (at, letter) in letters.iter().enumerate() {
            let name = format!("-{letter}");
            if has(&self.values, &name) {
                return Some(at + 1 == letters.len());
            }
            if !has(&self.flags, &name) {
                return None;
            }
        }
        Some(false)
    }

    /// Returns the single command in the script of a shell.
    fn of_shell(&self, words: &[Word], env: &mut Vec<String>) -> Option<Vec<Word>> {
        let mut rest = words;
        loop {
            let (word, after) = rest.split_first()?;
            rest = after;
            let letters = word.as_deref()?.strip_prefix('-')?;
            let plain = letters.replacen('c', "", 1);
            let known = plain
                .chars()
                .all(|letter| self.flags.iter().any(|flag| *flag == format!("-{letter}")));
            if letters.is_empty() || !known {
                return None;
            }
            if plain != letters {
                break;
            }
        }
        let (text, arguments) = rest.split_first()?;
        let mut next = shell::command(text.as_deref()?, arguments.get(1..).unwrap_or_default())?;
        let set = next
            .iter()
            .take_while(|word| is_assignment(word.as_deref()));
        let set: Vec<Word> = set.cloned().collect();
        next.drain(..set.len());
        env.extend(set.into_iter().flatten());
        if next.first()?.as_deref() == Some("exec") {
            next.remove(0);
            // Options of `exec` change what is started.
            let option = next
                .first()?
                .as_deref()
                .is_some_and(|word| word.starts_with('-'));
            return (!option).then_some(next);
        }
        // A variable in a syntax of some shells, or a word that is not a file.
        let own = |word: &str| word.contains('=') || TABLE.built_in.iter().any(|it| it == word);
        let own = next.first()?.as_deref().is_some_and(own);
        (!own).then_some(next)
    }
}

/// Returns true if a wrapper that is started as `word` may be the file `real`: the same program
/// under another name, or one that contains it as a built-in.
pub(super) fn may_be(word: &str, real: &str) -> bool {
    let real = base(real);
    let is_of = |name: &String| {
        let rest = real.strip_prefix(name.as_str());
        rest.is_some_and(|rest| !rest.starts_with(|first: char| first.is_ascii_alphabetic()))
    };
    let mut rows = TABLE.rows.iter();
    rows.any(|row| row.has(word) && row.names.iter().any(is_of))
        || TABLE.holders.iter().any(|name| name == real)
}

fn is_inherited(name: &str) -> bool {
    TABLE.inherited.iter().any(|known| is(name, known))
}

/// Returns true if a word is `NAME=VALUE`. A word with an unknown value is not.
fn is_assignment(word: Option<&str>) -> bool {
    let name = word.and_then(|word| word.split_once('='));
    name.is_some_and(|(name, _)| {
        let mut letters = name.chars();
        let first = letters.next();
        first.is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
            && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    })
}

/// Returns the last component of a path.
fn base(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns `WRAPPERS > WORDS [VARIABLES]`, or why the program is unknown.
    fn followed(line: &[&str]) -> String {
        let line: Vec<String> = line.iter().map(|&word| word.to_owned()).collect();
        let command = Command::follow(&line, &[]);
        if let Some(unknown) = command.unknown {
            return format!("? {unknown}");
        }
        let mut text = format!(
            "{} > {}",
            command.wrappers.join(" "),
            command.words.join(" ")
        );
        if !command.env.is_empty() {
            text = format!("{text} {:?}", command.env);
        }
        text
    }

    #[test]
    fn follows_wrappers_to_the_program_that_runs() {
        for (line, wanted) in [
            (&["/app", "-x"][..], " > /app -x"),
            (&["tini", "--", "/app", "-x"], "tini > /app -x"),
            (
                &["/sbin/tini", "-sg", "-p", "SIGTERM", "-vvv", "app"],
                "/sbin/tini > app",
            ),
            (&["tini", "-pSIGTERM", "app"], "tini > app"),
            (
                &["dumb-init", "--rewrite", "15:3", "-c", "--", "app"],
                "dumb-init > app",
            ),
            (&["dumb-init", "--rewrite=15:3", "app"], "dumb-init > app"),
            (&["catatonit", "-g", "--", "app"], "catatonit > app"),
            (&["gosu", "istio", "app", "--x"], "gosu > app --x"),
            (&["su-exec", "1337:1337", "app"], "su-exec > app"),
            (
                &["env", "A=b", "C=d e", "app"],
                "env > app [\"A=b\", \"C=d e\"]",
            ),
            (
                &["tini", "--", "env", "A=b", "gosu", "x", "app"],
                "tini env gosu > app [\"A=b\"]",
            ),
            (&["sh", "-c", "exec app"], "sh > app"),
            (&["sh", "-c", "app --port 1"], "sh > app --port 1"),
            (&["sh", "-c", "\n \u{a0}app\u{b}"], "sh > \u{a0}app\u{b}"),
            (
                &["/bin/sh", "-ec", "exec /app 'a b' \"c d\" e\\ f"],
                "/bin/sh > /app a b c d e f",
            ),
            (&["sh", "-e", "-c", "A=b exec app"], "sh > app [\"A=b\"]"),
            (
                &["sh", "-c", "exec \"$@\"", "sh", "app", "-x"],
                "sh > app -x",
            ),
            (
                &["sh", "-c", "exec app --port=$PORT \"$@\"", "sh", "-x"],
                "sh > app -x",
            ),
            (&["sh", "-c", "exec env A=b app;"], "sh env > app [\"A=b\"]"),
            (&["busybox", "sh", "-c", "exec app"], "busybox > app"),
            (&["busybox", "httpd", "-f"], " > busybox"),
            (&["tini"], " > tini"),
            (&["/bin/bash"], " > /bin/bash"),
            (&[], " > "),
        ] {
            assert_eq!(followed(line), wanted, "{line:?}");
        }
    }

    #[test]
    fn does_not_guess_what_a_command_line_does_not_tell() {
        for line in [
            &["tini", "-x", "app"][..],
            &["env", "-i", "app"],
            &["env", "-u", "GODEBUG", "app"],
            &["env", "-S", "app x"],
            &["env", "A=b"],
            &["sh", "script"],
            &["sh", "-c"],
            &["bash", "-lc", "app"],
            &["sh", "-c", "cd / && app"],
            &["sh", "-c", "app & other"],
            &["sh", "-c", "app; other"],
            &["sh", "-c", "app\nother"],
            &["sh", "-c", "$(other) app"],
            &["sh", "-c", "app `other`"],
            &["sh", "-c", "app \"$(other)\""],
            &["sh", "-c", "$APP"],
            &["sh", "-c", "exec ${APP:-app}"],
            &["sh", "-c", "app > /dev/null"],
            &["sh", "-c", "app | tee"],
            &["sh", "-c", "'app"],
            &["sh", "-c", "exec -a x app"],
            &["sh", "-c", "/opt/*/app"],
            &["env", "PATH=/evil", "app"],
            &["env", "LD_PRELOAD=/x.so", "app"],
            &["env", "BASH_FUNC_app%%=() { /evil; }", "bash", "-c", "app"],
            &["env", "BASH_ENV=/x", "bash", "-c", "app"],
            &["busybox", "env", "PATH=/evil", "app"],
            &["sh", "-c", "PATH=/evil exec app"],
            &["sh", "-c", "PATH=/evil app"],
            &["bash", "-c", "A+=b exec app"],
            &["sh", "-c", "'A=b' app"],
            &["sh", "-c", "A\\=b app"],
            &["sh", "-c", "app\r"],
            &["sh", "-c", "eval /evil/app"],
            &["sh", "-c", ". /evil/app"],
            &["sh", "-c", "command /evil/app"],
            &["sh", "-c", "A=b source /evil/app"],
            &["bash", "-c", "time /evil/app"],
            &["/init", "app"],
            &["/init"],
            &["s6-svscan", "/etc/s6"],
            &["gosu", " user"],
            &[
                "tini", "tini", "tini", "tini", "tini", "tini", "tini", "tini", "tini", "tini",
                "app",
            ],
        ] {
            assert!(
                followed(line).starts_with("? "),
                "{line:?}: {}",
                followed(line)
            );
        }
    }

    #[test]
    fn variables_of_the_image_can_change_what_a_wrapper_starts() {
        for (line, pair, known) in [
            (&["bash", "-c", "app"][..], "BASH_ENV=/x", false),
            (
                &["bash", "-c", "app"],
                "BASH_FUNC_app%%=() { /evil; }",
                false,
            ),
            (&["sh", "-c", "app"], "ENV=/x", false),
            (&["sh", "-c", "app"], "PATH=/bin", true),
            (&["tini", "--", "app"], "A=b", true),
            (&["/app"], "BASH_ENV=/x", true),
        ] {
            let line: Vec<String> = line.iter().map(|&word| word.to_owned()).collect();
            let command = Command::follow(&line, &[pair.to_owned()]);
            assert_eq!(command.unknown.is_none(), known, "{line:?} {pair}");
        }
    }

    #[test]
    fn every_row_is_read() {
        for (word, real, wanted) in [
            ("/tini", "sbin/tini", true),
            ("tini", "usr/bin/tini-static-amd64", true),
            ("/bin/sh", "usr/bin/bash", true),
            ("/bin/sh", "bin/busybox", true),
            ("/bin/sh", "bin/[", true),
            ("env", "usr/bin/coreutils", true),
            ("/tini", "bin/perl", false),
            ("/tini", "bin/bash", false),
            ("env", "bin/environment", false),
        ] {
            assert_eq!(may_be(word, real), wanted, "{word} {real}");
        }
        assert!(TABLE.rows.len() > 8);
        for word in [".", "eval", "command", "time", "{", "[", "true"] {
            assert!(TABLE.built_in.iter().any(|it| it == word), "{word}");
        }
        assert!(is_inherited("BASH_FUNC_app%%") && !is_inherited("PATH"));
    }
}
