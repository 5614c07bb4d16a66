//! Does what is stored stay stored?

use serde_json::Value;

use super::facts::{Facts, StoreFacts};
use super::finding::{Finding, Severity};
use crate::error::Error;
use crate::model::lock::LockMode;
use crate::store::Posture;
use crate::store::audit::{Asked, Attempt, Audit, Outcome, Rule};

/// What an exporter may write: junk of its rights must go one day, too.
const FOLDERS: [&str; 3] = ["parts/", "manifests/", "snapshots/"];

pub(super) fn check(facts: &Facts) -> Vec<Finding> {
    let url = &facts.repository_url;
    let store = match &facts.store {
        Ok(Some(store)) => store,
        Ok(None) => return vec![unlocked(url)],
        Err(error) => return vec![unreachable(url, error)],
    };
    let mut findings = locks(url, &store.posture);
    findings.extend(policy(url, &store.audit));
    findings.extend(public_access(url, &store.audit));
    findings.extend(lifecycle(url, store, facts.daily_days));
    findings.extend(checksum(url, store.refuses_wrong_bodies));
    match &store.attempts {
        None => {}
        Some(Ok(attempts)) => findings.extend(attempts.iter().filter_map(|one| attempt(url, one))),
        Some(Err(error)) => findings.push(not_attempted(error)),
    }
    findings
}

fn unlocked(url: &str) -> Finding {
    Severity::Critical.finding(
        "locks",
        format!("{url} has no locks: nothing keeps its files from being deleted"),
        "anyone who may write there, lifeboat's own user included, can destroy all backups",
        "use a bucket with versioning and Object Lock in another account: docs/accounts.md",
    )
}

fn unreachable(url: &str, error: &Error) -> Finding {
    let why = error.chain();
    let what = match why.contains(url) {
        true => why,
        false => format!("{url}: {why}"),
    };
    let means = "nothing new is exported, and nothing can be restored from here";
    Severity::Critical.finding("repository", what, means, error.advice())
}

/// Credentials that may not add a canary cannot overwrite either, but perhaps delete.
fn not_attempted(error: &Error) -> Finding {
    let why = error.chain();
    Severity::Info.finding(
        "proof",
        format!("no attempt to destroy was made, for want of a canary: {why}"),
        "that these credentials can destroy nothing is not proven",
        "run doctor as the exporter; then these find its canary",
    )
}

fn locks(url: &str, posture: &Posture) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !posture.versioning {
        findings.push(Severity::Critical.finding(
            "versioning",
            format!("{url} keeps no versions"),
            "an object that is overwritten or deleted is gone",
            format!(
                "aws s3api put-bucket-versioning --bucket {} --versioning-configuration Status=Enabled",
                bucket_name(url)
            ),
        ));
    }
    if !posture.object_lock {
        findings.push(Severity::Critical.finding(
            "object-lock",
            format!("{url} has no Object Lock"),
            "anyone who holds delete rights can destroy all backups",
            "make a bucket with Object Lock (deploy/aws/backup-account.yaml)",
        ));
        return findings;
    }
    let (what, means, mend) = match posture.default_retention {
        Some((LockMode::Compliance, _)) => return findings,
        Some((LockMode::Governance, days)) => (
            format!("{url}: the default lock is GOVERNANCE for {days} days"),
            "who holds s3:BypassGovernanceRetention removes what came without a lock of its own",
            "make the default COMPLIANCE",
        ),
        None => (
            format!("{url} has no default lock"),
            "an object that comes without a lock of its own, by another tool, stays without one",
            "set a default retention: deploy/aws/backup-account.yaml does",
        ),
    };
    findings.push(Severity::Warning.finding("default-retention", what, means, mend));
    findings
}

/// The policy's text proves little; attempts do. Here only: there is one, and it names the actions.
fn policy(url: &str, audit: &Audit) -> Option<Finding> {
    let what = match &audit.policy {
        Asked::Unknown(_) => return None,
        Asked::Absent => format!("{url} has no bucket policy"),
        Asked::Is(text) => {
            let mut missing = vec!["s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"];
            missing.retain(|action| !denies(text, action));
            if missing.is_empty() {
                return None;
            }
            format!(
                "{url}: the policy does not deny {} to everybody",
                missing.join(" and ")
            )
        }
    };
    Some(Severity::Warning.finding(
        "bucket-policy",
        what,
        "only the locks keep an administrator of the backup account, or a role with too many rights, from its objects",
        "deploy/aws/backup-account.yaml has one",
    ))
}

/// Whether a statement denies this action to everybody, whatever the conditions.
fn denies(policy: &str, action: &str) -> bool {
    let Ok(policy) = serde_json::from_str::<Value>(policy) else {
        return false;
    };
    let statements = match policy.get("Statement") {
        Some(Value::Array(several)) => several.as_slice(),
        one => one.map(std::slice::from_ref).unwrap_or_default(),
    };
    statements.iter().any(|statement| {
        let all = |name: &str, wanted: &str| match statement.get(name) {
            Some(Value::String(one)) => one == wanted,
            Some(Value::Array(several)) => several.iter().any(|one| one == wanted),
            _ => false,
        };
        let principal = statement.get("Principal");
        let everybody =
            principal.is_some_and(|who| who == "*" || who.get("AWS").is_some_and(|aws| aws == "*"));
        all("Effect", "Deny")
            && everybody
            && statement.get("Condition").is_none()
            && (all("Action", action) || all("Action", "s3:*"))
    })
}

fn public_access(url: &str, audit: &Audit) -> Option<Finding> {
    let what = match audit.public_access_blocked {
        Asked::Is(true) | Asked::Unknown(_) => return None,
        Asked::Is(false) => "does not block all public access",
        Asked::Absent => "does not block public access",
    };
    Some(Severity::Warning.finding(
        "public-access",
        format!("{url} {what}"),
        "one wrong policy shows the sealed backups, their sizes and names to the world",
        "switch on all four of its settings",
    ))
}

/// Only lifecycle rules remove versions, and they must not hide what is still locked.
fn lifecycle(url: &str, store: &StoreFacts, daily_days: Option<u32>) -> Vec<Finding> {
    let rules = match &store.audit.lifecycle {
        Asked::Unknown(_) => return Vec::new(),
        Asked::Absent => &Vec::new(),
        Asked::Is(rules) => rules,
    };
    let mut findings = Vec::new();
    for folder in FOLDERS {
        let prefix = format!("{}{folder}", store.prefix);
        let covering = rules.iter().filter(|rule| prefix.starts_with(&rule.prefix));
        let removes = |rule: &Rule| rule.expire_days.is_some() && rule.noncurrent_days.is_some();
        if !covering.clone().any(removes) {
            findings.push(Severity::Warning.finding(
                "lifecycle",
                format!("{url}: no lifecycle rule removes what lies under {prefix}"),
                "exports stay, and cost, for ever: lifeboat itself deletes nothing",
                "a rule with an expiration after the daily lock, and one of noncurrent versions",
            ));
        }
        let mut early = covering.filter_map(|rule| {
            let (expire_days, locked_days) = (rule.expire_days?, daily_days?);
            (expire_days < locked_days).then_some((&rule.id, expire_days, locked_days))
        });
        if let Some((rule, expire_days, locked_days)) = early.next() {
            findings.push(Severity::Warning.finding(
                "lifecycle",
                format!(
                    "{url}: rule '{rule}' hides objects under {prefix} after {expire_days} days, while they are locked for {locked_days}"
                ),
                "tools that do not read versions no longer see them; lifeboat does",
                "let it begin after lock.daily_days and two days",
            ));
        }
    }
    findings
}

/// Not known is no finding: who may not put there asks nothing of the store.
fn checksum(url: &str, refuses_wrong_bodies: Option<bool>) -> Option<Finding> {
    if refuses_wrong_bodies != Some(false) {
        return None;
    }
    Some(Severity::Warning.finding(
        "checksum",
        format!("{url} took an object whose bytes were not those of the announced SHA-256"),
        "what is damaged on its way is stored and called sound; lifeboat reads back all that it stores \
         there, for which an exporter needs s3:GetObject, and fails without",
        "use a store that compares (docs/stores.md)",
    ))
}

fn attempt(url: &str, attempt: &Attempt) -> Option<Finding> {
    let (severity, result) = match (&attempt.outcome, attempt.harmless) {
        (Outcome::Refused { .. }, _) => return None,
        (Outcome::Succeeded, false) => (Severity::Critical, "succeeded".to_owned()),
        (Outcome::Succeeded, true) => (Severity::Warning, "succeeded".to_owned()),
        (Outcome::Unclear(why), _) => (Severity::Warning, format!("got no clear answer: {why}")),
    };
    let means = match attempt.harmless {
        true => {
            "these very credentials may do it; locked versions stay, and lifeboat reads versions"
        }
        false => "these very credentials can destroy backups",
    };
    Some(severity.finding(
        "proof",
        format!("{url}: an attempt to {} {result}", attempt.what),
        means,
        "take the right from the role; let the bucket policy deny it to everybody (deploy/aws/backup-account.yaml)",
    ))
}

fn bucket_name(url: &str) -> &str {
    url.strip_prefix("s3://")
        .and_then(|rest| rest.split('/').next())
        .unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::audit::RefusedBy;

    const DENIES: &str = r#"{"Statement":[{"Effect":"Deny","Principal":"*",
        "Action":["s3:DeleteObjectVersion","s3:BypassGovernanceRetention"],"Resource":"*"}]}"#;

    fn sound() -> StoreFacts {
        let rule = |prefix: &str| Rule {
            id: "r".into(),
            prefix: format!("prod/{prefix}"),
            expire_days: Some(38),
            noncurrent_days: Some(1),
        };
        StoreFacts {
            prefix: "prod/".into(),
            posture: Posture {
                versioning: true,
                object_lock: true,
                default_retention: Some((LockMode::Compliance, 35)),
                server_time: None,
            },
            audit: Audit {
                policy: Asked::Is(DENIES.into()),
                public_access_blocked: Asked::Is(true),
                lifecycle: Asked::Is(FOLDERS.map(rule).to_vec()),
            },
            attempts: Some(Ok(vec![tried(
                Outcome::Refused {
                    by: RefusedBy::Unsaid,
                    code: "AccessDenied".into(),
                },
                false,
            )])),
            refuses_wrong_bodies: Some(true),
        }
    }

    fn tried(outcome: Outcome, harmless: bool) -> Attempt {
        Attempt {
            what: "delete",
            outcome,
            harmless,
        }
    }

    fn found(change: impl FnOnce(&mut StoreFacts)) -> Vec<(Severity, &'static str)> {
        let mut store = sound();
        change(&mut store);
        let facts = Facts {
            store: Ok(Some(store)),
            daily_days: Some(35),
            ..Facts::none()
        };
        check(&facts)
            .into_iter()
            .map(|one| (one.severity, one.check))
            .collect()
    }

    #[test]
    fn a_sound_bucket_has_no_finding_and_each_fault_has_one() {
        use Severity::{Critical, Warning};
        assert_eq!(found(|_| {}), []);
        assert_eq!(
            found(|b| b.posture.versioning = false),
            [(Critical, "versioning")]
        );
        assert_eq!(
            found(|b| b.posture.object_lock = false),
            [(Critical, "object-lock")]
        );
        assert_eq!(
            found(|b| b.posture.default_retention = None),
            [(Warning, "default-retention")]
        );
        assert_eq!(
            found(|b| b.posture.default_retention = Some((LockMode::Governance, 1))),
            [(Warning, "default-retention")]
        );
        assert_eq!(
            found(|b| b.audit.policy = Asked::Absent),
            [(Warning, "bucket-policy")]
        );
        let conditional = DENIES.replace("\"Resource\"", "\"Condition\":{},\"Resource\"");
        assert_eq!(
            found(|b| b.audit.policy = Asked::Is(conditional)),
            [(Warning, "bucket-policy")]
        );
        assert_eq!(
            found(|b| b.audit.public_access_blocked = Asked::Is(false)),
            [(Warning, "public-access")]
        );
        assert_eq!(
            found(|b| b.audit.lifecycle = Asked::Absent),
            [(Warning, "lifecycle"); 3]
        );
        for folder in FOLDERS {
            let without = |b: &mut StoreFacts| {
                if let Asked::Is(rules) = &mut b.audit.lifecycle {
                    rules.retain(|rule| !rule.prefix.ends_with(folder));
                }
            };
            assert_eq!(found(without), [(Warning, "lifecycle")], "{folder}");
        }
        assert_eq!(
            found(|b| b.refuses_wrong_bodies = Some(false)),
            [(Warning, "checksum")]
        );
        let early = |b: &mut StoreFacts| {
            if let Asked::Is(rules) = &mut b.audit.lifecycle {
                rules[0].expire_days = Some(30);
            }
        };
        assert_eq!(found(early), [(Warning, "lifecycle")]);
    }

    #[test]
    fn what_may_not_be_asked_is_no_finding() {
        let unknown = |b: &mut StoreFacts| {
            b.audit = Audit {
                policy: Asked::Unknown("denied".into()),
                public_access_blocked: Asked::Unknown("denied".into()),
                lifecycle: Asked::Unknown("denied".into()),
            };
            b.refuses_wrong_bodies = None;
        };
        assert_eq!(found(unknown), []);
    }

    #[test]
    fn an_attempt_that_succeeds_is_critical_unless_it_only_hides() {
        let tried = |outcome: Outcome, harmless| {
            found(move |b| b.attempts = Some(Ok(vec![self::tried(outcome, harmless)])))
        };
        assert_eq!(found(|b| b.attempts = None), []);
        assert_eq!(
            found(|b| b.attempts = Some(Err(Error::failed("no")))),
            [(Severity::Info, "proof")]
        );
        assert_eq!(
            tried(Outcome::Succeeded, false),
            [(Severity::Critical, "proof")]
        );
        assert_eq!(
            tried(Outcome::Succeeded, true),
            [(Severity::Warning, "proof")]
        );
        assert_eq!(
            tried(Outcome::Unclear("no answer".into()), false),
            [(Severity::Warning, "proof")]
        );
    }
}
