//! Whether the backups can still be opened when one key is lost.

use std::collections::BTreeSet;

use super::{Finding, Recipient, Severity};

pub fn look(recipients: &[Recipient]) -> Vec<Finding> {
    let offline = recipients
        .iter()
        .filter(|one| one.kms_key.is_none())
        .count();
    let keys: BTreeSet<&String> = recipients
        .iter()
        .filter_map(|one| one.kms_key.as_ref())
        .collect();
    let independent = offline + keys.len();
    let mut findings = Vec::new();
    if independent < 2 {
        findings.push(
            Finding::new(
                Severity::Critical,
                "recipients",
                match recipients {
                    [] => "nobody can open new exports: the configuration names no recipient"
                        .to_owned(),
                    _ => format!("all exports open by one key alone ({})", names(recipients)),
                },
            )
            .means("when it is lost, deleted or disabled, all backups are lost with it")
            .mend(
                "`lifeboat keys add --kms ARN` adds a second way beside the break-glass identity",
            ),
        );
    }
    if offline == 0 && !recipients.is_empty() {
        findings.push(
            Finding::new(
                Severity::Warning,
                "break-glass",
                "every identity is kept by KMS: none lies offline",
            )
            .means("who loses the AWS account loses the way into the backups that are still there")
            .mend("`lifeboat init` makes a break-glass identity; keep it offline, twice"),
        );
    }
    findings
}

fn names(recipients: &[Recipient]) -> String {
    let names: Vec<&str> = recipients.iter().map(|one| one.name.as_str()).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(kms_keys: &[Option<&str>]) -> Vec<&'static str> {
        let recipients: Vec<Recipient> = kms_keys
            .iter()
            .map(|key| Recipient {
                name: "r".into(),
                kms_key: key.map(str::to_owned),
            })
            .collect();
        look(&recipients).into_iter().map(|one| one.check).collect()
    }

    #[test]
    fn two_ways_that_do_not_hang_on_one_key_are_enough() {
        assert_eq!(found(&[None, Some("a")]), [""; 0]);
        assert_eq!(found(&[None, None]), [""; 0]);
        assert_eq!(found(&[None]), ["recipients"]);
        assert_eq!(found(&[]), ["recipients"]);
        assert_eq!(
            found(&[Some("a"), Some("a")]),
            ["recipients", "break-glass"]
        );
        assert_eq!(found(&[Some("a"), Some("b")]), ["break-glass"]);
    }
}
