//! Who we are in each account, as configured.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Mutex;

use super::run::Run;
use crate::aws::account::check_apart;
use crate::aws::{Account, AccountOptions, Role};
use crate::config::Accounts;
use crate::config::accounts::Account as Configured;
use crate::error::{Error, Result};

/// Accounts that STS has confirmed in this run: it is asked once for each, and a role is assumed once
/// an hour however many use it.
#[derive(Default)]
pub struct Entered {
    known: Mutex<Vec<(AccountOptions, Account)>>,
    warned: AtomicBool,
}

/// The backup account, for its bucket.
pub async fn backup(accounts: &Accounts, run: &Run) -> Result<Account> {
    let configured = configured(&accounts.backup, "backup_account")?;
    warn_of_one_account(accounts, run)?;
    enter(
        "backup account",
        configured,
        configured.role.as_deref(),
        run,
    )
    .await
}

/// The backup account, for snapshot copies.
pub async fn backup_snapshots(accounts: &Accounts, run: &Run) -> Result<Account> {
    let configured = configured(&accounts.backup, "backup_account")?;
    warn_of_one_account(accounts, run)?;
    let role = configured.snapshot_role.as_deref();
    enter(
        "backup account",
        configured,
        role.or(configured.role.as_deref()),
        run,
    )
    .await
}

/// The source account, for the databases' RDS.
pub async fn source(accounts: &Accounts, run: &Run) -> Result<Account> {
    let configured = configured(&accounts.source, "source_account")?;
    enter(
        "source account",
        configured,
        configured.role.as_deref(),
        run,
    )
    .await
}

/// Either account, for deleting snapshots that lifeboat made.
pub async fn expire(side: &'static str, configured: &Configured, run: &Run) -> Result<Account> {
    let role = configured.expire_role.as_deref();
    enter(side, configured, role.or(configured.role.as_deref()), run).await
}

/// A side of the configuration that a command cannot do without.
pub fn configured<'a>(side: &'a Option<Configured>, table: &str) -> Result<&'a Configured> {
    side.as_ref().ok_or_else(|| {
        Error::usage(format!("the configuration has no [{table}]"))
            .hint("name the account's id and region; config/cross-account.toml shows how")
    })
}

/// The configuration allowed it; nobody shall forget.
fn warn_of_one_account(accounts: &Accounts, run: &Run) -> Result<()> {
    let (Some(source), Some(backup)) = (&accounts.source, &accounts.backup) else {
        return Ok(());
    };
    check_apart(&source.id, &backup.id, accounts.allow_same)?;
    if source.id == backup.id && !run.entered.warned.swap(true, Ordering::Relaxed) {
        run.progress.warn(&format!(
            "source and backup account are one, {}: whoever can destroy the database can destroy its backups",
            source.id
        ));
    }
    Ok(())
}

async fn enter(
    side: &'static str,
    at: &Configured,
    role: Option<&str>,
    run: &Run,
) -> Result<Account> {
    let options = AccountOptions {
        side,
        id: at.id.clone(),
        region: at.region.clone(),
        profile: at.profile.clone(),
        role: role.map(|arn| Role {
            arn: arn.to_owned(),
            external_id: at.external_id.clone(),
            session_name: at.session_name.clone(),
        }),
    };
    let mut known = run.entered.known.lock().await;
    if let Some((_, account)) = known.iter().find(|(of, _)| *of == options) {
        return Ok(account.clone());
    }
    let account = Account::confirm(&options).await?;
    known.push((options, account.clone()));
    Ok(account)
}
