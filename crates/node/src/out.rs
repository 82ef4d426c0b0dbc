//! What commands tell: words on standard error, results on standard output, files that are whole or not there.

use eyre::{WrapErr, bail, eyre};
use flate2::Compression;
use flate2::write::GzEncoder;
use motet_workload::input::Packing;
use serde::Serialize;
use std::fmt::Display;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process;

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
/// As [`print()`].
pub(crate) fn print_json(value: &impl Serialize) -> eyre::Result<()> {
    print(serde_json::to_string_pretty(value).wrap_err("JSON")?)
}

/// Names of standard output. It is written through the descriptor that there is, as a socket cannot be opened by name.
const STANDARD_OUTPUT: [&str; 3] = ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
/// Symbolic links that are followed one after the other, as Linux does.
const LINKS_MAX: usize = 40;
/// Names that are tried for an unfinished file.
const NAMES_MAX: u32 = 100;

/// A file that is written under another name until it is whole; or a pipe or device, into which all goes as it comes.
pub(crate) struct OutFile {
    path: PathBuf,
    place: Place,
    writer: Writer,
    is_finished: bool,
}

/// Where the bytes go.
enum Place {
    /// Into a file of another name, which then takes that of the target.
    Beside {
        unfinished: PathBuf,
        /// What symbolic links lead to.
        target: PathBuf,
        /// Of the file that is there.
        permissions: Option<Permissions>,
    },
    /// Into what is there.
    Stream,
}

/// What was written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    /// Bytes, packed.
    pub(crate) bytes: u64,
    is_stream: bool,
}

impl Written {
    /// Tells about it on standard output, or on standard error if the bytes may be on standard output.
    ///
    /// # Errors
    /// As [`print()`].
    pub(crate) fn tell(self, what: impl Display) -> eyre::Result<()> {
        if self.is_stream {
            say(what);
            return Ok(());
        }
        print(what)
    }
}

/// A file that counts what goes into it.
struct Counted {
    file: File,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.bytes = self.bytes.saturating_add(count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// How the file is packed.
enum Writer {
    Plain(BufWriter<Counted>),
    Gzip(GzEncoder<BufWriter<Counted>>),
    Zstd(zstd::Encoder<'static, BufWriter<Counted>>),
}

impl OutFile {
    /// Begins a file, packed as its name says.
    ///
    /// # Errors
    /// When it cannot be made, and when something is there that is no file, pipe or character device.
    pub(crate) fn create(path: &Path) -> eyre::Result<Self> {
        let (file, place) = open(path).wrap_err_with(|| path.display().to_string())?;
        let file = BufWriter::with_capacity(1 << 17, Counted { file, bytes: 0 });
        let writer = match Packing::of_name(path) {
            Packing::Plain => Writer::Plain(file),
            Packing::Gzip => Writer::Gzip(GzEncoder::new(file, Compression::default())),
            Packing::Zstd => Writer::Zstd(zstd::Encoder::new(file, ZSTD_LEVEL)?),
        };
        Ok(Self { path: path.to_owned(), place, writer, is_finished: false })
    }

    /// Ends the file and gives it its name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn finish(mut self) -> eyre::Result<Written> {
        let written = self.end().wrap_err_with(|| self.path.display().to_string())?;
        self.is_finished = true;
        Ok(written)
    }

    fn end(&mut self) -> io::Result<Written> {
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
        let Counted { file, bytes } = file.get_ref();
        let Place::Beside { unfinished, target, permissions } = &self.place else {
            return Ok(Written { bytes: *bytes, is_stream: true });
        };
        if let Some(permissions) = permissions {
            file.set_permissions(permissions.clone())?;
        }
        file.sync_all()?;
        fs::rename(unfinished, target)?;
        // The name, too, is to survive a loss of power.
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
        Ok(Written { bytes: *bytes, is_stream: false })
    }
}

/// Opens what is to be written for a name.
fn open(path: &Path) -> eyre::Result<(File, Place)> {
    if STANDARD_OUTPUT.iter().any(|name| path == Path::new(name)) {
        let file = io::stdout().as_fd().try_clone_to_owned().wrap_err("standard output")?;
        return Ok((file.into(), Place::Stream));
    }
    let permissions = match fs::metadata(path) {
        Ok(meta) if meta.is_file() => Some(meta.permissions()),
        Ok(meta) if meta.file_type().is_fifo() || meta.file_type().is_char_device() => {
            return Ok((OpenOptions::new().write(true).open(path)?, Place::Stream));
        }
        Ok(meta) if meta.is_dir() => bail!("this is a directory"),
        Ok(_) => bail!("there is something that is no file, pipe or character device"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let target = target_of(path)?;
    let name = target.file_name().ok_or_else(|| eyre!("no file name"))?;
    for attempt in 0..NAMES_MAX {
        let mut unfinished = name.to_owned();
        unfinished.push(format!(".{}-{attempt}.new", process::id()));
        let unfinished = target.with_file_name(unfinished);
        match File::create_new(&unfinished) {
            Ok(file) => return Ok((file, Place::Beside { unfinished, target, permissions })),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).wrap_err_with(|| unfinished.display().to_string()),
        }
    }
    bail!("no name is free for the unfinished file")
}

/// What symbolic links lead to, whether it is there or not.
fn target_of(path: &Path) -> eyre::Result<PathBuf> {
    let mut target = path.to_owned();
    for _ in 0..LINKS_MAX {
        match fs::symlink_metadata(&target) {
            Ok(meta) if meta.is_symlink() => {
                let next = fs::read_link(&target)?;
                target = target.parent().unwrap_or(Path::new("")).join(next);
            }
            _ => return Ok(target),
        }
    }
    bail!("too many symbolic links")
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
        if let (false, Place::Beside { unfinished, .. }) = (self.is_finished, &self.place) {
            // A part of a file is of no use. That it cannot be removed is no news after what went wrong before.
            let _ = fs::remove_file(unfinished);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("motet-out-{}-{name}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn write(path: &Path, what: &[u8]) -> eyre::Result<Written> {
        let mut file = OutFile::create(path)?;
        file.write_all(what)?;
        file.finish()
    }

    #[test]
    fn links_are_followed_and_modes_and_neighbours_are_kept() {
        let folder = folder("links");
        let (file, link, dangling) = (folder.join("file"), folder.join("link"), folder.join("dangling"));
        let neighbour = folder.join("file.new");
        fs::write(&file, "old").unwrap();
        fs::write(&neighbour, "mine").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        symlink("file", &link).unwrap();
        symlink("made", &dangling).unwrap();
        assert_eq!(write(&link, b"new").unwrap().bytes, 3);
        write(&dangling, b"more").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::read(folder.join("made")).unwrap(), b"more");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(
            fs::symlink_metadata(&link).unwrap().is_symlink() && fs::symlink_metadata(&dangling).unwrap().is_symlink()
        );
        assert_eq!(fs::read(&neighbour).unwrap(), b"mine");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 5);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn devices_take_the_bytes_and_what_is_no_file_is_refused() {
        let folder = folder("devices");
        let written = write(Path::new("/dev/null"), b"gone").unwrap();
        assert!(written.is_stream && written.bytes == 4);
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
        let socket = folder.join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(write(&folder, b"x").is_err() && write(&socket, b"x").is_err());
        assert!(fs::metadata(&socket).unwrap().file_type().is_socket());
        // What is dropped unfinished leaves what was there.
        let file = folder.join("file");
        fs::write(&file, "old").unwrap();
        drop(OutFile::create(&file).unwrap());
        assert_eq!((fs::read(&file).unwrap(), fs::read_dir(&folder).unwrap().count()), (b"old".to_vec(), 2));
        fs::remove_dir_all(folder).unwrap();
    }
}
