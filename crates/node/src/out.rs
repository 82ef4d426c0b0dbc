//! What commands tell: words on standard error, results on standard output, files that are whole or not there.

use eyre::WrapErr;
use flate2::Compression;
use flate2::write::GzEncoder;
use motet_workload::input::Packing;
use serde::Serialize;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Level of Zstandard: what its own tool takes without being asked.
const ZSTD_LEVEL: i32 = 3;

/// Tells something on standard error.
pub(crate) fn say(what: impl Display) {
    // Nothing is left to do about a standard error that is closed.
    let _ = writeln!(io::stderr(), "{what}");
}

/// Prints a line of results.
///
/// # Errors
/// When standard output cannot be written; that nobody reads it any more is none.
pub(crate) fn print(what: impl Display) -> eyre::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{what}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.wrap_err("standard output"),
    }
}

/// Prints a value as JSON on lines of its own.
///
/// # Errors
/// As [`print`].
pub(crate) fn print_json(value: &impl Serialize) -> eyre::Result<()> {
    print(serde_json::to_string_pretty(value).wrap_err("JSON")?)
}

/// A file that is written under another name until it is whole.
pub(crate) struct OutFile {
    path: PathBuf,
    unfinished: PathBuf,
    writer: Writer,
    is_finished: bool,
}

/// How the file is packed.
enum Writer {
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
    Zstd(zstd::Encoder<'static, BufWriter<File>>),
}

impl OutFile {
    /// Begins a file, packed as its name says.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn create(path: &Path) -> eyre::Result<Self> {
        let mut name = path.file_name().ok_or_else(|| eyre::eyre!("{}: no file name", path.display()))?.to_owned();
        name.push(".new");
        let unfinished = path.with_file_name(name);
        let file = File::create(&unfinished).wrap_err_with(|| unfinished.display().to_string())?;
        let file = BufWriter::with_capacity(1 << 17, file);
        let writer = match Packing::of_name(path) {
            Packing::Plain => Writer::Plain(file),
            Packing::Gzip => Writer::Gzip(GzEncoder::new(file, Compression::default())),
            Packing::Zstd => Writer::Zstd(zstd::Encoder::new(file, ZSTD_LEVEL)?),
        };
        Ok(Self { path: path.to_owned(), unfinished, writer, is_finished: false })
    }

    /// Ends the file and gives it its name; how many bytes it has.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn finish(mut self) -> eyre::Result<u64> {
        let bytes = self.end().wrap_err_with(|| self.unfinished.display().to_string())?;
        self.is_finished = true;
        Ok(bytes)
    }

    fn end(&mut self) -> io::Result<u64> {
        let file = match &mut self.writer {
            Writer::Plain(file) => file,
            Writer::Gzip(encoder) => {
                encoder.try_finish()?;
                encoder.get_mut()
            }
            Writer::Zstd(encoder) => {
                encoder.do_finish()?;
                encoder.get_mut()
            }
        };
        file.flush()?;
        let file = file.get_ref();
        file.sync_all()?;
        fs::rename(&self.unfinished, &self.path)?;
        Ok(file.metadata()?.len())
    }
}

impl Write for OutFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.writer {
            Writer::Plain(file) => file.write(bytes),
            Writer::Gzip(encoder) => encoder.write(bytes),
            Writer::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.writer {
            Writer::Plain(file) => file.flush(),
            Writer::Gzip(encoder) => encoder.flush(),
            Writer::Zstd(encoder) => encoder.flush(),
        }
    }
}

impl Drop for OutFile {
    fn drop(&mut self) {
        if !self.is_finished {
            // A part of a file is of no use. That it cannot be removed is no news after what went wrong before.
            let _ = fs::remove_file(&self.unfinished);
        }
    }
}
