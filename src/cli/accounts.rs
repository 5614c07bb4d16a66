//! The configured accounts, each as the role that a command acts as, after STS has confirmed it.

use std::sync::atomic::Ordering;

use super::run::Run;
use crate::aws::account::check_apart;
use crate::aws::{Account, AccountOptions, Role};
use crate::config::Accounts;
use crate::config::accounts::Account as Configured;
use crate::error::{Error, Result};

/// The backup account, for its bucket.
pub(super) async fn backup(accounts: &Accounts, run: &Run) -> Result<Account> {
    in_backup(accounts, None, run).await
}

/// The backup account where copies of snapshots lie, as the role that makes them.
pub(super) async fn copies(accounts: &Accounts, run: &Run) -> Result<Account> {
    let backup = accounts.backup.as_ref();
    let role = backup.and_then(|backup| backup.snapshot_role.as_deref());
    Ok(at_copies(in_backup(accounts, role, run).await?, accounts))
}

/// The backup account where copies of snapshots lie, as the role for its bucket, which restores them.
pub(super) async fn restores(accounts: &Accounts, run: &Run) -> Result<Account> {
    Ok(at_copies(backup(accounts, run).await?, accounts))
}

/// The source account, for the databases' RDS.
pub(super) async fn source(accounts: &Accounts, run: &Run) -> Result<Account> {
    confirm("source account", source_side(accounts)?, None, run).await
}

/// The source account, for deleting snapshots that lifeboat made there.
pub(super) async fn expire_in_source(accounts: &Accounts, run: &Run) -> Result<Account> {
    let source = source_side(accounts)?;
    confirm("source account", source, source.expire_role.as_deref(), run).await
}

/// The backup account where copies of snapshots lie, for deleting them.
pub(super) async fn expire_in_backup(accounts: &Accounts, run: &Run) -> Result<Account> {
    let backup = backup_side(accounts)?;
    let account = confirm("backup account", backup, backup.expire_role.as_deref(), run).await?;
    Ok(at_copies(account, accounts))
}

fn at_copies(backup: Account, accounts: &Accounts) -> Account {
    match &accounts.copies_region {
        Some(region) => backup.in_region(region),
        None => backup,
    }
}

async fn in_backup(accounts: &Accounts, role: Option<&str>, run: &Run) -> Result<Account> {
    let backup = backup_side(accounts)?;
    warn_of_one_account(accounts, run)?;
    confirm("backup account", backup, role, run).await
}

fn source_side(accounts: &Accounts) -> Result<&Configured> {
    (accounts.source.as_ref()).ok_or_else(|| missing("source_account"))
}

fn backup_side(accounts: &Accounts) -> Result<&Configured> {
    (accounts.backup.as_ref()).ok_or_else(|| missing("backup_account"))
}

fn missing(table: &str) -> Error {
    Error::usage(format!("the configuration has no [{table}]"))
        .hint("name the account's id and region; config/cross-account.toml shows how")
}

/// The configuration allows it; the warning comes in every run.
fn warn_of_one_account(accounts: &Accounts, run: &Run) -> Result<()> {
    let (Some(source), Some(backup)) = (&accounts.source, &accounts.backup) else {
        return Ok(());
    };
    check_apart(&source.id, &backup.id, accounts.allow_same)?;
    let warned = &run.warned_of_one_account;
    if source.id == backup.id && !warned.swap(true, Ordering::Relaxed) {
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
    let mut known = run.confirmed.lock().await;
    if let Some((_, account)) = known.iter().find(|(of, _)| *of == options) {
        return Ok(account.clone());
    }
    let account = Account::confirm(&options).await?;
    known.push((options, account.clone()));
    Ok(account)
}
