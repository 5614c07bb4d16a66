//! Where a server is installed, and what lies there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};
use crate::pg::local::tools::{Tool, ToolPath};

/// Extensions that cannot be made unless the server loads them as it starts. No library that a backup
/// names is ever loaded: only these, where the machine has them. Without worker processes their
/// schedulers do not run.
const PRELOADED: [&str; 3] = ["pg_cron", "pglogical", "timescaledb"];

/// Of a backup's extensions, those that a server may have to load as it starts.
pub(crate) fn to_preload(extensions: &[String]) -> Vec<String> {
    let known = |name: &&String| PRELOADED.contains(&name.as_str());
    extensions.iter().filter(known).cloned().collect()
}

/// Of [`PRELOADED`], those that the backup has and that lie in the server's library folder.
pub(super) fn preloaded(initdb: &ToolPath, extensions: &[String]) -> Vec<&'static str> {
    let folders = prefix(initdb).map(|prefix| [prefix.join("lib"), prefix.join("lib/postgresql")]);
    let is_there = |name: &str| {
        let file = format!("{name}.so");
        let mut folders = folders.iter().flatten();
        folders.any(|folder| folder.join(&file).is_file())
    };
    let wanted = PRELOADED.into_iter();
    wanted
        .filter(|name| extensions.iter().any(|one| one == name) && is_there(name))
        .collect()
}

/// What a server needs to read besides the system's own folders: where it is installed, and where its
/// libraries lie.
pub(super) fn readable(initdb: &ToolPath, postgres: &ToolPath) -> Vec<PathBuf> {
    const SYSTEM: [&str; 3] = ["/usr", "/lib", "/lib64"];
    let mut folders: BTreeSet<PathBuf> = prefix(initdb).into_iter().collect();
    for program in [initdb, postgres] {
        folders.extend(library_folders(&program.path));
    }
    folders.retain(|folder| !SYSTEM.iter().any(|system| folder.starts_with(system)));
    folders.into_iter().collect()
}

/// Where the system's loader finds a program's libraries. Where it cannot be asked, the server does not
/// start, and says which library it misses.
fn library_folders(program: &Path) -> Vec<PathBuf> {
    let asked = std::process::Command::new("ldd")
        .arg(program)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .output();
    let text = asked.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    let files = text.lines().filter_map(|line| {
        let (_, path) = line.split_once(" => ")?;
        let (path, _address) = path.rsplit_once(" (")?;
        Path::new(path).canonicalize().ok()
    });
    files
        .filter_map(|file| Some(file.parent()?.to_owned()))
        .collect()
}

/// `…` of `…/bin/initdb`.
fn prefix(initdb: &ToolPath) -> Option<PathBuf> {
    Some(initdb.path.parent()?.parent()?.to_owned())
}

/// The program of the same installation.
pub(super) fn sibling(of: &ToolPath, tool: Tool) -> Result<ToolPath> {
    let path = of.path.with_file_name(tool.name());
    if path.is_file() {
        return Ok(ToolPath {
            tool,
            path,
            ..of.clone()
        });
    }
    let folder = of.path.parent().unwrap_or(&of.path).display();
    let what = format!("{folder} has initdb, but no {tool}");
    Err(Error::new(Kind::NotFound, what)
        .hint("a drill needs PostgreSQL's server package, not only its client's"))
}
