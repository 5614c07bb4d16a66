//! The configured assertions.

use jiff::SignedDuration;

use crate::config::drill::{Assert, Must as Configured};
use crate::drill::{Assertion, Must, Question};
use crate::error::{Result, ResultExt};

pub(super) fn questions(configured: &[Assert]) -> Result<Vec<Question>> {
    configured.iter().map(question).collect()
}

fn question(one: &Assert) -> Result<Question> {
    let must = match &one.must {
        Configured::Equal(value) => Must::Equal(value.clone()),
        Configured::AtLeast(least) => Must::AtLeast(*least),
        Configured::WithinPercent(percent) => Must::Within { percent: *percent },
        Configured::NotOlder(age) => Must::NotOlder(
            SignedDuration::try_from(*age).context(|| format!("assertion '{}'", one.name))?,
        ),
    };
    Ok(Question {
        source: one.source.clone(),
        database: one.database.clone(),
        assertion: Assertion {
            name: one.name.clone(),
            sql: one.sql.clone(),
            must,
        },
    })
}
