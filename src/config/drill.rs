//! `[drill]`: where drills run, and what a restored database is asserted to hold.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::position::Positions;
use super::raw::{self, Scalar};
use super::rules::{At, KeyError, both, check_new};
use crate::drill::spare::class_size;
use crate::drill::{Assertion, Must, Question};
use crate::error::{Error, Result};

/// The longest that a drill may take, unless configured.
const TIME_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// How far a table's rows may have changed between an export and a snapshot, unless configured.
const WITHIN_PERCENT: f64 = 10.0;
const LARGEST_SIZE: &str = "4xlarge";

#[derive(Debug, Clone, PartialEq)]
pub struct DrillSettings {
    /// Below which throwaway servers are made; `None`: the system's folder for temporary files.
    pub folder: Option<PathBuf>,
    /// After which a drill is stopped.
    pub time_limit: Duration,
    /// Of the drill server in a second container, which then makes the throwaway servers beside it.
    pub server_socket: Option<PathBuf>,
    /// Everything of the backup runs as the throwaway's superuser.
    pub superuser: bool,
    /// Drills also where a wall is missing.
    pub weak_wall: bool,
    /// Where instances of drills lie; `None`: snapshot copies are not drilled.
    pub network: Option<Network>,
    /// Of instances of drills; `None`: as recorded with the copy.
    pub class: Option<String>,
    /// How large a recorded class may be, such as `4xlarge`.
    pub largest_size: String,
    /// By so many per cent a table of a snapshot copy may have more or fewer rows than its export.
    pub within_percent: f64,
    /// What is asserted of restored databases.
    pub(crate) questions: Vec<Question>,
}

impl Default for DrillSettings {
    fn default() -> Self {
        Self {
            folder: None,
            server_socket: None,
            time_limit: TIME_LIMIT,
            superuser: false,
            weak_wall: false,
            network: None,
            class: None,
            largest_size: LARGEST_SIZE.to_owned(),
            within_percent: WITHIN_PERCENT,
            questions: Vec::new(),
        }
    }
}

/// The place for drills in the backup account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    pub subnet_group: String,
    /// Lets nothing out.
    pub security_group: String,
}

pub(crate) fn resolve(
    mut raw: raw::Drill,
    base: &Path,
    positions: &Positions<'_>,
) -> Result<DrillSettings> {
    let mut names = BTreeSet::new();
    let asserts = std::mem::take(&mut raw.assert);
    let questions = positions.each("drill.assert", asserts, |raw| question(raw, &mut names))?;
    positions.table("drill", settings(raw, base, questions))
}

fn settings(
    raw: raw::Drill,
    base: &Path,
    questions: Vec<Question>,
) -> Result<DrillSettings, KeyError> {
    let folder = raw.folder.map(|folder| base.join(folder));
    Ok(DrillSettings {
        server_socket: server_socket(raw.server_socket, folder.as_deref(), base)
            .at("server_socket")?,
        folder,
        time_limit: raw.time_limit.map_or(TIME_LIMIT, |limit| limit.0),
        superuser: raw.superuser,
        weak_wall: raw.weak_wall,
        network: network(raw.subnet_group, raw.security_group)?,
        class: raw.class,
        largest_size: largest_size(raw.largest_size).at("largest_size")?,
        within_percent: percent(raw.within_percent)?.unwrap_or(WITHIN_PERCENT),
        questions,
    })
}

fn largest_size(size: Option<String>) -> Result<String> {
    let size = size.unwrap_or_else(|| LARGEST_SIZE.to_owned());
    if class_size(&size).is_none() {
        return Err(Error::usage(format!("'{size}' is no size of a class"))
            .hint("the last word of one, such as \"large\" or \"4xlarge\""));
    }
    Ok(size)
}

/// It lies in the folder that both containers share: no other can be meant beside it.
fn server_socket(
    socket: Option<PathBuf>,
    folder: Option<&Path>,
    base: &Path,
) -> Result<Option<PathBuf>> {
    let hint =
        "for example \"/drill/lifeboat.sock\": `lifeboat drill-server --folder /drill` makes it";
    let Some(socket) = socket.map(|socket| base.join(socket)) else {
        return Ok(None);
    };
    let Some(shared) = socket.file_name().and_then(|_| socket.parent()) else {
        return Err(Error::usage("names no socket").hint(hint));
    };
    if folder.is_some_and(|folder| folder != shared) {
        let error = Error::usage("does not lie in drill.folder");
        return Err(error.hint("leave `folder` out: servers are made beside the socket"));
    }
    Ok(Some(socket))
}

/// One without the other would leave the instance in a VPC's default group, which lets everything out.
fn network(
    subnet_group: Option<String>,
    security_group: Option<String>,
) -> Result<Option<Network>, KeyError> {
    let hint = "both are outputs of the stack of deploy/aws/backup-tasks.yaml";
    let keys = ("subnet_group", "security_group");
    let Some((subnet_group, security_group)) = both(subnet_group, security_group, keys, hint)?
    else {
        return Ok(None);
    };
    if subnet_group.trim().is_empty() {
        return Err(("subnet_group", Error::usage("is empty").hint(hint)));
    }
    let digits = security_group.strip_prefix("sg-").unwrap_or_default();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        let id = security_group.escape_debug();
        let error = Error::usage(format!("'{id}' is no id of a security group"))
            .hint("for example sg-0123456789abcdef0");
        return Err(("security_group", error));
    }
    Ok(Some(Network {
        subnet_group,
        security_group,
    }))
}

fn question(raw: raw::Assert, names: &mut BTreeSet<String>) -> Result<Question, KeyError> {
    check_new(&raw.name, names, "assertions").at("name")?;
    Ok(Question {
        assertion: Assertion {
            must: must(&raw)?,
            name: raw.name,
            sql: raw.sql,
        },
        source: raw.source,
        database: raw.database,
    })
}

fn must(raw: &raw::Assert) -> Result<Must, KeyError> {
    if raw.sql.trim().is_empty() {
        let error = Error::usage("is empty").hint("a SELECT that gives one row of one column");
        return Err(("sql", error));
    }
    let within = percent(raw.within_percent)?;
    let given = [
        raw.equals.as_ref().map(|value| Must::Equal(printed(value))),
        raw.at_least.map(Must::AtLeast),
        within.map(|percent| Must::Within { percent }),
        raw.not_older_than.map(|age| Must::NotOlder(age.signed())),
    ];
    let mut given = given.into_iter().flatten();
    let what = match (given.next(), given.next()) {
        (Some(must), None) => return Ok(must),
        (None, _) => "says not what must hold",
        (Some(_), Some(_)) => "says several things at once",
    };
    let hint = "one of equals, at_least, within_percent, not_older_than";
    Err(("name", Error::usage(what).hint(hint)))
}

/// A value of `within_percent`.
fn percent(given: Option<f64>) -> Result<Option<f64>, KeyError> {
    match given {
        Some(percent) if !(0.0..=1000.0).contains(&percent) => {
            let error = Error::usage(format!("{percent} is not between 0 and 1000"));
            Err(("within_percent", error.hint("for example 10")))
        }
        given => Ok(given),
    }
}

/// As PostgreSQL prints it.
fn printed(value: &Scalar) -> String {
    match value {
        Scalar::Truth(true) => "t".to_owned(),
        Scalar::Truth(false) => "f".to_owned(),
        Scalar::Whole(number) => number.to_string(),
        Scalar::Number(number) => number.to_string(),
        Scalar::Text(text) => text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_lies_in_the_folder_of_drills_or_alone() {
        let resolve = |socket: &str, folder: Option<&str>| {
            let folder = folder.map(Path::new);
            server_socket(Some(socket.into()), folder, Path::new("/etc/lifeboat"))
        };
        let given = |path: &str| Some(PathBuf::from(path));
        assert_eq!(resolve("/drill/s", None).unwrap(), given("/drill/s"));
        assert_eq!(
            resolve("/drill/s", Some("/drill/")).unwrap(),
            given("/drill/s")
        );
        assert_eq!(resolve("s", None).unwrap(), given("/etc/lifeboat/s"));
        let error = resolve("/drill/s", Some("/var/tmp")).unwrap_err();
        assert!(error.to_string().contains("drill.folder"), "{error}");
        for nothing in ["/", "/drill/.."] {
            resolve(nothing, None).unwrap_err();
        }
    }
}
