//! Which configuration file is read.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Names the file when no flag does.
pub(crate) const VARIABLE: &str = "LIFEBOAT_CONFIG";

/// Reads an environment variable.
pub(crate) type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// The file named by the flag or the variable, whether it exists or not.
pub(crate) fn named(flag: Option<&Path>, env: Env<'_>) -> Option<PathBuf> {
    flag.map(Path::to_owned).or_else(|| {
        env(VARIABLE)
            .filter(|path| !path.is_empty())
            .map(PathBuf::from)
    })
}

/// The named file, or else the first of the usual ones that exists.
pub(crate) fn find(flag: Option<&Path>, env: Env<'_>) -> Option<PathBuf> {
    named(flag, env).or_else(|| usual(env).into_iter().find(|path| may_be_there(path)))
}

/// Of a disk that does not answer nobody knows whether it has the file: reading it says why, and no other one is taken
/// in its place. A folder that is closed to this user, such as the one that `sudo` was called in, has none for it.
fn may_be_there(path: &Path) -> bool {
    match path.metadata() {
        Ok(found) => found.is_file(),
        Err(why) => !matches!(
            why.kind(),
            ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied
        ),
    }
}

/// Where a configuration file is looked for when none is named.
pub(crate) fn usual(env: Env<'_>) -> Vec<PathBuf> {
    let home = env("HOME")
        .filter(|home| !home.is_empty())
        .map(|home| PathBuf::from(home).join(".config/lifeboat/lifeboat.toml"));
    [Some(PathBuf::from("lifeboat.toml")), home]
        .into_iter()
        .flatten()
        .chain([PathBuf::from("/etc/lifeboat/lifeboat.toml")])
        .collect()
}

/// What to say when there is none.
pub(crate) fn missing(env: Env<'_>) -> Error {
    let looked: Vec<String> = usual(env)
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    Error::usage(format!(
        "no configuration file: looked for {}",
        looked.join(", ")
    ))
    .hint("pass --config FILE, or make one with `lifeboat init`; reading commands also work with --repository URL and --trust FINGERPRINT alone")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<OsString> {
        match name {
            "LIFEBOAT_CONFIG" => Some("/from/variable.toml".into()),
            "HOME" => Some("/home/me".into()),
            _ => None,
        }
    }

    #[test]
    fn the_flag_wins_over_the_variable_and_it_over_the_usual_places() {
        let flag = Path::new("/from/flag.toml");
        assert_eq!(find(Some(flag), &env).unwrap(), flag);
        assert_eq!(find(None, &env).unwrap(), Path::new("/from/variable.toml"));
        assert_eq!(named(None, &|_| Some(OsString::new())), None);
        let usual = usual(&env);
        assert_eq!(usual[0], Path::new("lifeboat.toml"));
        assert_eq!(
            usual[1],
            Path::new("/home/me/.config/lifeboat/lifeboat.toml")
        );
        assert_eq!(usual[2], Path::new("/etc/lifeboat/lifeboat.toml"));
    }
}
