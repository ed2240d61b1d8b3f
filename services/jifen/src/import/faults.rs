//! What could not be imported, line by line, as a CSV file that a store can work through.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use jifen_contracts::code::{Code, Text};

use crate::sheet::cell;

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineFault {
    /// In the file, from 1.
    pub line: u64,
    /// As the file's header has it; empty for the line as a whole.
    pub column: String,
    /// Stable.
    pub code: String,
    /// For people.
    pub text: Text,
}

impl LineFault {
    /// With the code's own text.
    pub fn new(line: u64, column: &str, code: Code) -> Self {
        Self { line, column: column.to_owned(), code: code.code.to_owned(), text: code.text() }
    }

    /// With more said.
    pub fn more(mut self, zh: &str, en: &str) -> Self {
        self.text = Text::new(format!("{}：{zh}", self.text.zh), format!("{}: {en}", self.text.en));
        self
    }
}

/// The file. It is made with the first fault, readable by its owner alone; one of an earlier run is replaced.
pub struct ErrorFile {
    path: PathBuf,
    writer: Option<csv::Writer<File>>,
    lines: u64,
}

impl ErrorFile {
    /// At a path. What an earlier run has left there is removed: it says nothing of this one.
    pub fn new(path: &Path) -> Result<Self> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("replacing {}", path.display()))
            }
            _ => Ok(Self { path: path.to_owned(), writer: None, lines: 0 }),
        }
    }

    /// Adds faults.
    pub fn write(&mut self, faults: &[LineFault]) -> Result<()> {
        if faults.is_empty() {
            return Ok(());
        }
        let context = || format!("writing {}", self.path.display());
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&self.path).with_context(context)?;
                let mut writer = csv::Writer::from_writer(file);
                writer.write_record(["line", "column", "code", "text_zh", "text_en"]).with_context(context)?;
                none.insert(writer)
            }
        };
        for fault in faults {
            let line = fault.line.to_string();
            let cells = [&line, &fault.column, &fault.code, &fault.text.zh, &fault.text.en].map(|text| cell(text).into_owned());
            writer.write_record(cells).with_context(context)?;
        }
        // Whatever ends the program later: what is known by now stands in the file.
        writer.flush().with_context(context)?;
        self.lines += faults.len() as u64;
        Ok(())
    }

    /// Lines written, and where.
    pub fn written(&self) -> (u64, &Path) {
        (self.lines, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use jifen_contracts::code;

    use super::*;

    #[test]
    fn a_column_of_the_file_is_no_formula_in_what_is_written_of_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("errors.csv");
        let mut file = ErrorFile::new(&path).expect("a file");
        file.write(&[LineFault::new(2, "=1+1", code::IMPORT_WRONG_COLUMNS)]).expect("written");
        let text = std::fs::read_to_string(&path).expect("text");
        assert!(text.contains("2,'=1+1,import.wrong_columns"), "{text}");
    }
}
