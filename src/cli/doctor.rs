//! `lifeboat doctor`

use std::path::PathBuf;

use super::globals::Access;
use super::output::Answer;
use super::point::DatabaseFilter;
use super::render::Page;
use super::run::Run;
use super::status;
use crate::config::{Config, Location, SigningKey};
use crate::doctor::terraform::{self, Document, Protected};
use crate::doctor::{self, Finding, Place, Report, Severity};
use crate::error::{Error, Result, ResultExt};
use crate::outcome::Outcome;

mod break_glass;
mod drill_wall;
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
pub struct Args {
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
    let facts = gather::facts(&access, &config, args.no_try, run).await?;
    let mut looked_at = vec![access.repository.location.to_string()];
    let databases = facts.databases.iter();
    looked_at.extend(databases.map(|one| format!("{}/{}", one.source, one.name)));
    let mut findings = doctor::examine(&facts);
    if !matches!(facts.place, Place::Unreachable(..)) {
        findings.extend(standing(access, &config, run).await);
    }
    for file in &args.terraform {
        findings.extend(match document(file)? {
            Document::State(state) => terraform::look(&state, &protected(&config)),
            Document::Plan(plan) => terraform::gate(&plan, &protected(&config)),
        });
    }
    looked_at.extend(shown(&args.terraform));
    Ok(doctor::report(findings, looked_at))
}

/// What `status` finds: stale, unlocked and unproven backups.
async fn standing(access: Access, config: &Config, run: &Run) -> Vec<Finding> {
    let look = async {
        let access = access.with_trust()?;
        status::report(&access, config, DatabaseFilter::default(), run).await
    };
    let found = match look.await {
        Ok(report) => report.findings,
        Err(error) => {
            let what = format!("how old backups are cannot be told: {}", error.chain());
            return vec![Finding::new(Severity::Warning, "status", what).mend(error.advice())];
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
        Finding::new(severity, "status", one.what)
            .means(means)
            .mend("look at the last runs of `lifeboat nightly` and `lifeboat prove`")
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
    let (source, backup) = (&config.accounts.source, &config.accounts.backup);
    let roles = [source, backup]
        .into_iter()
        .flatten()
        .flat_map(|account| [&account.role, &account.snapshot_role, &account.expire_role]);
    let recipients = config.recipients.iter();
    let keys = recipients.filter_map(|one| Some(one.wrapped.as_ref()?.kms_key.clone()));
    let signs = match &config.signing_key {
        Some(SigningKey::Kms(arn)) => Some(arn.clone()),
        Some(SigningKey::File(_)) | None => None,
    };
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
            .chain(signs)
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

fn text(report: &Report) -> Page {
    let mut page = Page::default();
    for finding in &report.findings {
        show(&mut page, finding);
    }
    let critical = count(report, Severity::Critical);
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

fn count(report: &Report, severity: Severity) -> usize {
    let findings = report.findings.iter();
    findings.filter(|one| one.severity == severity).count()
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
