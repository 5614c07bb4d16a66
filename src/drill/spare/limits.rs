//! What a record may ask for in a drill. A record is signed by the exporter's key: who stole that writes one that
//! costs a fortune, or lets its reader's guard down. On a restore a person sees it before.

use crate::error::{Error, Result};
use crate::model::snapshot::{Parameter, ParameterGroup, Serverless, Settings, Storage};

/// Of storage in a drill; others cost by what they are told to provide.
const PLAIN_STORAGE: [&str; 2] = ["gp2", "gp3"];

/// Capacity units of a serverless cluster: 32 GiB of memory.
const MOST_CAPACITY: f64 = 16.0;

/// Parameters that protect connections: RDS's own defaults are no weaker than what anybody may record.
const PROTECTING: [&str; 5] = [
    "rds.force_ssl",
    "ssl",
    "ssl_min_protocol_version",
    "password_encryption",
    "rds.accepted_password_auth_method",
];

/// The recorded settings without what is expensive or weak.
pub(super) fn modest(mut settings: Settings) -> Settings {
    let kind = settings.storage.kind.take();
    settings.storage = Storage {
        kind: kind.filter(|kind| PLAIN_STORAGE.contains(&kind.as_str())),
        gib: settings.storage.gib,
        ..Storage::default()
    };
    settings.serverless = settings.serverless.map(capped);
    let members = settings.members.iter_mut();
    let groups = members.filter_map(|member| member.parameter_group.as_mut());
    for group in groups.chain(&mut settings.parameter_group) {
        without_weaker(group);
    }
    settings
}

fn without_weaker(group: &mut ParameterGroup) {
    let is_weaker = |one: &Parameter| PROTECTING.contains(&one.name.as_str());
    group.values.retain(|one| !is_weaker(one));
}

fn capped(recorded: Serverless) -> Serverless {
    let within = |units: Option<String>| match units.as_deref().map(str::parse::<f64>) {
        Some(Ok(units)) if units > MOST_CAPACITY => Some(MOST_CAPACITY.to_string()),
        Some(Err(_)) => None,
        _ => units,
    };
    Serverless {
        min: within(recorded.min),
        max: within(recorded.max),
    }
}

/// Refuses a recorded class that is larger than drills may have.
pub(super) fn check_class(class: &str, largest: &str) -> Result<()> {
    match (size(class), size(largest)) {
        (Some(asked), Some(most)) if asked <= most => Ok(()),
        _ => Err(Error::refused(format!(
            "the record says class {class}, and a drill makes none larger than {largest} by a record's word"
        ))
        .hint("if that is your database's class, say drill.class or drill.largest_size; else who else has the signing key?")),
    }
}

/// In eighths of `large`, by the last word of a class; `None`: no size that RDS has. A serverless one has its
/// limit in capacity units.
pub(crate) fn size(class: &str) -> Option<u32> {
    let word = class.rsplit('.').next().unwrap_or_default();
    match word {
        "serverless" => Some(0),
        "micro" => Some(1),
        "small" => Some(2),
        "medium" => Some(4),
        "large" => Some(8),
        "xlarge" => Some(16),
        _ => {
            let times: u32 = word.strip_suffix("xlarge")?.parse().ok()?;
            times.checked_mul(16)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_as_large_as_their_last_word() {
        let sizes = [
            "db.t4g.micro",
            "db.t3.small",
            "medium",
            "db.m6g.large",
            "db.r6g.xlarge",
            "db.x2g.16xlarge",
        ];
        let sizes = sizes.map(|class| size(class).unwrap());
        assert!(sizes.is_sorted_by(|one, other| one < other), "{sizes:?}");
        for odd in [
            "db.m6g.metal",
            "db.m6g",
            "",
            "db.x.99999999999xlarge",
            "db.x.-1xlarge",
        ] {
            assert_eq!(size(odd), None, "{odd}");
            assert!(check_class(odd, "4xlarge").is_err(), "{odd}");
        }
        check_class("db.m6g.4xlarge", "4xlarge").unwrap();
        check_class("db.serverless", "micro").unwrap();
        assert!(check_class("db.m6g.8xlarge", "4xlarge").is_err());
    }

    #[test]
    fn what_is_expensive_or_weak_is_left_out() {
        let parameter = |name: &str| Parameter {
            name: name.to_owned(),
            value: "0".to_owned(),
        };
        let recorded = Settings {
            storage: Storage {
                kind: Some("io2".to_owned()),
                gib: Some(100),
                max_gib: Some(64_000),
                iops: Some(256_000),
                throughput: Some(4000),
            },
            serverless: Some(Serverless {
                min: Some("0.5".to_owned()),
                max: Some("256".to_owned()),
            }),
            parameter_group: Some(ParameterGroup {
                values: vec![parameter("rds.force_ssl"), parameter("work_mem")],
                ..ParameterGroup::default()
            }),
            ..Settings::default()
        };
        let modest = modest(recorded);
        let storage = Storage {
            gib: Some(100),
            ..Storage::default()
        };
        assert_eq!(modest.storage, storage);
        let serverless = modest.serverless.unwrap();
        assert_eq!(serverless.min.as_deref(), Some("0.5"));
        assert_eq!(serverless.max.as_deref(), Some("16"));
        assert_eq!(
            modest.parameter_group.unwrap().values,
            [parameter("work_mem")]
        );
    }
}
