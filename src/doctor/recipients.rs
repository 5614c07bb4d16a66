//! Can backups still be opened when one key is lost?

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::facts::{BreakGlass, Facts};
use super::finding::{Finding, Severity};
use crate::humanize::age as words;
use crate::model::keys::Recipient;

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    // Where nothing is exported, as in the backup account, nothing is encrypted.
    if facts.recipients.is_empty() && facts.databases.is_empty() {
        return Vec::new();
    }
    too_few(&facts.recipients)
}

fn too_few(recipients: &[Recipient]) -> Vec<Finding> {
    let wrapped = recipients.iter().filter_map(|one| one.wrapped.as_ref());
    let offline = recipients.len() - wrapped.clone().count();
    let kms: BTreeSet<&String> = wrapped.map(|one| &one.kms_key).collect();
    let mut findings = Vec::new();
    if offline + kms.len() < 2 {
        let names: Vec<&str> = recipients.iter().map(|one| one.name.as_str()).collect();
        findings.push(Severity::Critical.finding(
            "recipients",
            match recipients {
                [] => {
                    "nobody can open new exports: the configuration names no recipient".to_owned()
                }
                _ => format!("all exports open by one key alone ({})", names.join(", ")),
            },
            "when it is lost, deleted or disabled, all backups are lost with it",
            "`lifeboat keys add --kms ARN` adds a second way beside the break-glass identity",
        ));
    }
    if offline == 0 && !recipients.is_empty() {
        findings.push(Severity::Warning.finding(
            "break-glass",
            "every identity is kept by KMS: none lies offline",
            "who loses the AWS account loses the way into the backups that are still there",
            "`lifeboat init` makes a break-glass identity; keep it offline, twice",
        ));
    }
    findings
}

pub(super) fn check_break_glass(facts: &Facts) -> Vec<Finding> {
    match &facts.break_glass {
        Ok(identities) => {
            let findings = |one| unused(one, facts.break_glass_age);
            identities.iter().filter_map(findings).collect()
        }
        Err(error) => vec![Severity::Info.finding(
            "break-glass",
            format!(
                "when break-glass identities were last used was not looked at: {}",
                error.chain()
            ),
            "",
            error.advice(),
        )],
    }
}

/// The configuration names a day, which begins up to this much earlier elsewhere than in UTC.
const TIME_ZONES: SignedDuration = SignedDuration::from_hours(24);

/// An identity that was long not used may be lost, and nobody knows.
fn unused(identity: &BreakGlass, limit: SignedDuration) -> Option<Finding> {
    let name = &identity.name;
    let what = match identity.opened {
        None => format!(
            "break-glass identity '{name}' is not known to open restore points: no trusted \
             attestation says that a drill was made with it"
        ),
        Some((at, ago)) if ago < -TIME_ZONES => format!(
            "limits.break_glass_opened, or an attestation, says that break-glass identity '{name}' \
             opened a restore point at {at:.0}, which is still to come"
        ),
        Some((_, ago)) if ago <= limit => return None,
        Some((at, ago)) => format!(
            "break-glass identity '{name}' last opened a restore point at {at:.0}, {} ago: more \
             than {}",
            words(ago),
            words(limit)
        ),
    };
    Some(Severity::Warning.finding(
        "break-glass",
        what,
        "that it was lost, damaged or mixed up would come out on the worst day",
        "with it: `lifeboat drill --identity FILE`; then put it back. A drill that \
         stores no attestation is not seen here: write its day to limits.break_glass_opened",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::keys::Wrapped;

    fn found(kms_keys: &[Option<&str>]) -> Vec<&'static str> {
        let recipients: Vec<Recipient> = kms_keys
            .iter()
            .map(|key| Recipient {
                name: "r".into(),
                key: "age1".into(),
                wrapped: key.map(|kms_key| Wrapped {
                    kms_key: kms_key.to_owned(),
                    ciphertext: String::new(),
                }),
            })
            .collect();
        let faults = too_few(&recipients).into_iter();
        faults.map(|one| one.check).collect()
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
        let found = |ago| usize::from(unused(&one(ago), days(180)).is_some());
        assert_eq!(found(None), 1);
        assert_eq!(found(Some(days(180))), 0);
        assert_eq!(found(Some(days(181))), 1);
        assert_eq!(found(Some(days(-1))), 0);
        assert_eq!(found(Some(days(-2))), 1);
        let all = [one(Some(days(1))), one(Some(days(200))), one(None)];
        let found = all.iter().filter_map(|one| unused(one, days(180)));
        let whats: Vec<String> = found.map(|one| one.what).collect();
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
