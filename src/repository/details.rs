//! An attestation's details, sealed to the recipients of its restore point. Their size is bounded, as a
//! thief of the attestation key decides what a reader opens.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;

use crate::codec::{Identities, Sealer};
use crate::error::{Error, Result, ResultExt};
use crate::model::attestation::Details;

/// Of the JSON inside.
const MAX_PLAIN_BYTES: usize = 256 * 1024;
/// Of the text in the attestation: base64 takes a third more, and each recipient some 150 bytes.
pub(crate) const MAX_SEALED_BYTES: usize = 512 * 1024;
/// The JSON without any entry takes less.
const FRAME_BYTES: usize = 256;

/// Seals to these recipients. Entries that find no budget are left out and counted. Answers to
/// assertions come first, as the next drill compares with them.
pub fn seal(details: Details, recipients: &[String]) -> Result<String> {
    let mut budget = SizeBudget {
        bytes: MAX_PLAIN_BYTES - FRAME_BYTES,
        left_out: details.left_out,
    };
    let fitting = Details {
        assertions: budget.take(details.assertions)?,
        unproven: budget.take(details.unproven)?,
        failures: budget.take(details.failures)?,
        findings: budget.take(details.findings)?,
        not_tried: budget.take(details.not_tried)?,
        left_out: budget.left_out,
    };
    let sealer = Sealer::new(recipients.iter().map(String::as_str))?;
    let sealed = sealer.seal(&json(&fitting)?)?;
    Ok(BASE64.encode(&sealed.bytes))
}

/// Opens what [`seal`] wrote; the error's kind is `Denied` where no identity fits.
pub fn open(sealed: &str, identities: &Identities) -> Result<Details> {
    let opened = || {
        let damaged = |why: &str| Error::damaged(why);
        let stored = BASE64
            .decode(sealed)
            .map_err(|_| damaged("it is not base64"))?;
        let mut plain = Vec::new();
        identities
            .open(stored.into())?
            .take(MAX_PLAIN_BYTES as u64 + 1)
            .read_to_end(&mut plain)
            .map_err(|source| damaged("it cannot be opened").because(source))?;
        if plain.len() > MAX_PLAIN_BYTES {
            return Err(damaged("it opens to more than a reader accepts"));
        }
        serde_json::from_slice(&plain).map_err(|source| damaged("it does not read").because(source))
    };
    opened().context(|| "what the attestation seals".to_owned())
}

/// What is left of the JSON's size.
struct SizeBudget {
    bytes: usize,
    left_out: u64,
}

impl SizeBudget {
    /// A large entry is passed over; smaller ones behind it may fit.
    fn take<T: Serialize>(&mut self, all: Vec<T>) -> Result<Vec<T>> {
        let mut taken = Vec::new();
        for one in all {
            // And its comma.
            let bytes = json(&one)?.len() + 1;
            match self.bytes.checked_sub(bytes) {
                Some(rest) => {
                    self.bytes = rest;
                    taken.push(one);
                }
                None => self.left_out += 1,
            }
        }
        Ok(taken)
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).context(|| "cannot write JSON to seal".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::new_identity;
    use crate::error::Kind;
    use crate::model::attestation::{Answer, NotTried, SealedFinding};

    fn pair() -> (Identities, String) {
        let (secret, recipient) = new_identity();
        (
            Identities::from_secret(secret.as_bytes()).unwrap(),
            recipient,
        )
    }

    fn answer(name: &str, value: &str) -> Answer {
        Answer {
            name: name.to_owned(),
            value: Some(value.to_owned()),
        }
    }

    fn finding(what: &str, why: &str) -> SealedFinding {
        SealedFinding {
            what: what.to_owned(),
            why: why.to_owned(),
        }
    }

    #[test]
    fn every_recipient_opens_what_was_sealed_and_nobody_else() {
        let ((one, first), (other, second), (stranger, _)) = (pair(), pair(), pair());
        let details = Details {
            assertions: vec![answer("rows", "17")],
            not_tried: vec![NotTried {
                kind: "event trigger".to_owned(),
                name: "on_ddl".to_owned(),
            }],
            unproven: vec!["table public.t".to_owned()],
            failures: vec![finding("table public.u", "it is missing, and its 3 rows")],
            findings: vec![finding("index public.i", "it is missing")],
            left_out: 0,
        };
        let sealed = seal(details.clone(), &[first, second]).unwrap();
        for identities in [&one, &other] {
            assert_eq!(open(&sealed, identities).unwrap(), details);
        }
        let refused = open(&sealed, &stranger).unwrap_err();
        assert_eq!(refused.kind(), Kind::Denied);
    }

    #[test]
    fn what_finds_no_room_is_left_out_and_counted() {
        let (identities, recipient) = pair();
        let name = |number: u32| format!("table public.{number:0>200}");
        let details = Details {
            assertions: vec![
                answer("huge", &"\"".repeat(MAX_PLAIN_BYTES)),
                answer("rows", "17"),
            ],
            unproven: (0..10_000).map(name).collect(),
            ..Details::default()
        };
        let sealed = seal(details, &[recipient]).unwrap();
        assert!(sealed.len() <= MAX_SEALED_BYTES);
        let opened = open(&sealed, &identities).unwrap();
        assert_eq!(opened.assertions, [answer("rows", "17")]);
        assert_eq!(opened.unproven.len() as u64 + opened.left_out, 10_001);
        assert!(opened.unproven.len() > 1000);
    }

    #[test]
    fn what_is_too_large_or_no_json_is_damaged() {
        let (identities, recipient) = pair();
        let sealer = Sealer::new([recipient.as_str()]).unwrap();
        let wrong = |plain: &[u8]| {
            let sealed = sealer.seal(plain).unwrap();
            open(&BASE64.encode(&sealed.bytes), &identities).unwrap_err()
        };
        for plain in [&b"{"[..], &b" ".repeat(MAX_PLAIN_BYTES + 1)] {
            assert_eq!(wrong(plain).kind(), Kind::Damaged);
        }
        let no_base64 = open("~", &identities).unwrap_err();
        assert_eq!(no_base64.kind(), Kind::Damaged);
        // Fields that a later version adds are ignored, those that it leaves out are empty.
        let sealed = sealer.seal(b"{\"later\":1}").unwrap();
        let opened = open(&BASE64.encode(&sealed.bytes), &identities);
        assert_eq!(opened.unwrap(), Details::default());
    }

    #[test]
    fn foreign_details_are_refused_or_sealed_again_as_read() {
        let (identities, recipient) = pair();
        let sealer = Sealer::new([recipient.as_str()]).unwrap();
        crate::foreign::each("details", |plain| {
            let sealed = BASE64.encode(&sealer.seal(plain).unwrap().bytes);
            if let Ok(details) = open(&sealed, &identities) {
                let again = seal(details.clone(), std::slice::from_ref(&recipient)).unwrap();
                assert_eq!(open(&again, &identities).unwrap(), details);
            }
            assert!(open(&BASE64.encode(plain), &identities).is_err());
            assert!(open(&String::from_utf8_lossy(plain), &identities).is_err());
        });
    }
}
