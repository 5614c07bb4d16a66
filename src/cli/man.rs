//! `lifeboat man`

use std::path::PathBuf;

use serde_json::json;

use super::render::counted;
use super::run::Answer;
use crate::error::{Error, Result, ResultExt};
use crate::outcome::Outcome;

/// Write man pages into a folder
///
/// One page for lifeboat and one for each command, made from the same definitions as --help.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat man /usr/local/share/man/man1 && man lifeboat-restore"
))]
pub(super) struct Args {
    /// The folder; made where it does not exist
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

pub(super) fn run(args: &Args, definition: clap::Command) -> Result<Answer> {
    let folder = &args.folder;
    let cannot = || format!("cannot write man pages into {}", folder.display());
    std::fs::create_dir_all(folder).context(cannot)?;
    // The generated `help` command would get pages of its own for every other one.
    let definition = definition.disable_help_subcommand(true);
    clap_mangen::generate_to(definition, folder).context(cannot)?;
    let mut pages = Vec::new();
    for entry in std::fs::read_dir(folder).context(cannot)? {
        let name = entry.context(cannot)?.file_name();
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("lifeboat") && name.ends_with(".1") {
            pages.push(name);
        }
    }
    if pages.is_empty() {
        return Err(Error::failed(cannot()));
    }
    pages.sort();
    let text = format!(
        "{} in {}",
        counted(pages.len() as u64, "page", "pages"),
        folder.display()
    );
    let report = json!({ "folder": folder, "pages": pages });
    Answer::new(&report, text, Outcome::Done)
}
