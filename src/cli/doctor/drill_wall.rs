//! Tries the wall that a drill on this machine would have.

use std::path::Path;

use crate::cli::globals::Access;
use crate::config::Config;
use crate::config::drill::DrillSettings;
use crate::doctor::{DrillWall, WallState};
use crate::error::{Result, ResultExt};
use crate::pg::local::drill_server::ask_walls;
use crate::wall::{self, Wall};

/// `None` where nothing is configured for drills: exporters need no wall.
pub(super) async fn gather(access: &Access, config: &Config) -> Option<DrillWall> {
    let drills = !access.identities.is_empty() || config.drill != DrillSettings::default();
    if !drills {
        return None;
    }
    Some(match &config.drill.server_socket {
        Some(socket) => {
            let found = ask_walls(socket).await.map(|hello| WallState {
                walls: hello.walls,
                missing: hello.missing,
            });
            DrillWall::SecondContainer(socket.display().to_string(), found)
        }
        None => {
            let folder = config.drill.folder.clone();
            let folder = folder.unwrap_or_else(std::env::temp_dir);
            let tried = tokio::task::spawn_blocking(move || here(&folder)).await;
            DrillWall::Here(tried.context(|| "trying a wall".to_owned()).flatten())
        }
    })
}

fn here(folder: &Path) -> Result<WallState> {
    let wall = Wall::build(wall::unprivileged()?, folder, &[])?;
    Ok(WallState {
        walls: wall.walls,
        missing: wall.missing.clone(),
    })
}
