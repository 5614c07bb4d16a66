//! Points signed with a stolen key: archive and catalog say what a thief wants.

use std::fs;
use std::io::Read as _;
use std::sync::Arc;

use lifeboat::testing::model::{Cast, Extension, MaterializedView, Membership, Name, Setting};
use lifeboat::testing::store::DirStore;

use super::ways::{ATTACK, BEGIN};
use super::{
    As, Canaries, Roles, Stage, all_hold, ask_of_the_attack, only_its_own_schema_differs, result,
    value,
};
use crate::support::forge::{Draft, Forge};
use crate::support::memory::MemoryStore;
use crate::support::{Database, Lifeboat, Major, unique};

/// Texts as long as any lie that is to stand in their place.
const ROOM: usize = 1000;

/// A thief's repository, and a true point that he changes before he signs it.
struct Thief {
    canaries: Canaries,
    forge: Forge,
    draft: Draft,
    role: String,
    stage: Stage,
    _roles: Roles,
}

impl Thief {
    async fn new(sql: &str) -> Self {
        let (canaries, source, role) =
            (Canaries::new(), Database::new(Major::Pg15), unique("thief"));
        let roles = Roles(vec![role.clone()]);
        source.sql(&format!(
            "CREATE ROLE {role}; GRANT CREATE ON DATABASE {} TO {role}",
            source.name
        ));
        let all = format!("SET ROLE {role}; {ATTACK} {sql}");
        source.sql(&canaries.place(&all, &role));
        let lifeboat = Lifeboat::empty();
        let lender = Forge::new(Arc::new(MemoryStore::default())).await;
        let store = DirStore::create(lifeboat.repository()).unwrap();
        let forge = Forge::new(Arc::new(store)).await;
        let exported = lender.export(&source).await;
        let draft = lender.draft_for(&forge, &exported).await;
        let identity = forge.write_identity(lifeboat.folder());
        fs::rename(identity, lifeboat.identity()).unwrap();
        let config = format!(
            "[repository]\nurl = \"./repository\"\ntrust = [\"{}\"]\n",
            forge.signer.fingerprint()
        );
        fs::write(lifeboat.folder().join("lifeboat.toml"), config).unwrap();
        Self {
            canaries,
            forge,
            draft,
            role,
            stage: Stage::new(lifeboat),
            _roles: roles,
        }
    }

    /// Signs, drills, and asks whether anything had power; whether it is sound is another question.
    async fn drill(&self) -> (Option<i32>, serde_json::Value) {
        self.forge.commit(&self.draft).await;
        let ran = self.stage.drill(As::Ourselves, &["--jobs", "1"]);
        self.canaries.are_untouched();
        (ran.code, result(&ran))
    }

    /// The schema archive with a statement in the place of each text `LIE<number>`.
    fn lie(&mut self, lies: &[String]) {
        let name = "schema.dump.age";
        let mut archive = Vec::new();
        let mut plain = self
            .forge
            .identities
            .open(self.draft.objects[name].clone())
            .unwrap();
        plain.read_to_end(&mut archive).unwrap();
        for (at, lie) in lies.iter().enumerate() {
            let mark = find(&archive, format!("LIE{at:02}").as_bytes());
            let is_begin = |at: &usize| {
                let from = &archive[*at..];
                from.starts_with(b"CREATE ") || from.starts_with(b"COMMENT ON ")
            };
            let begin = (0..mark).rev().find(is_begin).unwrap();
            let end = mark + find(&archive[mark..], b";\n");
            let padding = " ".repeat(end - begin - lie.len());
            archive.splice(begin..end, format!("{lie}{padding}").into_bytes());
        }
        let sealed = self.forge.sealer.seal(&archive).unwrap();
        self.draft.objects.insert(name.to_owned(), sealed.bytes);
    }
}

fn find(text: &[u8], what: &[u8]) -> usize {
    text.windows(what.len())
        .position(|one| one == what)
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn entries_that_lie_about_their_kind_have_no_power() {
    let lies = [
        "COPY (SELECT 1) TO PROGRAM 'id > {canary}/lie'",
        "COPY (SELECT 1) TO '{canary}/lie'",
        "DO $$ BEGIN EXECUTE format('ALTER ROLE %I SUPERUSER', session_user); END $$",
        "DO $$ BEGIN EXECUTE format('GRANT pg_execute_server_program TO %I', session_user); END $$",
        "CREATE EXTENSION plperl",
        "CREATE EXTENSION ltree; SELECT hostile.attack('after an extension')",
        "SET ROLE {role}; SELECT hostile.attack('entry')",
        "RESET SESSION AUTHORIZATION; SELECT hostile.attack('entry')",
        "CREATE FUNCTION hostile.sys(cstring) RETURNS int LANGUAGE c AS 'libc.so.6', 'system'",
        "ALTER SYSTEM SET archive_command = 'id'",
        "DO $$ BEGIN EXECUTE format('DROP EVENT TRIGGER %I', (SELECT evtname FROM pg_event_trigger LIMIT 1)); END $$; CREATE EXTENSION ltree",
    ];
    let kinds = [
        "COMMENT ON SCHEMA hostile IS '{text}';",
        "CREATE VIEW v{at} AS SELECT '{text}'::text AS t;",
        "CREATE TABLE t{at} (t text DEFAULT '{text}');",
        "CREATE FUNCTION f{at}() RETURNS text LANGUAGE sql AS 'SELECT ''{text}''::text';",
    ];
    let mut sql = "CREATE SCHEMA lies; SET search_path = lies;".to_owned();
    for at in 0..lies.len() {
        let text = format!("LIE{at:02}{}", "x".repeat(ROOM));
        // One comment, of the schema's one.
        let kind = if at == 0 { kinds[0] } else { kinds[1 + at % 3] };
        sql += &kind
            .replace("{text}", &text)
            .replace("{at}", &at.to_string());
    }
    let mut thief = Thief::new(&sql).await;
    let lies: Vec<String> = lies
        .iter()
        .map(|lie| thief.canaries.place(lie, &thief.role))
        .collect();
    thief.lie(&lies);
    ask_of_the_attack(&thief.stage, &["entry"]);
    let (code, report) = thief.drill().await;
    assert_eq!(code, Some(1), "tables are missing: {report}");
    all_hold(&report);
}

fn way(sql: &str) -> String {
    format!("{BEGIN}{sql}")
        .replace("{s}", "way")
        .replace("{way}", "view")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn a_catalog_cannot_give_power_by_roles_extensions_casts_or_names() {
    let mut thief = Thief::new(&format!(
        "CREATE SEQUENCE hostile.number; {}",
        way("ALTER TABLE {s}.rows ADD CHECK ({s}.yes(x)); CREATE MATERIALIZED VIEW {s}.m AS SELECT {s}.f(1);")
    ))
    .await;
    let inject = |text: &str| format!("{text}\"; COPY (SELECT 1) TO PROGRAM 'id > /tmp/x'; --'");
    let catalog = &mut thief.draft.catalog;
    let mine = catalog.roles.iter().find(|one| one.name == thief.role);
    let mine = mine.unwrap().clone();
    let powers = [
        "pg_execute_server_program",
        "pg_read_server_files",
        "pg_write_server_files",
        "pg_signal_backend",
        "pg_checkpoint",
        "pg_database_owner",
    ];
    for name in powers
        .map(str::to_owned)
        .into_iter()
        .chain([inject("role")])
    {
        let mut role = mine.clone();
        role.name = name;
        (role.superuser, role.create_role, role.create_db) = (true, true, true);
        (role.login, role.replication, role.bypass_rls) = (true, true, true);
        catalog.roles.push(role);
    }
    let member = |role: &str, member: &str| Membership {
        role: role.to_owned(),
        member: member.to_owned(),
        grantor: "postgres".to_owned(),
        admin: true,
        inherit: Some(true),
        set: Some(true),
    };
    catalog
        .memberships
        .extend(powers.map(|power| member(power, &thief.role)));
    catalog
        .memberships
        .push(member(&thief.role, "pg_read_all_data"));
    catalog
        .memberships
        .push(member(&inject("role"), &inject("member")));
    let extension = |name: &str, version: &str, schema: &str| Extension {
        name: name.to_owned(),
        version: version.to_owned(),
        schema: schema.to_owned(),
    };
    catalog.extensions.extend([
        extension("adminpack", &inject("2.1"), "pg_catalog"),
        extension("dblink", "1.2", &inject("schema")),
        extension("postgres_fdw", "", "far"),
        extension("file_fdw", "1.0", "far"),
        extension("hstore", "1.8", "far"),
        extension(&inject("name"), "1", "far"),
        extension("pageinspect", "1.11", "far"),
    ]);
    let cast = |source: &str, target: &str| Cast {
        source: source.to_owned(),
        target: target.to_owned(),
        context: "i".to_owned(),
    };
    catalog.casts = vec![
        cast("text", "int4"),
        cast("int8", "text"),
        cast("text", "oid"),
        cast(&inject("text"), "bool"),
    ];
    let hostile = Name {
        schema: "hostile".to_owned(),
        name: inject("name"),
    };
    catalog.materialized_views.push(MaterializedView {
        name: hostile.clone(),
        populated: true,
        digest: None,
    });
    let mut sequence = catalog.sequences[0].clone();
    sequence.name = hostile;
    catalog.sequences.push(sequence);
    catalog.database.owner = powers[0].to_owned();
    catalog.database.comment = Some(inject("comment"));
    catalog.database.acl = Some(vec![]);
    ask_of_the_attack(&thief.stage, &["view"]);
    let (code, report) = thief.drill().await;
    assert_eq!(code, Some(1), "a sequence is missing: {report}");
    all_hold(&report);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn settings_of_a_catalog_make_sessions_neither_another_role_nor_load_a_library() {
    let mut thief = Thief::new(&way("CREATE MATERIALIZED VIEW {s}.m AS SELECT {s}.f(1);")).await;
    let role = thief.role.clone();
    let setting = |of: Option<&String>, name: &str, value: &str| Setting {
        role: of.cloned(),
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let settings = [
        ("role", role.as_str()),
        ("session_authorization", role.as_str()),
        ("local_preload_libraries", "nowhere"),
        ("session_preload_libraries", "nowhere"),
        ("search_path", "way, pg_temp"),
        ("event_triggers", "off"),
        ("default_transaction_read_only", "on"),
        ("statement_timeout", "1"),
        ("log_statement", "all"),
        ("row_security", "on"),
        ("constraint_exclusion", "on"),
    ];
    for of in [None, Some(&role)] {
        let all = settings
            .iter()
            .map(|(name, value)| setting(of, name, value));
        thief.draft.catalog.database.settings.extend(all);
    }
    ask_of_the_attack(&thief.stage, &["view"]);
    thief.stage.ask(
        "asker",
        "SELECT current_user::text ~ '^lifeboat_reader_' AND current_user = session_user",
        "t",
    );
    let (_, report) = thief.drill().await;
    only_its_own_schema_differs(&report);
    all_hold(&report);
}

/// What a query's planner or its condition calls is called by the login that compares.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs servers: bash tests/run.sh"]
async fn code_that_the_comparison_meets_cannot_change_what_was_compared() {
    let mut thief = Thief::new(
        "CREATE SCHEMA s; SET search_path = s;
         CREATE TABLE a_rows (x int); INSERT INTO a_rows SELECT generate_series(1, 10);
         CREATE FUNCTION s.wipe() RETURNS bool SECURITY DEFINER LANGUAGE plpgsql AS
           $$ BEGIN DELETE FROM s.a_rows WHERE x > 3; RETURN true; END $$;
         CREATE FUNCTION s.yes(int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN
           IF current_user NOT LIKE 'lifeboat\\_reader\\_%' THEN RETURN true; END IF;
           PERFORM hostile.attack('comparison');
           PERFORM set_config('default_transaction_read_only', 'off', false);
           PERFORM set_config('search_path', 's', false);
           IF current_setting('transaction_read_only') = 'off' THEN PERFORM s.wipe(); END IF;
           RETURN true;
         END $$;
         CREATE TABLE b (x int); INSERT INTO b VALUES (1);
         CREATE TABLE c (x int); INSERT INTO c VALUES (1);
         CREATE TABLE d (x int); INSERT INTO d VALUES (1);",
    )
    .await;
    for table in &mut thief.draft.catalog.tables {
        if table.name.name != "a_rows" {
            table.condition = Some("WHERE s.yes(x)".to_owned());
        }
    }
    thief
        .stage
        .ask("rows", "SELECT count(*) FROM s.a_rows", "10");
    let (code, report) = thief.drill().await;
    assert_eq!(value(&report, "rows"), "10", "{report}");
    assert_eq!(code, Some(0), "{report}");
}
