//! The rooms of `src` and the one direction in which they depend, read off the `use` lines.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Every folder and file at the top of `src`, each below all that may name it: a room names only
/// rooms above it in this list.
const ROOMS: [&str; 33] = [
    "hex",
    "random",
    "ordered_workers",
    "language",
    "device",
    "image",
    "cell",
    "decode",
    "quality",
    "registration",
    "count",
    "assessment",
    "preprocess",
    "network",
    "detect",
    "record",
    "analysis",
    "service",
    "input",
    "camera",
    "panel",
    "config",
    "board",
    "self_test",
    "update",
    "export",
    "session",
    "scripted_operator",
    "ui",
    "runtime",
    "bench",
    "cli",
    "main",
];

/// Rooms that one room may not name although they lie above it, with the reason.
const FORBIDDEN: [(&str, &str, &str); 5] = [
    (
        "record",
        "session",
        "records are read without an instrument",
    ),
    ("export", "session", "a result is made from records alone"),
    ("export", "analysis", "a result is made from records alone"),
    ("session", "device", "the instrument knows no device"),
    ("session", "service", "the instrument knows no system"),
];

/// A module by its path, such as `["session", "machine"]`.
type Module = Vec<String>;

fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file by its module, without its tests and comments.
fn sources() -> BTreeMap<Module, String> {
    let mut sources = BTreeMap::new();
    let mut folders = vec![source_folder()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let module = module_of(&path);
                if !module.iter().any(|part| part == "tests") {
                    sources.insert(module, product_code(&fs::read_to_string(&path).unwrap()));
                }
            }
        }
    }
    assert!(sources.len() > 100, "only {} files found", sources.len());
    sources
}

fn module_of(path: &Path) -> Module {
    let relative = path.strip_prefix(source_folder()).unwrap();
    let mut module: Module = relative
        .with_extension("")
        .iter()
        .map(|part| part.to_str().unwrap().to_owned())
        .collect();
    if module
        .last()
        .is_some_and(|last| last == "mod" || last == "lib")
    {
        module.pop();
    }
    module
}

/// A file without comments, and without what only tests take in.
fn product_code(text: &str) -> String {
    let text = text
        .split_once("#[cfg(test)]\nmod tests {")
        .map_or(text, |(product, _)| product);
    let lines = text.lines().map(|line| {
        line.split_once("//")
            .map_or(line, |(code, _)| code)
            .to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The paths of a `use` tree, braces written out.
fn expand(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((prefix, rest)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or(tree).trim();
        return vec![path.to_owned()];
    };
    let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
    let mut parts = vec![String::new()];
    let mut depth = 0;
    for letter in inner.chars() {
        match letter {
            ',' if depth == 0 => parts.push(String::new()),
            _ => {
                depth += i32::from(letter == '{') - i32::from(letter == '}');
                parts.last_mut().unwrap().push(letter);
            }
        }
    }
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    parts
        .flat_map(|part| expand(&format!("{prefix}{}", part.trim())))
        .collect()
}

/// Every path in `use` lines and elsewhere. What a file only gives on from files behind it, with
/// `pub use`, is none of its own.
fn paths(code: &str) -> Vec<String> {
    let mut paths = Vec::new();
    let mut elsewhere = String::new();
    for statement in code.split_inclusive(';') {
        let line = statement.trim_start();
        let start = line.rfind("\nuse ").map(|at| at + 1);
        let start = start.or_else(|| line.rfind("    use ").map(|at| at + 4));
        let start = start.or_else(|| line.starts_with("use ").then_some(0));
        match start {
            Some(start) => {
                elsewhere.push_str(&line[..start]);
                let tree = line[start + 4..].trim_end_matches(';');
                paths.extend(expand(tree));
            }
            None => elsewhere.push_str(match line.split_once("pub use ") {
                Some((before, tree)) if !starts_at_a_known_place(tree) => before,
                _ => line,
            }),
        }
    }
    let is_of_path = |letter: char| letter.is_alphanumeric() || letter == '_' || letter == ':';
    let words = elsewhere.split(|letter| !is_of_path(letter));
    paths.extend(words.map(str::to_owned));
    paths
}

/// Whether a path starts at the crate, the folder or the file, not at a module behind the file.
fn starts_at_a_known_place(path: &str) -> bool {
    let starts = ["crate::", "super::", "self::"];
    starts.iter().any(|start| path.starts_with(start))
}

/// Where a path leads from a module, from the top of the crate on.
fn absolute(from: &Module, path: &str) -> Module {
    let mut module = from.clone();
    let mut parts = path.split("::").peekable();
    if parts.peek() == Some(&"crate") {
        module.clear();
        parts.next();
    } else if parts.peek() == Some(&"self") {
        parts.next();
    }
    while parts.peek() == Some(&"super") {
        module.pop();
        parts.next();
    }
    module.extend(parts.map(str::to_owned));
    module
}

/// What the modules of a folder give on under a name of their own folder.
fn given_on(sources: &BTreeMap<Module, String>) -> BTreeMap<Module, Module> {
    let mut given = BTreeMap::new();
    for (module, code) in sources {
        for statement in code.split(';') {
            let Some((_, tree)) = statement.split_once("pub use ") else {
                continue;
            };
            for path in expand(tree) {
                let target = match path.split("::").next() {
                    Some("crate" | "super" | "self") => absolute(module, &path),
                    _ => absolute(module, &format!("self::{path}")),
                };
                let mut name = module.clone();
                name.extend(target.last().cloned());
                given.insert(name, target);
            }
        }
    }
    given
}

/// The file that a path leads to.
fn file_of(
    mut path: Module,
    sources: &BTreeMap<Module, String>,
    given: &BTreeMap<Module, Module>,
) -> Option<Module> {
    // Names given on several times over are followed a few steps.
    for _ in 0..4 {
        let known = (1..=path.len())
            .rev()
            .find(|len| given.contains_key(&path[..*len]));
        let Some(len) = known else { break };
        let mut target = given[&path[..len]].clone();
        target.extend_from_slice(&path[len..]);
        path = target;
    }
    let len = (1..=path.len())
        .rev()
        .find(|len| sources.contains_key(&path[..*len]))?;
    Some(path[..len].to_vec())
}

/// Which files each file names.
fn graph() -> BTreeMap<Module, BTreeSet<Module>> {
    let sources = sources();
    let given = given_on(&sources);
    let named = |module: &Module, code: &String| {
        let is_behind = |path: &String| {
            let first = path.split_once("::").map(|(first, _)| first.to_owned());
            first.is_some_and(|first| sources.contains_key(&[&module[..], &[first]].concat()))
        };
        let paths = paths(code).into_iter();
        paths
            .filter(|path| starts_at_a_known_place(path) || is_behind(path))
            .filter_map(|path| file_of(absolute(module, &path), &sources, &given))
            .filter(|file| file != module)
            .collect()
    };
    sources
        .iter()
        .map(|(module, code)| (module.clone(), named(module, code)))
        .collect()
}

#[test]
fn every_room_names_only_rooms_above_it() {
    let place = |room: &String| ROOMS.iter().position(|known| known == room);
    let mut faults = Vec::new();
    for (module, named) in graph() {
        let Some(room) = module.first() else { continue };
        let own = place(room).unwrap_or_else(|| panic!("src/{room} has no place in ROOMS"));
        for other in named {
            let other_room = &other[0];
            let forbidden = FORBIDDEN
                .iter()
                .find(|(from, to, _)| from == room && to == other_room);
            if let Some((_, _, reason)) = forbidden {
                faults.push(format!("{module:?} names {other:?}: {reason}"));
            }
            if place(other_room).is_none_or(|place| place > own) {
                faults.push(format!("{module:?} names {other:?}, which lies below it"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_files_lead_round_in_a_circle() {
    let graph = graph();
    let reach = |start: &Module| {
        let mut seen = BTreeSet::new();
        let mut open = vec![start.clone()];
        while let Some(module) = open.pop() {
            for next in &graph[&module] {
                if seen.insert(next.clone()) {
                    open.push(next.clone());
                }
            }
        }
        seen
    };
    let in_circle: Vec<_> = graph
        .keys()
        .filter(|module| reach(module).contains(*module))
        .collect();
    assert!(in_circle.is_empty(), "in a circle: {in_circle:?}");
}
