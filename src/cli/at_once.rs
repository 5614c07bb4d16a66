//! `--databases-at-once`

use crate::compute::default_jobs;
use crate::config::{Config, ExportSettings, MAX_JOBS, Source};
use crate::turns::Turns;

/// Below this many sessions a database is read slower than it could be.
const SESSIONS_OF_ONE: usize = 2;

#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub(super) struct AtOnceArgs {
    /// Databases at the same time, at most; they share sessions and memory [default: as configured, else by the machine]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_JOBS)))]
    pub databases_at_once: Option<u16>,
}

impl AtOnceArgs {
    /// To export these sources with `jobs` sessions: no more than the servers may be asked for at the same time.
    pub(super) fn of_export(
        self,
        settings: &ExportSettings,
        sources: &[Source],
        jobs: Option<usize>,
    ) -> Turns {
        let asked = sources.iter().map(|source| usize::from(source.at_once));
        let by_machine = (jobs.unwrap_or_else(default_jobs) / SESSIONS_OF_ONE).min(asked.sum());
        Turns::new(self.given(Some(settings)).unwrap_or(by_machine))
    }

    /// To verify and drill.
    pub(super) fn of_proof(self, config: Option<&Config>) -> Turns {
        let settings = config.map(|config| &config.export);
        let by_machine = default_jobs() / SESSIONS_OF_ONE;
        Turns::new(self.given(settings).unwrap_or(by_machine))
    }

    fn given(self, settings: Option<&ExportSettings>) -> Option<usize> {
        let configured = settings.and_then(|settings| settings.databases_at_once);
        self.databases_at_once.or(configured).map(usize::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn most(typed: Option<u16>, configured: Option<u16>, at_once: &[u16], jobs: usize) -> usize {
        let settings = ExportSettings {
            databases_at_once: configured,
            ..ExportSettings::default()
        };
        let sources = at_once.iter().map(|&at_once| Source {
            at_once,
            ..Source::from_url("postgresql://db.example.com/app").unwrap()
        });
        let sources: Vec<_> = sources.collect();
        let args = AtOnceArgs {
            databases_at_once: typed,
        };
        args.of_export(&settings, &sources, Some(jobs)).most()
    }

    #[test]
    fn as_many_as_the_machine_reads_well_and_the_servers_may_be_asked_for() {
        assert_eq!(most(None, None, &[1, 1, 1], 8), 3);
        assert_eq!(most(None, None, &[1, 1, 1], 4), 2);
        assert_eq!(most(None, None, &[1, 4], 64), 5);
        assert_eq!(most(None, None, &[1], 8), 1);
        assert_eq!(most(None, None, &[1, 1], 1), 1);
        assert_eq!(most(None, Some(7), &[1], 2), 7);
        assert_eq!(most(Some(3), Some(7), &[1], 2), 3);
    }
}
