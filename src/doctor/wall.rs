//! Would the wall around a drill here keep a backup's code from this machine?

use super::facts::{DrillWall, Facts};
use super::finding::{Finding, Severity};
use crate::pg::local::drill_server::WallReport;
use crate::wall::is_whole;

const REFUSED: &str = "drills refuse restore points that none has found sound yet";
const NOT_DRILLED: &str = "nothing is drilled";

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    facts.drill_wall.iter().filter_map(fault).collect()
}

fn fault(wall: &DrillWall) -> Option<Finding> {
    let (what, means, mend) = match wall {
        DrillWall::Here(Ok(state)) => (
            format!("the wall around drills is not whole: {}", missing(state)?),
            REFUSED,
            "install bubblewrap and allow user namespaces; where neither can be, run \
             `lifeboat drill-server` in a second container, and name its socket as drill.server_socket",
        ),
        DrillWall::Here(Err(error)) => (
            format!("no wall can be put around drills: {}", error.chain()),
            NOT_DRILLED,
            error.advice(),
        ),
        DrillWall::SecondContainer(socket, Ok(state)) => (
            format!(
                "the wall of the drill server on {socket} is not whole: {}",
                missing(state)?
            ),
            REFUSED,
            "give the second container a user id, files and processes of its own, as deploy/ does",
        ),
        DrillWall::SecondContainer(_, Err(error)) => (error.chain(), NOT_DRILLED, error.advice()),
    };
    Some(Severity::Warning.finding("wall", what, means, mend))
}

/// `None` where the walls that count stand.
fn missing(state: &WallReport) -> Option<String> {
    (!is_whole(state.walls)).then(|| state.missing.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::model::attestation::Walls;

    fn state(files: bool) -> WallReport {
        WallReport {
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
        assert_eq!(fault(&DrillWall::Here(Ok(state(true)))), None);
        let whole = DrillWall::SecondContainer(socket(), Ok(state(true)));
        assert_eq!(fault(&whole), None);
        let error = || Error::refused("of lifeboat '0.0.9'").hint("the same image");
        for (wall, what, mend) in [
            (
                DrillWall::Here(Ok(state(false))),
                "bubblewrap is missing",
                "install bubblewrap",
            ),
            (DrillWall::Here(Err(error())), "0.0.9", "same image"),
            (
                DrillWall::SecondContainer(socket(), Ok(state(false))),
                "/drill/lifeboat.sock",
                "as deploy/ does",
            ),
            (
                DrillWall::SecondContainer(socket(), Err(error())),
                "0.0.9",
                "same image",
            ),
        ] {
            let finding = fault(&wall).unwrap();
            assert_eq!(finding.severity, Severity::Warning);
            assert!(finding.what.contains(what), "{finding:?}");
            assert!(finding.mend.contains(mend), "{finding:?}");
        }
    }
}
