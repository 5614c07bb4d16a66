//! What can happen to which request.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::support::memory_s3::{Call, Mishap, Request};

const ALL: [Mishap; 19] = [
    Mishap::Refused(500, "InternalError"),
    Mishap::Refused(503, "SlowDown"),
    Mishap::Refused(409, "ConditionalRequestConflict"),
    Mishap::Refused(412, "PreconditionFailed"),
    Mishap::Refused(403, "AccessDenied"),
    Mishap::Refused(400, "ExpiredToken"),
    Mishap::Refused(404, "NoSuchKey"),
    Mishap::LostBefore,
    Mishap::LostAfter,
    Mishap::StalledBefore,
    Mishap::StalledAfter,
    Mishap::CutReply,
    Mishap::DamagedReply,
    Mishap::DamagedRequest,
    Mishap::OtherVersion,
    Mishap::OtherChecksum,
    Mishap::OtherTime,
    Mishap::ShorterLock,
    Mishap::NoLock,
];

/// Whether it can happen to such a request, and is not something that nobody but the store can know.
fn fits(mishap: Mishap, call: Call) -> bool {
    match mishap {
        // That of a bucket's own settings would say that the bucket is another one.
        Mishap::Refused(404, _) => matches!(call, Call::Get | Call::Head),
        Mishap::Refused(..)
        | Mishap::LostBefore
        | Mishap::LostAfter
        | Mishap::StalledBefore
        | Mishap::StalledAfter => true,
        Mishap::CutReply => !matches!(call, Call::Put | Call::PutRetention | Call::Head),
        // A listing carries no signature: only TLS keeps its bits.
        Mishap::DamagedReply => call == Call::Get,
        Mishap::DamagedRequest => call == Call::Put,
        Mishap::OtherVersion => matches!(call, Call::Put | Call::Get | Call::Head),
        Mishap::OtherChecksum => call == Call::Head,
        Mishap::OtherTime => call == Call::Versioning,
        // What `list` shows of a lock is what the store says.
        Mishap::ShorterLock => call == Call::Head,
        Mishap::NoLock => matches!(call, Call::Get | Call::Head),
    }
}

/// One thing that goes wrong.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    pub mishap: Mishap,
    /// The first request that it can happen to.
    pub from: usize,
    /// To all that follow, too.
    pub for_good: bool,
    pub and_another: bool,
}

/// All that can happen in a command that sends these.
pub fn all(calls: &[Call]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (from, call) in calls.iter().enumerate() {
        for mishap in ALL.into_iter().filter(|mishap| fits(*mishap, *call)) {
            for (for_good, and_another) in [(false, false), (true, false), (false, true)] {
                faults.push(Fault {
                    mishap,
                    from,
                    for_good,
                    and_another,
                });
            }
        }
    }
    faults
}

/// As the table names the first one.
pub fn kind(faults: &[Fault]) -> &'static str {
    match faults[0].mishap {
        Mishap::Refused(500, _) => "500",
        Mishap::Refused(503, _) => "503",
        Mishap::Refused(409, _) => "409",
        Mishap::Refused(412, _) => "412",
        Mishap::Refused(403, _) => "403",
        Mishap::Refused(404, _) => "404",
        Mishap::Refused(..) => "expired token",
        Mishap::LostBefore => "connection lost before it took effect",
        Mishap::LostAfter => "connection lost after it took effect",
        Mishap::StalledBefore => "timeout before it took effect",
        Mishap::StalledAfter => "timeout after it took effect",
        Mishap::CutReply => "short body",
        Mishap::DamagedReply => "corrupt body of a reply",
        Mishap::DamagedRequest => "corrupt body of a request",
        Mishap::OtherVersion => "wrong version",
        Mishap::OtherChecksum => "wrong checksum",
        Mishap::OtherTime => "wrong time",
        Mishap::ShorterLock | Mishap::NoLock => "wrong lock",
    }
}

/// The faults of a case, and what they struck.
pub struct Struck {
    faults: Vec<(Fault, AtomicBool)>,
    seen: AtomicUsize,
    /// Call, key and mishap.
    told: Mutex<Vec<(Call, String, Mishap)>>,
}

impl fmt::Debug for Struck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: Vec<&Fault> = self.faults.iter().map(|(fault, _)| fault).collect();
        let told = self.told();
        let first = &told[..told.len().min(2)];
        write!(
            f,
            "{faults:?} struck {} requests, first {first:?}",
            told.len()
        )
    }
}

impl Struck {
    pub fn by(faults: Vec<Fault>) -> Self {
        let faults = faults
            .into_iter()
            .map(|fault| (fault, AtomicBool::new(false)));
        Self {
            faults: faults.collect(),
            seen: AtomicUsize::new(0),
            told: Mutex::default(),
        }
    }

    pub fn mishap(&self, request: &Request) -> Option<Mishap> {
        let number = self.seen.fetch_add(1, Ordering::SeqCst);
        for (fault, done) in &self.faults {
            let is_due = number >= fault.from && fits(fault.mishap, request.call);
            if is_due && (!done.swap(true, Ordering::SeqCst) || fault.for_good) {
                let told = (request.call, request.key.clone(), fault.mishap);
                self.told.lock().unwrap().push(told);
                return Some(fault.mishap);
            }
        }
        None
    }

    pub fn told(&self) -> Vec<(Call, String, Mishap)> {
        self.told.lock().unwrap().clone()
    }

    /// Attestations may not be read: who may not read them is told of none.
    pub fn hid_attestations(&self) -> bool {
        self.told().iter().any(|(_, key, mishap)| {
            key.starts_with("attestations") && matches!(mishap, Mishap::Refused(403, _))
        })
    }

    /// Whether a message names a request that was struck: its object, or the bucket, and the store's code.
    pub fn named_in(&self, said: &str) -> Result<(), String> {
        let is_named = self.told().into_iter().any(|(_, key, mishap)| {
            let place = said.contains(key.trim_end_matches('/')) || said.contains("s3://faults");
            let code = match mishap {
                // A HEAD says no more than that.
                Mishap::Refused(404, code) => [code, "missing", "NotFound"]
                    .iter()
                    .any(|word| said.contains(word)),
                Mishap::Refused(status, code) => {
                    said.contains(code) || said.contains(&status.to_string())
                }
                _ => true,
            };
            place && code
        });
        match is_named {
            true => Ok(()),
            false => Err(format!("the cause is not named: {said}")),
        }
    }
}
