//! `[drill]`: where drills happen, and what a restored database must be able to say of itself.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::place::Place;
use super::units;
use super::written::{self, Scalar};
use crate::error::{Error, Result};

/// Of a drill, where nothing says otherwise.
const TIME_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

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
    pub assertions: Vec<Assert>,
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
            assertions: Vec::new(),
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

/// A query and what its one value must be.
#[derive(Debug, Clone, PartialEq)]
pub struct Assert {
    pub name: String,
    pub sql: String,
    /// Only in drills of this source; `None`: of all.
    pub source: Option<String>,
    /// Only in drills of this database; `None`: of all.
    pub database: Option<String>,
    pub must: Must,
}

/// What must hold of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Must {
    Equal(String),
    AtLeast(f64),
    WithinPercent(f64),
    NotOlder(Duration),
}

pub fn resolve(written: written::Drill, base: &Path, place: &Place<'_>) -> Result<DrillSettings> {
    let mut names = std::collections::BTreeSet::new();
    let mut assertions = Vec::with_capacity(written.assert.len());
    for (index, one) in written.assert.into_iter().enumerate() {
        let wrong = |key, error| place.nth("drill.assert", index, key, error);
        if one.name.trim().is_empty() {
            return Err(wrong(
                "name",
                Error::usage("is empty").hint("for example \"newest answer\""),
            ));
        }
        if !names.insert(one.name.clone()) {
            return Err(wrong("name", Error::usage("is given to two assertions")));
        }
        let must = must(&one).map_err(|(key, error)| wrong(key, error))?;
        assertions.push(Assert {
            name: one.name,
            sql: one.sql,
            source: one.source,
            database: one.database,
            must,
        });
    }
    let folder = written.folder.map(|folder| base.join(folder));
    let server_socket = server_socket(written.server_socket, folder.as_deref(), base)
        .map_err(|error| place.at("drill", "server_socket", error))?;
    Ok(DrillSettings {
        folder,
        server_socket,
        time_limit: match written.time_limit.as_deref().map(units::duration) {
            None => TIME_LIMIT,
            Some(limit) => limit.map_err(|error| place.at("drill", "time_limit", error))?,
        },
        superuser: written.superuser,
        weak_wall: written.weak_wall,
        network: network(written.subnet_group, written.security_group)
            .map_err(|(key, error)| place.at("drill", key, error))?,
        class: written.class,
        assertions,
    })
}

/// It lies in the folder that both containers share: no other can be meant beside it.
fn server_socket(
    written: Option<PathBuf>,
    folder: Option<&Path>,
    base: &Path,
) -> Result<Option<PathBuf>> {
    let hint =
        "for example \"/drill/lifeboat.sock\": `lifeboat drill-server --folder /drill` makes it";
    let Some(socket) = written.map(|socket| base.join(socket)) else {
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
) -> std::result::Result<Option<Network>, (&'static str, Error)> {
    let hint = "both are outputs of the stack of deploy/aws/backup-tasks.yaml";
    let (subnet_group, security_group) = match (subnet_group, security_group) {
        (None, None) => return Ok(None),
        (Some(subnets), Some(security)) => (subnets, security),
        (Some(_), None) => {
            let error = Error::usage("is given without drill.security_group").hint(hint);
            return Err(("subnet_group", error));
        }
        (None, Some(_)) => {
            let error = Error::usage("is given without drill.subnet_group").hint(hint);
            return Err(("security_group", error));
        }
    };
    if subnet_group.trim().is_empty() {
        return Err(("subnet_group", Error::usage("is empty").hint(hint)));
    }
    let digits = security_group.strip_prefix("sg-").unwrap_or_default();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        let error = Error::usage(format!(
            "'{}' is no id of a security group",
            security_group.escape_debug()
        ));
        return Err((
            "security_group",
            error.hint("for example sg-0123456789abcdef0"),
        ));
    }
    Ok(Some(Network {
        subnet_group,
        security_group,
    }))
}

fn must(written: &written::Assert) -> std::result::Result<Must, (&'static str, Error)> {
    if written.sql.trim().is_empty() {
        let error = Error::usage("is empty").hint("a SELECT that gives one row of one column");
        return Err(("sql", error));
    }
    let hint = "one of equals, at_least, within_percent, not_older_than";
    let mut given = Vec::new();
    if let Some(value) = &written.equals {
        given.push(Must::Equal(printed(value)));
    }
    if let Some(least) = written.at_least {
        given.push(Must::AtLeast(least));
    }
    if let Some(percent) = written.within_percent {
        if !(0.0..=1000.0).contains(&percent) {
            let error = Error::usage(format!("{percent} is no such share")).hint("for example 10");
            return Err(("within_percent", error));
        }
        given.push(Must::WithinPercent(percent));
    }
    if let Some(age) = &written.not_older_than {
        let age = units::duration(age).map_err(|error| ("not_older_than", error))?;
        given.push(Must::NotOlder(age));
    }
    match (given.pop(), given.is_empty()) {
        (Some(must), true) => Ok(must),
        (None, _) => Err(("name", Error::usage("says not what must hold").hint(hint))),
        (Some(_), false) => Err((
            "name",
            Error::usage("says several things at once").hint(hint),
        )),
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
