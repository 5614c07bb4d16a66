//! The page from head to foot. It loads nothing, runs nothing, and says so to the browser.

use super::facts::Facts;
use super::html::{Html, Text, put};
use super::{databases, drills, head, overview, sections};

const STYLE: &str = include_str!("style.css");

pub(super) fn page(facts: &Facts) -> String {
    let page = &mut Html::default();
    put!(
        page,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">",
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">",
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">",
        "<meta name=\"color-scheme\" content=\"light dark\"><meta name=\"referrer\" content=\"no-referrer\">",
        "<meta name=\"robots\" content=\"noindex\"><title>Backup report of ",
        Text(facts.repository),
        "</title>\n<style>\n",
        STYLE,
        "</style></head>\n<body>"
    );
    head::head(page, facts);
    put!(
        page,
        "<nav><a href=\"#findings\">Findings</a> <a href=\"#databases\">Databases</a> <a href=\"#drills\">Drills</a> ",
        "<a href=\"#details\">Each database</a> <a href=\"#coverage\">Coverage</a> <a href=\"#keys\">Keys</a> ",
        "<a href=\"#copies\">Snapshot copies</a> <a href=\"#leftovers\">Leftovers</a> <a href=\"#method\">Method</a></nav>\n"
    );
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
    for part in parts {
        part(page, facts);
        put!(page, "\n");
    }
    put!(page, "</main></body></html>\n");
    std::mem::take(page).finish()
}
