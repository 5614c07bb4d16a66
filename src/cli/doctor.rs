//! `lifeboat doctor`

use std::path::PathBuf;

use super::run::{Access, Answer, DatabaseFilter, Page, Run};
use super::status;
use crate::config::{Config, Location, SigningKey};
use crate::doctor::terraform::{self, Document, Protected};
use crate::doctor::{self, Finding, Report, Severity};
use crate::error::{Error, Result, ResultExt};
use crate::outcome::Outcome;

mod gather;

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
pub(super) struct Args {
    /// A Terraform plan, as `terraform show -json` prints it: exit code 3 where it deletes or replaces
    /// a protected database, snapshot, key, role or bucket. Protected is what the configuration names;
    /// without one, everything of that kind, and without `instance` or `cluster` in one, every
    /// database; may be repeated
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

pub(super) async fn run(args: Args, run: &Run) -> Result<Answer> {
    let report = if args.plan.is_empty() {
        whole(&args, run).await?
    } else {
        gate(&args, run)?
    };
    let outcome = match report.count(Severity::Critical) {
        0 => Outcome::Done,
        _ => Outcome::Findings,
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
            Document::Plan(plan) => findings.extend(terraform::check_plan(&plan, &protected)),
            Document::State(_) => {
                return Err(
                    Error::usage(format!("{} is a state, not a plan", file.display()))
                        .hint("terraform show -json plan.out, or --terraform for a state"),
                );
            }
        }
    }
    Ok(Report::new(findings, shown(&args.plan)))
}

async fn whole(args: &Args, run: &Run) -> Result<Report> {
    let (access, config) = run.globals.access_and_config()?;
    let facts = gather::facts(&access, &config, args.no_try, run).await?;
    let mut looked_at = vec![facts.repository_url.clone()];
    let databases = facts.databases.iter();
    looked_at.extend(databases.map(|one| format!("{}/{}", one.source, one.name)));
    let mut findings = doctor::examine(&facts);
    if facts.store.is_ok() {
        findings.extend(status_findings(access, &config, run).await);
    }
    for file in &args.terraform {
        findings.extend(match document(file)? {
            Document::State(state) => terraform::check_state(&state, &protected(&config)),
            Document::Plan(plan) => terraform::check_plan(&plan, &protected(&config)),
        });
    }
    looked_at.extend(shown(&args.terraform));
    Ok(Report::new(findings, looked_at))
}

/// What `status` finds: stale, unlocked and unproven backups.
async fn status_findings(access: Access, config: &Config, run: &Run) -> Vec<Finding> {
    let mend = match access.repository.location {
        Location::Dir(_) => {
            "look at the last runs of `lifeboat nightly` and `lifeboat prove`; locks need a bucket \
             with Object Lock, a directory has none"
        }
        Location::S3 { .. } => "look at the last runs of `lifeboat nightly` and `lifeboat prove`",
    };
    let look = async {
        let access = access.with_trust()?;
        status::report(&access, config, DatabaseFilter::default(), run).await
    };
    let found = match look.await {
        Ok(report) => report.findings,
        Err(error) => {
            let what = format!("the age of the backups is not known: {}", error.chain());
            return vec![Severity::Warning.finding("status", what, "", error.advice())];
        }
    };
    let finding = |one: crate::status::Finding| {
        let (severity, means) = match one.urgent {
            true => (
                Severity::Critical,
                "if the database were lost now, there would be no good backup, or not for long",
            ),
            false => (
                Severity::Warning,
                "that backups can be restored is less sure",
            ),
        };
        severity.finding("status", one.what, means, mend)
    };
    found.into_iter().map(finding).collect()
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
    let (accounts, snapshot) = (&config.accounts, &config.snapshot);
    let accounts = [&accounts.source, &accounts.backup].into_iter().flatten();
    let roles = accounts.flat_map(|one| [&one.role, &one.snapshot_role, &one.expire_role]);
    let wrapped = config
        .recipients
        .iter()
        .filter_map(|one| one.wrapped.as_ref());
    let mut keys: Vec<String> = wrapped.map(|one| one.kms_key.clone()).collect();
    if let Some(SigningKey::Kms(arn)) = &config.signing_key {
        keys.push(arn.clone());
    }
    keys.extend(snapshot.kms_key.clone());
    keys.extend(snapshot.share_key.clone());
    let rds = config.sources.iter().filter_map(|one| one.rds.as_ref());
    Protected {
        databases: rds.map(|rds| rds.identifier.clone()).collect(),
        bucket: match &config.repository.location {
            Location::S3 { bucket, .. } => Some(bucket.clone()),
            Location::Dir(_) => None,
        },
        keys,
        roles: roles.flatten().cloned().collect(),
    }
}

fn shown(files: &[PathBuf]) -> Vec<String> {
    let files = files.iter();
    files.map(|file| file.display().to_string()).collect()
}

fn text(report: &Report) -> Page {
    let mut page = Page::default();
    for finding in &report.findings {
        show(&mut page, finding);
    }
    let critical = report.count(Severity::Critical);
    let found = match report.findings.len() {
        0 => "nothing found".to_owned(),
        all => format!("{all} found, {critical} critical"),
    };
    page.line(format_args!(
        "{found}: looked at {}",
        report.looked_at.join(", ")
    ));
    page
}

fn show(page: &mut Page, finding: &Finding) {
    let severity = match finding.severity {
        Severity::Critical => "CRITICAL",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    page.line(format_args!("{severity}: {}", finding.what));
    if !finding.means.is_empty() {
        page.line(format_args!("  means: {}", finding.means));
    }
    if !finding.mend.is_empty() {
        page.line(format_args!("  mend:  {}", finding.mend));
    }
    page.space();
}
