//! `lifeboat drill`

pub(super) mod snapshot;
pub(super) mod text;

use std::path::PathBuf;

use super::connect::RestorePoints;
use super::run::{Access, Answer, ChoiceArgs, Run};
use super::{connect, kms, schedule};
use crate::config::{Config, MAX_JOBS, source};
use crate::drill::{AttestationOptions, Options, Where};
use crate::error::{Error, Result, ResultExt};
use crate::pg::local::tools::Dirs;
use crate::schedule as use_case;
use crate::turns::Turns;

/// Restore a restore point into a throwaway, and compare every row
///
/// Starts a PostgreSQL of its own from local programs, in a temporary folder, by its socket only, and
/// removes it afterwards; or makes a database of its own on a server. Reads every restored row again,
/// compares counts and digests with the exported ones, and asks the configured assertions. Where a
/// table, a key or a constraint cannot be made without a superuser, or without an extension that the
/// server lacks, nothing is proven: exit code 3.
///
/// Where --source or --database has a `*` or is repeated, the newest point of each database is drilled, one after
/// the other.
///
/// With --snapshot it drills a snapshot copy: a new instance in the backup account that reaches nobody,
/// with no subscription and no job running, is asked the same assertions, is compared with the export
/// nearest in time, and then kept, stopped, as the warm spare in the place of the one before.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat drill --identity break-glass.key\n  \
       lifeboat drill latest --database courses --folder /mnt/large --json\n  \
       lifeboat drill latest --server postgresql://postgres@scratch.example.com/postgres\n  \
       lifeboat drill --snapshot --source prod"
))]
pub(super) struct Args {
    /// The restore point: an id as `lifeboat list` shows it, or `latest`
    #[arg(value_name = "ID", default_value = "latest")]
    id: String,
    #[command(flatten)]
    choice: ChoiceArgs,
    /// Drill a snapshot copy: the newest, or that of the id as `lifeboat snapshot list` shows it
    #[arg(long, conflicts_with_all = [
        "database", "server", "folder", "sample", "weak_wall", "no_attestation", "jobs", "pg_bin",
    ])]
    snapshot: bool,
    /// Restore into a database of the drill's own on this server, given with another database of it:
    /// postgresql://user@host/postgres
    #[arg(long, value_name = "URL", conflicts_with = "folder")]
    server: Option<String>,
    /// File with nothing but the server's password
    #[arg(long, value_name = "FILE", requires = "server")]
    server_password_file: Option<PathBuf>,
    /// Below which the throwaway server is made [default: as configured, else the folder for temporary
    /// files]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Restore whole tables of at most this percentage of the data, and say so: for databases that do
    /// not fit
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(1..=99))]
    sample: Option<u8>,
    /// Drill also where a wall around the drill's server is missing: strangers' code may then see more of
    /// this machine than it should
    #[arg(long, conflicts_with = "server")]
    weak_wall: bool,
    /// Store no signed statement on this drill, even where a signing key is configured
    #[arg(long)]
    no_attestation: bool,
    /// Sessions that load at the same time [default: by the machine]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_JOBS)))]
    jobs: Option<u16>,
    /// Folder with PostgreSQL's programs, asked before PATH; may be repeated
    #[arg(long, value_name = "FOLDER")]
    pg_bin: Vec<PathBuf>,
}

pub(super) async fn run(args: Args, run: &Run) -> Result<Answer> {
    if args.snapshot {
        return snapshot::run(&args.id, args.only_source()?, run).await;
    }
    let (which, choice) = (args.id.parse()?, args.choice.clone());
    let (access, options) = args.resolve(run).await?;
    let points = connect::restore_points(&access, &which, &choice, Turns::new(1), run).await?;
    let (identities, context) = (connect::identity_source(&access, run)?, run.context());
    match points {
        RestorePoints::One(point) => {
            text::answer(&use_case::drill(&point, &identities, &options, context).await?)
        }
        RestorePoints::Each(points) => {
            schedule::answer(&use_case::drill_each(&points, &identities, &options, context).await?)
        }
    }
}

impl Args {
    /// Of a snapshot copy.
    fn only_source(&self) -> Result<Option<&str>> {
        match self.choice.source.as_slice() {
            [] => Ok(None),
            [one] if !one.contains('*') => Ok(Some(one)),
            _ => Err(
                Error::usage("--source: --snapshot drills the copy of one source")
                    .hint("name it in full, once; `lifeboat prove` drills those of several"),
            ),
        }
    }

    async fn resolve(self, run: &Run) -> Result<(Access, Options)> {
        if let Some(server) = &self.server {
            source::check_url(server).context(|| "--server".to_owned())?;
        }
        let (access, config) = run.globals.access_and_maybe_config()?;
        let access = access.with_trust()?;
        let mut options = options(&access, config.as_ref(), run).await?;
        options.place = match self.server {
            Some(address) => {
                let hint = "one to enter by, mostly postgres: postgresql://user@host/postgres";
                let (option, password_file) = (("--server", hint), self.server_password_file);
                let server = connect::typed_server(option, address, password_file, run)?;
                Where::Server(Box::new(server))
            }
            None => own_server(self.folder, config.as_ref())?,
        };
        options.jobs = self.jobs.map(usize::from);
        let pg_bin = self.pg_bin.into_iter().chain(access.pg_bin.clone());
        options.tool_dirs = Dirs::system(pg_bin.collect());
        options.weak_wall |= self.weak_wall;
        options.sample = self.sample;
        if self.no_attestation {
            options.attestation = None;
        }
        Ok((access, options))
    }
}

/// A drill as it is configured.
pub(super) async fn options(
    access: &Access,
    config: Option<&Config>,
    run: &Run,
) -> Result<Options> {
    let settings = config.map(|config| config.drill.clone());
    let settings = settings.unwrap_or_default();
    let signed = config.and_then(|config| Some((config.signing_key.as_ref()?, config.lock)));
    let attestation = match signed {
        Some((key, locks)) => Some(AttestationOptions {
            signer: kms::signer(key, access, run).await,
            lock: locks.policy,
            max_lock_days: locks.max_lock_days,
        }),
        None => None,
    };
    Ok(Options {
        place: own_server(None, config)?,
        jobs: None,
        tool_dirs: Dirs::system(access.pg_bin.clone()),
        questions: settings.questions,
        superuser: settings.superuser,
        weak_wall: settings.weak_wall,
        time_limit: settings.time_limit,
        sample: None,
        trust: access.trust.clone(),
        attestation,
    })
}

/// The drill's own server. `folder`: as typed. A configured second container makes its servers in one
/// folder only.
fn own_server(folder: Option<PathBuf>, config: Option<&Config>) -> Result<Where> {
    let absolute = |folder: PathBuf| -> Result<PathBuf> {
        std::path::absolute(&folder).context(|| "--folder".to_owned())
    };
    let settings = config.map(|config| &config.drill);
    let folder = folder.map(absolute).transpose()?;
    let Some(socket) = settings.and_then(|drill| drill.server_socket.clone()) else {
        let folder = folder.or_else(|| settings?.folder.clone());
        let folder = folder.unwrap_or_else(std::env::temp_dir);
        return Ok(Where::Throwaway(absolute(folder)?));
    };
    if folder.is_some_and(|folder| socket.parent() != Some(&folder)) {
        let error = Error::usage("--folder is not where drill.server_socket lies");
        return Err(error.hint("leave --folder out: the second container makes the servers"));
    }
    Ok(Where::SecondContainer(socket))
}
