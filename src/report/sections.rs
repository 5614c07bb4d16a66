//! The rest of the page: what is covered, who opens it, what else lies there, how all this is known.

use std::collections::BTreeMap;

use super::databases::short;
use super::facts::{Database, Facts, Reading};
use super::html::{Flagged, Html, Name, Time, clipped, not_shown, number, put};
use super::overview::{age, limited};
use crate::humanize::{bytes, count, counted};
use crate::model::keys::KeyRing;
use crate::sign::Fingerprint;

/// Databases that are named in one sentence.
const NAMES: usize = 8;
const LEFTOVERS: usize = 50;
const KINDS: usize = 50;
const RINGS: usize = 40;
const RECIPIENTS: usize = 40;

pub(super) fn coverage(page: &mut Html, facts: &Facts) {
    put!(
        page,
        "<section id=\"coverage\"><h2>Covered, and not</h2><p>An export carries all that pg_dump \
         knows of a database, and besides: roles and memberships, settings, large objects, \
         configuration tables of extensions, sequences. It does not carry what changed after it, \
         nor files, parameter groups and security groups outside of the database. Databases of a \
         server that no export was asked for are not known to the repository: <code>lifeboat \
         export</code> names them as findings.</p>"
    );
    let mut kinds: BTreeMap<String, Vec<(String, u64)>> = BTreeMap::new();
    for one in &facts.databases {
        let Some(newest) = &one.newest else { continue };
        let asked = newest.excluded.iter();
        let asked = asked.map(|left| (format!("left out on request: {}", left.kind), left.count));
        let others = newest.not_covered.iter();
        let others = others.map(|left| (left.kind.clone(), left.count));
        for (kind, count) in asked.chain(others) {
            kinds.entry(kind).or_default().push((one.name(), count));
        }
    }
    if kinds.is_empty() {
        put!(
            page,
            "<p>The newest exports met nothing else that they do not cover.</p></section>"
        );
        return;
    }
    put!(
        page,
        "<p>Met by the newest exports, and not in them:</p><table class=\"cards\"><thead><tr>\
         <th>What<th class=\"n\">Databases<th>How many in which<tbody>"
    );
    for (kind, of) in kinds.iter().take(KINDS) {
        put!(page, "<tr><td>{}", clipped(kind, 100));
        number(page, "Databases", count(of.len() as u64));
        put!(page, "<td data-l=\"How many\">");
        let named = of.iter();
        let named = named.map(|(name, number)| format!("{} in {name}", count(*number)));
        names(page, &named.collect::<Vec<_>>());
    }
    put!(page, "</table></section>");
}

/// A few names, the rest behind a click.
fn names(page: &mut Html, all: &[String]) {
    let (shown, more) = all.split_at(all.len().min(NAMES));
    joined(page, shown);
    if !more.is_empty() {
        put!(
            page,
            " <details class=\"inline\"><summary>and {} more</summary>",
            more.len()
        );
        joined(page, &more[..more.len().min(1000)]);
        put!(page, "</details>");
    }
}

fn joined(page: &mut Html, names: &[String]) {
    for (at, name) in names.iter().enumerate() {
        let before = if at > 0 { ", " } else { "" };
        put!(page, "{}{}", before, Name(name));
    }
}

pub(super) fn keys(page: &mut Html, facts: &Facts) {
    put!(
        page,
        "<section id=\"keys\"><h2>Who can open them, and who made them</h2>"
    );
    let mut rings: Vec<(&KeyRing, Vec<String>)> = Vec::new();
    let mut unread = Vec::new();
    for one in &facts.databases {
        match one.newest.as_ref().map(|newest| &newest.keys) {
            Some(Ok(ring)) => match rings.iter_mut().find(|(known, _)| same(known, ring)) {
                Some((_, of)) => of.push(one.name()),
                None => rings.push((ring, vec![one.name()])),
            },
            Some(Err(_)) => unread.push(one.name()),
            None => {}
        }
    }
    for (ring, of) in rings.iter().take(RINGS) {
        opens(page, facts, ring, of);
    }
    let more = rings.len().saturating_sub(RINGS);
    not_shown(page, more, "sets of recipients are");
    if !unread.is_empty() {
        put!(
            page,
            "<p>Recipients are not known, for want of rights or because keys.json does not read: "
        );
        names(page, &unread);
        put!(page, ".</p>");
    }
    signers(page, facts);
    put!(page, "</section>");
}

/// Ciphertexts may differ, and open the same.
fn same(one: &KeyRing, other: &KeyRing) -> bool {
    let kept = |ring: &KeyRing| -> Vec<(String, Option<String>)> {
        let recipients = ring.recipients.iter();
        let key = |one: &String| ring.wrapped_of(one).map(|one| one.kms_key.clone());
        recipients.map(|one| (one.clone(), key(one))).collect()
    };
    kept(one) == kept(other)
}

fn opens(page: &mut Html, facts: &Facts, ring: &KeyRing, of: &[String]) {
    match ring.independent() {
        0 | 1 => put!(
            page,
            "<h4 class=\"bad\">▲ One way to open them: its loss would be final</h4>"
        ),
        ways => put!(page, "<h4>{} independent ways to open them</h4>", ways),
    }
    put!(page, "<p>The newest restore points of ");
    names(page, of);
    put!(
        page,
        ".</p><table class=\"cards keys\"><thead><tr><th>Recipient<th>Its identity is kept by\
         <th>age public key<tbody>"
    );
    for recipient in ring.recipients.iter().take(RECIPIENTS) {
        let wrapped = ring.wrapped_of(recipient);
        let configured = facts.options.recipients.get(recipient);
        match wrapped.map(|one| &one.name).or(configured) {
            Some(name) => put!(page, "<tr><td>{}", Name(&clipped(name, 100))),
            None => put!(page, "<tr><td>not named in the configuration"),
        }
        put!(page, "<td data-l=\"Kept by\">");
        match wrapped.map(|one| clipped(&one.kms_key, 300)) {
            Some(key) => put!(page, "KMS key <code>{}</code>", key),
            None => put!(page, "people, offline"),
        }
        let key = clipped(recipient, 200);
        put!(page, "<td data-l=\"Public key\"><code>{}</code>", key);
    }
    put!(page, "</table>");
    let more = ring.recipients.len().saturating_sub(RECIPIENTS);
    not_shown(page, more, "recipients are");
}

fn signers(page: &mut Html, facts: &Facts) {
    let pinned = facts.trust.iter().map(|pinned| (*pinned, 0));
    let mut signed: BTreeMap<Fingerprint, u64> = pinned.collect();
    let databases = facts.databases.iter();
    for trusted in databases.flat_map(Database::trusted_points) {
        *signed.entry(trusted.signed_by).or_default() += 1;
    }
    put!(
        page,
        "<h4>Keys that signed their manifests</h4><table class=\"cards keys\"><thead><tr>\
         <th>Verification key, SHA-256<th>Believed because<th class=\"n\">Restore points signed<tbody>"
    );
    for (key, points) in &signed {
        put!(
            page,
            "<tr><td><code>{}</code><td data-l=\"Believed because\">",
            *key
        );
        let announced = facts.announced.iter().find(|one| one.key == *key);
        match announced.filter(|_| !facts.trust.contains(key)) {
            Some(one) => put!(
                page,
                "announced by <code>{}</code>, {}",
                short(&one.by),
                Time(one.announced_at)
            ),
            None => put!(page, "pinned"),
        }
        number(page, "Signed", count(*points));
    }
    put!(page, "</table>");
}

pub(super) fn copies(page: &mut Html, facts: &Facts) {
    put!(
        page,
        "<section id=\"copies\"><h2>Copies of RDS snapshots</h2>"
    );
    let copies = &facts.options.copies;
    if copies.is_empty() {
        put!(
            page,
            "<p>No source has any that are known here.</p></section>"
        );
        return;
    }
    put!(
        page,
        "<p>In the backup account. AWS cannot lock them; each restores a whole instance or \
         cluster.</p><table class=\"cards\"><thead><tr><th>Source<th>The newest shows\
         <th class=\"n\">Age<th class=\"n\">Copies<tbody>"
    );
    for one in copies {
        put!(page, "<tr><td>{}<td data-l=\"Newest\">", Name(&one.source));
        match one.newest_at {
            Some(at) => {
                put!(page, "{}", Time(at));
                let age = age(at, facts.options.now);
                number(page, "Age", limited(age, facts.options.limits.copy_age, ""));
            }
            None => {
                put!(page, "{}", Flagged::bad("none"));
                number(page, "Age", "–");
            }
        }
        number(page, "Copies", count(one.copies));
    }
    put!(page, "</table></section>");
}

pub(super) fn leftovers(page: &mut Html, facts: &Facts) {
    put!(page, "<section id=\"leftovers\"><h2>Leftovers</h2>");
    let all = &facts.options.leftovers;
    if all.is_empty() {
        put!(
            page,
            "<p>None: every object under parts/ belongs to a restore point.</p></section>"
        );
        return;
    }
    put!(
        page,
        "<p>{} left {} without a manifest: they failed, or run now. Nothing restores from these; \
         lifecycle removes them once their lock has ended.</p><table class=\"cards\"><thead><tr>\
         <th>Database<th>Id<th class=\"n\">Objects<th class=\"n\">Stored<th>Unlocked from<tbody>",
        counted(all.len() as u64, "export", "exports"),
        bytes(all.iter().map(|one| one.stored_bytes).sum())
    );
    for one in all.iter().rev().take(LEFTOVERS) {
        let name = format!("{}/{}", one.source, one.database);
        put!(
            page,
            "<tr><td>{}<td data-l=\"Id\"><code>{}</code>",
            Name(&name),
            one.id
        );
        number(page, "Objects", count(one.objects));
        number(page, "Stored", bytes(one.stored_bytes));
        put!(page, "<td data-l=\"Unlocked from\">");
        match one.unlocks_at {
            Some(at) => put!(page, "{}", Time(at)),
            None => put!(page, "not locked"),
        }
    }
    put!(page, "</table>");
    if all.len() > LEFTOVERS {
        put!(
            page,
            "<p>{} more are listed by <code>lifeboat list</code>.</p>",
            count((all.len() - LEFTOVERS) as u64)
        );
    }
    put!(page, "</section>");
}

pub(super) fn method(page: &mut Html, facts: &Facts) {
    let points = facts.databases.iter().flat_map(|one| &one.points);
    let refused = points.filter(|point| matches!(point.reading, Reading::Refused));
    let untrusted = refused.count();
    put!(
        page,
        "<section id=\"method\"><h2>How this is known</h2><p>Read from the repository, and from \
         no log. Restore points count where a pinned verification key, or one that such a key \
         announced, signed their manifest"
    );
    if untrusted > 0 {
        put!(page, "; {} not", counted(untrusted as u64, "does", "do"));
    }
    put!(
        page,
        ". Times, rows and sizes are those of signed manifests. Locks are those of manifests, as \
         the store reported them for this page; parts are locked at least as long. Drills are \
         signed attestations of restores that were compared with the export, row counts and \
         digests."
    );
    let not_opened = facts.not_opened();
    if not_opened > 0 {
        put!(
            page,
            " Of each database the newest restore point was opened, or that of each day, and what the newest drills are \
             about; {} were not: they were listed, and nothing of them was checked.",
            counted(not_opened as u64, "other", "others")
        );
    }
    put!(
        page,
        " Stored bytes were not read again for this page: <code>lifeboat verify --data</code> \
         does that, and a drill has done it for what it restored.</p><p>All times are UTC. KiB, \
         MiB and GiB are powers of 1024; k, M and bn of 1000.</p></section>"
    );
}
