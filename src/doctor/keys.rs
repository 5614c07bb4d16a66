//! Whether the backups can still be opened when one key is lost.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::{BreakGlass, Finding, Recipient, Severity};
use crate::error::Error;
use crate::humanize::age as words;

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

/// A day that is noted begins elsewhere on Earth up to so much before it does in UTC.
const TIME_ZONES: SignedDuration = SignedDuration::from_hours(24);

/// A key that nobody has turned for long may not turn.
pub fn opened(identities: &[BreakGlass], age: SignedDuration) -> Vec<Finding> {
    let finding = |one: &BreakGlass| {
        let name = &one.name;
        let what = match one.opened {
            None => format!(
                "break-glass identity '{name}' is not known to open restore points: no trusted \
                 attestation says that a drill was made with it"
            ),
            Some((at, ago)) if ago < -TIME_ZONES => format!(
                "limits.break_glass_opened, or an attestation, says that break-glass identity '{name}' \
                 opened a restore point at {at:.0}, which is still to come"
            ),
            Some((_, ago)) if ago <= age => return None,
            Some((at, ago)) => format!(
                "break-glass identity '{name}' last opened a restore point at {at:.0}, {} ago: more \
                 than {}",
                words(ago),
                words(age)
            ),
        };
        Some(
            Finding::new(Severity::Warning, "break-glass", what)
                .means("that it was lost, damaged or mixed up would come out on the worst day")
                .mend(
                    "with it: `lifeboat drill --identity FILE`; then put it back. Where those \
                     credentials may not attest, note the day as limits.break_glass_opened",
                ),
        )
    };
    identities.iter().filter_map(finding).collect()
}

pub fn unknown(error: &Error) -> Finding {
    let what = format!(
        "when break-glass identities were last used was not looked at: {}",
        error.chain()
    );
    Finding::new(Severity::Info, "break-glass", what).mend(error.advice())
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

    #[test]
    fn a_break_glass_identity_is_to_be_used_now_and_then() {
        let now: jiff::Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let days = |days: i64| SignedDuration::from_hours(24 * days);
        let one = |ago: Option<SignedDuration>| BreakGlass {
            name: "b".into(),
            opened: ago.map(|ago| (now - ago, ago)),
        };
        let found = |ago| opened(&[one(ago)], days(180)).len();
        assert_eq!(found(None), 1);
        assert_eq!(found(Some(days(180))), 0);
        assert_eq!(found(Some(days(181))), 1);
        assert_eq!(found(Some(days(-1))), 0);
        assert_eq!(found(Some(days(-2))), 1);
        let all = [one(Some(days(1))), one(Some(days(200))), one(None)];
        let whats: Vec<String> = opened(&all, days(180))
            .into_iter()
            .map(|one| one.what)
            .collect();
        assert_eq!(
            whats,
            [
                "break-glass identity 'b' last opened a restore point at 2026-05-05T00:00:00Z, 200 d \
                 ago: more than 180 d",
                "break-glass identity 'b' is not known to open restore points: no trusted attestation \
                 says that a drill was made with it",
            ]
        );
    }
}
