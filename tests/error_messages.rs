//! A cause stands in an error's message or behind it, never both: else whoever prints the whole chain
//! says it twice.

use hemoscope::analysis::model::ModelLocation;
use hemoscope::board::BoardDescription;
use hemoscope::camera::simulated::{SimulatedSlide, SimulatedSlideSettings};
use hemoscope::config::Config;
use hemoscope::decode::read_image;
use hemoscope::image::files;
use hemoscope::record::archive;
use hemoscope::update::boot::disk::BootDisk;
use hemoscope::update::bundle::system_version::SystemVersion;
use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;

/// The causes in an error's chain that the message before them tells already.
fn repeated(error: &dyn Error) -> Vec<String> {
    let mut repeated = Vec::new();
    let mut error = error;
    while let Some(cause) = error.source() {
        if error.to_string().contains(&cause.to_string()) {
            repeated.push(format!("{error}: {cause}"));
        }
        error = cause;
    }
    repeated
}

fn failure<T, E: Error + 'static>(result: Result<T, E>) -> Box<dyn Error> {
    match result {
        Ok(_) => panic!("this has to fail"),
        Err(error) => Box::new(error),
    }
}

#[test]
fn no_error_of_a_module_repeats_its_cause() {
    let empty = tempfile::tempdir().unwrap();
    let nowhere = Path::new("/there/is/no/such/file");
    let board = include_str!("../board/raspberry-pi-3/board.toml");
    let board = BoardDescription::parse(board, "board.toml").unwrap();
    let model = ModelLocation::Named(nowhere.to_owned());
    let no_size = SimulatedSlideSettings {
        width_px: 0,
        ..SimulatedSlideSettings::default()
    };
    let errors = [
        failure(Config::load(nowhere)),
        failure(BoardDescription::load(nowhere)),
        failure(board.check_compatible("board.toml", Err(io::Error::other("silent")))),
        failure(model.load()),
        failure(read_image(nowhere)),
        failure(files::list(empty.path())),
        failure(archive::list(nowhere)),
        failure(BootDisk::open(nowhere)),
        failure(SystemVersion::load(nowhere)),
        failure(SimulatedSlide::new(1, no_size)),
    ];
    let wrong: Vec<String> = errors.iter().flat_map(|error| repeated(&**error)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Variants of error types in Rust text whose message tells what `source()` gives.
fn telling_variants(text: &str) -> Vec<String> {
    let variants = text.split("#[error(").skip(1);
    let wrong = variants.filter(|variant| {
        let (message, rest) = variant.split_once(")]").unwrap_or((variant, ""));
        let fields = rest.split("#[error(").next().unwrap_or_default();
        let fields = fields.split_once('}').map_or(fields, |(fields, _)| fields);
        let is_source = fields.contains("#[from]") || fields.contains("#[source]");
        message.contains("{source") || (message.contains("{0") && is_source)
    });
    wrong
        .map(|variant| variant.lines().next().unwrap_or_default().to_owned())
        .collect()
}

fn check_folder(folder: &Path, wrong: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            check_folder(&path, wrong);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let variants = telling_variants(&fs::read_to_string(&path).unwrap());
            let file = path.display();
            wrong.extend(variants.iter().map(|variant| format!("{file}: {variant}")));
        }
    }
}

#[test]
fn no_error_type_tells_what_its_source_tells() {
    let named = "#[error(\"{path}: {source}\")]\nRead { path: String, source: Error }";
    let unnamed = "#[error(\"the kernel: {0}\")]\nKernel(#[from] KernelError),";
    let sound =
        "#[error(\"{name}: {cause}\")]\nA { cause: E },\n#[error(transparent)]\nB(#[from] E)";
    assert_eq!(telling_variants(named).len(), 1);
    assert_eq!(telling_variants(unnamed).len(), 1);
    assert_eq!(telling_variants(sound).len(), 0);
    let mut wrong = Vec::new();
    check_folder(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut wrong,
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}
