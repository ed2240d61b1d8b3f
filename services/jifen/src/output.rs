//! The one module that prints: results to stdout, progress and errors to stderr.

use std::io::{IsTerminal, Write};

/// Prints for people. A value, so that who may print is seen in the signatures.
#[derive(Debug, Clone, Copy)]
pub struct Printer;

#[expect(clippy::unused_self, reason = "the right to print is passed on as a value")]
impl Printer {
    /// A result, as it is.
    pub fn text(self, text: &str) {
        // A closed pipe (`| head`) ends the output, not the program.
        let _ = write!(std::io::stdout().lock(), "{text}");
    }

    /// A line of a result.
    pub fn line(self, line: impl std::fmt::Display) {
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }

    /// A line about what is going on.
    pub fn note(self, line: impl std::fmt::Display) {
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }

    /// Why it ended.
    pub fn error(self, text: &str) {
        let _ = writeln!(std::io::stderr().lock(), "jifen: {text}");
    }

    /// A progress bar of `total` steps; silent where nobody watches.
    pub fn progress(self, total: u64, what: &'static str) -> indicatif::ProgressBar {
        if !std::io::stderr().is_terminal() {
            self.note(format!("{what} ({total})"));
            return indicatif::ProgressBar::hidden();
        }
        let style = indicatif::ProgressStyle::with_template("{msg:24} {bar:30} {pos}/{len} {elapsed}");
        let bar = indicatif::ProgressBar::new(total).with_message(what);
        style.map_or_else(|_| bar.clone(), |style| bar.clone().with_style(style))
    }

    /// A table with aligned columns; the first row is its head.
    pub fn table(self, rows: &[Vec<String>]) {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> =
            (0..columns).map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max().unwrap_or(0)).collect();
        for row in rows {
            let cells = row.iter().zip(&widths).map(|(cell, wide)| format!("{cell}{}", " ".repeat(wide - width(cell))));
            self.line(format!("  {}", cells.collect::<Vec<_>>().join("  ")).trim_end());
        }
    }
}

/// Columns on a terminal: Chinese characters take two.
fn width(text: &str) -> usize {
    text.chars().map(|c| if ('\u{2e80}'..='\u{ffef}').contains(&c) { 2 } else { 1 }).sum()
}
