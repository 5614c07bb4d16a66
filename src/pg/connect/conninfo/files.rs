//! Files that say how to log in: `.pgpass`, a file with only the password, service files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::params::{self, Params};
use crate::error::{Error, Result, ResultExt};

/// Debian's; libpq has its own compiled in, PGSYSCONFDIR overrides both.
const SYSTEM_FOLDER: &str = "/etc/postgresql-common";

/// What a password is looked up by.
pub(super) struct Login<'a> {
    pub host: &'a str,
    pub port: u16,
    pub database: &'a str,
    pub user: &'a str,
}

/// The password in a `.pgpass` file. A file that others can read is passed over with a warning,
/// as libpq does; a file that does not exist has no password.
pub(super) fn pgpass(path: &Path, login: &Login<'_>, warnings: &mut Vec<String>) -> Option<String> {
    let meta = fs::metadata(path).ok()?;
    let why = if !meta.is_file() {
        "is not a plain file: not read".to_owned()
    } else if meta.permissions().mode() & 0o077 != 0 {
        "can be read by group or others: not read; run chmod 0600 on it".to_owned()
    } else {
        match fs::read_to_string(path) {
            Ok(text) => return text.lines().find_map(|line| pgpass_line(line, login)),
            Err(error) => format!("cannot be read: {error}"),
        }
    };
    warnings.push(format!("{} {why}", path.display()));
    None
}

fn pgpass_line(line: &str, login: &Login<'_>) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let port = login.port.to_string();
    let mut rest = line;
    for want in [login.host, &port, login.database, login.user] {
        let (field, after) = pgpass_field(rest, true);
        // A star that is escaped is only a star.
        if field != want && !rest.starts_with("*:") {
            return None;
        }
        rest = after?;
    }
    Some(pgpass_field(rest, false).0)
}

/// One field without its escapes, and what follows the colon after it.
fn pgpass_field(text: &str, ends_at_colon: bool) -> (String, Option<&str>) {
    let mut field = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => field.extend(chars.next().map(|(_, escaped)| escaped)),
            ':' if ends_at_colon => return (field, Some(&text[at + 1..])),
            c => field.push(c),
        }
    }
    (field, None)
}

/// The whole content of a file as the password, without its last newline.
pub(super) fn password_file(path: &Path) -> Result<String> {
    let file = || format!("password file {}", path.display());
    let meta = fs::metadata(path).context(file)?;
    if meta.permissions().mode() & 0o004 != 0 {
        return Err(
            Error::refused(format!("{} can be read by everyone", file()))
                .hint(format!("run: chmod 0600 {}", path.display())),
        );
    }
    let text = fs::read_to_string(path).context(file)?;
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() {
        return Err(Error::usage(format!("{} is empty", file())));
    }
    if password.contains('\n') {
        return Err(Error::usage(format!("{} has more than one line", file()))
            .hint("put only the password into it; for .pgpass lines use PGPASSFILE"));
    }
    Ok(password.to_owned())
}

/// The parameters of a service: the user's file first, then the system's.
pub(super) fn service(name: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Params> {
    let mut looked = Vec::new();
    let user = env("PGSERVICEFILE")
        .map(PathBuf::from)
        .or_else(|| env("HOME").map(|home| PathBuf::from(home).join(".pg_service.conf")));
    let system = env("PGSYSCONFDIR").unwrap_or_else(|| SYSTEM_FOLDER.to_owned());
    let system = std::iter::once(PathBuf::from(system).join("pg_service.conf"));
    for path in user.into_iter().chain(system) {
        let file = || format!("service file {}", path.display());
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text.context(file)?,
        };
        if let Some(found) = service_section(&text, name).context(file)? {
            return Ok(found);
        }
        looked.push(path.display().to_string());
    }
    Err(
        Error::usage(format!("the service {name:?} is defined nowhere"))
            .hint(format!("looked in {}", looked.join(", "))),
    )
}

fn service_section(text: &str, name: &str) -> Result<Option<Params>> {
    let mut found: Option<Params> = None;
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(section) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            if found.is_some() {
                break;
            }
            if section == name {
                found = Some(Params::new());
            }
            continue;
        }
        let Some(params) = found.as_mut() else {
            continue;
        };
        let Some((key, value)) = line.split_once('=') else {
            return Err(Error::usage(format!(
                "a line in the section [{name}] is not key=value"
            )));
        };
        if key.trim() == "service" {
            return Err(Error::usage(format!(
                "the section [{name}] names another service: nesting is not supported"
            )));
        }
        params::put(params, key.trim(), value.trim().to_owned())?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn pgpass_lines_match_as_libpq_does() {
        let login = Login {
            host: "db:1",
            port: 5432,
            database: "app",
            user: "*",
        };
        for (line, password) in [
            (r"db\:1:5432:app:\*:se\:c\\ret", Some(r"se:c\ret")),
            ("*:*:*:*:any", Some("any")),
            (r"db\:1:5432:app:*:with:colon", Some("with:colon")),
            (r"\*:*:*:*:a star is only a star", None),
            (r"db\:1:5433:app:*:port", None),
            ("# *:*:*:*:comment", None),
            ("db:1:5432", None),
            ("", None),
        ] {
            assert_eq!(pgpass_line(line, &login).as_deref(), password, "{line}");
        }
    }

    #[test]
    fn a_service_is_its_own_section_only() {
        let text = "# c\n[a]\nhost=x\n\n[b]\n host = y \nport=1\n[c]\nbroken\n";
        let b = service_section(text, "b").unwrap().unwrap();
        assert_eq!(b.get("host").map(String::as_str), Some("y"));
        assert_eq!(b.len(), 2);
        assert!(service_section(text, "d").unwrap().is_none());
        assert!(service_section(text, "c").is_err());
        assert!(service_section("[a]\nservice=b\n", "a").is_err());
    }

    #[test]
    fn foreign_files_are_read_to_their_end() {
        let login = Login {
            host: "db:1",
            port: 5432,
            database: "app",
            user: "*",
        };
        crate::foreign::each_text("pgpass", |text| {
            for line in text.lines() {
                let password = pgpass_line(line, &login);
                assert!(password.is_none_or(|password| password.len() <= line.len()));
            }
        });
        crate::foreign::each_text("service", |text| {
            for name in ["a", "b", "c", "d", ""] {
                if let Ok(Some(found)) = service_section(text, name) {
                    assert!(found.values().all(|value| text.contains(value)));
                    assert!(text.contains(&format!("[{name}]")));
                }
            }
        });
    }
}
