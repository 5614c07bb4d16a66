//! To come.
use crate::cli::{Run, output::Answer};
use crate::error::{Error, Result};
/// To come
#[derive(Debug, clap::Args)]
pub struct Args {}
pub async fn run(_: Args, _: &Run) -> Result<Answer> { Err(Error::usage("to come")) }
