//! Fixture files from folders and archives, one in memory at a time.

use super::error::SpecTestError;
use flate2::read::MultiGzDecoder;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Largest file, once unpacked, that is read into memory. The largest known fixture has about a tenth of it.
pub const MEMBER_BYTES_MAX: u64 = 256 << 20;

/// Largest window of a Zstandard frame: log2 of bytes. The archives of fixtures need 26, plain `zstd --long` up to 31.
const ZSTD_WINDOW_LOG_MAX: u32 = 31;

/// The content of one JSON file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecFile {
    /// Where it comes from: a path, or `archive!/member`.
    pub source: String,
    /// The JSON text.
    pub bytes: Vec<u8>,
}

/// Calls `visit` with every fixture below `paths`, in order of the paths and of names within folders.
///
/// `.json` and `.json.gz` files are fixtures; `.tar`, `.tar.gz` and `.tar.zst` are streamed member by member;
/// folders are entered, links to folders are not. Everything else in a folder or archive is passed over. What cannot
/// be read is handed to `visit` as an error that names it, and the walk goes on with what comes after it
/// (after a broken archive: with the next file). `visit` ends the walk with [`ControlFlow::Break`].
///
/// # Errors
/// When one of `paths` itself does not exist or is of no known kind; then nothing is visited.
pub fn walk(
    paths: &[PathBuf],
    mut visit: impl FnMut(Result<SpecFile, SpecTestError>) -> ControlFlow<()>,
) -> Result<(), SpecTestError> {
    for path in paths {
        let metadata = fs::metadata(path).map_err(|error| io_error(&display(path), error))?;
        if !metadata.is_dir() && Kind::of(&display(path)).is_none() {
            return Err(SpecTestError::UnknownKind { file: display(path) });
        }
    }
    for path in paths {
        if walk_path(path, &mut visit).is_break() {
            break;
        }
    }
    Ok(())
}

type Visit<'a> = &'a mut dyn FnMut(Result<SpecFile, SpecTestError>) -> ControlFlow<()>;

fn walk_path(path: &Path, visit: Visit<'_>) -> ControlFlow<()> {
    let source = display(path);
    if path.is_dir() {
        return walk_folder(path, visit);
    }
    let Some(kind) = Kind::of(&source) else { return ControlFlow::Continue(()) };
    let file = match File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(error) => return visit(Err(io_error(&source, error))),
    };
    match kind {
        Kind::Json => visit(read_file(file, source)),
        Kind::JsonGz => visit(read_file(MultiGzDecoder::new(file), source)),
        Kind::Tar => walk_archive(file, &source, visit),
        Kind::TarGz => walk_archive(MultiGzDecoder::new(file), &source, visit),
        Kind::TarZst => match zstd_reader(file) {
            Ok(reader) => walk_archive(reader, &source, visit),
            Err(error) => visit(Err(io_error(&source, error))),
        },
    }
}

fn walk_folder(folder: &Path, visit: Visit<'_>) -> ControlFlow<()> {
    let listed = fs::read_dir(folder).and_then(|entries| {
        entries
            .map(|entry| entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))))
            .collect::<io::Result<Vec<_>>>()
    });
    let mut entries = match listed {
        Ok(entries) => entries,
        Err(error) => return visit(Err(io_error(&display(folder), error))),
    };
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    for (path, file_type) in entries {
        // A link to a folder may lead back up, so that following it never ends.
        if file_type.is_symlink() && path.is_dir() {
            continue;
        }
        walk_path(&path, visit)?;
    }
    ControlFlow::Continue(())
}

fn walk_archive(reader: impl Read, archive: &str, visit: Visit<'_>) -> ControlFlow<()> {
    let mut tar = tar::Archive::new(reader);
    let members = match tar.entries() {
        Ok(members) => members,
        Err(error) => return visit(Err(io_error(archive, error))),
    };
    let mut last = archive.to_owned();
    for member in members {
        let member = match member {
            Ok(member) => member,
            // The stream is broken from here on: the next member cannot be found.
            Err(error) => return visit(Err(io_error(&format!("{last} (or the member after it)"), error))),
        };
        let name = String::from_utf8_lossy(&member.path_bytes()).into_owned();
        last = format!("{archive}!/{name}");
        if !member.header().entry_type().is_file() {
            continue;
        }
        let read = match Kind::of(&name) {
            Some(Kind::Json) => read_file(member, last.clone()),
            Some(Kind::JsonGz) => read_file(MultiGzDecoder::new(member), last.clone()),
            _ => continue,
        };
        visit(read)?;
    }
    ControlFlow::Continue(())
}

fn zstd_reader(file: BufReader<File>) -> io::Result<impl Read> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(file)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    Ok(decoder)
}

fn read_file(reader: impl Read, source: String) -> Result<SpecFile, SpecTestError> {
    let mut bytes = Vec::new();
    match reader.take(MEMBER_BYTES_MAX + 1).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 > MEMBER_BYTES_MAX => {
            Err(SpecTestError::TooLarge { file: source, bytes_max: MEMBER_BYTES_MAX })
        }
        Ok(_) => Ok(SpecFile { source, bytes }),
        Err(error) => Err(io_error(&source, error)),
    }
}

/// What a file's name says about its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Json,
    JsonGz,
    Tar,
    TarGz,
    TarZst,
}

impl Kind {
    fn of(name: &str) -> Option<Self> {
        [
            (".json", Self::Json),
            (".json.gz", Self::JsonGz),
            (".tar", Self::Tar),
            (".tar.gz", Self::TarGz),
            (".tgz", Self::TarGz),
            (".tar.zst", Self::TarZst),
        ]
        .into_iter()
        .find(|(ending, _)| name.ends_with(ending))
        .map(|(_, kind)| kind)
    }
}

fn display(path: &Path) -> String {
    path.display().to_string()
}

fn io_error(file: &str, error: io::Error) -> SpecTestError {
    SpecTestError::Io { file: file.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// A folder that is removed when the test ends.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("motet-spec-walk-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).expect("a temporary folder");
            Self(path)
        }

        fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
            let path = self.0.join(name);
            fs::create_dir_all(path.parent().expect("inside the folder")).expect("created");
            fs::write(&path, bytes).expect("written");
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn tar_of(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, bytes) in members {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            tar.append_data(&mut header, name, *bytes).expect("appended");
        }
        tar.into_inner().expect("finished")
    }

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("written");
        encoder.finish().expect("finished")
    }

    /// Sources relative to the folder, with their content, or `Err` with the message.
    fn visit_all(folder: &Folder, paths: &[PathBuf]) -> Vec<Result<(String, String), String>> {
        let mut seen = Vec::new();
        walk(paths, |file| {
            seen.push(match file {
                Ok(file) => {
                    let source = file.source.replace(&display(&folder.0), "").trim_start_matches('/').to_owned();
                    Ok((source, String::from_utf8(file.bytes).expect("text")))
                }
                Err(error) => Err(error.to_string()),
            });
            ControlFlow::Continue(())
        })
        .expect("the paths exist");
        seen
    }

    #[test]
    fn every_container_gives_its_json_in_order() {
        let folder = Folder::new("order");
        let tar = tar_of(&[("b/2.json", b"2"), ("LICENSE", b"-"), ("a.json.gz", &gz(b"3"))]);
        folder.write("c/z.json", b"z");
        folder.write("a.json.gz", &gz(b"a"));
        folder.write("b.tar", &tar);
        folder.write("d.tar.gz", &gz(&tar));
        folder.write("e.tar.zst", &zstd::encode_all(&tar[..], 1).expect("compressed"));
        folder.write("readme.md", b"-");
        let seen: Vec<_> = visit_all(&folder, std::slice::from_ref(&folder.0))
            .into_iter()
            .map(|file| file.expect("readable"))
            .collect();
        let expected = [
            ("a.json.gz", "a"),
            ("b.tar!/b/2.json", "2"),
            ("b.tar!/a.json.gz", "3"),
            ("c/z.json", "z"),
            ("d.tar.gz!/b/2.json", "2"),
            ("d.tar.gz!/a.json.gz", "3"),
            ("e.tar.zst!/b/2.json", "2"),
            ("e.tar.zst!/a.json.gz", "3"),
        ];
        assert_eq!(seen, expected.map(|(source, text)| (source.to_owned(), text.to_owned())));
    }

    #[test]
    fn a_broken_file_is_named_and_the_rest_is_visited() {
        let folder = Folder::new("broken");
        let tar = tar_of(&[("1.json", &[b' '; 2000]), ("2.json", &[b' '; 2000])]);
        folder.write("a.tar", &tar[..3500]);
        folder.write("b.json.gz", b"no gzip");
        folder.write("c.tar.zst", b"no zstd");
        folder.write("d.json", b"d");
        let seen = visit_all(&folder, std::slice::from_ref(&folder.0));
        let text: Vec<String> =
            seen.into_iter().map(|file| file.map_or_else(|error| error, |(source, _)| source)).collect();
        assert_eq!(text[0], "a.tar!/1.json");
        assert!(text[1].contains("a.tar!/2.json"), "{text:?}");
        assert!(text.iter().any(|line| line.contains("b.json.gz: ")), "{text:?}");
        assert!(text.iter().any(|line| line.contains("c.tar.zst: ") || line.contains("c.tar.zst (")), "{text:?}");
        assert_eq!(text.last().map(String::as_str), Some("d.json"));
    }

    #[test]
    fn a_path_that_is_not_there_is_refused_before_anything_is_visited() {
        let folder = Folder::new("absent");
        let good = folder.write("a.json", b"1");
        let visit = |_| panic!("nothing may be visited");
        assert!(matches!(walk(&[good.clone(), folder.0.join("none.json")], visit), Err(SpecTestError::Io { .. })));
        let odd = folder.write("a.txt", b"1");
        assert!(matches!(walk(&[good, odd], visit), Err(SpecTestError::UnknownKind { .. })));
    }

    #[test]
    fn the_visitor_ends_the_walk() {
        let folder = Folder::new("break");
        folder.write("a.tar", &tar_of(&[("1.json", b"1"), ("2.json", b"2")]));
        folder.write("b.json", b"3");
        let mut visited = 0;
        walk(std::slice::from_ref(&folder.0), |_| {
            visited += 1;
            ControlFlow::Break(())
        })
        .expect("walked");
        assert_eq!(visited, 1);
    }
}
