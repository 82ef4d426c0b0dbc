//! Colours, where somebody sees them.

use std::io::{IsTerminal, Stdout};

/// Whether text for one stream is coloured. NO_COLOR: <https://no-color.org>.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    coloured: bool,
}

impl Style {
    /// For standard output: colours on a terminal that has them, unless `NO_COLOR` is set and not empty.
    pub(crate) fn of_stdout(stdout: &Stdout) -> Self {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let dumb = set("TERM").is_none_or(|term| term == "dumb");
        Self { coloured: stdout.is_terminal() && set("NO_COLOR").is_none() && !dumb }
    }

    /// Text that says that all is well.
    pub(crate) fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// Text that says that something is wrong.
    pub(crate) fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// A heading.
    pub(crate) fn head(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// `code`: the parameters of SGR, ECMA-48 8.3.117.
    fn paint(self, code: &str, text: &str) -> String {
        if self.coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
