//! The house: who may import whom, and what nobody may do.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};

/// The floor of each module at the root of `src`.
fn floor(module: &str) -> u32 {
    match module {
        "certificates" | "clock" | "compute" | "context" | "durable" | "error" | "escape"
        | "http" | "humanize" | "interrupt" | "model" | "opaque" | "outcome" | "percent"
        | "progress" | "quote" | "random" | "retry" | "turns" | "type_name" | "wall" => 0,
        "aws" | "codec" | "notify" | "pg" | "sign" | "store" => 1,
        "repository" => 2,
        "beside" | "diff" | "doctor" | "drill" | "export" | "extract" | "history" | "hold"
        | "init" | "keys" | "list" | "nightly" | "promote" | "prove" | "report" | "restore"
        | "schedule" | "snapshot" | "status" | "verify" => 3,
        "cli" | "config" | "main" | "lib" => 4,
        other => panic!("src/{other} has no floor: say where it lives"),
    }
}

/// A file of `src` without its tests.
struct Source {
    /// As in `restore/roles.rs`.
    path: PathBuf,
    /// As in `restore::roles`.
    module: String,
    text: String,
    /// Full paths of what it names inside of the crate.
    names: BTreeSet<String>,
}

impl Source {
    fn root(&self) -> &str {
        self.module.split("::").next().unwrap()
    }
}

fn list(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    list(&root, &mut found);
    assert!(found.len() > 20, "src is not where it was");
    let sources = found.iter().map(|path| read(path, &root));
    sources.flatten().collect()
}

/// `None`: the whole file is a test.
fn read(path: &Path, root: &Path) -> Option<Source> {
    let whole = fs::read_to_string(path).unwrap();
    let inside = path.strip_prefix(root).unwrap().to_owned();
    if is_test_module(path) {
        return None;
    }
    let file = syn::parse_file(&whole).unwrap();
    let module = inside
        .with_extension("")
        .to_str()
        .unwrap()
        .replace('/', "::");
    let mut tests = TestLines(BTreeSet::new());
    tests.visit_file(&file);
    let mut paths = Names {
        module: module.split("::").map(str::to_owned).collect(),
        found: BTreeSet::new(),
    };
    paths.visit_file(&file);
    let lines = whole.lines().enumerate();
    let lines = lines.filter(|(number, _)| !tests.0.contains(&(number + 1)));
    let lines: Vec<&str> = lines.map(|(_, line)| line).collect();
    Some(Source {
        path: inside,
        module,
        text: lines.join("\n"),
        names: paths.found,
    })
}

/// Whether the file's parent declares it by `#[cfg(test)] mod name;`. A file that nobody declares is not
/// compiled, whatever it holds.
fn is_test_module(path: &Path) -> bool {
    let folder = path.parent().unwrap();
    let name = path.file_stem().unwrap();
    if name == "main" || name == "lib" {
        return false;
    }
    let parent = if folder.ends_with("src") {
        folder.join("lib.rs")
    } else {
        folder.with_extension("rs")
    };
    let parent = fs::read_to_string(&parent).unwrap_or_default();
    let file = syn::parse_file(&parent).unwrap();
    let declared = file.items.iter().find_map(|item| match item {
        syn::Item::Mod(module) if module.ident == name.to_str().unwrap() => Some(module),
        _ => None,
    });
    let declared = declared.unwrap_or_else(|| panic!("nothing declares {}", path.display()));
    is_for_tests(&declared.attrs)
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Path>()
                .is_ok_and(|condition| condition.is_ident("test"))
    })
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The lines of what is compiled for tests only.
struct TestLines(BTreeSet<usize>);

impl TestLines {
    fn add(&mut self, span: proc_macro2::Span) {
        self.0.extend(span.start().line..=span.end().line);
    }
}

impl<'ast> Visit<'ast> for TestLines {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if is_for_tests(attributes(item)) {
            self.add(item.span());
        } else {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if is_for_tests(&item.attrs) {
            self.add(item.span());
        }
    }
}

/// What a module names inside of the crate, tests left out.
struct Names {
    module: Vec<String>,
    found: BTreeSet<String>,
}

impl Names {
    /// `path` begins with `crate`, `super` or `self`, or with a module below this one.
    fn add(&mut self, path: &[String]) {
        let mut base = self.module.clone();
        let mut rest = path;
        match path.first().map(String::as_str) {
            Some("crate") => {
                base.clear();
                rest = &path[1..];
            }
            Some("self") => rest = &path[1..],
            _ => {}
        }
        while rest.first().is_some_and(|word| word == "super") {
            base.pop();
            rest = &rest[1..];
        }
        base.extend(rest.iter().cloned());
        self.found.insert(base.join("::"));
    }

    fn add_tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |word: &syn::Ident| [before, &[word.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.add_tree(&with(&path.ident), &path.tree),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_tree(before, tree);
                }
            }
            syn::UseTree::Name(name) if name.ident == "self" => self.add(before),
            syn::UseTree::Name(name) => self.add(&with(&name.ident)),
            syn::UseTree::Rename(name) => self.add(&with(&name.ident)),
            syn::UseTree::Glob(_) => self.add(before),
        }
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add_tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let words: Vec<String> = path
            .segments
            .iter()
            .map(|one| one.ident.to_string())
            .collect();
        if words.len() > 1 {
            self.add(&words);
        }
        visit::visit_path(self, path);
    }

    /// The arguments of `format!` and its like, where they can be read as expressions.
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let list = syn::punctuated::Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated;
        if let Ok(arguments) = call.parse_body_with(list) {
            for argument in &arguments {
                self.visit_expr(argument);
            }
        }
        visit::visit_macro(self, call);
    }
}

/// Each file with those that it imports from. `mod name;` alone is no import.
fn imports(sources: &[Source]) -> BTreeMap<&str, BTreeSet<&str>> {
    let modules: BTreeSet<&str> = sources.iter().map(|one| one.module.as_str()).collect();
    let owner = |name: &str| {
        let mut name = name;
        loop {
            if let Some(module) = modules.get(name) {
                return Some(*module);
            }
            name = name.rsplit_once("::")?.0;
        }
    };
    let imports = sources.iter().map(|source| {
        let owners = source.names.iter().filter_map(|name| owner(name));
        let others = owners.filter(|other| *other != source.module);
        (source.module.as_str(), others.collect())
    });
    imports.collect()
}

#[test]
fn a_file_imports_only_from_lower_floors() {
    let sources = sources();
    for (module, imports) in imports(&sources) {
        let root = module.split("::").next().unwrap();
        for import in imports {
            let import = import.split("::").next().unwrap();
            // Floor 4 is one room: the command line reads the configuration.
            let room = floor(root) == 4 && floor(import) == 4;
            // A drill is a restore that is looked at, of an export or of a snapshot.
            let restores = import == "restore" || import == "snapshot";
            // A schedule calls other use cases; none of them imports it.
            let schedules = ["nightly", "prove", "schedule"].contains(&root);
            let calls = schedules && floor(import) == 3;
            let allowed = room || calls || (root == "drill" && restores);
            assert!(
                import == root || allowed || floor(import) < floor(root) || floor(root) == 0,
                "{module} imports {import}"
            );
            assert!(
                floor(root) > 0 || floor(import) == 0,
                "{module} imports {import}"
            );
        }
    }
}

/// All that can be reached from `module`, over any number of imports.
fn reached<'a>(module: &str, imports: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&str> = imports[module].iter().copied().collect();
    while let Some(one) = next.pop() {
        if reached.insert(one) {
            next.extend(&imports[one]);
        }
    }
    reached
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let sources = sources();
    let imports = imports(&sources);
    let mut circles = Vec::new();
    for module in imports.keys() {
        let reached_from_it = reached(module, &imports);
        if !reached_from_it.contains(module) {
            continue;
        }
        let back = reached_from_it
            .iter()
            .filter(|one| reached(one, &imports).contains(module));
        let circle: BTreeSet<&str> = back.copied().collect();
        if !circles.contains(&circle) {
            circles.push(circle);
        }
    }
    assert!(circles.is_empty(), "circles: {circles:#?}");
}

/// Every crate of Cargo.toml is named somewhere.
#[test]
fn no_crate_is_unused() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let text_of = |folder: &str| {
        let mut found = Vec::new();
        list(&root.join(folder), &mut found);
        let texts = found.iter().map(|path| fs::read_to_string(path).unwrap());
        texts.collect::<String>()
    };
    let (src, tests) = (text_of("src"), text_of("tests"));
    let linux = &manifest["target"]["cfg(target_os = \"linux\")"];
    for (crates, text) in [
        (&manifest["dependencies"], &src),
        (&linux["dependencies"], &src),
        (&manifest["dev-dependencies"], &tests),
    ] {
        for name in crates.as_table().unwrap().keys() {
            // The one crate whose library has another name.
            let name = if name == "md-5" { "md5" } else { name };
            let path = format!("{}::", name.replace('-', "_"));
            assert!(text.contains(&path), "nothing names the crate {name}");
        }
    }
}

#[test]
fn each_library_stays_in_its_room() {
    let rooms: [(&str, &[&str]); 7] = [
        ("aws_sdk_", &["store/s3", "aws"]),
        ("aws_config", &["store/s3", "aws"]),
        // What leaves this program goes the way that the environment names.
        ("aws_smithy_http_client", &["http"]),
        ("Agent::", &["http"]),
        ("tokio_postgres", &["pg"]),
        ("clap::", &["cli"]),
        ("toml::", &["config"]),
    ];
    for source in sources() {
        let place = source.module.replace("::", "/");
        for (library, allowed) in rooms {
            let inside = allowed
                .iter()
                .any(|room| place == *room || place.starts_with(&format!("{room}/")));
            assert!(
                inside || !source.text.contains(library),
                "{} uses {library}",
                source.module
            );
        }
    }
}

#[test]
fn nothing_can_delete_but_the_proof_that_it_is_refused() {
    for Source { path, text, .. } in sources() {
        if path == Path::new("store/s3/proof.rs") {
            continue;
        }
        for word in ["delete_object", "bypass_governance"] {
            assert!(!text.contains(word), "{} can {word}", path.display());
        }
    }
}

/// It is set where a database is made, and never changed.
#[test]
fn no_call_switches_deletion_protection_off() {
    for Source { path, text, .. } in sources() {
        if !path.starts_with("aws") || path == Path::new("aws/rds/create.rs") {
            continue;
        }
        for word in [".deletion_protection(", "deletion_protection ="] {
            assert!(!text.contains(word), "{} has {word}", path.display());
        }
    }
}

/// What escapes all that it prints.
const PRINTERS: [&str; 2] = ["cli/output.rs", "cli/progress.rs"];

#[test]
fn nothing_prints_but_what_escapes_all_that_it_prints() {
    for Source { path, text, .. } in sources() {
        if PRINTERS.iter().any(|printer| path == Path::new(printer)) {
            continue;
        }
        for word in ["print!(", "println!(", "dbg!(", "io::stdout", "io::stderr"] {
            assert!(!text.contains(word), "{} prints by {word}", path.display());
        }
    }
}

/// `Page` has no other way to take a text as it is, and `escape::json` is the only writer of JSON that
/// leaves a document on one line for everybody.
#[test]
fn no_text_is_shown_as_it_came_but_a_shells_completions() {
    for source in sources() {
        let (path, text, module) = (&source.path, &source.text, source.root());
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
