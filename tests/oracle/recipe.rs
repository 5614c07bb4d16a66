//! A whole database by its seed: server, roles, settings, and what is in it.

use crate::support::Major;

const INGREDIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/ingredients.sql");

/// Settings that a database, a role, or a role in a database may carry. With them its values are computed,
/// or its sessions end early.
const SETTINGS: &[&str] = &[
    "timezone = 'Asia/Tokyo'",
    "timezone = 'America/New_York'",
    "datestyle = 'SQL, DMY'",
    "datestyle = 'German'",
    "intervalstyle = 'iso_8601'",
    "search_path = app, public",
    "search_path = '\"$user\"', public, \"Odd \"\"S\"\".0\"",
    "default_text_search_config = 'pg_catalog.german'",
    "bytea_output = 'escape'",
    "extra_float_digits = 0",
    "default_transaction_read_only = on",
    "default_transaction_isolation = 'serializable'",
    "statement_timeout = '20ms'",
    "lock_timeout = '10ms'",
    "row_security = off",
    "check_function_bodies = off",
    "standard_conforming_strings = off",
    "quote_all_identifiers = on",
    "array_nulls = off",
    "xmloption = document",
    "transform_null_equals = on",
    "client_encoding = 'LATIN1'",
    "enable_seqscan = off",
    "work_mem = '8MB'",
    "app.tenant = 'it''s a ''tenant'''",
];

/// Settings of the whole server, where the source's and the targets' are the same.
const SERVER: &[&str] = &[
    "timezone = 'America/New_York'",
    "datestyle = 'SQL, MDY'",
    "intervalstyle = 'sql_standard'",
    "default_text_search_config = 'pg_catalog.french'",
];

/// splitmix64: the same databases for the same seed, on every machine and with every release.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `below` - 1.
    pub fn roll(&mut self, below: usize) -> usize {
        usize::try_from(self.next() % below as u64).unwrap()
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.roll(100) < percent
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.roll(of.len())]
    }
}

/// Everything is SQL for psql, to be run in the order of the fields.
pub struct Recipe {
    pub from: Major,
    pub to: Major,
    /// `name = value`, for ALTER SYSTEM.
    pub server: Vec<&'static str>,
    pub roles: String,
    pub database: String,
    /// In the database, each in a session of its own.
    pub contents: Vec<(String, String)>,
    pub last: String,
}

struct Ingredient {
    name: String,
    words: Vec<String>,
    sql: String,
}

fn ingredients() -> Vec<Ingredient> {
    let text = std::fs::read_to_string(INGREDIENTS).unwrap();
    let parse = |piece: &str| {
        let (head, sql) = piece.split_once('\n').unwrap();
        let mut words = head.split(' ').map(str::to_owned);
        Ingredient {
            name: words.next().unwrap(),
            words: words.collect(),
            sql: sql.to_owned(),
        }
    };
    text.split("\n--- ").skip(1).map(parse).collect()
}

impl Recipe {
    pub fn new(seed: u64, trips: &[(Major, Major)]) -> Self {
        let mut dice = Dice::new(seed);
        let (from, to) = *dice.pick(trips);
        let encoding = *dice.pick(&["UTF8", "UTF8", "UTF8", "LATIN1", "SQL_ASCII"]);
        let server: Vec<_> = SERVER.iter().copied().filter(|_| dice.chance(25)).collect();
        let roles = roles(&mut dice, from);
        // The tests' PostgreSQL 18 is built without ICU.
        let icu = to == Major::Pg15;
        let database = database(&mut dice, encoding, icu);
        let mut pantry = ingredients();
        pantry.retain(|one| {
            let has = |word: &str| one.words.iter().any(|one| one == word);
            (!has("contrib") || to == Major::Pg15) && (!has("utf8") || encoding == "UTF8")
        });
        let mut contents = vec![("schemas".to_owned(), schemas(&mut dice))];
        for at in 0..8 + dice.roll(8) {
            let one = pantry.swap_remove(dice.roll(pantry.len()));
            contents.push((one.name.clone(), fill_in(&mut dice, &one, at)));
            if pantry.is_empty() {
                break;
            }
        }
        let last = last(&mut dice);
        Self {
            from,
            to,
            server,
            roles,
            database,
            contents,
            last,
        }
    }

    /// Names of what is in it, for a message.
    pub fn describe(&self) -> String {
        let names: Vec<&str> = self
            .contents
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        format!(
            "{:?} to {:?}, server {:?}\n{}\n{}\n{}\ncontents: {}",
            self.from,
            self.to,
            self.server,
            self.roles,
            self.database,
            self.last,
            names.join(" ")
        )
    }
}

fn roles(dice: &mut Dice, from: Major) -> String {
    let mut sql = String::new();
    for role in ["r_owner", "r_app", "r_read", "r_admin", "\"R Odd\""] {
        let mut words = vec![*dice.pick(&["LOGIN", "NOLOGIN"])];
        for word in [
            "CREATEDB",
            "CREATEROLE",
            "NOINHERIT",
            "CONNECTION LIMIT 5",
            "VALID UNTIL '2031-02-03 04:05:06+00'",
        ] {
            if dice.chance(15) {
                words.push(word);
            }
        }
        if dice.chance(5) {
            words.push(*dice.pick(&["REPLICATION", "BYPASSRLS", "SUPERUSER"]));
        }
        sql.push_str(&format!("CREATE ROLE {role} {};\n", words.join(" ")));
        if dice.chance(30) {
            sql.push_str(&format!("ALTER ROLE {role} SET {};\n", dice.pick(SETTINGS)));
        }
        if dice.chance(20) {
            sql.push_str(&format!(
                "COMMENT ON ROLE {role} IS 'it''s {}';\n",
                role.replace('"', "")
            ));
        }
    }
    for (role, member) in [
        ("r_read", "r_app"),
        ("r_owner", "r_admin"),
        ("r_read", "\"R Odd\""),
        ("pg_monitor", "r_admin"),
        ("pg_read_all_data", "r_read"),
    ] {
        if !dice.chance(60) {
            continue;
        }
        let with = match (from, dice.roll(4)) {
            (_, 0) => " WITH ADMIN OPTION",
            (Major::Pg18, 1) => " WITH INHERIT FALSE",
            (Major::Pg18, 2) => " WITH SET FALSE, INHERIT TRUE",
            _ => "",
        };
        sql.push_str(&format!("GRANT {role} TO {member}{with};\n"));
    }
    sql
}

fn database(dice: &mut Dice, encoding: &str, icu: bool) -> String {
    let locale = match (encoding, dice.roll(3)) {
        ("UTF8", 0) => "LOCALE 'C.UTF-8'",
        ("UTF8", 1) if icu => {
            "LOCALE_PROVIDER icu ICU_LOCALE 'de-DE' LC_COLLATE 'C' LC_CTYPE 'C.UTF-8'"
        }
        _ => "LOCALE 'C'",
    };
    let mut sql =
        format!("CREATE DATABASE app TEMPLATE template0 ENCODING '{encoding}' {locale};\n");
    for setting in SETTINGS {
        if dice.chance(10) {
            sql.push_str(&format!("ALTER DATABASE app SET {setting};\n"));
        }
        if dice.chance(3) {
            sql.push_str(&format!(
                "ALTER ROLE r_app IN DATABASE app SET {setting};\n"
            ));
        }
        if dice.chance(2) {
            sql.push_str(&format!(
                "ALTER ROLE postgres IN DATABASE app SET {setting};\n"
            ));
        }
    }
    sql
}

fn schemas(dice: &mut Dice) -> String {
    let mut sql = "CREATE SCHEMA app;\n".to_owned();
    if dice.chance(50) {
        sql.push_str("ALTER SCHEMA app OWNER TO r_owner;\n");
    }
    sql.push_str("GRANT USAGE, CREATE ON SCHEMA app, public TO r_owner, r_app;\n");
    if dice.chance(30) {
        sql.push_str("COMMENT ON SCHEMA public IS 'ours';\n");
    }
    sql
}

/// The ingredient as somebody, in the schema that its session's search_path names first.
fn fill_in(dice: &mut Dice, one: &Ingredient, number: usize) -> String {
    let mut sql = one.sql.replace('@', &number.to_string());
    while let Some(begin) = sql.find("<<") {
        let end = begin + sql[begin..].find(">>").unwrap();
        let choices: Vec<&str> = sql[begin + 2..end].split('|').collect();
        let chosen = (*dice.pick(&choices)).to_owned();
        sql.replace_range(begin..end + 2, &chosen);
    }
    let plain =
        one.words.is_empty() && !sql.contains("\\connect") && !sql.contains("ALTER DATABASE");
    if plain && dice.chance(50) {
        let role = *dice.pick(&["r_owner", "r_app"]);
        return format!("SET SESSION AUTHORIZATION {role};\n{sql}");
    }
    sql
}

fn last(dice: &mut Dice) -> String {
    let mut sql = String::new();
    for (percent, statement) in [
        (30, "ALTER DATABASE app OWNER TO r_owner"),
        (20, "ALTER DATABASE app CONNECTION LIMIT 50"),
        (10, "ALTER DATABASE app IS_TEMPLATE true"),
        (20, "COMMENT ON DATABASE app IS 'it''s ours'"),
        (
            20,
            "GRANT CONNECT ON DATABASE app TO r_read WITH GRANT OPTION",
        ),
        (20, "REVOKE ALL ON DATABASE app FROM PUBLIC"),
    ] {
        if dice.chance(percent) {
            sql.push_str(statement);
            sql.push_str(";\n");
        }
    }
    sql
}
