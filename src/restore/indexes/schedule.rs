//! Which index is built when, and by how many processes of the server.

use std::cmp::Reverse;

use crate::model::catalog::Name;
use crate::pg::target::toc::Entry;

/// One index to be built.
pub(super) struct Build {
    pub entry: Entry,
    pub table: Name,
    /// COPY text of the table.
    pub bytes: u64,
    /// It is a key's, or of an exclusion: the table is locked against all others.
    pub is_key: bool,
}

/// For each job two processes: what an index costs is known only roughly, and one that is left alone still has them.
const PROCESSES_OF_A_JOB: usize = 2;

pub(super) struct Schedule {
    /// Largest table first; of one table keys last, as they would be waited for.
    waiting: Vec<Build>,
    running: Vec<Running>,
    free_jobs: usize,
    free_processes: usize,
}

struct Running {
    id: u32,
    table: Name,
    is_key: bool,
    /// Of those that were free.
    processes: usize,
}

impl Schedule {
    pub(super) fn new(mut builds: Vec<Build>, jobs: usize) -> Self {
        builds.sort_by_key(|build| (Reverse(build.bytes), build.is_key));
        Self {
            waiting: builds,
            running: Vec::new(),
            free_jobs: jobs.max(1),
            free_processes: jobs.max(1) * PROCESSES_OF_A_JOB,
        }
    }

    /// What can begin now, and with how many processes; `None`: something has to end first, or nothing is left.
    pub(super) fn start(&mut self) -> Option<(Build, usize)> {
        if self.free_jobs == 0 {
            return None;
        }
        let can_start: Vec<usize> = (0..self.waiting.len())
            .filter(|at| self.can_start(*at))
            .take(self.free_jobs)
            .collect();
        let first = *can_start.first()?;
        let bytes = |at: usize| u128::from(self.waiting[at].bytes).max(1);
        let all: u128 = can_start.iter().map(|at| bytes(*at)).sum();
        // Its share, rounded up, of what is left beside one process for each of the others.
        let spare = self.free_processes.saturating_sub(can_start.len()) as u128;
        let share = (spare * bytes(first)).div_ceil(all);
        let processes = 1 + usize::try_from(share).unwrap_or(0);
        let build = self.waiting.remove(first);
        self.free_jobs -= 1;
        let counted = processes.min(self.free_processes);
        self.free_processes -= counted;
        self.running.push(Running {
            id: build.entry.id,
            table: build.table.clone(),
            is_key: build.is_key,
            processes: counted,
        });
        Some((build, processes))
    }

    pub(super) fn end(&mut self, id: u32) {
        for ended in self.running.extract_if(.., |one| one.id == id) {
            self.free_jobs += 1;
            self.free_processes += ended.processes;
        }
    }

    fn can_start(&self, at: usize) -> bool {
        let build = &self.waiting[at];
        let mut running = self.running.iter().filter(|one| one.table == build.table);
        if !build.is_key {
            return !running.any(|one| one.is_key);
        }
        let mut before = self.waiting[..at].iter();
        running.next().is_none() && !before.any(|one| one.table == build.table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::target::toc::{Section, parse_list};

    fn build(id: u32, table: &str, bytes: u64, is_key: bool) -> Build {
        let line = format!("{id}; 1259 1 INDEX public i own");
        Build {
            entry: parse_list(&line, Section::PostData).remove(0),
            table: Name {
                schema: "public".to_owned(),
                name: table.to_owned(),
            },
            bytes,
            is_key,
        }
    }

    fn started(schedule: &mut Schedule) -> Vec<(u32, usize)> {
        std::iter::from_fn(|| schedule.start())
            .map(|(build, processes)| (build.entry.id, processes))
            .collect()
    }

    #[test]
    fn the_largest_come_first_and_a_key_has_its_table_for_itself() {
        let builds = vec![
            build(1, "small", 10, true),
            build(2, "large", 90, true),
            build(3, "large", 90, false),
            build(4, "large", 90, false),
        ];
        let mut schedule = Schedule::new(builds, 3);
        let ids = |started: Vec<(u32, usize)>| started.into_iter().map(|one| one.0);
        let first: Vec<u32> = ids(started(&mut schedule)).collect();
        assert_eq!(first, [3, 4, 1]);
        schedule.end(3);
        schedule.end(1);
        assert!(schedule.start().is_none(), "4 holds the table");
        schedule.end(4);
        assert_eq!(ids(started(&mut schedule)).collect::<Vec<_>>(), [2]);
        schedule.end(2);
        assert!(schedule.start().is_none());
    }

    #[test]
    fn what_is_larger_has_more_processes_and_the_last_one_has_all() {
        let builds = vec![build(1, "a", 100, false), build(2, "b", 900, false)];
        let mut schedule = Schedule::new(builds, 4);
        let both = started(&mut schedule);
        assert_eq!(both.iter().map(|one| one.0).collect::<Vec<_>>(), [2, 1]);
        assert!(both[0].1 > both[1].1, "{both:?}");
        assert!(both[0].1 + both[1].1 <= 8, "{both:?}");
        let mut schedule = Schedule::new(vec![build(1, "a", 100, false)], 4);
        assert_eq!(started(&mut schedule), [(1, 8)]);
    }

    #[test]
    fn never_more_run_than_there_are_jobs() {
        let builds = (0..9).map(|id| build(id, &format!("t{id}"), 1, id % 2 == 0));
        let mut schedule = Schedule::new(builds.collect(), 2);
        let mut ended = 0;
        let mut running = started(&mut schedule);
        while !running.is_empty() {
            assert!(running.len() <= 2, "{running:?}");
            schedule.end(running.remove(0).0);
            ended += 1;
            running.extend(started(&mut schedule));
        }
        assert_eq!(ended, 9);
    }
}
