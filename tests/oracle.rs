//! The oracle: whole databases by seed go through stock tools and through lifeboat, as superuser and as a
//! master without superuser, as RDS has it. lifeboat is never worse than stock, never silent about rows, and says of
//! nothing that it is wrong where nothing is; a drill without a superuser calls nothing broken that a restore brings back.
//!
//! `LIFEBOAT_ORACLE_CASES` sets how many databases, 16 unless told; `LIFEBOAT_ORACLE_SEED` the first seed, 1 unless told. Stock: `pg_dumpall -g | psql`, then `pg_dump -C | pg_restore -C`.

mod holdings;
mod lane;
mod recipe;

use self::lane::Lane;
use self::recipe::Recipe;
use crate::support::Major;

fn number(variable: &str, otherwise: u64) -> u64 {
    let text = std::env::var(variable);
    text.map_or(otherwise, |text| text.parse().unwrap())
}

/// Every second seed: roles belong to a server, so each of the two lanes has servers of its own.
fn go(share: u64, trips: &[(Major, Major)]) {
    let first = number("LIFEBOAT_ORACLE_SEED", 1);
    let cases = number("LIFEBOAT_ORACLE_CASES", 16);
    assert!(
        Recipe::new(first, trips).contents.len() > 5,
        "the oracle has nothing to make databases of"
    );
    let mut lane = Lane::default();
    let mut wrong = Vec::new();
    for seed in (first..first + cases).filter(|seed| seed % 2 == share) {
        let recipe = Recipe::new(seed, trips);
        let verdict = lane.judge(&recipe);
        if !verdict.is_empty() {
            wrong.push(format!(
                "seed {seed}: {}\n{}",
                recipe.describe(),
                verdict.join("\n")
            ));
        }
        println!(
            "seed {seed}: {}",
            if verdict.is_empty() {
                "as stock, or better"
            } else {
                "WORSE"
            }
        );
    }
    assert!(
        wrong.is_empty(),
        "{} of {cases} databases came back worse:\n\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn databases_of_15_come_back_as_stock_brings_them_back() {
    go(0, &[(Major::Pg15, Major::Pg15), (Major::Pg15, Major::Pg18)]);
}

#[test]
#[ignore = "needs servers: bash tests/run.sh"]
fn databases_of_18_come_back_as_stock_brings_them_back() {
    go(1, &[(Major::Pg18, Major::Pg18), (Major::Pg15, Major::Pg18)]);
}
