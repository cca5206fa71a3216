//! Every key documented, every mistake refused with its line.

use super::keys::TABLES;
use super::schema::{Allowed, Key};
use super::*;
use crate::count::{BorderRule, Confidence};
use crate::device::thermal::ThreadsWanted;
use crate::language::Language;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::path::PathBuf;

fn message(text: &str) -> String {
    match Config::parse(text, "site.toml") {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// Names the cases whose message lacks a part.
fn lacking(cases: &[(&str, &[&str])]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (text, parts) in cases {
        let message = message(text);
        let missing: Vec<_> = parts
            .iter()
            .filter(|part| !message.contains(**part))
            .collect();
        if !missing.is_empty() || !message.starts_with("site.toml") {
            wrong.push(format!("{text:?}: {missing:?} missing in {message:?}"));
        }
    }
    wrong
}

/// Table and key of every setting, from the structs themselves.
fn keys_of_structs() -> BTreeSet<(String, String)> {
    let json = serde_json::to_value(Config::default()).unwrap();
    let tables = json.as_object().unwrap();
    tables
        .iter()
        .flat_map(|(table, keys)| {
            let keys = keys.as_object().unwrap().keys();
            keys.map(|key| (table.clone(), key.clone()))
        })
        .collect()
}

#[test]
fn the_documented_file_is_the_default() {
    let text = Config::documented_toml();
    assert_eq!(Config::parse(&text, "printed").unwrap(), Config::default());
    assert_eq!(Config::parse("", "empty").unwrap(), Config::default());
}

#[test]
fn the_documented_file_explains_every_key() {
    let text = Config::documented_toml();
    let documented: BTreeSet<_> = TABLES
        .iter()
        .flat_map(|table| {
            let keys = table.keys.iter();
            keys.map(|key| (table.name.to_owned(), key.name.to_owned()))
        })
        .collect();
    assert_eq!(documented, keys_of_structs());
    for (table, key) in documented {
        let section = text.split(&format!("\n[{table}]\n")).nth(1);
        let section = section.unwrap_or_else(|| panic!("[{table}] is missing in {text}"));
        let section = section.split("\n[").next().unwrap();
        let lines: Vec<_> = section.lines().collect();
        let line = lines.iter().position(|line| {
            line.trim_start_matches("# ")
                .starts_with(&format!("{key} = "))
        });
        let line = line.unwrap_or_else(|| panic!("{key} is missing in [{table}]"));
        assert!(lines[..line].iter().any(|line| line.contains("Allowed: ")));
    }
    let mut uncommented = text;
    let keys = TABLES.iter().flat_map(|table| table.keys);
    for Key { name, example, .. } in keys.filter(|key| !key.example.is_empty()) {
        let example = format!("{name} = {example}\n");
        assert!(uncommented.contains(&format!("# {example}")), "{name}");
        uncommented = uncommented.replace(&format!("# {example}"), &example);
    }
    let config = Config::parse(&uncommented, "printed").unwrap();
    assert_eq!(config.scale.um_per_px, Some(0.072));
    let panel_px = (config.panel.width_px, config.panel.height_px);
    assert_eq!(panel_px, (Some(320), Some(240)));
}

#[test]
fn every_choice_and_both_ends_of_every_range_are_accepted() {
    let mut wrong = Vec::new();
    for table in TABLES {
        for key in table.keys {
            let values = match key.allowed {
                _ if (table.name, key.name) == ("panel", "kind") => {
                    ["terminal", "png:x", "drm", "drm:/dev/x", "spi"]
                        .map(|spec| format!("{spec:?}"))
                        .to_vec()
                }
                Allowed::Choice(words) => words.iter().map(|word| format!("{word:?}")).collect(),
                Allowed::Switch => vec!["true".to_owned(), "false".to_owned()],
                Allowed::Number { min, max } => vec![format!("{min:?}"), format!("{max:?}")],
                Allowed::Integer { min, max } => vec![min.to_string(), max.to_string()],
                Allowed::WordOrInteger { word, min, max } => {
                    vec![format!("{word:?}"), min.to_string(), max.to_string()]
                }
                Allowed::OneOf(_) | Allowed::TextList { .. } => panic!("tested with boards"),
                Allowed::Text {
                    min_chars,
                    max_chars,
                } => [min_chars, max_chars]
                    .map(|length| format!("{:?}", "é".repeat(length)))
                    .to_vec(),
            };
            for value in values {
                let text = format!("[{}]\n{} = {value}\n", table.name, key.name);
                let result = Config::parse(&text, "site.toml");
                let clash = matches!(result, Err(ConfigError::NoBrightnessLeft { .. }));
                if result.is_err() && !clash {
                    wrong.push(format!("{text}: {result:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn given_keys_change_and_the_others_stay() {
    let text = "scale.um_per_px = 1\n[count]\nborder_rule = \"two_borders\"\nconfidence = 0.9\n\
                [display]\nlanguage = \"fr\"\n[model]\nfolder = \"models/own\"\n[run]\nthreads = 2\n\
                [site]\nutc_offset_minutes = -270\n";
    let config = Config::parse(text, "site.toml").unwrap();
    let mut expected = Config::default();
    expected.scale.um_per_px = Some(1.0);
    expected.count.border_rule = BorderRule::TwoBorders;
    expected.count.confidence = Confidence::new(0.9).unwrap();
    expected.display.language = Language::French;
    expected.model.folder = PathBuf::from("models/own");
    expected.run.threads = ThreadsWanted::Fixed(2);
    expected.site.utc_offset_minutes = -270;
    assert_eq!(config, expected);
    assert_eq!(config.count_rules().confidence.value(), 0.9);
    assert_eq!(Config::default().count_rules(), CountRules::default());
}

#[test]
fn unknown_names_are_refused_with_the_nearest_known_one() {
    let cases: [(&str, &[&str]); 11] = [
        (
            "[sample]\n[scale]\num_per_pixel = 0.1\n",
            &["unknown key `um_per_pixel` in [scale], line 3; did you mean `um_per_px`?"],
        ),
        (
            "scale.um_per_pixel = 0.1",
            &["`um_per_pixel` in [scale], line 1", "`um_per_px`?"],
        ),
        (
            "scale = { umperpx = 0.1 }",
            &["`umperpx` in [scale], line 1", "`um_per_px`?"],
        ),
        (
            "[count]\nborder = \"all\"",
            &["`border` in [count]", "`border_rule`?"],
        ),
        (
            "[scale]\nwidth_px = 9",
            &["`width_px` in [scale], line 2", "`width_px` in [panel]?"],
        ),
        (
            "[preprocess]\nWhite_Balance = true",
            &["`White_Balance`", "`white_balance`?"],
        ),
        (
            "[quality]\n\"\" = 1",
            &["unknown key `` in [quality], line 2"],
        ),
        (
            "\n\n[cammera]\nsource = \"x\"",
            &["unknown table [cammera], line 3", "[camera]?"],
        ),
        (
            "[scales]\n",
            &["unknown table [scales], line 1", "[scale]?"],
        ),
        (
            "um_per_px = 0.1",
            &[
                "`um_per_px` outside any table, line 1",
                "`um_per_px` in [scale]?",
            ],
        ),
        (
            "[camera.v4l2]\nfps = 3",
            &["unknown key `v4l2` in [camera], line 1"],
        ),
    ];
    let wrong = lacking(&cases);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn wrong_types_and_values_are_refused_with_what_is_allowed() {
    let scale = "give a number from 0.005 to 2";
    let threads = "give \"auto\" or a whole number from 1 to 2";
    let cases: [(&str, &[&str]); 27] = [
        (
            "[run]\nthreads = \"many\"",
            &["`threads` in [run], line 2, cannot be \"many\"", threads],
        ),
        ("[run]\nthreads = 3", &["cannot be 3", threads]),
        (
            "[run]\nthreads = 1.5",
            &["is a number with a fraction", threads],
        ),
        (
            "[scale]\num_per_px = \"0.1\"",
            &["`um_per_px` in [scale], line 2, is text", scale],
        ),
        (
            "[scale]\num_per_px = true",
            &["line 2, is true or false", scale],
        ),
        ("[scale]\num_per_px = [0.1]", &["line 2, is a list", scale]),
        ("[scale]\num_per_px = {}", &["line 2, is a table", scale]),
        (
            "[scale]\num_per_px = 1979-05-27",
            &["line 2, is a date or time", scale],
        ),
        (
            "[scale]\num_per_px = nan",
            &["line 2, cannot be nan", scale],
        ),
        ("[scale]\num_per_px = inf", &["cannot be inf", scale]),
        ("[scale]\num_per_px = 0.0", &["cannot be 0.0", scale]),
        ("[scale]\num_per_px = 0", &["cannot be 0", scale]),
        ("[scale]\num_per_px = -0.1", &["cannot be -0.1", scale]),
        ("[scale]\num_per_px = 1e999", &["line 2", scale]),
        (
            "[scale]\nframes_for_estimate = 1.5",
            &[
                "is a number with a fraction",
                "a whole number from 1 to 100",
            ],
        ),
        (
            "[scale]\nframes_for_estimate = 0",
            &["cannot be 0", "from 1 to 100"],
        ),
        (
            "[scale]\nframes_for_estimate = -1",
            &["cannot be -1", "from 1 to 100"],
        ),
        (
            "[scale]\nframes_for_estimate = 0xFFFFFFFFFFFFFFFFF",
            &["line 2"],
        ),
        (
            "[preprocess]\ndenoise = 1",
            &["is a whole number", "give true or false"],
        ),
        (
            "[display]\nlanguage = \"de\"",
            &["cannot be \"de\"", "\"en\" or \"es\" or \"fr\""],
        ),
        (
            "[count]\nborder_rule = \"none\"",
            &["\"inner_frame\" or \"two_borders\" or \"all\""],
        ),
        (
            "[count]\nconfidence = 95",
            &["cannot be 95", "from 0.5 to 0.9999"],
        ),
        (
            "[camera]\nsource = \"\"",
            &["cannot be \"\"", "1 to 1024 characters"],
        ),
        (
            "[sample]\nid = \"a\\u001b[2Jb\"",
            &["`id` in [sample], line 2, cannot be"],
        ),
        (
            "[[scale]]\num_per_px = 0.1",
            &["`scale` is a table, line 1"],
        ),
        ("scale = 3", &["`scale` is a table, line 1; write [scale]"]),
        (
            "[quality]\ndark_below = 200\nbright_above = 100.5",
            &["dark_below (200) must be less than bright_above (100.5)"],
        ),
    ];
    let wrong = lacking(&cases);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_first_mistake_of_the_file_is_reported() {
    let text = "[scale]\nzzz = 1\naaa = 1\n[camera]\nbbb = 1\n";
    assert!(message(text).contains("`zzz` in [scale], line 2"));
}

#[test]
fn text_that_is_no_toml_is_refused_with_its_line() {
    let cases: [(&str, &[&str]); 6] = [
        ("[scale]\num_per_px 0.1", &["site.toml, line 2: "]),
        ("[scale]\n[scale]\n", &["site.toml, line 2: "]),
        ("[scale\n", &["site.toml, line 1: "]),
        (
            "[panel]\nkind = \"hologram\"",
            &[
                "site.toml, line 2: there is no panel \"hologram\"",
                "png:FILE",
            ],
        ),
        (
            "[scale]\nrbc_diameter_um = 7\nrbc_diameter_um = 8",
            &["site.toml, line 3: "],
        ),
        ("\u{89}PNG\r\n\u{1a}\n", &["site.toml, line 1: "]),
    ];
    let wrong = lacking(&cases);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn long_names_and_values_are_cut_in_messages() {
    let long = "x".repeat(10_000);
    assert!(message(&format!("[scale]\n{long} = 1")).len() < 300);
    assert!(message(&format!("[display]\nlanguage = \"{long}\"")).len() < 300);
}

#[test]
fn files_that_cannot_be_settings_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let huge = "#".repeat(MAX_FILE_BYTES + 1);
    let cases = [
        (folder.path().join("missing.toml"), "cannot be read"),
        (folder.path().to_owned(), "cannot be read"),
        (
            write("huge.toml", huge.as_bytes()),
            "larger than 65536 bytes",
        ),
        (
            write("latin1.toml", b"[sample]\nid = \"caf\xe9\"\n"),
            "line 2: not UTF-8",
        ),
        (
            write("typo.toml", b"[sample]\nidd = \"1\"\n"),
            "did you mean `id`?",
        ),
    ];
    for (path, expected) in cases {
        let message = Config::load(&path).unwrap_err().to_string();
        assert!(message.contains(expected), "{message:?} lacks {expected:?}");
        assert!(message.contains(&path.display().to_string()), "{message:?}");
    }
    assert!(message(&huge).contains("larger than"));
    let good = write("good.toml", Config::documented_toml().as_bytes());
    assert_eq!(Config::load(&good).unwrap(), Config::default());
    let with_mark = write("bom.toml", "\u{feff}[sample]\nid = \"7\"\n".as_bytes());
    assert_eq!(Config::load(&with_mark).unwrap().sample.id, "7");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read_back(
        id in "[a-zA-Z0-9 \"'#\\\\=éß-]{0,64}", um_per_px in prop::option::of(0.005f64..2.0),
        confidence in 0.5f64..0.9999, cells in 1u32..10_000, denoise: bool,
    ) {
        let mut config = Config::default();
        config.sample.id = id;
        config.scale.um_per_px = um_per_px;
        config.count.confidence = Confidence::new(confidence).unwrap();
        config.count.minimum_cells = cells;
        config.preprocess.denoise = denoise;
        config.run.threads = if denoise { ThreadsWanted::Auto } else { ThreadsWanted::Fixed(1) };
        let text = toml::to_string(&config).unwrap();
        prop_assert_eq!(Config::parse(&text, "written").unwrap(), config);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(\\[|\\]|=|\"|\n|[a-z_.0-9-]|scale|um_per_px| ){0,60}") {
        if let Err(error) = Config::parse(&text, "site.toml") {
            prop_assert!(error.to_string().starts_with("site.toml"));
        }
    }
}
