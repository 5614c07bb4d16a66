//! Which databases a server has, and whether what was typed as `--database` is anywhere.

use std::collections::BTreeSet;

use super::options::Source;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::humanize::first_names;
use crate::model::choice::Chosen;
use crate::model::databases::Databases;
use crate::pg::connect::server::Server;
use crate::pg::session::{Purpose, Session};
use crate::pg::source::catalog::{self, InstanceDatabase};

/// Of names that an error tells.
const SHOWN: usize = 8;

/// Refuses a name of a choice that no database of these sources has. Where a server does not answer this is
/// not known, and the export tells of that server.
pub(crate) async fn check_databases(sources: &[&Source], context: Context<'_>) -> Result<()> {
    let mut asked: Vec<&Chosen> = Vec::new();
    let (mut matched, mut there) = (BTreeSet::new(), Vec::new());
    for source in sources {
        let Databases::Matching { names, .. } = &source.databases else {
            continue;
        };
        let mut server = source.server.clone();
        let present = match server.pin() {
            Ok(()) => list(context, &server).await,
            Err(error) => Err(error),
        };
        let Ok(Listing { present, .. }) = present else {
            context.interrupt.check()?;
            return Ok(());
        };
        let connectable = present.iter().filter(|one| one.connectable);
        let selected = (source.databases).select(connectable.map(|one| &one.name), "");
        let naming = |one: &&Chosen| selected.iter().any(|name| one.is(name));
        matched.extend(names.iter().filter(naming).map(Chosen::text));
        asked.extend(names);
        let shown = present.iter();
        there.extend(shown.map(|one| format!("{}/{}", source.name, one.name)));
    }
    match asked.iter().find(|one| !matched.contains(one.text())) {
        None => Ok(()),
        Some(missing) => Err(Error::usage(format!(
            "--database '{}': no chosen source has such a database to export",
            missing.text().escape_debug()
        ))
        .hint(format!("there is: {}", first_names(&there, SHOWN)))),
    }
}

/// The names of the databases that an export of this source would try now, and their server's identity.
pub(crate) async fn covered(
    source: &Source,
    context: Context<'_>,
) -> Result<(Vec<String>, String)> {
    let mut server = source.server.clone();
    server.pin()?;
    let Listing { present, identity } = list(context, &server).await?;
    let connectable = present.iter().filter(|one| one.connectable);
    let covered = (source.databases).select(connectable.map(|one| &one.name), &server.database);
    Ok((covered, identity))
}

/// What a server says of itself.
pub(super) struct Listing {
    pub present: Vec<InstanceDatabase>,
    /// The same for every way that leads to this server.
    pub identity: String,
}

pub(super) async fn list(context: Context<'_>, server: &Server) -> Result<Listing> {
    let list = async {
        let scout = Session::connect(server, "lifeboat", Purpose::Read).await?;
        let present = catalog::databases(&scout).await?;
        let instance = catalog::read_instance(&scout).await?;
        scout.close().await;
        let identity = instance.system_identifier;
        Ok(Listing {
            present,
            identity: identity.unwrap_or_else(|| format!("{}:{}", server.host, server.port)),
        })
    };
    context.interrupt.or(list).await
}
