//! `lifeboat keys`: who can open the backups, whether they really can, and new keys.

pub(crate) mod identities;

use std::collections::BTreeMap;
use std::io::Read as _;

use jiff::Timestamp;
use serde::Serialize;

use crate::aws::Kms;
use crate::clock::Clock;
use crate::codec::{self, Identities, Sealer};
use crate::error::{Error, Kind, Result, ResultExt};
use crate::model::keys::{KeyRing, Recipient, Wrapped, context};
use crate::model::lock::{Lock, LockPolicy};
use crate::random;
use crate::repository::{Announcement, Locks, Repository};
use crate::sign::{PublicKey, Signer, Trust};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// Makes an identity that only KMS can open: it is in this process's memory, and nowhere else.
/// `repository` is the id that it is bound to.
pub(crate) async fn make_wrapped(kms: &Kms, repository: &str, name: &str) -> Result<Recipient> {
    let (secret, recipient) = codec::new_identity();
    let ciphertext = kms
        .wrap(secret.as_bytes(), &context(repository, &recipient))
        .await?;
    Ok(Recipient {
        name: name.to_owned(),
        key: recipient,
        wrapped: Some(Wrapped {
            kms_key: kms.key().to_string(),
            ciphertext: BASE64.encode(ciphertext),
        }),
    })
}

/// A key ring, what it belongs to, and the names of its recipients.
pub(crate) struct NamedKeyRing {
    pub repository: String,
    /// `None`: those of the configuration, for exports to come.
    pub point: Option<String>,
    pub ring: KeyRing,
    /// Recipients' names, as far as the configuration knows them.
    pub names: BTreeMap<String, String>,
}

impl NamedKeyRing {
    fn listed(&self, recipient: &str) -> ListedRecipient {
        let wrapped = self.ring.wrapped_of(recipient);
        let name = wrapped.map(|one| &one.name);
        ListedRecipient {
            name: name.or_else(|| self.names.get(recipient)).cloned(),
            recipient: recipient.to_owned(),
            kms_key: wrapped.map(|one| one.kms_key.clone()),
        }
    }

    fn check(&self) -> Result<()> {
        if self.ring.recipients.is_empty() {
            return Err(
                Error::usage("there is no recipient: nobody could open a backup")
                    .hint("`lifeboat init` makes one, `lifeboat keys add --kms ARN` another"),
            );
        }
        Ok(())
    }
}

/// What `keys list` prints.
#[derive(Debug, Serialize)]
pub(crate) struct Listing {
    pub repository: String,
    /// `null`: the configuration's, for exports to come.
    pub point: Option<String>,
    pub recipients: Vec<ListedRecipient>,
    /// A KMS key counts once, however many identities it keeps.
    pub independent: usize,
    /// What needs the attention of a person; any makes the exit code 3.
    pub findings: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct ListedRecipient {
    /// `null`: a restore point does not say it of an identity that no KMS key keeps.
    pub name: Option<String>,
    pub recipient: String,
    /// What keeps the identity; `null`: people do.
    pub kms_key: Option<String>,
}

pub(crate) fn list(keys: &NamedKeyRing) -> Result<Listing> {
    keys.check()?;
    let ring = &keys.ring;
    Ok(Listing {
        repository: keys.repository.clone(),
        point: keys.point.clone(),
        recipients: ring.recipients.iter().map(|one| keys.listed(one)).collect(),
        independent: ring.independent(),
        findings: ring.finding().into_iter().collect(),
    })
}

/// What `keys test` prints.
#[derive(Debug, Serialize)]
pub(crate) struct Tested {
    pub repository: String,
    /// `null`: the configuration's, for exports to come.
    pub point: Option<String>,
    pub recipients: Vec<TestedRecipient>,
    /// Identities that are not what they are kept as; any makes the exit code 1.
    pub damage: Vec<String>,
    /// What could not be opened; any makes the exit code 3, or 1 where nothing was.
    pub findings: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct TestedRecipient {
    #[serde(flatten)]
    pub recipient: ListedRecipient,
    /// `kms`, `file`: by which ways a canary that was sealed for it came back.
    pub opened_by: Vec<&'static str>,
}

impl Tested {
    pub(crate) fn opened(&self) -> usize {
        let opened = self.recipients.iter();
        opened.filter(|one| !one.opened_by.is_empty()).count()
    }
}

/// Seals a canary for each recipient, and opens it by each identity at hand: `given` by files, and
/// what KMS said of each wrapped one, by recipient.
pub(crate) fn test(
    keys: &NamedKeyRing,
    given: &Identities,
    by_kms: BTreeMap<String, Result<Identities>>,
) -> Result<Tested> {
    keys.check()?;
    let mut tested = Tested {
        repository: keys.repository.clone(),
        point: keys.point.clone(),
        recipients: Vec::new(),
        damage: Vec::new(),
        findings: Vec::new(),
    };
    let held = given.recipients();
    for recipient in &keys.ring.recipients {
        let mut opened_by = Vec::new();
        match by_kms.get(recipient) {
            Some(Ok(identities)) if opens(recipient, identities)? => opened_by.push("kms"),
            Some(Ok(_)) => tested.damage.push(format!(
                "{recipient}: what KMS opened does not open its canary"
            )),
            Some(Err(why)) if why.kind() == Kind::Damaged => {
                tested.damage.push(chain_and_advice(why))
            }
            Some(Err(why)) => tested.findings.push(chain_and_advice(why)),
            None => {}
        }
        if held.contains(recipient) && opens(recipient, given)? {
            opened_by.push("file");
        }
        let listed = keys.listed(recipient);
        if opened_by.is_empty() && !by_kms.contains_key(recipient) {
            let shown = listed.name.as_deref().unwrap_or(recipient);
            tested.findings.push(format!(
                "'{shown}' was not tried: give its identity by --identity, where it is kept"
            ));
        }
        tested.recipients.push(TestedRecipient {
            recipient: listed,
            opened_by,
        });
    }
    Ok(tested)
}

fn chain_and_advice(error: &Error) -> String {
    format!("{}; {}", error.chain(), error.advice())
}

/// Whether random bytes that were sealed for a recipient alone come back.
fn opens(recipient: &str, identities: &Identities) -> Result<bool> {
    let canary: [u8; 32] = random::bytes()?;
    let sealed = Sealer::new([recipient])?.seal(&canary)?;
    let mut found = Vec::new();
    let read = match identities.open(sealed.bytes) {
        Ok(plain) => plain.take(1024).read_to_end(&mut found),
        Err(error) if matches!(error.kind(), Kind::Denied | Kind::Damaged) => return Ok(false),
        Err(error) => return Err(error),
    };
    Ok(read.is_ok() && found == canary)
}

/// What `keys announce` prints.
#[derive(Debug, Serialize)]
pub(crate) struct Announced {
    pub repository: String,
    /// Its key in the repository.
    pub announcement: String,
    /// The new verification key's fingerprint: what `--trust` takes.
    pub key: String,
    /// The key that vouches for it.
    pub by: String,
    pub announced_at: Timestamp,
    /// It was announced before; nothing was written.
    pub existed: bool,
    /// The announcement's; `null`: not locked, or it existed.
    pub lock: Option<Lock>,
}

/// Lets a pinned key vouch for a new one, in an object that the exporter cannot write.
pub(crate) async fn announce(
    repository: &Repository,
    key: &PublicKey,
    by: &Signer,
    trust: &Trust,
    lock: (LockPolicy, u32),
    clock: &dyn Clock,
) -> Result<Announced> {
    let (new, old) = (key.fingerprint(), by.fingerprint());
    if new == old {
        return Err(
            Error::usage(format!("{new} is the key that would announce it"))
                .hint("name the new key; the old one signs, as configured or by --by FILE"),
        );
    }
    if !trust.pins(old) {
        return Err(Error::usage(format!(
            "{old} is not trusted, so nobody would believe what it announces"
        ))
        .hint("sign with the key whose fingerprint is in repository.trust: --by FILE"));
    }
    let old_alone = Trust {
        fingerprints: vec![old],
    };
    let before = repository.announcement_chain(new, &old_alone).await?;
    let (announcement, locked, existed) = match before.and_then(|chain| chain.into_iter().next()) {
        Some(before) => (before, None, true),
        None => {
            let (made, locked) = store(repository, key, by, lock, clock).await?;
            (made, locked, false)
        }
    };
    Ok(Announced {
        repository: repository.url().to_owned(),
        announcement: format!("announcements/{new}.json"),
        key: new.to_string(),
        by: announcement.by.to_string(),
        announced_at: announcement.announced_at,
        existed,
        lock: locked,
    })
}

async fn store(
    repository: &Repository,
    key: &PublicKey,
    by: &Signer,
    (policy, max_days): (LockPolicy, u32),
    clock: &dyn Clock,
) -> Result<(Announcement, Option<Lock>)> {
    let posture = repository.posture().await?;
    let now = posture.server_time.unwrap_or_else(|| clock.now());
    let locks = Locks::settle(policy, &posture, repository.has_locks(), now, max_days)
        .context(|| repository.url().to_owned())?;
    let (made, _) = repository
        .announce_key(key, by, &locks, now)
        .await
        .map_err(|why| match why.kind() {
            Kind::Denied => {
                let hint = "only the break-glass role may write announcements/: become it, and run this again";
                Error::new(Kind::Denied, "the key is not announced").because(why).hint(hint)
            }
            _ => why,
        })?;
    Ok((made, locks.promised()))
}
