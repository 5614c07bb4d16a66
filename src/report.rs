//! `lifeboat report`: one page for people about all that a repository holds. It reads every manifest and
//! every attestation again; nothing comes from a log.

mod axis;
mod chart;
mod databases;
mod drills;
mod facts;
mod gather;
mod head;
mod html;
mod options;
mod overview;
mod page;
mod points;
mod sections;

use crate::error::Result;
use crate::repository::Repository;
use crate::sign::Trust;

use facts::Facts;
pub use options::{Limits, Options};

/// The page, and what it holds.
pub struct Page {
    pub html: String,
    pub databases: u64,
    pub points: u64,
    pub drills: u64,
    /// All that are on the page.
    pub findings: Vec<String>,
}

/// Reads all restore points and their drills, and makes the page.
pub async fn report(repository: &Repository, trust: &Trust, mut options: Options) -> Result<Page> {
    let mut gathered = gather::gather(repository, trust, &options).await?;
    let mut findings = std::mem::take(&mut options.findings);
    for finding in std::mem::take(&mut gathered.findings) {
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    let findings_of = facts::by_database(&findings, &gathered.databases);
    let facts = Facts {
        repository: repository.url(),
        trust: &trust.fingerprints,
        options,
        gathered,
        findings,
        findings_of,
    };
    let html = page::page(&facts);
    let databases = &facts.gathered.databases;
    Ok(Page {
        html,
        databases: databases.len() as u64,
        points: databases.iter().map(|one| one.points.len() as u64).sum(),
        drills: databases
            .iter()
            .map(|one| one.drills().count() as u64)
            .sum(),
        findings: facts.findings,
    })
}
