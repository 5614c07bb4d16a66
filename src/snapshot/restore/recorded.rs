//! The settings of the old instance or cluster, which no snapshot carries: read from the repository.

use std::collections::BTreeMap;

use crate::aws::rds::NewDb;
use crate::error::Error;
use crate::humanize::first_names;
use crate::model::snapshot::{Kind, ParameterGroup, Settings, Storage};
use crate::repository::Repository;
use crate::sign::Trust;
use crate::snapshot::list::FoundCopy;

/// RDS accepts IOPS and throughput for gp3 from this size on.
const STRIPED_GIB: u32 = 400;

/// Of a parameter group, shown before a restore.
const SHOWN_VALUES: usize = 20;

/// Reads records of settings.
#[derive(Clone, Copy)]
pub struct RecordReader<'a> {
    pub repository: &'a Repository,
    pub trust: &'a Trust,
}

/// The recorded settings. Without them, which is a finding, the copy is restored with what AWS itself
/// knows of it. `Err` in `records`: why they cannot be read.
pub(crate) async fn recorded(
    records: Result<RecordReader<'_>, &Error>,
    found: &FoundCopy,
    findings: &mut Vec<String>,
) -> Option<Settings> {
    let read = match records {
        Err(error) => Err(error.chain()),
        Ok(records) => records.read(found).await,
    };
    match read {
        Ok(settings) => Some(settings),
        Err(why) => {
            findings.push(format!(
                "restored without the recorded settings: {why}. Class, parameters and options are RDS's \
                 defaults for the snapshot"
            ));
            None
        }
    }
}

impl RecordReader<'_> {
    async fn read(&self, found: &FoundCopy) -> Result<Settings, String> {
        let point = &found.point;
        let record = self
            .repository
            .record(&point.source, &point.id, self.trust)
            .await
            .map_err(|error| error.chain())?;
        if record.copy != point.copy_arn {
            return Err(format!("the record of {} is of {}", point.id, record.copy));
        }
        record
            .settings
            .ok_or_else(|| "they could not be read when the copy was made".to_owned())
    }
}

/// What a restore takes from a record, on one line.
pub(super) fn describe(settings: &Settings) -> String {
    let writer = settings.members.first();
    let class = settings
        .class
        .as_ref()
        .or(writer.and_then(|writer| writer.class.as_ref()));
    let groups = [
        settings.parameter_group.as_ref(),
        writer.and_then(|writer| writer.parameter_group.as_ref()),
    ];
    let values = groups.into_iter().flatten().flat_map(|group| &group.values);
    let values: Vec<String> = values
        .map(|one| format!("{} = {}", one.name, one.value))
        .collect();
    let Storage {
        kind,
        iops,
        throughput,
        ..
    } = storage(&settings.storage);
    let of = |what: &str, value: Option<String>| value.map(|value| format!("{what} {value}"));
    let parts = [
        of("class", class.cloned()),
        of("storage", kind),
        of("IOPS", iops.map(|iops| iops.to_string())),
        of("MiB/s", throughput.map(|most| most.to_string())),
        settings.multi_az.then(|| "Multi-AZ".to_owned()),
        settings
            .iam_authentication
            .then(|| "IAM authentication".to_owned()),
        of(
            "capacity up to",
            settings.serverless.as_ref().and_then(|one| one.max.clone()),
        ),
        (!values.is_empty()).then(|| format!("parameters {}", first_names(&values, SHOWN_VALUES))),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("taken from the record of the copy: {}", parts.join(", "))
}

/// The recorded parameter group, if it has values to set. The group of a cluster's instance is the
/// writer's.
pub(crate) fn custom_parameter_group(settings: &Settings, kind: Kind) -> Option<&ParameterGroup> {
    let group = match (kind, settings.members.first()) {
        (Kind::Instance, Some(writer)) => writer.parameter_group.as_ref(),
        _ => settings.parameter_group.as_ref(),
    };
    group.filter(|group| !group.values.is_empty())
}

/// What follows from the copy and its record; the rest is as RDS has it.
pub(crate) fn new_db(found: &FoundCopy, recorded: Option<&Settings>) -> NewDb {
    let point = &found.point;
    NewDb {
        kind: point.kind,
        identifier: String::new(),
        snapshot: point.copy.clone(),
        engine: point.engine.clone(),
        engine_version: point.engine_version.clone(),
        class: None,
        storage: recorded.map_or_else(Storage::default, |recorded| storage(&recorded.storage)),
        multi_az: false,
        port: None,
        iam_authentication: false,
        parameter_group: None,
        option_group: None,
        serverless: recorded.and_then(|recorded| recorded.serverless.clone()),
        subnet_group: None,
        security_groups: Vec::new(),
        deletion_protection: false,
        tags: BTreeMap::new(),
    }
}

/// The recorded storage, as far as RDS accepts it for a new instance.
fn storage(recorded: &Storage) -> Storage {
    let kind = recorded.kind.clone().filter(|kind| kind != "aurora");
    let striped = recorded.gib.is_some_and(|gib| gib >= STRIPED_GIB);
    let provisioned = kind.as_ref().is_some_and(|kind| kind.starts_with("io"));
    Storage {
        iops: recorded.iops.filter(|_| provisioned || striped),
        throughput: recorded.throughput.filter(|_| striped),
        kind,
        ..Storage::default()
    }
}
