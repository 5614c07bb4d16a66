//! `lifeboat drill-server`

use std::path::PathBuf;

use serde_json::json;

use super::run::{Answer, Run};
use crate::error::{Result, ResultExt};
use crate::outcome::Outcome;
use crate::pg::local::drill_server::serve;
use crate::pg::local::tools::Dirs;

/// Start PostgreSQL for drills of another container, which has the secrets
///
/// What runs in the second container of a task or pod, where no namespaces can be had. It needs no
/// configuration, no repository, no secrets and no network, and a user id of its own, which is not
/// root's. It listens on `lifeboat.sock` in a folder that both containers share; `lifeboat drill` in
/// the other one connects to it where its configuration names that socket:
///
///   [drill]
///   server_socket = "/drill/lifeboat.sock"
///
/// One connection is one throwaway server below that folder; closing it removes both. Both containers
/// run the same version. SIGTERM ends it: exit code 0, and nothing is left.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_help = with_exit_codes!(
    "  lifeboat drill-server --folder /drill\n  \
       lifeboat drill-server --folder /drill --pg-bin /usr/lib/postgresql/16/bin"
))]
pub(super) struct Args {
    /// Shared with the container that drills; room for the largest database with its indexes
    #[arg(long, value_name = "FOLDER")]
    folder: PathBuf,
    /// Folder with PostgreSQL's programs, asked before PATH; may be repeated
    #[arg(long, value_name = "FOLDER")]
    pg_bin: Vec<PathBuf>,
}

pub(super) async fn run(args: Args, run: &Run) -> Result<Answer> {
    let folder = std::path::absolute(&args.folder).context(|| "--folder".to_owned())?;
    serve(
        folder,
        Dirs::system(args.pg_bin),
        run.progress.clone(),
        run.interrupt.clone(),
    )
    .await?;
    Answer::new(&json!({}), "", Outcome::Done)
}
