//! The command line: what was typed, what it means, one call, one answer.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use tokio::sync::Mutex;

use crate::clock::SystemClock;
use crate::error::{Result, ResultExt};
use crate::interrupt::interrupt;

/// The end of every command's help: its examples, then what the exit code says.
macro_rules! with_exit_codes {
    ($examples:literal) => {
        concat!(
            "Examples:\n",
            $examples,
            "\n\nExit codes:\n",
            "  0  done\n",
            "  1  failed\n",
            "  2  wrong usage or configuration\n",
            "  3  done, with findings: read them"
        )
    };
}

mod accounts;
mod at_once;
mod choice;
mod completions;
mod connect;
mod diff;
mod doctor;
mod drill;
mod drill_server;
mod drilled;
mod export;
mod extract;
mod file;
mod fleet;
mod globals;
mod history;
mod hold;
mod iam;
mod init;
mod keys;
mod kms;
mod list;
mod man;
mod nightly;
mod output;
mod point;
mod progress;
mod promote;
mod prove;
mod render;
mod report;
mod restore;
mod run;
mod schedule;
mod shard;
mod show;
mod signals;
mod snapshot;
mod states;
mod status;
mod troubles;
mod verify;

use globals::Globals;
use output::Answer;
use progress::Reporter;
use run::Run;

const ABOUT_MORE: &str = "\
PostgreSQL backups that outlive the AWS account they came from.

lifeboat streams a consistent export of every table into a bucket with Object Lock that belongs to
another account, checks what it stored, and puts the data back in an emergency.

The worst day: `lifeboat list` shows the restore points, `lifeboat hold ID --until 90d` keeps the
last good one from ageing out, `lifeboat restore ID --target URL --identity FILE` brings the data
back. list, show, history, diff, verify, hold, restore and extract need no configuration file: --repository,
--trust and --identity, as printed on the break-glass sheet, suffice. Where a KMS key keeps an identity, and
these credentials may use it, --identity is not needed either.";

const OUTPUT_HELP: &str = "\
Configuration:
  --config FILE, else LIFEBOAT_CONFIG, else the first of ./lifeboat.toml,
  ~/.config/lifeboat/lifeboat.toml and /etc/lifeboat/lifeboat.toml. Where --repository
  is given to list, show, history, diff, verify, hold, restore or extract, only a file named by --config or
  LIFEBOAT_CONFIG is read.

Environment:
  HTTPS_PROXY or https_proxy, for endpoints over http http_proxy: http://host:port of a
  proxy for calls to AWS, to other stores, webhooks and pings; TLS goes through it to the
  end. NO_PROXY or no_proxy: names, addresses and networks that are called directly, as
  this machine and AWS's own addresses for credentials always are. AWS_CA_BUNDLE: a PEM
  file of authorities, for AWS and stores instead of the system's. AWS_PROFILE, AWS_REGION
  and what else the AWS SDK reads. To PostgreSQL no proxy is used.

Output:
  The answer goes to stdout, all else to stderr. With --json stdout is one document:
    {\"ok\": true, \"command\": \"list\", \"exit_code\": 0, \"result\": {...}}
    {\"ok\": false, \"command\": \"list\", \"exit_code\": 1,
     \"error\": {\"kind\": \"...\", \"message\": \"...\", \"hint\": \"...\"}}
  \"ok\" says that the exit code is 0; a command that ended with findings has a \"result\".
  kind: usage, not_found, exists, denied, damaged, untrusted, unavailable, refused,
  interrupted, failed. Every field is explained in src/cli/JSON.md of the project.

Progress:
  On a terminal one line that updates. Elsewhere JSON lines on stderr, each with
  \"time\" and \"event\": \"phase\", \"progress\" (at most every ten seconds), \"note\" or
  \"warning\"; then \"phase\", \"bytes\", \"total_bytes\", \"bytes_per_second\",
  \"seconds_left\" (null where unknown), or \"message\". --quiet leaves only warnings.

Exit codes:
  0    done
  1    failed
  2    wrong usage or configuration
  3    done, with findings: read them
  130  stopped at once by a second Ctrl-C; the first one ends cleanly, with 1";

/// PostgreSQL backups that outlive the AWS account they came from
#[derive(Debug, Parser)]
#[command(
    name = "lifeboat",
    version,
    long_about = ABOUT_MORE,
    after_help = "`lifeboat help COMMAND` explains a command, with examples; `lifeboat --help` explains\nconfiguration, output, progress and exit codes.",
    after_long_help = OUTPUT_HELP,
    arg_required_else_help = true,
    subcommand_required = true,
    max_term_width = 100
)]
struct CommandLine {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Args),
    Export(export::Args),
    List(list::Args),
    Show(show::Args),
    History(history::Args),
    Diff(diff::Args),
    Verify(verify::Args),
    Hold(hold::Args),
    Promote(promote::Args),
    Restore(restore::Args),
    Extract(extract::Args),
    Drill(drill::Args),
    DrillServer(drill_server::Args),
    Doctor(doctor::Args),
    Status(status::Args),
    Report(report::Args),
    Nightly(nightly::Args),
    Prove(prove::Args),
    Keys(keys::Args),
    Snapshot(snapshot::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// The definition that help, completions and man pages are made of.
pub fn definition() -> clap::Command {
    CommandLine::command()
}

/// Parses a command line, runs its command and prints the answer, once.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let mut definition = definition();
    let parsed = definition
        .try_get_matches_from_mut(&args)
        .and_then(|matches| Ok((CommandLine::from_arg_matches(&matches)?, name_of(&matches))));
    match parsed {
        Ok((command_line, name)) => {
            let json = command_line.globals.json;
            output::print(json, &name, run_command(command_line))
        }
        Err(error) => print_instead(&error.format(&mut definition), &args, &definition),
    }
}

/// Prints help, the version, or why the command line does not parse.
fn print_instead(error: &clap::Error, args: &[OsString], definition: &clap::Command) -> ExitCode {
    // Nothing can be done where even this cannot be written.
    let _ = error.print();
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    let mut options = args.iter().take_while(|arg| *arg != "--");
    let json = options.any(|arg| arg == "--json");
    output::print_usage_document(json, &command_in(args, definition), error)
}

/// `list`, or `keys add`.
fn name_of(matches: &clap::ArgMatches) -> String {
    let mut names = Vec::new();
    let mut here = matches;
    while let Some((name, below)) = here.subcommand() {
        names.push(name);
        here = below;
    }
    names.join(" ")
}

/// The command of a line that did not parse; empty where none can be seen.
fn command_in(args: &[OsString], definition: &clap::Command) -> String {
    let mut names = Vec::new();
    let mut here = definition;
    for arg in args.iter().skip(1).filter_map(|arg| arg.to_str()) {
        if let Some(below) = here.find_subcommand(arg) {
            names.push(below.get_name());
            here = below;
        }
    }
    names.join(" ")
}

fn run_command(command_line: CommandLine) -> Result<Answer> {
    let clock = Arc::new(SystemClock);
    let reporter = Arc::new(Reporter::on_stderr(
        command_line.globals.quiet,
        clock.clone(),
    ));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context(|| "cannot start the threads that work needs".to_owned())?;
    let (trigger, interrupt) = interrupt();
    let run = Run {
        globals: command_line.globals,
        clock,
        progress: reporter.clone(),
        interrupt,
        confirmed: Mutex::default(),
        warned_of_one_account: AtomicBool::default(),
    };
    let done = runtime.block_on(async {
        signals::listen(trigger, reporter.clone())?;
        dispatch(command_line.command, &run).await
    });
    reporter.finish();
    // A thread that still waits for a dead server must not keep the process.
    runtime.shutdown_background();
    done
}

async fn dispatch(command: Command, run: &Run) -> Result<Answer> {
    match command {
        Command::Init(args) => init::run(args, run).await,
        Command::Export(args) => export::run(args, run).await,
        Command::List(args) => list::run(args, run).await,
        Command::Show(args) => show::run(args, run).await,
        Command::History(args) => history::run(args, run).await,
        Command::Diff(args) => diff::run(args, run).await,
        Command::Verify(args) => verify::run(args, run).await,
        Command::Hold(args) => hold::run(args, run).await,
        Command::Promote(args) => promote::run(args, run).await,
        Command::Restore(args) => restore::run(args, run).await,
        Command::Extract(args) => extract::run(args, run).await,
        Command::Drill(args) => drill::run(args, run).await,
        Command::DrillServer(args) => drill_server::run(args, run).await,
        Command::Doctor(args) => doctor::run(args, run).await,
        Command::Status(args) => status::run(args, run).await,
        Command::Report(args) => report::run(args, run).await,
        Command::Nightly(args) => nightly::run(args, run).await,
        Command::Prove(args) => prove::run(args, run).await,
        Command::Keys(args) => keys::run(args, run).await,
        Command::Snapshot(args) => snapshot::run(args, run).await,
        Command::Completions(args) => completions::run(&args, &mut definition()),
        Command::Man(args) => man::run(&args, definition()),
    }
}
