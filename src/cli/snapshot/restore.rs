//! `lifeboat snapshot restore`

use crate::cli::point::{check_source, which_copy};
use crate::cli::run::{Answer, Page, Run};
use crate::cli::{accounts, connect, render};
use crate::config::source::is_rds_identifier;
use crate::error::{Error, Result};
use crate::outcome::Outcome;
use crate::snapshot::restore::{self, Options, RecordReader, Report};

/// Make a new instance or cluster of a snapshot copy
///
/// In the backup account, with the settings that were recorded with the copy: class, storage,
/// parameter group, Multi-AZ. Never publicly accessible, protected from deletion, in the account's
/// own networks. An identifier that exists is refused. Run it as lifeboat-restore, or as a role that
/// may create instances there.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat snapshot restore latest --as prod-again --dry-run\n  \
       lifeboat snapshot restore 20261121T020000Z-k3v9q2 --as prod-again\n  \
       lifeboat snapshot restore latest --source prod --as prod-again --subnet-group databases --security-group sg-0123abcd"
))]
pub(crate) struct Args {
    /// The copy: an id as `lifeboat snapshot list` shows it, or `latest`
    #[arg(value_name = "ID")]
    id: String,
    /// The identifier of the new instance or cluster
    #[arg(long = "as", value_name = "NEW-IDENTIFIER")]
    identifier: String,
    /// Only copies of this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// A subnet group of the backup account [default: the default VPC's]
    #[arg(long, value_name = "NAME")]
    subnet_group: Option<String>,
    /// A security group of the backup account; may be repeated [default: the VPC's default one]
    #[arg(long, value_name = "ID")]
    security_group: Vec<String>,
    /// Another class than the recorded one, for example db.r6g.large
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,
    /// Only show what would be made
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(args: Args, run: &Run) -> Result<Answer> {
    let (access, config) = run.globals.access_and_config()?;
    let options = Options {
        which: which_copy(&args.id)?,
        source: args.source,
        identifier: identifier(&args.identifier)?,
        subnet_group: args.subnet_group,
        security_groups: args.security_group,
        class: args.class,
        limits: config.snapshot.limits,
        dry_run: args.dry_run,
    };
    check_source(options.source.as_deref())?;
    let backup = accounts::restores(&access.accounts, run).await?;
    let repository = connect::repository(&access, run).await;
    let records = repository.as_ref().map(|repository| RecordReader {
        repository,
        trust: &access.trust,
    });
    let report = restore::run(&backup, records, &options, run.context()).await?;
    let outcome = Outcome::from_counts(0, report.findings.len());
    Answer::new(&report, text(&report), outcome)
}

fn identifier(text: &str) -> Result<String> {
    // Room for the `-1` of a cluster's instance.
    if is_rds_identifier(text) && text.len() <= 61 {
        return Ok(text.to_lowercase());
    }
    Err(Error::usage(format!(
        "--as: '{}' is no identifier of RDS",
        text.escape_debug()
    ))
    .hint("1 to 61 letters, digits and single hyphens, a letter in front"))
}

fn text(report: &Report) -> Page {
    let made = match report.dry_run {
        true => "would be made",
        false => "made",
    };
    let mut page = Page::from(format_args!(
        "{} {} {made} of {}, taken at {}",
        report.kind,
        report.identifier,
        report.copy,
        render::time(report.taken_at)
    ));
    let or = |value: &Option<String>, default: &str| value.clone().unwrap_or(default.to_owned());
    let mut line = |name: &str, value: String| page.line(format_args!("  {name}: {value}"));
    line("region", report.region.clone());
    line("class", or(&report.class, "as RDS has it for the snapshot"));
    line(
        "parameter group",
        or(&report.parameter_group, "the default one"),
    );
    line(
        "subnet group",
        or(&report.subnet_group, "the default VPC's"),
    );
    line(
        "security groups",
        match report.security_groups.as_slice() {
            [] => "the VPC's default one".to_owned(),
            groups => groups.join(", "),
        },
    );
    if let Some(member) = &report.member {
        line("instance", member.clone());
    }
    if let Some(group) = &report.option_group {
        line("option group", group.clone());
    }
    if let (Some(address), Some(port)) = (&report.address, report.port) {
        line("address", format!("{address}:{port}"));
    }
    page.space();
    page.line("Left to do:");
    page.lines(" ", &report.to_do);
    for finding in &report.findings {
        page.space();
        page.line(format_args!("finding: {finding}"));
    }
    page
}
