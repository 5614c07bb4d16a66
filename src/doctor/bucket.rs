//! Whether what is stored stays stored.

use super::{Bucket, Finding, Severity};
use crate::error::Error;
use crate::model::lock::LockMode;
use crate::store::audit::{Asked, Attempt, Outcome, Rule};

/// Where exports lie.
const LAYOUT: [&str; 2] = ["parts/", "manifests/"];

/// A directory has no locks at all.
pub fn directory(path: &str) -> Finding {
    Finding::new(
        Severity::Critical,
        "locks",
        format!("{path} is a directory: nothing keeps its files from being deleted"),
    )
    .means("whoever may write there, lifeboat's own user included, can destroy all backups")
    .mend("use a bucket with versioning and Object Lock in another account: deploy/README.md")
}

pub fn unreachable(url: &str, error: &Error) -> Finding {
    let why = error.chain();
    let what = match why.contains(url) {
        true => why,
        false => format!("{url}: {why}"),
    };
    Finding::new(Severity::Critical, "repository", what)
        .means("nothing new is exported, and nothing can be restored from here")
        .mend(error.advice())
}

pub fn look(bucket: &Bucket, daily_days: Option<u32>) -> Vec<Finding> {
    let mut findings = locks(bucket);
    findings.extend(policy(bucket));
    findings.extend(public_access(bucket));
    findings.extend(lifecycle(bucket, daily_days));
    match &bucket.attempts {
        None => {}
        Some(Ok(attempts)) => {
            findings.extend(attempts.iter().filter_map(|one| attempt(bucket, one)));
        }
        Some(Err(error)) => findings.push(untried(error)),
    }
    findings
}

/// Who may not add cannot overwrite either; of deleting it says nothing.
fn untried(error: &Error) -> Finding {
    let why = error.chain();
    let what = format!("no attempt to destroy was made, for want of a canary: {why}");
    Finding::new(Severity::Info, "proof", what)
        .means("that these credentials can destroy nothing is not proven")
        .mend("run doctor as the exporter; then these find its canary")
}

fn locks(bucket: &Bucket) -> Vec<Finding> {
    let (url, posture) = (&bucket.url, &bucket.posture);
    let mut findings = Vec::new();
    if !posture.versioning {
        findings.push(
            Finding::new(Severity::Critical, "versioning", format!("{url} keeps no versions"))
                .means("an object that is overwritten or deleted is gone")
                .mend(format!("aws s3api put-bucket-versioning --bucket {} --versioning-configuration Status=Enabled", name(url))),
        );
    }
    if !posture.object_lock {
        findings.push(
            Finding::new(
                Severity::Critical,
                "object-lock",
                format!("{url} has no Object Lock"),
            )
            .means("whoever holds delete rights can destroy all backups")
            .mend("make a bucket with Object Lock (deploy/aws/backup-account.yaml)"),
        );
        return findings;
    }
    match posture.default_retention {
        Some((LockMode::Compliance, _)) => {}
        Some((LockMode::Governance, days)) => findings.push(
            Finding::new(
                Severity::Warning,
                "default-retention",
                format!("{url}: the default lock is GOVERNANCE for {days} days"),
            )
            .means("who holds s3:BypassGovernanceRetention removes what came without a lock of its own")
            .mend("make the default COMPLIANCE"),
        ),
        None => findings.push(
            Finding::new(Severity::Warning, "default-retention", format!("{url} has no default lock"))
                .means("an object that comes without a lock of its own, by another tool, stays without one")
                .mend("set a default retention: deploy/aws/backup-account.yaml does"),
        ),
    }
    findings
}

/// Which acts the policy denies to everybody is a matter of its text; what counts is proved by trying.
/// Here only: that there is one, and that it names the act.
fn policy(bucket: &Bucket) -> Option<Finding> {
    let finding = |what: String| {
        Finding::new(Severity::Warning, "bucket-policy", what)
            .means("only the locks keep an administrator of the backup account, or a role with too many rights, from its objects")
            .mend("deploy/aws/backup-account.yaml has one")
    };
    match &bucket.audit.policy {
        Asked::Unknown(_) => None,
        Asked::Absent => Some(finding(format!("{} has no bucket policy", bucket.url))),
        Asked::Is(text) => {
            let missing: Vec<&str> = ["s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"]
                .into_iter()
                .filter(|action| !denies(text, action))
                .collect();
            (!missing.is_empty()).then(|| {
                finding(format!(
                    "{}: the policy does not deny {} to everybody",
                    bucket.url,
                    missing.join(" and ")
                ))
            })
        }
    }
}

/// Whether a statement denies this action to everybody, whatever the conditions.
fn denies(policy: &str, action: &str) -> bool {
    let Ok(policy) = serde_json::from_str::<serde_json::Value>(policy) else {
        return false;
    };
    let statements = match policy.get("Statement") {
        Some(serde_json::Value::Array(several)) => several.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    statements.iter().any(|statement| {
        let all = |name: &str, wanted: &str| match statement.get(name) {
            Some(serde_json::Value::String(one)) => one == wanted,
            Some(serde_json::Value::Array(several)) => several.iter().any(|one| one == wanted),
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

fn public_access(bucket: &Bucket) -> Option<Finding> {
    let what = match bucket.audit.public_access_blocked {
        Asked::Is(true) | Asked::Unknown(_) => return None,
        Asked::Is(false) => "does not block all public access",
        Asked::Absent => "does not block public access",
    };
    Some(
        Finding::new(
            Severity::Warning,
            "public-access",
            format!("{} {what}", bucket.url),
        )
        .means("one wrong policy shows the sealed backups, their sizes and names to the world")
        .mend("switch on all four of its settings"),
    )
}

/// Versions go by the lifecycle after their lock; nothing goes where no rule says so.
fn lifecycle(bucket: &Bucket, daily_days: Option<u32>) -> Vec<Finding> {
    let rules = match &bucket.audit.lifecycle {
        Asked::Unknown(_) => return Vec::new(),
        Asked::Absent => &Vec::new(),
        Asked::Is(rules) => rules,
    };
    let mut findings = Vec::new();
    for layout in LAYOUT {
        let prefix = format!("{}{layout}", bucket.prefix);
        let covering = |rule: &&Rule| prefix.starts_with(&rule.prefix);
        let removes = |rule: &&Rule| rule.expire_days.is_some() && rule.noncurrent_days.is_some();
        if !rules.iter().filter(covering).any(|rule| removes(&rule)) {
            findings.push(
                Finding::new(
                    Severity::Warning,
                    "lifecycle",
                    format!("{}: no lifecycle rule removes what lies under {prefix}", bucket.url),
                )
                .means("exports stay, and cost, for ever: lifeboat itself deletes nothing")
                .mend("a rule with an expiration after the daily lock, and one of noncurrent versions"),
            );
        }
        let early = rules.iter().filter(covering).find(|rule| {
            matches!((rule.expire_days, daily_days), (Some(expire), Some(daily)) if expire < daily)
        });
        if let Some(rule) = early {
            findings.push(
                Finding::new(
                    Severity::Warning,
                    "lifecycle",
                    format!(
                        "{}: rule '{}' hides objects under {prefix} after {} days, while they are locked for {}",
                        bucket.url,
                        rule.id,
                        rule.expire_days.unwrap_or_default(),
                        daily_days.unwrap_or_default()
                    ),
                )
                .means("tools that do not read versions no longer see them; lifeboat does")
                .mend("let it begin after lock.daily_days and two days"),
            );
        }
    }
    findings
}

fn attempt(bucket: &Bucket, tried: &Attempt) -> Option<Finding> {
    let (severity, what) = match (&tried.outcome, tried.harmless) {
        (Outcome::Refused(_), _) => return None,
        (Outcome::Succeeded, false) => (Severity::Critical, "succeeded"),
        (Outcome::Succeeded, true) => (Severity::Warning, "succeeded"),
        (Outcome::Unclear(_), _) => (Severity::Warning, "got no clear answer"),
    };
    let why = match &tried.outcome {
        Outcome::Unclear(why) => format!(": {why}"),
        _ => String::new(),
    };
    Some(
        Finding::new(
            severity,
            "proof",
            format!("{}: an attempt to {} {what}{why}", bucket.url, tried.what),
        )
        .means(if tried.harmless {
            "these very credentials may do it; locked versions stay, and lifeboat reads versions"
        } else {
            "these very credentials can destroy backups"
        })
        .mend("take the right from the role; let the bucket policy deny it to everybody (deploy/aws/backup-account.yaml)"),
    )
}

fn name(url: &str) -> &str {
    url.strip_prefix("s3://")
        .and_then(|rest| rest.split('/').next())
        .unwrap_or(url)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Posture;
    use crate::store::audit::Audit;

    const DENIES: &str = r#"{"Statement":[{"Effect":"Deny","Principal":"*",
        "Action":["s3:DeleteObjectVersion","s3:BypassGovernanceRetention"],"Resource":"*"}]}"#;

    fn sound() -> Bucket {
        let rule = |prefix: &str| Rule {
            id: "r".into(),
            prefix: format!("prod/{prefix}"),
            expire_days: Some(38),
            noncurrent_days: Some(1),
        };
        Bucket {
            url: "s3://b/prod".into(),
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
                lifecycle: Asked::Is(vec![rule("parts/"), rule("manifests/")]),
            },
            attempts: Some(Ok(vec![tried(
                Outcome::Refused("AccessDenied".into()),
                false,
            )])),
        }
    }

    fn tried(outcome: Outcome, harmless: bool) -> Attempt {
        Attempt {
            what: "delete",
            outcome,
            harmless,
        }
    }

    fn found(change: impl FnOnce(&mut Bucket)) -> Vec<(Severity, &'static str)> {
        let mut bucket = sound();
        change(&mut bucket);
        look(&bucket, Some(35))
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
            [(Warning, "lifecycle"), (Warning, "lifecycle")]
        );
        let early = |b: &mut Bucket| {
            if let Asked::Is(rules) = &mut b.audit.lifecycle {
                rules[0].expire_days = Some(30);
            }
        };
        assert_eq!(found(early), [(Warning, "lifecycle")]);
    }

    #[test]
    fn what_may_not_be_asked_is_no_finding() {
        let unknown = |b: &mut Bucket| {
            b.audit = Audit {
                policy: Asked::Unknown("denied".into()),
                public_access_blocked: Asked::Unknown("denied".into()),
                lifecycle: Asked::Unknown("denied".into()),
            };
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
