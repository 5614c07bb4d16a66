//! What lies beside the data for the day on which lifeboat is not at hand: the runbook, the script
//! that restores with stock tools, and the files that the script reads. Pure functions.

mod page;
mod plan;
mod sql;

pub use page::{Reach, restore_md};
pub use plan::plan;
pub use sql::{data_sql, last_sql, roles_sql};

/// `restore.sh`: the same for every restore point of one version of lifeboat, so that its SHA-256
/// can be printed on the break-glass sheet.
pub fn script() -> &'static str {
    include_str!("runbook/restore.sh")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::session::PINNED;

    #[test]
    fn the_script_pins_what_every_session_pins() {
        for (name, value) in PINNED {
            let value = value.replace(' ', "\\ ");
            let found = [
                format!("pin {name} {value}"),
                format!("pin {name} '{value}'"),
            ]
            .iter()
            .any(|line| script().contains(line.as_str()));
            assert!(found, "{name} = {value}");
        }
    }

    #[test]
    fn the_script_calls_no_lifeboat() {
        let calls = |line: &&str| line.trim_start().starts_with("lifeboat ");
        assert_eq!(script().lines().find(calls), None);
    }
}
