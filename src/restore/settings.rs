//! Settings of the database and of roles in it: restored before rows, as what the database computes
//! depends on them.

use std::collections::BTreeMap;

use super::finalize::report_refused;
use super::run::Run;
use crate::error::Result;
use crate::model::attestation::NotTried;
use crate::model::catalog::{Catalog, Setting};
use crate::model::finding::Finding;
use crate::pg::connect::server::option;
use crate::pg::session::{Purpose, Session, pinned};
use crate::pg::target::{execute, server, statements};
use crate::quote::quote_ident;

const KIND: &str = "property of the database";

/// A startup packet holds 10,000 bytes.
const MAX_OPTIONS: usize = 8000;

/// Sets what the database and its roles had set. A setting with which nobody can log in is taken back.
pub(super) async fn restore(run: &mut Run<'_>) -> Result<()> {
    let inputs = run.inputs;
    let settings = statements::database_settings(&inputs.catalog.database, &inputs.target.database);
    for one in settings {
        let refused = execute::each(&run.session, std::slice::from_ref(&one.set)).await?;
        let set = refused.is_empty();
        report_refused(run, KIND, refused);
        if !set || one.role.is_some_and(|role| role != run.facts.user) {
            continue;
        }
        let Some(why) = take_back_if_locked_out(run, &one).await? else {
            continue;
        };
        if inputs.options.is_powerless() {
            let kind = KIND.to_owned();
            let name = one.set.about;
            run.report.not_tried.push(NotTried { kind, name });
        } else {
            let why = format!("taken back, as nobody could log in with it: {why}");
            let finding = Finding::new(one.set.about, why).sql(one.set.sql);
            run.report.findings.push(finding);
        }
    }
    Ok(())
}

/// Why nobody can log in with a setting, which is then taken back.
async fn take_back_if_locked_out(
    run: &Run<'_>,
    one: &statements::DatabaseSetting<'_>,
) -> Result<Option<String>> {
    let target = run.inputs.target;
    let application = run.inputs.application();
    let Err(refusal) = Session::can_log_in(target, &application).await else {
        return Ok(None);
    };
    execute::all(&run.session, std::slice::from_ref(&one.reset)).await?;
    if Session::can_log_in(target, &application).await.is_ok() {
        return Ok(Some(refusal.chain()));
    }
    // It was not the setting.
    execute::all(&run.session, std::slice::from_ref(&one.set)).await?;
    Err(refusal)
}

/// Gives sessions that compute what a new session had in the source and lacks here: parameters that the
/// user may set for itself only, and what the source's server had set. A person is told of the latter.
pub(super) async fn use_in_sessions(run: &mut Run<'_>) -> Result<()> {
    let target = run.inputs.target;
    let application = run.inputs.application();
    let session = Session::connect(target, &application, Purpose::Compute).await?;
    let version = session.server_version_num;
    let is_pinned = |name: &str| {
        let mut pinned = pinned::pinned(Purpose::Compute, version);
        pinned.any(|(pinned, _)| pinned.eq_ignore_ascii_case(name))
            || NEVER.iter().any(|never| never.eq_ignore_ascii_case(name))
    };
    let mut options = target.session_options.clone().unwrap_or_default();
    let mut money = server::setting(&session, "lc_monetary").await?;
    let mut others = Vec::new();
    for (name, (setting, of_server)) in wanted(run.inputs.catalog, &run.facts.user) {
        let value = &setting.value;
        if is_pinned(&name) || !server::would_change(&session, &setting.name, value).await? {
            continue;
        }
        let option = option(&setting.name, value);
        if options.len() + option.len() > MAX_OPTIONS {
            let why =
                "too long to be given to a session: what the database computes from it may differ";
            let finding = Finding::new(format!("setting {}", quote_ident(&name)), why);
            run.report.findings.push(finding);
            continue;
        }
        options.push(' ');
        options.push_str(&option);
        if name == "lc_monetary" {
            money = Some(value.clone());
        }
        if of_server && !(name.starts_with("lc_") && is_c(value)) {
            others.push(format!("{} = {value}", setting.name));
        }
    }
    session.close().await;
    run.archive.use_own_options(&options);
    if let Some(statistics) = &mut run.statistics {
        statistics.use_own_options(&options);
    }
    run.own.server.session_options = Some(options);
    run.own.money_is_plain = money.is_none_or(|money| is_c(&money));
    if !others.is_empty() {
        let database = quote_ident(&target.database);
        run.report.to_do.push(format!(
            "the source's server had other settings, under which all was computed: {}; for the same here: \
             ALTER DATABASE {database} SET",
            others.join(", ")
        ));
    }
    Ok(())
}

/// A locale without conventions of its own, whatever its encoding.
fn is_c(locale: &str) -> bool {
    matches!(locale.split('.').next(), Some("C" | "POSIX"))
}

/// They change who a session is or how it speaks, or load code into it.
const NEVER: [&str; 6] = [
    "client_encoding",
    "role",
    "session_authorization",
    "local_preload_libraries",
    "session_preload_libraries",
    "session_replication_role",
];

/// What a new session of this user had in the source, by names in lower case, and whether that came from
/// its server or database; the last word counts.
fn wanted<'a>(catalog: &'a Catalog, user: &str) -> BTreeMap<String, (&'a Setting, bool)> {
    let database = &catalog.database;
    let roles = catalog.roles.iter().filter(|role| role.name == user);
    let settings = database.settings.iter();
    let of_all = settings.clone().filter(|one| one.role.is_none());
    let of_user = settings.filter(|one| one.role.as_deref() == Some(user));
    let sure = of_all
        .chain(roles.flat_map(|role| &role.settings))
        .chain(of_user);
    let server = database.computed_under.iter().map(|one| (one, true));
    let all = server.chain(sure.map(|one| (one, false)));
    all.map(|(one, of_server)| (one.name.to_lowercase(), (one, of_server)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixture;

    fn setting(role: Option<&str>, name: &str, value: &str) -> Setting {
        Setting {
            role: role.map(str::to_owned),
            name: name.to_owned(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn the_last_word_on_a_setting_is_the_users_own_in_the_database() {
        let mut catalog = fixture::catalog();
        catalog.database.computed_under = ["A", "B", "C", "D"]
            .map(|name| setting(None, name, "server"))
            .into();
        catalog.database.settings = vec![
            setting(None, "b", "database"),
            setting(None, "c", "database"),
            setting(Some("own"), "d", "both"),
            setting(Some("other"), "a", "other"),
        ];
        catalog.roles[0].settings = ["c", "d"].map(|name| setting(None, name, "role")).into();
        let wanted = wanted(&catalog, "own");
        let values: Vec<_> = wanted
            .iter()
            .map(|(name, (one, of_server))| (name.as_str(), one.value.as_str(), *of_server))
            .collect();
        assert_eq!(
            values,
            [
                ("a", "server", true),
                ("b", "database", false),
                ("c", "role", false),
                ("d", "both", false),
            ]
        );
    }
}
