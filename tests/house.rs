//! The floors of the house: who may import whom.

use std::fs;
use std::path::{Path, PathBuf};

/// The floor of each module at the root of `src`.
fn floor(module: &str) -> u32 {
    match module {
        "error" | "escape" | "clock" | "humanize" | "interrupt" | "outcome" | "percent"
        | "progress" | "quote" | "random" | "retry" | "wall" | "http" | "context" | "model" => 0,
        "codec" | "store" | "sign" | "pg" | "aws" | "notify" => 1,
        "repository" => 2,
        "doctor" | "drill" | "export" | "hold" | "init" | "keys" | "list" | "nightly"
        | "promote" | "prove" | "report" | "restore" | "schedule" | "snapshot" | "status"
        | "verify" => 3,
        "cli" | "config" | "main" | "lib" => 4,
        other => panic!("src/{other} has no floor: say where it lives"),
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// Each source file with the root module that it belongs to.
fn files() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    sources(&root, &mut found);
    assert!(found.len() > 20, "the sources are elsewhere");
    found
        .into_iter()
        .map(|path| {
            let inside = path.strip_prefix(&root).unwrap();
            let first = inside
                .components()
                .next()
                .unwrap()
                .as_os_str()
                .to_str()
                .unwrap();
            let module = first.trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).unwrap();
            (module, inside.to_owned(), text)
        })
        .collect()
}

/// The part of a file that is not its tests.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap()
}

/// Root modules that a text names after `crate::`.
fn imports(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in text.split("crate::").skip(1) {
        let words = match rest.strip_prefix('{') {
            Some(group) => group.split('}').next().unwrap().split(',').collect(),
            None => vec![rest],
        };
        for word in words {
            let name = |c: char| c.is_ascii_lowercase() || c == '_';
            let module: String = word.trim().chars().take_while(|c| name(*c)).collect();
            if !module.is_empty() {
                found.push(module);
            }
        }
    }
    found
}

#[test]
fn a_file_imports_only_from_lower_floors() {
    for (module, path, text) in files() {
        for import in imports(without_tests(&text)) {
            // Floor 4 is one room: the command line reads the configuration.
            let room = floor(&module) == 4 && floor(&import) == 4;
            // A drill is a restore that is looked at, of an export or of a snapshot.
            let restores = import == "restore" || import == "snapshot";
            let room = room || (module == "drill" && restores);
            // A schedule calls other use cases; none of them imports it.
            let schedules = ["nightly", "prove", "schedule"];
            let calls = schedules.contains(&module.as_str());
            let room = room || (calls && floor(&import) == 3);
            assert!(
                import == module || room || floor(&import) < floor(&module) || floor(&module) == 0,
                "{} imports {import}",
                path.display()
            );
            assert!(
                floor(&module) > 0 || floor(&import) == 0,
                "{} imports {import}",
                path.display()
            );
        }
    }
}

#[test]
fn each_library_stays_in_its_room() {
    let rooms: [(&str, &[&str]); 5] = [
        ("aws_sdk_", &["store/s3", "aws"]),
        ("aws_config", &["store/s3", "aws"]),
        ("tokio_postgres", &["pg"]),
        ("clap::", &["cli"]),
        ("toml::", &["config"]),
    ];
    for (_, path, text) in files() {
        let place = path.to_str().unwrap().trim_end_matches(".rs").to_owned();
        for (library, allowed) in rooms {
            let inside = allowed
                .iter()
                .any(|room| place == *room || place.starts_with(&format!("{room}/")));
            assert!(
                inside || !without_tests(&text).contains(library),
                "{} uses {library}",
                path.display()
            );
        }
    }
}

#[test]
fn nothing_can_delete_but_the_proof_that_it_is_refused() {
    for (_, path, text) in files() {
        if path == Path::new("store/s3/proof.rs") {
            continue;
        }
        for word in ["delete_object", "bypass_governance"] {
            assert!(
                !without_tests(&text).contains(word),
                "{} can {word}",
                path.display()
            );
        }
    }
}

/// What escapes all that it prints.
const PRINTERS: [&str; 2] = ["cli/output.rs", "cli/progress.rs"];

#[test]
fn nothing_prints_but_what_escapes_all_that_it_prints() {
    for (_, path, text) in files() {
        if PRINTERS.iter().any(|printer| path == Path::new(printer)) {
            continue;
        }
        for word in ["print!(", "println!(", "dbg!(", "io::stdout", "io::stderr"] {
            assert!(
                !without_tests(&text).contains(word),
                "{} prints by {word}",
                path.display()
            );
        }
    }
}

/// `Page` has no other way to take a text as it is, and `escape::json` is the only writer of JSON that
/// leaves a document on one line for everybody.
#[test]
fn no_text_is_shown_as_it_came_but_a_shells_completions() {
    for (module, path, text) in files() {
        let text = without_tests(&text);
        assert!(
            path == Path::new("cli/completions.rs") || !text.contains("Page::script"),
            "{} shows a text as it came",
            path.display()
        );
        let shows = module == "cli" || module == "notify" || module == "status";
        assert!(
            !shows || !text.contains("serde_json::to_string"),
            "{} writes JSON of its own",
            path.display()
        );
    }
}
