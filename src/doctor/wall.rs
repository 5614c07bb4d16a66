//! Whether a drill here would keep a backup's code from this machine.

use super::{Finding, Severity};
use crate::error::Error;
use crate::model::attestation::Walls;
use crate::wall::is_whole;

/// The wall of this machine's drills.
#[derive(Debug)]
pub enum DrillWall {
    /// Of servers that drills start themselves. An error: it could not be tried.
    Here(Result<Standing, Error>),
    /// Of servers of the drill server behind this socket. An error: it did not answer, or wrongly.
    SecondContainer(String, Result<Standing, Error>),
}

/// What would stand around a server.
#[derive(Debug)]
pub struct Standing {
    pub walls: Walls,
    /// Why something does not.
    pub missing: Vec<String>,
}

const MEANS: &str = "drills refuse restore points that none has found sound yet";
const SECOND_CONTAINER: &str =
    "run `lifeboat drill-server` in a second container, and name its socket as drill.server_socket";

pub fn look(wall: &DrillWall) -> Option<Finding> {
    let warning = |what| Finding::new(Severity::Warning, "wall", what);
    match wall {
        DrillWall::Here(Ok(standing)) => {
            let missing = missing(standing)?;
            let what = format!("the wall around drills is not whole: {missing}");
            Some(warning(what).means(MEANS).mend(format!(
                "install bubblewrap and allow user namespaces; where neither can be, {SECOND_CONTAINER}"
            )))
        }
        DrillWall::Here(Err(error)) => {
            let what = format!("no wall can be put around drills: {}", error.chain());
            Some(
                warning(what)
                    .means("nothing is drilled")
                    .mend(error.advice()),
            )
        }
        DrillWall::SecondContainer(socket, Ok(standing)) => {
            let missing = missing(standing)?;
            let what = format!("the wall of the drill server on {socket} is not whole: {missing}");
            Some(warning(what).means(MEANS).mend(
                "give the second container a user id, files and processes of its own, as deploy/ does",
            ))
        }
        DrillWall::SecondContainer(_, Err(error)) => Some(
            warning(error.chain())
                .means("nothing is drilled")
                .mend(error.advice()),
        ),
    }
}

/// `None` where the walls that count stand.
fn missing(standing: &Standing) -> Option<String> {
    (!is_whole(standing.walls)).then(|| standing.missing.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(files: bool) -> Standing {
        Standing {
            walls: Walls {
                network: true,
                files,
                processes: true,
                uid: false,
            },
            missing: vec!["bubblewrap is missing".to_owned()],
        }
    }

    #[test]
    fn a_whole_wall_is_no_finding_and_each_fault_says_what_to_do() {
        let socket = || "/drill/lifeboat.sock".to_owned();
        assert_eq!(look(&DrillWall::Here(Ok(standing(true)))), None);
        let whole = DrillWall::SecondContainer(socket(), Ok(standing(true)));
        assert_eq!(look(&whole), None);
        let error = || Error::refused("of lifeboat '0.0.9'").hint("the same image");
        for (wall, what, mend) in [
            (
                DrillWall::Here(Ok(standing(false))),
                "bubblewrap is missing",
                "install bubblewrap",
            ),
            (DrillWall::Here(Err(error())), "0.0.9", "same image"),
            (
                DrillWall::SecondContainer(socket(), Ok(standing(false))),
                "/drill/lifeboat.sock",
                "as deploy/ does",
            ),
            (
                DrillWall::SecondContainer(socket(), Err(error())),
                "0.0.9",
                "same image",
            ),
        ] {
            let finding = look(&wall).unwrap();
            assert_eq!(finding.severity, Severity::Warning);
            assert!(finding.what.contains(what), "{finding:?}");
            assert!(finding.mend.contains(mend), "{finding:?}");
        }
    }
}
