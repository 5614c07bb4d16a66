//! Which of the sets of PostgreSQL servers a test has to itself: roles, memberships and privileges on parameters
//! belong to a server, and tests that run at the same time must not meet each other's.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

thread_local! {
    static LEASE: OnceCell<Lease> = const { OnceCell::new() };
}

/// The number of a set, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lane(usize);

impl Lane {
    /// This test's, which it has until its thread ends; waits for one where more tests run than there are sets.
    pub fn current() -> Self {
        LEASE.with(|lease| lease.get_or_init(Lease::take).lane)
    }

    /// For a thread that a test starts: servers are those of the test.
    pub fn enter(self) {
        let lease = Lease {
            lane: self,
            borrowed: true,
        };
        let entered = LEASE.with(|current| current.set(lease));
        assert!(entered.is_ok(), "this thread has servers already");
    }

    /// Does something before the test has to do with one of its servers for the first time, in whatever thread.
    pub fn before_first_use(self, server: &'static str, prepare: impl FnOnce()) {
        let mut used = USED.lock().unwrap_or_else(PoisonError::into_inner);
        if used.insert((self.0, server)) {
            prepare();
        }
    }

    /// What the names of a set's variables have behind the server's name.
    pub fn suffix(self) -> String {
        match self.0 {
            1 => String::new(),
            number => format!("_{number}"),
        }
    }
}

struct Lease {
    lane: Lane,
    /// Another thread gives it back.
    borrowed: bool,
}

impl Lease {
    fn take() -> Self {
        let name = thread::current().name().unwrap_or_default().to_owned();
        assert!(
            name == "main" || name.contains("::"),
            "a thread `{name}` of a test asks for servers: give it the test's by Lane::enter"
        );
        let mut free = free();
        loop {
            if let Some(lane) = free.pop() {
                let mut used = USED.lock().unwrap_or_else(PoisonError::into_inner);
                used.retain(|(number, _)| *number != lane.0);
                return Self {
                    lane,
                    borrowed: false,
                };
            }
            free = GIVEN_BACK
                .wait(free)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.borrowed {
            free().push(self.lane);
            GIVEN_BACK.notify_one();
        }
    }
}

static GIVEN_BACK: Condvar = Condvar::new();

/// Which servers of which sets the tests that have them now have asked for.
static USED: Mutex<BTreeSet<(usize, &str)>> = Mutex::new(BTreeSet::new());

/// As many as were started.
fn free() -> MutexGuard<'static, Vec<Lane>> {
    static FREE: OnceLock<Mutex<Vec<Lane>>> = OnceLock::new();
    let is_there = |lane: &Lane| {
        let first = std::env::var_os(format!("LIFEBOAT_TEST_PG15{}", lane.suffix()));
        lane.0 == 1 || first.is_some()
    };
    let all = || (1..10).map(Lane).take_while(is_there).collect();
    let free = FREE.get_or_init(|| Mutex::new(all()));
    free.lock().unwrap_or_else(PoisonError::into_inner)
}
