//! `lifeboat keys`

mod rotate;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Serialize;

use super::kms::{self, KmsByAccount};
use super::run::{Access, Answer, DatabaseFilter, Page, Point, Run};
use super::{connect, render};
use crate::codec;
use crate::config::{Edit, Recipient, SigningKey};
use crate::error::{Error, Result};
use crate::init;
use crate::keys::identities;
use crate::keys::{self, Announced, Listing, NamedKeyRing, Tested};
use crate::model::keys::KeyRing;
use crate::outcome::Outcome;
use crate::sign::Signer;

/// Add, list, test, announce and replace keys
///
/// Recipients open backups; the signing key says who made them. KMS can keep both: identities
/// wrapped by a key that only some roles may use, and a signing key that never leaves it.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat keys add --kms arn:aws:kms:eu-central-1:111122223333:key/ID\n  \
       lifeboat keys list\n  \
       lifeboat keys test latest --identity break-glass.key\n  \
       lifeboat keys announce new-signing.pem\n  \
       lifeboat keys rotate"
))]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Add(AddArgs),
    List(KeyRingArgs),
    Test(TestArgs),
    Announce(AnnounceArgs),
    Rotate(rotate::Args),
}

/// Add a recipient, its identity kept by a KMS key or in a file
///
/// Makes an identity and adds a [[recipient]] to the configuration file, the rest of which stays
/// as it is. With --kms the identity is wrapped by KMS and written nowhere; that needs kms:Encrypt
/// on the key and no more. With --file it is written there, to be moved offline.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat keys add --kms arn:aws:kms:eu-central-1:111122223333:key/ID\n  \
       lifeboat keys add --file /mnt/stick/second.key --name second"
))]
struct AddArgs {
    /// ARN of a symmetric KMS key
    #[arg(
        long,
        value_name = "ARN",
        required_unless_present = "file",
        conflicts_with = "file"
    )]
    kms: Option<String>,
    /// A new file for the identity
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The recipient's name, for people [default: kms or offline]
    #[arg(long, value_name = "NAME",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    name: Option<String>,
}

/// List who can open backups: those to come, or one restore point
///
/// Fewer than two independent ways are a finding. A KMS key counts once, however many identities
/// it keeps.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat keys list\n  \
       lifeboat keys list latest --repository s3://backup-bucket/prod --trust FINGERPRINT"
))]
struct KeyRingArgs {
    /// A restore point, or `latest` [default: the configuration's recipients]
    #[arg(value_name = "ID")]
    id: Option<String>,
    #[command(flatten)]
    filter: DatabaseFilter,
}

/// Test whether the identities really open what is sealed for the recipients
///
/// Seals random bytes for each recipient and opens them by each identity within reach: those that
/// KMS unwraps for these credentials, and the files of --identity. A recipient that was not reached
/// is a finding; an identity that is not its recipient's is damage.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat keys test\n  \
       lifeboat keys test latest --database courses --identity break-glass.key"
))]
struct TestArgs {
    #[command(flatten)]
    keys: KeyRingArgs,
}

/// Announce a new signing key, signed by the old one
///
/// Readers that pin the old key then believe what the new one signs. Needs the right to write
/// announcements/ in the repository, which the exporter has not.
#[derive(Debug, clap::Args)]
#[command(after_help = with_exit_codes!(
    "  lifeboat keys announce new-signing.pem\n  \
       lifeboat keys announce arn:aws:kms:eu-central-1:222233334444:key/ID --by manifest-signing.pem"
))]
struct AnnounceArgs {
    /// The new key: a PEM file, private or public, or the ARN of a KMS key
    #[arg(value_name = "NEW")]
    new: String,
    /// PEM file of the old key [default: the configured signing key]
    #[arg(long, value_name = "FILE")]
    by: Option<PathBuf>,
}

pub(super) async fn run(args: Args, run: &Run) -> Result<Answer> {
    match args.action {
        Action::Add(args) => add(args, run).await,
        Action::List(args) => list(args, run).await,
        Action::Test(args) => test(args.keys, run).await,
        Action::Announce(args) => announce(args, run).await,
        Action::Rotate(args) => rotate::run(args, run).await,
    }
}

#[derive(Debug, Serialize)]
struct Added {
    config: PathBuf,
    name: String,
    recipient: String,
    /// What keeps the identity, or where it was written.
    kms_key: Option<String>,
    identity: Option<PathBuf>,
}

async fn add(args: AddArgs, run: &Run) -> Result<Answer> {
    let (access, config) = run.globals.access_and_config()?;
    let default = if args.kms.is_some() { "kms" } else { "offline" };
    let name = args.name.unwrap_or_else(|| default.to_owned());
    if config.recipients.iter().any(|one| one.name == name) {
        return Err(Error::usage(format!(
            "{} has a recipient '{}' already",
            config.file.display(),
            name.escape_debug()
        ))
        .hint("give the new one another name: --name NAME"));
    }
    let edit = Edit::prepare(&config.file)?;
    let made = match (&args.kms, &args.file) {
        (Some(key), _) => {
            let marker = connect::repository(&access, run).await?.marker().await?;
            let kms = kms::client(key, &access, run).await?;
            keys::make_wrapped(&kms, &marker.repository, &name).await?
        }
        (None, Some(file)) => {
            let (secret, key) = codec::new_identity();
            let url = access.repository.location.to_string();
            let text = init::identity_text(&name, &url, &key, &secret);
            init::write_new(file, &text, 0o600)?;
            Recipient {
                name: name.clone(),
                key,
                wrapped: None,
            }
        }
        // The command line's definition sees to it.
        (None, None) => return Err(Error::usage("--kms or --file is needed")),
    };
    edit.add_recipient(&made)?;
    let added = Added {
        config: config.file,
        name,
        recipient: made.key,
        kms_key: made.wrapped.map(|wrapped| wrapped.kms_key),
        identity: args.file,
    };
    Answer::new(&added, added_text(&added), Outcome::Done)
}

fn added_text(added: &Added) -> Page {
    let mut page = Page::from(format_args!(
        "recipient '{}' is added to {}: {}",
        added.name,
        added.config.display(),
        added.recipient,
    ));
    match (&added.kms_key, &added.identity) {
        (Some(key), _) => {
            page.line(format_args!(
                "its identity is kept by {key}, and nowhere else"
            ));
            page.space();
            page.line("next, where decrypting is allowed: lifeboat keys test");
        }
        (None, file) => {
            let file = file.as_deref().unwrap_or(Path::new("")).display();
            page.line(format_args!("its identity is {file}: move it offline"));
            page.space();
        }
    }
    page.line("the exporter needs the changed configuration");
    page
}

async fn list(args: KeyRingArgs, run: &Run) -> Result<Answer> {
    let (_, _, keys) = args.resolve(run, false).await?;
    let listing = keys::list(&keys)?;
    let outcome = Outcome::from_counts(0, listing.findings.len());
    Answer::new(&listing, listing_text(&listing), outcome)
}

fn listing_text(listing: &Listing) -> Page {
    let rows = listing.recipients.iter().map(|one| {
        [
            one.name.clone().unwrap_or_default(),
            one.recipient.clone(),
            one.kms_key
                .clone()
                .unwrap_or_else(|| "a file, kept offline".to_owned()),
        ]
    });
    let mut page = Page::default();
    page.table("name | recipient | identity kept by", rows);
    page.lines("finding:", &listing.findings);
    page
}

async fn test(args: KeyRingArgs, run: &Run) -> Result<Answer> {
    let (access, repository, keys) = args.resolve(run, true).await?;
    let given = codec::Identities::from_files(&access.identities)?;
    let by_account = KmsByAccount {
        access: &access,
        run,
    };
    let mut by_kms = BTreeMap::new();
    for one in &keys.ring.wrapped {
        let opened = identities::unwrap(one, &repository, &by_account).await;
        by_kms.insert(one.recipient.clone(), opened);
    }
    let tested = keys::test(&keys, &given, by_kms)?;
    let failures = tested.damage.len() + usize::from(tested.opened() == 0);
    let outcome = Outcome::from_counts(failures, tested.findings.len());
    Answer::new(&tested, tested_text(&tested), outcome)
}

fn tested_text(tested: &Tested) -> Page {
    let rows = tested.recipients.iter().map(|one| {
        [
            one.recipient.name.clone().unwrap_or_default(),
            one.recipient.recipient.clone(),
            match one.opened_by.as_slice() {
                // What KMS keeps was tried: a finding says why in vain.
                [] if one.recipient.kms_key.is_none() => "not tried".to_owned(),
                [] => "nothing".to_owned(),
                ways => ways.join(", "),
            },
        ]
    });
    let mut page = Page::default();
    page.table("name | recipient | opened by", rows);
    page.lines("DAMAGED:", &tested.damage);
    page.lines("finding:", &tested.findings);
    if tested.opened() == 0 {
        page.line("NOTHING opens these backups from here");
    }
    page
}

impl KeyRingArgs {
    /// What is looked at, with the id of its repository; without `repository` that may be empty,
    /// and nothing but the configuration is read.
    async fn resolve(self, run: &Run, repository: bool) -> Result<(Access, String, NamedKeyRing)> {
        let Some(id) = self.id else {
            let (access, config) = run.globals.access_and_config()?;
            let id = match repository {
                true => {
                    let repository = connect::repository(&access, run).await?;
                    repository.marker().await?.repository
                }
                false => String::new(),
            };
            let keys = NamedKeyRing {
                repository: access.repository.location.to_string(),
                point: None,
                ring: KeyRing::new(&id, &config.recipients),
                names: config.names_of_recipients(),
            };
            return Ok((access, id, keys));
        };
        let point = Point::new(&id, self.filter)?;
        let (access, config) = run.globals.access_and_maybe_config()?;
        let access = access.with_trust()?;
        let point = connect::restore_point(&access, &point, run).await?;
        let keys = NamedKeyRing {
            repository: access.repository.location.to_string(),
            point: Some(point.manifest.id.to_string()),
            ring: point.key_ring().await?,
            names: config
                .map(|config| config.names_of_recipients())
                .unwrap_or_default(),
        };
        Ok((access, point.manifest.repository.clone(), keys))
    }
}

async fn announce(args: AnnounceArgs, run: &Run) -> Result<Answer> {
    let (access, config) = run.globals.access_and_config()?;
    let access = access.with_trust()?;
    let by = args.by.map(SigningKey::File);
    let by = by.or(config.signing_key.clone()).ok_or_else(|| {
        let error = config.lacks("keys.signing_key");
        error.hint("name the old key: --by manifest-signing.pem")
    })?;
    let by: Signer = kms::signer(&by, &access, run).await?;
    let new = kms::public_key(&args.new, &access, run).await?;
    let repository = connect::repository(&access, run).await?;
    let announced = keys::announce(
        &repository,
        &new,
        &by,
        &access.trust,
        (config.lock.policy, config.lock.max_lock_days),
        run.clock.as_ref(),
    )
    .await?;
    Answer::new(&announced, announced_text(&announced), Outcome::Done)
}

fn announced_text(announced: &Announced) -> Page {
    let was = if announced.existed { "was" } else { "is" };
    let mut page = Page::from(format_args!(
        "{} {was} announced by {} at {}",
        announced.key,
        announced.by,
        render::time(announced.announced_at)
    ));
    page.space();
    page.line("next: add it to repository.trust of every configuration, write it onto the sheet,");
    page.line(
        "then let keys.signing_key name it; keep the old one trusted as long as its points are kept",
    );
    page
}
