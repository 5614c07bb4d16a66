//! The configured accounts, each as the role that a command acts as.

use super::run::Run;
use crate::aws::account::check_apart;
use crate::aws::{Account, AccountOptions, Role};
use crate::config::accounts::Account as Configured;
use crate::config::{Accounts, SnapshotSettings};
use crate::error::{Error, Result};

/// The backup account, for its bucket.
pub(super) async fn backup(accounts: &Accounts, run: &Run) -> Result<Account> {
    in_backup(accounts, None, run).await
}

/// The backup account where copies of snapshots lie, as the role that makes them.
pub(super) async fn copies(
    accounts: &Accounts,
    settings: &SnapshotSettings,
    run: &Run,
) -> Result<Account> {
    let role = accounts.backup.as_ref();
    let role = role.and_then(|backup| backup.snapshot_role.as_deref());
    Ok(in_region(in_backup(accounts, role, run).await?, settings))
}

/// The backup account where copies of snapshots lie, as the role for its bucket, which restores them.
pub(super) async fn restores(
    accounts: &Accounts,
    settings: &SnapshotSettings,
    run: &Run,
) -> Result<Account> {
    Ok(in_region(backup(accounts, run).await?, settings))
}

/// The source account, for the databases' RDS.
pub(super) async fn source(accounts: &Accounts, run: &Run) -> Result<Account> {
    let configured = configured(accounts.source.as_ref(), "source_account")?;
    confirm("source account", configured, None, run).await
}

/// The source account, for deleting snapshots that lifeboat made there.
pub(super) async fn expire_in_source(accounts: &Accounts, run: &Run) -> Result<Account> {
    let configured = configured(accounts.source.as_ref(), "source_account")?;
    let role = configured.expire_role.as_deref();
    confirm("source account", configured, role, run).await
}

/// The backup account where copies of snapshots lie, for deleting them.
pub(super) async fn expire_in_backup(
    accounts: &Accounts,
    settings: &SnapshotSettings,
    run: &Run,
) -> Result<Account> {
    let configured = configured(accounts.backup.as_ref(), "backup_account")?;
    let role = configured.expire_role.as_deref();
    let account = confirm("backup account", configured, role, run).await?;
    Ok(in_region(account, settings))
}

fn in_region(account: Account, settings: &SnapshotSettings) -> Account {
    match &settings.region {
        Some(region) => account.in_region(region),
        None => account,
    }
}

async fn in_backup(accounts: &Accounts, role: Option<&str>, run: &Run) -> Result<Account> {
    let configured = configured(accounts.backup.as_ref(), "backup_account")?;
    warn_of_one_account(accounts, run)?;
    confirm("backup account", configured, role, run).await
}

/// An account that a command cannot do without.
fn configured<'a>(account: Option<&'a Configured>, table: &str) -> Result<&'a Configured> {
    account.ok_or_else(|| {
        Error::usage(format!("the configuration has no [{table}]"))
            .hint("name the account's id and region; config/cross-account.toml shows how")
    })
}

/// The configuration allows it; the warning comes in every run.
fn warn_of_one_account(accounts: &Accounts, run: &Run) -> Result<()> {
    let (Some(source), Some(backup)) = (&accounts.source, &accounts.backup) else {
        return Ok(());
    };
    check_apart(&source.id, &backup.id, accounts.allow_same)?;
    if source.id == backup.id && run.accounts.warns_first() {
        run.progress.warn(&format!(
            "source and backup account are one, {}: anybody who can destroy the database can destroy its backups",
            source.id
        ));
    }
    Ok(())
}

/// As `role`, else as the account's own.
async fn confirm(
    side: &'static str,
    configured: &Configured,
    role: Option<&str>,
    run: &Run,
) -> Result<Account> {
    let role = role.or(configured.role.as_deref()).map(|arn| Role {
        arn: arn.to_owned(),
        external_id: configured.external_id.clone(),
        session_name: configured.session_name.clone(),
    });
    let options = AccountOptions {
        side,
        id: configured.id.clone(),
        region: configured.region.clone(),
        profile: configured.profile.clone(),
        role,
    };
    run.accounts.confirm(options).await
}
