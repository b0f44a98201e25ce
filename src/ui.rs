//! Everything that is printed for a person: status, progress, questions. Results go to stdout and nowhere else.
//!
//! What a stream may show (colour, a live line, a question) is decided here once, from the terminal and the
//! environment, and passed on as data.

#![expect(
    clippy::disallowed_methods,
    reason = "this is the module that writes to a terminal"
)]

use std::io::{self, BufRead as _, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::Mutex;

use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};

use crate::report::text::{Detail, Style, to_ascii};
use crate::secret::Secrets;
use crate::sys::{signal, stdio};
use terminal_text::{escape_line, escape_lines};

/// A smaller number of columns is not credible, and is ignored.
const LEAST_COLUMNS: usize = 20;

/// The help for the possible answers to the question.
const ANSWERS: &str = "  y  do what the plan above says
  n  change nothing (any other answer, or Enter alone, does the same)
  ?  show these lines
  To see the documents and the commands first, answer n and run the same command with --dry-run.";

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ColorChoice {
    #[default]
    Auto,
    Always,
    Never,
}

/// The properties of the terminal in the environment; the caller reads it once.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    pub no_color: bool,
    pub ci: bool,
    pub term: Option<String>,
    pub columns: Option<u16>,
    /// `LC_ALL`, else `LC_CTYPE`, else `LANG`.
    pub locale: Option<String>,
}

impl Environment {
    /// Whether the locale names a character set that lacks the glyphs, such as `C` or `en_US.ISO-8859-1`. Where no
    /// locale is set, as in most containers, terminals read UTF-8.
    fn has_only_ascii(&self) -> bool {
        self.locale.as_deref().is_some_and(|locale| {
            let charset = locale.split_once('.').map_or("", |(_, charset)| charset);
            let charset = charset.split('@').next().unwrap_or_default();
            let charset = charset.to_ascii_lowercase().replace('-', "");
            match charset.as_str() {
                "utf8" => false,
                "" => matches!(locale, "C" | "POSIX"),
                _ => true,
            }
        })
    }

    fn columns(&self) -> Option<usize> {
        let columns = self.columns.map(usize::from);
        columns.filter(|columns| *columns >= LEAST_COLUMNS)
    }
}

/// An event while a command runs. There is one enum for everything from the actions to the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// glooistio or istioctl works on something: `Processing resources for Istiod`.
    Working(String),
    /// istioctl finished a component.
    Done(String),
    /// istioctl gave up on a component.
    Gave(String),
    /// Any other output of istioctl.
    Said(String),
    /// A problem that does not stop the run.
    Warning(String),
    /// How many bytes of something have been read, and of how many, if that is known.
    Read {
        what: String,
        bytes: u64,
        of: Option<u64>,
    },
}

/// Why a question was not answered with yes.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmError {
    #[error("cannot ask without a terminal")]
    NoTerminal,
    #[error("declined")]
    Declined,
    #[error("cannot read the answer")]
    Unreadable(#[from] io::Error),
}

/// The terminal, or the streams that replace it.
pub struct Ui {
    quiet: bool,
    /// Whether a live line may be drawn on stderr.
    live: bool,
    /// Whether a person can answer a question.
    interactive: bool,
    err: Style,
    out: Style,
    columns: Option<usize>,
    bar: Mutex<Option<ProgressBar>>,
    secrets: Secrets,
}

impl Ui {
    /// Creates a user interface that masks the `secrets` in everything but results, including secrets that are added
    /// later.
    pub fn new(choice: ColorChoice, quiet: bool, env: &Environment, secrets: Secrets) -> Ui {
        let dumb = env.term.as_deref() == Some("dumb");
        let err_terminal = io::stderr().is_terminal();
        let style = |columns: Option<usize>| Style {
            color: match choice {
                ColorChoice::Always => true,
                ColorChoice::Never => false,
                ColorChoice::Auto => columns.is_some() && !dumb && !env.no_color,
            },
            // Output that is not a terminal is not wrapped, so that a search finds whole values.
            width: columns
                .or(env.columns())
                .map_or(usize::MAX, |columns| columns.min(120)),
            ascii: dumb || env.has_only_ascii(),
            detail: if quiet { Detail::Quiet } else { Detail::Normal },
        };
        let out = columns(&io::stdout(), env);
        Ui {
            quiet,
            live: err_terminal && !dumb && !env.ci && !quiet,
            interactive: err_terminal && io::stdin().is_terminal(),
            err: style(columns(&io::stderr(), env)),
            out: style(out),
            columns: out,
            bar: Mutex::new(None),
            secrets,
        }
    }

    /// Shows details that are left out otherwise, if `verbose` is set.
    #[must_use]
    pub fn with_verbose(mut self, verbose: bool) -> Ui {
        if verbose {
            self.err.detail = Detail::Verbose;
            self.out.detail = Detail::Verbose;
        }
        self
    }

    /// Returns the style of text on stderr.
    pub fn err_style(&self) -> &Style {
        &self.err
    }

    /// Returns the style of text on stdout.
    pub fn out_style(&self) -> &Style {
        &self.out
    }

    /// Replaces the characters of `text` that stdout cannot show.
    pub fn drawn(&self, text: String) -> String {
        if self.out.ascii {
            to_ascii(&text)
        } else {
            text
        }
    }

    /// Returns the columns of the terminal on stdout; `None` if lines may have any length.
    pub fn out_columns(&self) -> Option<usize> {
        self.columns
    }

    /// Shows an event. Never fails, because a closed stderr must not stop an install.
    pub fn event(&self, event: &Event) {
        // A secret is masked in the whole text, before a line that is too long is cut.
        let shown = |text: &str| escape_line(&self.masked(text));
        match event {
            Event::Working(text) => self.work(text),
            Event::Done(text) => {
                self.line(&format!("{} {}", self.mark("✔", "ok", "32"), shown(text)));
            }
            Event::Gave(text) => {
                self.always(&format!("{} {}", self.mark("✘", "x", "31"), shown(text)));
            }
            Event::Said(text) => self.line(&format!("  {}", shown(text))),
            Event::Warning(text) => {
                self.always(&format!("{} {}", self.mark("‼", "!", "33"), shown(text)));
            }
            // Only a live line can show this repeatedly.
            Event::Read { what, bytes, of } if self.live => self.work(&read(what, *bytes, *of)),
            Event::Read { .. } => {}
        }
    }

    /// Whether there is a person who can answer a question.
    pub fn interactive(&self) -> bool {
        self.interactive
    }

    /// Returns the texts that must not be printed.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Returns `text` with the secrets masked.
    pub fn masked(&self, text: &str) -> String {
        self.secrets.mask(text)
    }

    /// Returns `text` with the secrets masked and with what could control a terminal escaped.
    fn safe(&self, text: &str) -> String {
        escape_lines(&self.masked(text))
    }

    /// Prints a message for a person, unless they chose quiet mode.
    pub fn status(&self, text: &str) {
        self.line(text);
    }

    /// Prints a part of a report, which itself leaves out what quiet mode does not show.
    pub fn report(&self, text: &str) {
        if !text.trim().is_empty() {
            self.always(text.trim_end());
        }
    }

    /// Writes text for a person to stderr, even in quiet mode.
    pub fn always(&self, text: &str) {
        self.clear();
        let mut stderr = io::stderr().lock();
        // Whoever closed stderr has chosen not to read it.
        writeln!(stderr, "{}", self.safe(text)).ok();
    }

    /// Writes a result for a person to stdout: without secrets, and escaped so that it cannot control a terminal.
    pub fn text_result(&self, text: &str) -> io::Result<()> {
        self.document(self.safe(text).as_bytes())
    }

    /// Writes a JSON or YAML document to stdout. The writers of documents escape what would control a terminal
    /// themselves.
    ///
    /// Succeeds if the reader has closed its end of the pipe; fails if stdout was closed before the program started.
    pub fn document(&self, bytes: &[u8]) -> io::Result<()> {
        self.clear();
        if stdio::stdout_was_closed() {
            return Err(io::Error::other("stdout is closed"));
        }
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written,
        }
    }

    /// Asks at the terminal; only `y` and `yes` mean yes.
    pub fn confirm(&self, question: &str) -> Result<(), ConfirmError> {
        if !self.interactive {
            return Err(ConfirmError::NoTerminal);
        }
        self.clear();
        let _ends_by_signal = signal::AtPrompt::begin();
        loop {
            let mut stderr = io::stderr().lock();
            write!(stderr, "{} [y/N/?] ", escape_line(&self.masked(question)))?;
            stderr.flush()?;
            let mut answer = String::new();
            let _prompt = signal::AtPrompt::begin();
            let read = io::stdin().lock().read_line(&mut answer)?;
            match answer.trim().to_ascii_lowercase().as_str() {
                "y" | "yes" => return Ok(()),
                "?" | "h" | "help" if read > 0 => writeln!(stderr, "{ANSWERS}")?,
                _ => return Err(ConfirmError::Declined),
            }
        }
    }

    /// Removes the live line, so that what is written next is on a line of its own.
    pub fn clear(&self) {
        if let Ok(mut bar) = self.bar.lock()
            && let Some(bar) = bar.take()
        {
            bar.finish_and_clear();
        }
    }

    fn line(&self, text: &str) {
        if !self.quiet {
            self.always(text);
        }
    }

    fn work(&self, text: &str) {
        if !self.live {
            return self.line(&format!("- {}", escape_line(&self.masked(text))));
        }
        if let Ok(mut bar) = self.bar.lock() {
            let bar = bar.get_or_insert_with(|| {
                let bar = ProgressBar::new_spinner();
                if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
                    bar.set_style(style);
                }
                bar.enable_steady_tick(std::time::Duration::from_millis(100));
                bar
            });
            bar.set_message(escape_line(&self.masked(text)));
        }
    }

    fn mark(&self, sign: &str, ascii: &str, color: &str) -> String {
        let sign = if self.err.ascii { ascii } else { sign };
        if self.err.color {
            format!("\u{1b}[{color}m{sign}\u{1b}[0m")
        } else {
            sign.to_owned()
        }
    }
}

fn read(what: &str, bytes: u64, of: Option<u64>) -> String {
    match of {
        Some(of) => format!("{what}: {} of {}", BinaryBytes(bytes), BinaryBytes(of)),
        None => format!("{what}: {}", BinaryBytes(bytes)),
    }
}

/// Returns the columns of a terminal, which the environment can override; `None` if the stream is not a terminal.
fn columns(stream: &(impl IsTerminal + AsFd), env: &Environment) -> Option<usize> {
    let seen = || rustix::termios::tcgetwinsize(stream).ok();
    let seen = || seen().map(|size| usize::from(size.ws_col));
    stream.is_terminal().then(|| {
        let columns = env.columns().or_else(seen);
        columns
            .filter(|columns| *columns >= LEAST_COLUMNS)
            .unwrap_or(80)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locale_without_the_marks_gets_ascii() {
        for (locale, ascii) in [
            (None, false),
            (Some("C"), true),
            (Some("POSIX"), true),
            (Some("C.UTF-8"), false),
            (Some("C.utf8"), false),
            (Some("de_DE.UTF-8@euro"), false),
            (Some("en_US"), false),
            (Some("en_US.ISO-8859-1"), true),
            (Some("ja_JP.eucJP"), true),
        ] {
            let environment = Environment {
                locale: locale.map(str::to_owned),
                ..Environment::default()
            };
            assert_eq!(environment.has_only_ascii(), ascii, "{locale:?}");
        }
    }
}
