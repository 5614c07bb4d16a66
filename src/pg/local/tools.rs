//! PostgreSQL's own programs: where they are, which version, and how they are run.

use std::fmt;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use crate::error::{Error, Kind, Result, ResultExt};
use crate::opaque;
use crate::pg::connect::tool_env::ToolEnv;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    PgDump,
    PgDumpall,
    PgRestore,
    Psql,
    InitDb,
    Postgres,
    PgCtl,
}

impl Tool {
    pub fn name(self) -> &'static str {
        match self {
            Self::PgDump => "pg_dump",
            Self::PgDumpall => "pg_dumpall",
            Self::PgRestore => "pg_restore",
            Self::Psql => "psql",
            Self::InitDb => "initdb",
            Self::Postgres => "postgres",
            Self::PgCtl => "pg_ctl",
        }
    }

    /// Whether it logs in, and would ask a terminal for a password.
    fn is_client(self) -> bool {
        matches!(
            self,
            Self::PgDump | Self::PgDumpall | Self::PgRestore | Self::Psql
        )
    }

    /// Debian's package with this program.
    fn package(self, major: u32) -> String {
        let client = if self.is_client() { "client-" } else { "" };
        format!("postgresql-{client}{major}")
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A program that was found and asked for its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolPath {
    pub tool: Tool,
    pub path: PathBuf,
    pub major: u32,
    /// As it prints it, such as "15.4".
    pub version: String,
}

/// Where programs are looked for, in this order.
#[derive(Debug, Clone)]
pub struct Dirs {
    /// Folders that the user named: looked into first, and a fitting program there always wins.
    pub named: Vec<PathBuf>,
    /// `PATH`, then the folders of distributions.
    pub others: Vec<PathBuf>,
}

impl Dirs {
    /// The user's folders, this process's `PATH`, and where distributions put each version.
    pub fn system(named: Vec<PathBuf>) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut others: Vec<PathBuf> = std::env::split_paths(&path)
            .filter(|folder| folder.is_absolute())
            .collect();
        others.extend(versioned("/usr/lib/postgresql", "", "bin"));
        others.extend(versioned("/usr", "pgsql-", "bin"));
        for brew in [
            "/opt/homebrew/opt",
            "/usr/local/opt",
            "/home/linuxbrew/.linuxbrew/opt",
        ] {
            others.extend(versioned(brew, "postgresql@", "bin"));
            others.push(Path::new(brew).join("libpq/bin"));
        }
        Self { named, others }
    }
}

/// `<root>/<prefix>N/<below>` for every N that exists.
fn versioned(root: &str, prefix: &str, below: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(root) else {
        return Vec::new();
    };
    let folder = |entry: std::io::Result<DirEntry>| {
        let entry = entry.ok()?;
        let name = entry.file_name();
        let major = name.to_str()?.strip_prefix(prefix)?.parse().ok()?;
        Some((major, entry.path().join(below)))
    };
    let mut found: Vec<(u32, PathBuf)> = entries.filter_map(folder).collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

/// Finds a program of major version `want`; with `or_newer` else of the next newer one, never of
/// an older.
pub fn find(tool: Tool, want: u32, or_newer: bool, dirs: &Dirs) -> Result<ToolPath> {
    let mut seen = Vec::new();
    for folders in [&dirs.named, &dirs.others] {
        let found = look(tool, folders);
        let fitting = found
            .iter()
            .filter(|one| one.major == want || (or_newer && one.major > want))
            // The first of equals: min_by_key keeps the order of the folders.
            .min_by_key(|one| one.major);
        if let Some(fitting) = fitting {
            return Ok(fitting.clone());
        }
        seen.extend(found);
    }
    let newer = if or_newer { " or newer" } else { "" };
    let what = if seen.is_empty() {
        format!("{tool} {want}{newer} is needed, and no {tool} was found")
    } else {
        let list = seen
            .iter()
            .map(|one| format!("{} {}", one.path.display(), one.version));
        let list = list.collect::<Vec<_>>().join(", ");
        format!("{tool} {want}{newer} is needed; found only {list}")
    };
    Err(Error::new(Kind::NotFound, what).hint(format!(
        "install it (Debian, Ubuntu: apt install {}), or name its folder",
        tool.package(want)
    )))
}

fn look(tool: Tool, folders: &[PathBuf]) -> Vec<ToolPath> {
    let mut found: Vec<ToolPath> = Vec::new();
    let mut known: Vec<PathBuf> = Vec::new();
    for folder in folders {
        let path = folder.join(tool.name());
        let Ok(real) = path.canonicalize() else {
            continue;
        };
        // Debian's PATH entry is a wrapper that picks a version by the cluster it guesses.
        if !path.is_file() || real.ends_with("pg_wrapper") || known.contains(&real) {
            continue;
        }
        known.push(real);
        if let Some((version, major)) = version(&path) {
            found.push(ToolPath {
                tool,
                path,
                major,
                version,
            });
        }
    }
    found
}

/// Asks a program; "pg_dump (PostgreSQL) 15.4 (Debian 15.4-1)" is 15.4 and 15.
fn version(path: &Path) -> Option<(String, u32)> {
    let output = std::process::Command::new(path)
        .arg("--version")
        .env_clear()
        .envs(inherited())
        .stdin(Stdio::null())
        .output();
    let output = output.ok().filter(|output| output.status.success())?;
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

fn parse_version(text: &str) -> Option<(String, u32)> {
    let (_, rest) = text.split_once("(PostgreSQL)")?;
    let version = rest.split_whitespace().next()?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    Some((version.to_owned(), digits.parse().ok()?))
}

/// What a tool gets of this process's environment, which may hold the backup account's credentials: the
/// little that it needs to run.
fn inherited() -> impl Iterator<Item = (&'static str, std::ffi::OsString)> {
    const NAMES: [&str; 5] = ["PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR", "TZ"];
    NAMES
        .into_iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)))
}

/// A command with the given variables, no terminal to ask for a password, and killed when it is
/// dropped.
pub fn command(tool: &ToolPath, env: &ToolEnv) -> Command {
    let mut command = Command::new(&tool.path);
    command.env_clear().envs(inherited());
    if tool.tool.is_client() {
        command.arg("--no-password");
        // Error messages are read by us: in English, whatever the locale; names keep their letters.
        let names = ["LC_ALL", "LC_CTYPE", "LANG"];
        let letters = names.into_iter().find_map(std::env::var_os);
        command.envs(letters.map(|letters| ("LC_CTYPE", letters)));
        command.env("LC_MESSAGES", "C");
    }
    command
        .envs((env.vars().iter()).map(|(name, value)| (*name, opaque::os(value))))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// Runs a command to its end and returns what it printed; an exit code other than 0 is an error
/// with the last lines of what it complained about.
pub async fn run(command: &mut Command, what: &str) -> Result<Output> {
    let output = command.output().await;
    let output = output.context(|| format!("starting {what}"))?;
    if output.status.success() {
        return Ok(output);
    }
    Err(Error::failed(format!("{what}: {}", output.status))
        .because(Error::failed(last_lines(&output.stderr))))
}

/// The same, but only what it printed, and nothing where that is more than `most` bytes: it is ended then.
pub(crate) async fn run_up_to(
    command: &mut Command,
    what: &str,
    most: usize,
) -> Result<Option<Vec<u8>>> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let starting = || format!("starting {what}");
    let mut child = command.spawn().context(starting)?;
    let (Some(stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(Error::failed(format!("{what} has no output")));
    };
    let (mut printed, mut complaints) = (Vec::new(), Vec::new());
    let print = async {
        let mut all = stdout.take(most as u64 + 1);
        all.read_to_end(&mut printed).await?;
        if printed.len() > most {
            child.start_kill()?;
        }
        // Nobody reads any more: what it started meanwhile ends as well.
        drop(all);
        Ok(())
    };
    let complain = stderr.read_to_end(&mut complaints);
    let read = tokio::try_join!(print, complain);
    read.context(|| format!("reading {what}"))?;
    let status = child.wait().await.context(|| what.to_owned())?;
    if printed.len() > most {
        return Ok(None);
    }
    if status.success() {
        return Ok(Some(printed));
    }
    Err(Error::failed(format!("{what}: {status}")).because(Error::failed(last_lines(&complaints))))
}

/// The last lines of a tool's complaints, as one line.
pub(crate) fn last_lines(stderr: &[u8]) -> String {
    const LINES: usize = 5;
    let text = opaque::text(stderr);
    let lines = text.lines().map(str::trim);
    let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    if lines.is_empty() {
        return "it said nothing".to_owned();
    }
    lines[lines.len().saturating_sub(LINES)..].join("; ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn fake(root: &Path, name: &str, version: &str) -> PathBuf {
        let folder = root.join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("pg_dump");
        let script = format!("#!/bin/sh\necho 'pg_dump (PostgreSQL) {version}'\n");
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        folder
    }

    #[test]
    fn the_exact_version_is_preferred_then_the_next_newer_never_an_older_one() {
        let root = tempfile::tempdir().unwrap();
        let folder = |name, version| fake(root.path(), name, version);
        let others = vec![
            folder("14", "14.9"),
            folder("18", "18.1 (Debian 18.1-1)"),
            folder("17", "17rc1"),
        ];
        let dirs = Dirs {
            named: vec![folder("16", "16.2")],
            others,
        };
        let find = |want, newer| find(Tool::PgDump, want, newer, &dirs).map(|found| found.version);
        assert_eq!(find(18, false).unwrap(), "18.1");
        assert_eq!(find(14, false).unwrap(), "14.9");
        assert_eq!(find(15, true).unwrap(), "16.2");
        assert_eq!(find(17, true).unwrap(), "17rc1");
        let error = find(15, false).unwrap_err();
        assert!(error.to_string().contains("16/pg_dump 16.2, "), "{error}");
        assert!(error.find_hint().unwrap().contains("postgresql-client-15"));
        assert_eq!(find(19, true).unwrap_err().kind(), Kind::NotFound);
    }

    #[tokio::test]
    async fn what_prints_too_much_is_ended() {
        let run = async |script: &str, most| {
            let mut command = Command::new("sh");
            run_up_to(command.args(["-c", script]), "it", most).await
        };
        let all = run("printf 1234; echo said >&2", 4).await.unwrap();
        assert_eq!(all, Some(b"1234".to_vec()));
        assert_eq!(run("printf 12345", 4).await.unwrap(), None);
        assert_eq!(run("yes", 1_000_000).await.unwrap(), None);
        let error = run("echo why >&2; exit 3", 4).await.unwrap_err();
        assert!(error.chain().contains("why"), "{}", error.chain());
    }
}
