//! `[source_account]` and `[backup_account]`: the accounts and roles that lifeboat uses on each side.

use super::position::Positions;
use super::raw;
use super::rules::{At, KeyError};
use crate::aws::KeyArn;
use crate::error::{Error, Result};

/// Both sides; either may be missing, where lifeboat does not act on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accounts {
    pub source: Option<Account>,
    pub backup: Option<Account>,
    /// Where copies of snapshots lie; `None`: the backup account's region.
    pub copies_region: Option<String>,
    /// Both sides may be one account; every run then warns.
    pub allow_same: bool,
}

/// One side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// 12 digits.
    pub id: String,
    pub region: String,
    pub profile: Option<String>,
    /// For the databases' RDS, or for the bucket.
    pub role: Option<String>,
    /// Backup account only: for snapshot copies; without it `role`.
    pub snapshot_role: Option<String>,
    /// For deleting snapshots; without it `role`.
    pub expire_role: Option<String>,
    pub external_id: Option<String>,
    pub session_name: String,
}

fn session_name() -> String {
    "lifeboat".to_owned()
}

pub(crate) fn resolve(
    source: Option<raw::SourceAccount>,
    backup: Option<raw::BackupAccount>,
    positions: &Positions<'_>,
) -> Result<Accounts> {
    let allow_same = backup
        .as_ref()
        .is_some_and(|backup| backup.allow_same_account);
    let source = source.map(|raw| Account {
        id: raw.id,
        region: raw.region,
        profile: raw.profile,
        role: raw.role_arn,
        snapshot_role: None,
        expire_role: raw.expire_role_arn,
        external_id: raw.external_id,
        session_name: raw.session_name.unwrap_or_else(session_name),
    });
    let backup = backup.map(|raw| Account {
        id: raw.id,
        region: raw.region,
        profile: raw.profile,
        role: raw.role_arn,
        snapshot_role: raw.snapshot_role_arn,
        expire_role: raw.expire_role_arn,
        external_id: raw.external_id,
        session_name: raw.session_name.unwrap_or_else(session_name),
    });
    for (table, account) in [("source_account", &source), ("backup_account", &backup)] {
        if let Some(account) = account {
            positions.table(table, check(account))?;
        }
    }
    if let (Some(one), Some(other)) = (&source, &backup)
        && one.id == other.id
        && !allow_same
    {
        let error = Error::usage("is the source account: backups would be lost with it")
            .hint("use a second account, or say allow_same_account = true and live with it");
        return positions.table("backup_account", Err(("id", error)));
    }
    Ok(Accounts {
        source,
        backup,
        copies_region: None,
        allow_same,
    })
}

fn check(account: &Account) -> Result<(), KeyError> {
    check_id(&account.id).at("id")?;
    check_region(&account.region).at("region")?;
    let roles = [
        ("role_arn", &account.role),
        ("snapshot_role_arn", &account.snapshot_role),
        ("expire_role_arn", &account.expire_role),
    ];
    for (key, role) in roles {
        if let Some(role) = role {
            check_role(role, &account.id).at(key)?;
        }
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    let name = &account.session_name;
    if !(2..=64).contains(&name.len()) || !name.bytes().all(plain) {
        let error = Error::usage(format!(
            "'{}' cannot be a session name",
            name.escape_debug()
        ))
        .hint("2 to 64 letters, digits and _+=,.@-");
        return Err(("session_name", error));
    }
    Ok(())
}

/// 12 digits.
pub(crate) fn check_id(id: &str) -> Result<()> {
    if id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    Err(Error::usage(format!("'{id}' is not an account id"))
        .hint("an AWS account id has 12 digits; write it as text, in quotes"))
}

pub(crate) fn check_region(region: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if !region.is_empty() && region.bytes().all(plain) {
        return Ok(());
    }
    Err(Error::usage(format!("'{region}' is not a region")).hint("write for example eu-central-1"))
}

/// `arn:aws:iam::<account>:role/<name>`: a role of another account than the one named cannot be meant.
fn check_role(arn: &str, account: &str) -> Result<()> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    if let ["arn", _, "iam", "", owner, role] = parts[..]
        && role.starts_with("role/")
    {
        if owner == account {
            return Ok(());
        }
        return Err(Error::usage(format!(
            "{arn} is a role of account {owner}, not of {account}"
        ))
        .hint("is it the role's ARN from the other account's stack?"));
    }
    Err(
        Error::usage(format!("'{}' is no role's ARN", arn.escape_debug()))
            .hint("write arn:aws:iam::111122223333:role/NAME"),
    )
}

/// `arn:aws:kms:<region>:<account>:key/<id>`.
pub(crate) fn check_kms_key(arn: &str) -> Result<()> {
    arn.parse::<KeyArn>().map(drop)
}
