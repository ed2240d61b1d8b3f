//! From the bytes of an export to its rows: decoded, split, counted. What is held in memory has a limit, however large the file is.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Context, Result, bail};
use csv::StringRecord;
use encoding_rs::{CoderResult, Decoder};

use super::mapping::{Mapping, Plan};

/// A longer row is a quote that nobody closed: it would swallow the rest of the file.
const MAX_ROW_BYTES: usize = 1024 * 1024;
/// Lines of a row, where rows may have several: more are a quote that nobody closed.
const MAX_ROW_LINES: usize = 100;
/// Read at once.
const BUFFER: usize = 64 * 1024;

/// Text in UTF-8 from a file in its own encoding. What is no text there becomes U+FFFD.
struct Decoding<R> {
    inner: R,
    decoder: Decoder,
    raw: Vec<u8>,
    raw_at: usize,
    raw_end: usize,
    ended: bool,
    /// The decoder has given its last, and may not be asked again.
    finished: bool,
    /// Bytes handed out since a row was complete.
    since_row: Arc<AtomicUsize>,
    /// Bytes of the file that were read.
    read: Arc<AtomicUsize>,
}

impl<R: Read> Read for Decoding<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        // The decoder writes whole characters only.
        if out.len() < 8 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the buffer is too small"));
        }
        loop {
            if self.raw_at == self.raw_end && !self.ended {
                self.raw_end = self.inner.read(&mut self.raw)?;
                self.raw_at = 0;
                self.ended = self.raw_end == 0;
                self.read.fetch_add(self.raw_end, Ordering::Relaxed);
            }
            if self.finished {
                return Ok(0);
            }
            let (result, taken, written, _) = self.decoder.decode_to_utf8(&self.raw[self.raw_at..self.raw_end], out, self.ended);
            self.raw_at += taken;
            self.finished = self.ended && result == CoderResult::InputEmpty;
            if written > 0 {
                if self.since_row.fetch_add(written, Ordering::Relaxed) > MAX_ROW_BYTES + 2 * BUFFER {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "a row is longer than 1 MiB: is a quote not closed?"));
                }
                return Ok(written);
            }
        }
    }
}

/// Refuses a record that spans lines, if rows have one each; else one that spans too many. A quote that nobody closes takes what is
/// behind it for its own, up to the next quote or the end of the file, and the rows in there would be lost without a word.
pub fn check_lines(record: &StringRecord, line: u64, multiline: bool) -> Result<()> {
    let ends = |pair: &[u8]| pair[0] == b'\n' || (pair[0] == b'\r' && pair[1] != b'\n');
    let within = |value: &str| value.as_bytes().windows(2).filter(|pair| ends(pair)).count() + usize::from(value.ends_with('\n'));
    let breaks: usize = record.iter().map(within).sum();
    let last = line + breaks as u64;
    match (breaks, multiline) {
        (0, _) => Ok(()),
        (_, false) => bail!(
            "line {line}: a value goes on to line {last}: a quote isn't closed, or stands before a line break. Nothing was imported. \
             Mend the file; if its values do hold line breaks, say multiline = true in the mapping"
        ),
        (MAX_ROW_LINES.., true) => bail!("line {line}: a row goes on to line {last}: a quote isn't closed. Nothing was imported"),
        (_, true) => Ok(()),
    }
}

/// The file as records.
struct Lines {
    multiline: bool,
    reader: csv::Reader<BufReader<Decoding<File>>>,
    since_row: Arc<AtomicUsize>,
    skipped_lines: u64,
}

impl Lines {
    fn next_record(&mut self) -> Result<Option<StringRecord>> {
        let mut record = StringRecord::new();
        loop {
            let line = self.reader.position().line() + self.skipped_lines;
            let found = self.reader.read_record(&mut record).with_context(|| format!("reading from line {line}"))?;
            self.since_row.store(0, Ordering::Relaxed);
            if !found {
                return Ok(None);
            }
            check_lines(&record, record.position().map_or(0, csv::Position::line) + self.skipped_lines, self.multiline)?;
            // Blank lines, as exports have at their end, are no rows.
            if record.len() > 1 || record.get(0).is_some_and(|value| !value.trim().is_empty()) {
                return Ok(Some(record));
            }
        }
    }
}

/// The rows of an export, with the mapping that knows its columns.
pub struct Rows {
    lines: Lines,
    read: Arc<AtomicUsize>,
    /// The first row of a file without header, read to count its columns.
    first: Option<StringRecord>,
    plan: Arc<Plan>,
}

/// A row and the line of the file on which it begins.
pub struct Row {
    pub line: u64,
    pub record: StringRecord,
}

impl Rows {
    /// Opens a file and finds the columns that the mapping names.
    pub fn open(path: &Path, mapping: &Mapping) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        let (since_row, read) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let decoding = Decoding {
            inner: file,
            decoder: mapping.encoding()?.new_decoder_with_bom_removal(),
            raw: vec![0; BUFFER],
            raw_at: 0,
            raw_end: 0,
            ended: false,
            finished: false,
            since_row: since_row.clone(),
            read: read.clone(),
        };
        let mut text = BufReader::with_capacity(BUFFER, decoding);
        for _ in 0..mapping.skip_lines {
            text.read_line(&mut String::new())?;
            since_row.store(0, Ordering::Relaxed);
        }
        let quote = mapping.quote.bytes().next();
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(u8::try_from(mapping.delimiter).unwrap_or(b','))
            .quoting(quote.is_some())
            .quote(quote.unwrap_or(b'"'))
            // With both ends of a line taken for one, a row's number would be that of the row before.
            .terminator(csv::Terminator::Any(b'\n'))
            .buffer_capacity(BUFFER)
            .from_reader(text);
        let skipped_lines = u64::from(mapping.skip_lines);
        let mut lines = Lines { multiline: mapping.multiline, reader, since_row, skipped_lines };
        let first = lines.next_record()?.context("the file is empty")?;
        let header: Vec<String> = if mapping.header {
            first.iter().map(|name| super::mapping::clean(name).to_owned()).collect()
        } else {
            (1..=first.len()).map(|number| number.to_string()).collect()
        };
        Ok(Self { lines, read, first: (!mapping.header).then_some(first), plan: Arc::new(mapping.resolve(&header)?) })
    }

    /// The mapping that knows this file's columns.
    pub fn plan(&self) -> Arc<Plan> {
        self.plan.clone()
    }

    /// Bytes read so far.
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed) as u64
    }

    /// The next row.
    pub fn next_row(&mut self) -> Result<Option<Row>> {
        let record = match self.first.take() {
            Some(first) => Some(first),
            None => self.lines.next_record()?,
        };
        let skipped = self.lines.skipped_lines;
        Ok(record.map(|record| Row { line: record.position().map_or(0, csv::Position::line) + skipped, record }))
    }
}
