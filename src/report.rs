//! `lifeboat report`: one page for people about all that a repository holds. It reads the manifests and the
//! attestations again; nothing comes from a log.

mod axis;
mod chart;
mod database;
mod databases;
mod drill;
mod drills;
mod facts;
mod gather;
mod head;
mod html;
mod overview;
mod points;
mod sections;

use crate::error::Result;
use crate::model::state::NotShown;
use crate::repository::Repository;
use crate::sign::Trust;

use facts::Facts;
pub use facts::{Limits, Options};
use html::{Html, Text, put};

const STYLE: &str = include_str!("report/style.css");
const NAVIGATION: &str = "<nav><a href=\"#findings\">Findings</a> <a href=\"#databases\">Databases</a> \
    <a href=\"#drills\">Drills</a> <a href=\"#details\">Each database</a> <a href=\"#coverage\">Coverage</a> \
    <a href=\"#keys\">Keys</a> <a href=\"#copies\">Snapshot copies</a> <a href=\"#leftovers\">Leftovers</a> \
    <a href=\"#method\">Method</a></nav>\n";

/// The page, and what it holds.
pub struct Page {
    pub html: String,
    pub databases: u64,
    /// Their restore points, opened or not.
    pub points: u64,
    /// Those that only the listing is known of.
    pub not_opened: u64,
    pub drills: u64,
    /// All that are on the page.
    pub findings: Vec<String>,
    /// What `status` has beside these.
    pub not_shown: NotShown,
}

/// Reads all restore points and their drills, and makes the page. Of a fleet it reads the newest of each database.
pub async fn report(repository: &Repository, trust: &Trust, options: Options) -> Result<Page> {
    let facts = gather::gather(repository, trust, options).await?;
    let databases = facts.databases.iter();
    let drills = databases.clone().map(|one| one.drills().count() as u64);
    Ok(Page {
        html: page(&facts),
        databases: databases.len() as u64,
        points: databases.map(|one| one.points.len() as u64).sum(),
        not_opened: facts.not_opened() as u64,
        not_shown: facts.options.not_shown,
        drills: drills.sum(),
        findings: facts.findings,
    })
}

/// The page from head to foot. It loads nothing, runs nothing, and says so to the browser.
fn page(facts: &Facts) -> String {
    let page = &mut Html::default();
    put!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <meta name=\"referrer\" content=\"no-referrer\">\
         <meta name=\"robots\" content=\"noindex\"><title>Backup report of {}</title>\n\
         <style>\n{}</style></head>\n<body>",
        Text(facts.repository),
        STYLE
    );
    head::head(page, facts);
    match facts.none_in_these_states() {
        true => put!(
            page,
            "<p>No database is in such a state: {} are in others.</p>\n",
            facts.options.not_shown.databases
        ),
        false => put!(page, "{}", NAVIGATION),
    }
    let parts: [fn(&mut Html, &Facts); 9] = [
        overview::findings,
        overview::databases,
        drills::newest,
        databases::sections,
        sections::coverage,
        sections::keys,
        sections::copies,
        sections::leftovers,
        sections::method,
    ];
    // What is not shown is not missing, as sections without databases would say.
    let parts: &[_] = match facts.none_in_these_states() {
        true => &parts[..1],
        false => &parts,
    };
    for part in parts {
        part(page, facts);
        put!(page, "\n");
    }
    put!(page, "</main></body></html>\n");
    std::mem::take(page).finish()
}
