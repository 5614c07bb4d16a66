//! `lifeboat doctor`

use std::path::PathBuf;
use std::sync::Arc;

use super::globals::Access;
use super::output::{Answer, Outcome};
use super::{Run, connect, iam};
use crate::config::{Config, Databases, Location, Source};
use crate::doctor::terraform::{self, Document, Protected};
use crate::doctor::{
    self, Bucket, Database, Facts, Finding, Place, Recipient, Report, Severity, Side,
};
use crate::error::{Context, Error, Result};
use crate::model::lock::LockPolicy;
use crate::pg::catalog;
use crate::pg::conninfo::Passwords;
use crate::pg::session::{Purpose, Session};
use crate::pg::tools::Dirs;
use crate::random;
use crate::repository::Locks;
use crate::store::Store as _;
use crate::store::s3::{Attempt, S3Store};

/// Look for what would lose the backups: one page of findings, the worst first
///
/// Looks at the bucket, its locks, policy and rules, at accounts, recipients and databases; and proves
/// by trying, with lifeboat's own credentials on a canary object, that backups cannot be destroyed.
/// Exit code 3 when something critical stands. With --plan it is a gate for pipelines, and looks at
/// nothing but the plan.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat doctor\n  \
       lifeboat doctor --terraform terraform.tfstate\n  \
       terraform show -json plan.out > plan.json && lifeboat doctor --plan plan.json"
))]
pub struct Args {
    /// A Terraform plan, as `terraform show -json` prints it: exit code 3 where it deletes or replaces
    /// a protected database, snapshot, key, role or bucket. Protected is what the configuration names;
    /// without one, everything of that kind; may be repeated
    #[arg(long, value_name = "FILE", conflicts_with = "terraform")]
    plan: Vec<PathBuf>,
    /// Also look at this Terraform state: a state file, or what `terraform show -json` prints; may be
    /// repeated
    #[arg(long, value_name = "FILE")]
    terraform: Vec<PathBuf>,
    /// Do not try to destroy a canary
    #[arg(long)]
    no_try: bool,
}

pub async fn run(args: Args, run: &Run) -> Result<Answer> {
    let report = if args.plan.is_empty() {
        whole(&args, run).await?
    } else {
        gate(&args, run)?
    };
    let outcome = if report.is_critical() {
        Outcome::Findings
    } else {
        Outcome::Done
    };
    Answer::new(&report, text(&report), outcome)
}

fn gate(args: &Args, run: &Run) -> Result<Report> {
    let protected = match run.globals.maybe_config()? {
        Some(config) => protected(&config),
        None => Protected::default(),
    };
    let mut findings = Vec::new();
    for file in &args.plan {
        match document(file)? {
            Document::Plan(plan) => findings.extend(terraform::gate(&plan, &protected)),
            Document::State(_) => {
                return Err(
                    Error::usage(format!("{} is a state, not a plan", file.display()))
                        .hint("terraform show -json plan.out, or --terraform for a state"),
                );
            }
        }
    }
    Ok(doctor::report(findings, shown(&args.plan)))
}

async fn whole(args: &Args, run: &Run) -> Result<Report> {
    let (access, config) = run.globals.access_and_config()?;
    let mut looked_at = vec![access.repository.location.to_string()];
    let place = place(args, &access, &config, run).await?;
    run.progress.phase("databases", None);
    let databases = databases(&access, &config, run).await;
    looked_at.extend(
        databases
            .iter()
            .map(|one| format!("{}/{}", one.source, one.name)),
    );
    let side = |account: &crate::config::accounts::Account| Side {
        id: account.id.clone(),
        region: account.region.clone(),
    };
    let facts = Facts {
        place,
        source: config.accounts.source.as_ref().map(side),
        backup: config.accounts.backup.as_ref().map(side),
        copies_region: config.snapshot.region.clone(),
        recipients: config.recipients.iter().map(recipient).collect(),
        daily_days: daily_days(config.lock.policy),
        databases,
    };
    let mut findings = doctor::examine(&facts);
    for file in &args.terraform {
        findings.extend(match document(file)? {
            Document::State(state) => terraform::look(&state, &protected(&config)),
            Document::Plan(plan) => terraform::gate(&plan, &protected(&config)),
        });
    }
    looked_at.extend(shown(&args.terraform));
    Ok(doctor::report(findings, looked_at))
}

fn recipient(recipient: &crate::config::Recipient) -> Recipient {
    Recipient {
        name: recipient.name.clone(),
        kms_key: recipient.wrapped.as_ref().map(|one| one.kms_key.clone()),
    }
}

fn daily_days(policy: LockPolicy) -> Option<u32> {
    match policy {
        LockPolicy::Explicit { days, .. } => Some(days),
        LockPolicy::BucketDefault | LockPolicy::None => None,
    }
}

async fn place(args: &Args, access: &Access, config: &Config, run: &Run) -> Result<Place> {
    let Location::S3 { prefix, .. } = &access.repository.location else {
        return Ok(Place::Directory(access.repository.location.to_string()));
    };
    run.progress.phase("bucket", None);
    let store = connect::s3(access, run).await?;
    let posture = store.posture().await?;
    let audit = store.audit().await;
    let attempts = if args.no_try || !posture.object_lock {
        Vec::new()
    } else {
        attempts(&store, config, &posture, run).await?
    };
    Ok(Place::Bucket(Box::new(Bucket {
        url: access.repository.location.to_string(),
        prefix: match prefix.as_str() {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        },
        posture,
        audit,
        attempts,
    })))
}

async fn attempts(
    store: &S3Store,
    config: &Config,
    posture: &crate::store::Posture,
    run: &Run,
) -> Result<Vec<Attempt>> {
    let now = run.clock.now();
    let locks = Locks::settle(
        config.lock.policy,
        posture,
        true,
        now,
        config.lock.max_lock_days,
    )?;
    let Some(lock) = locks.sent(false) else {
        return Ok(Vec::new());
    };
    let random = u64::from_ne_bytes(random::bytes()?);
    match store.try_to_destroy(lock, now, random).await {
        Ok(attempts) => Ok(attempts),
        Err(error) => {
            run.progress.note(&format!(
                "nothing was tried: these credentials cannot place a canary: {}",
                error.chain()
            ));
            Ok(Vec::new())
        }
    }
}

async fn databases(access: &Access, config: &Config, run: &Run) -> Vec<Database> {
    let tokens = match iam::tokens(access, &config.sources, run).await {
        Ok(tokens) => tokens,
        Err(error) => return vec![Database::unreachable("*", "*", error)],
    };
    let dirs = Dirs::system(config.export.pg_bin.clone());
    let mut found = Vec::new();
    for source in &config.sources {
        match databases_of(source, tokens.as_ref(), &dirs, run).await {
            Ok(databases) => found.extend(databases),
            Err(error) => found.push(Database::unreachable(&source.name, "*", error)),
        }
    }
    found
}

async fn databases_of(
    source: &Source,
    tokens: Option<&Arc<dyn Passwords>>,
    dirs: &Dirs,
    run: &Run,
) -> Result<Vec<Database>> {
    let server = connect::source(&source.connection, tokens, run)?;
    let entry = match &source.entry_database {
        Some(database) => server.with_database(database),
        None => server,
    };
    let session = Session::connect(&entry, "lifeboat doctor", Purpose::Read).await?;
    let present = catalog::databases(&session).await?;
    session.close().await;
    let is_meant = |name: &String| match &source.databases {
        Databases::All { except } => !except.contains(name),
        Databases::Named(names) => names.contains(name),
        Databases::OfConnection => *name == entry.database,
    };
    let mut found = Vec::new();
    for one in present
        .iter()
        .filter(|one| one.connectable && is_meant(&one.name))
    {
        found.push(Database::gather(&source.name, &entry.with_database(&one.name), dirs).await);
    }
    if let (Databases::Named(_), Some(first)) = (&source.databases, found.first_mut()) {
        let left_out = present
            .iter()
            .map(|one| &one.name)
            .filter(|name| !is_meant(name));
        // Every server has one, mostly empty; an export looks whether it is.
        first.uncovered = left_out
            .filter(|name| *name != "postgres")
            .cloned()
            .collect();
    }
    Ok(found)
}

fn document(file: &PathBuf) -> Result<Document> {
    let text = std::fs::read_to_string(file).map_err(|why| match why.kind() {
        std::io::ErrorKind::InvalidData => Error::usage(format!("{} is no text", file.display()))
            .hint("is it the plan itself? `terraform show -json plan.out` prints it as JSON"),
        _ => Error::usage(format!("cannot read {}", file.display())).because(why),
    })?;
    terraform::parse(&text).context(|| file.display().to_string())
}

/// What the configuration names is protected.
fn protected(config: &Config) -> Protected {
    let (source, backup) = (&config.accounts.source, &config.accounts.backup);
    let roles = [source, backup]
        .into_iter()
        .flatten()
        .flat_map(|account| [&account.role, &account.snapshot_role, &account.expire_role]);
    let recipients = config.recipients.iter();
    let keys = recipients.filter_map(|one| Some(one.wrapped.as_ref()?.kms_key.clone()));
    Protected {
        databases: config
            .sources
            .iter()
            .filter_map(|source| source.rds.as_ref())
            .map(|rds| rds.name().to_owned())
            .collect(),
        bucket: match &config.repository.location {
            Location::S3 { bucket, .. } => Some(bucket.clone()),
            Location::Dir(_) => None,
        },
        keys: keys
            .chain(config.snapshot.kms_key.clone())
            .chain(config.snapshot.share_key.clone())
            .collect(),
        roles: roles.flatten().cloned().collect(),
    }
}

fn shown(files: &[PathBuf]) -> Vec<String> {
    files
        .iter()
        .map(|file| file.display().to_string())
        .collect()
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        text += &finding_text(finding);
    }
    let critical = count(report, Severity::Critical);
    text += &match (report.findings.len(), critical) {
        (0, _) => format!("nothing found: looked at {}\n", report.looked_at.join(", ")),
        (all, critical) => format!(
            "{all} found, {critical} critical: looked at {}\n",
            report.looked_at.join(", ")
        ),
    };
    text
}

fn count(report: &Report, severity: Severity) -> usize {
    let findings = report.findings.iter();
    findings.filter(|one| one.severity == severity).count()
}

fn finding_text(finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Critical => "CRITICAL",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    let mut text = format!("{severity}: {}\n", finding.what);
    if !finding.means.is_empty() {
        text += &format!("  means: {}\n", finding.means);
    }
    if !finding.mend.is_empty() {
        text += &format!("  mend:  {}\n", finding.mend);
    }
    text + "\n"
}
