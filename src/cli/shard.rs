//! Which shard of which run this is: as options say, or as the engine that started it does.

use std::collections::BTreeMap;

use crate::error::{Error, Result, ResultExt};
use crate::model::run::{MAX_SHARDS, RunText, Shard};

/// For any engine.
const INDEX: &str = "LIFEBOAT_INDEX";
const SHARDS: &str = "LIFEBOAT_SHARDS";
const RUN: &str = "LIFEBOAT_RUN";
/// Kubernetes, "Indexed Job": "the Job controller … sets the environment variable JOB_COMPLETION_INDEX". It sets
/// neither the number of completions nor an id of the run.
const KUBERNETES: &str = "JOB_COMPLETION_INDEX";
/// AWS Batch, "Job environment variables": "This variable is only set in child array jobs. The array job index begins at 0".
const BATCH: &str = "AWS_BATCH_JOB_ARRAY_INDEX";
/// "This variable is set to the size of the parent array job."
const BATCH_SIZE: &str = "AWS_BATCH_JOB_ARRAY_SIZE";
/// "The AWS Batch job ID": of a child the parent's, a colon, its index.
const BATCH_JOB: &str = "AWS_BATCH_JOB_ID";
/// Slurm, sbatch, "--array": "SLURM_ARRAY_TASK_ID will be set to the job array index value".
const SLURM: &str = "SLURM_ARRAY_TASK_ID";
/// "SLURM_ARRAY_TASK_COUNT will be set to the number of tasks in the job array": 1 for `--array=3`.
const SLURM_COUNT: &str = "SLURM_ARRAY_TASK_COUNT";
/// "SLURM_ARRAY_TASK_MIN will be set to the lowest job array index value."
const SLURM_MIN: &str = "SLURM_ARRAY_TASK_MIN";
/// "SLURM_ARRAY_JOB_ID will be set to the first job ID of the array."
const SLURM_JOB: &str = "SLURM_ARRAY_JOB_ID";

/// All that is looked at.
pub(super) const VARIABLES: [&str; 11] = [
    INDEX,
    SHARDS,
    RUN,
    KUBERNETES,
    BATCH,
    BATCH_SIZE,
    BATCH_JOB,
    SLURM,
    SLURM_COUNT,
    SLURM_MIN,
    SLURM_JOB,
];

/// Variables of the environment, as far as they are set and not empty.
pub(super) type Variables = BTreeMap<&'static str, String>;

/// Those of this process.
pub(super) fn variables() -> Result<Variables> {
    let mut found = Variables::new();
    for name in VARIABLES {
        if let Some(value) = std::env::var_os(name).filter(|value| !value.is_empty()) {
            let value = value.into_string().map_err(|_| {
                Error::usage(format!("{name} is not UTF-8")).hint("set it to a plain text")
            })?;
            found.insert(name, value);
        }
    }
    Ok(found)
}

/// The shard that options and variables name, and its run; `None`: none is named. What contradicts itself is refused.
pub(super) fn identify(
    shard: Option<&str>,
    run: Option<&str>,
    variables: &Variables,
) -> Result<Option<(Shard, RunText)>> {
    let given = shard
        .map(of_option)
        .transpose()
        .context(|| "--shard".to_owned())?;
    let numbers = |names: &[&'static str]| -> Result<Vec<(&'static str, u32)>> {
        let set = names
            .iter()
            .filter_map(|name| Some((*name, variables.get(name)?)));
        set.map(|(name, text)| Ok((name, number(name, text)?)))
            .collect()
    };
    let indexes = numbers(&[INDEX, KUBERNETES, BATCH, SLURM])?;
    let counts = numbers(&[SHARDS, BATCH_SIZE])?;
    let index = agreed(given.map(|shard| shard.index), &indexes, "the shard")?;
    let count = agreed(
        given.map(|shard| shard.count),
        &counts,
        "the number of shards",
    )?;
    if index.is_none() && count.is_none() && run.is_none() {
        return Ok(None);
    }
    let shard = one_of(index, count)?;
    let named = run.is_some() || variables.contains_key(RUN);
    if variables.contains_key(SLURM) {
        check_slurm(shard, named, variables)?;
    }
    Ok(Some((shard, run_text(run, variables)?)))
}

/// The shard of this index and this number of shards, each with who said so.
fn one_of(index: Option<(&str, u32)>, count: Option<(&str, u32)>) -> Result<Shard> {
    let (what, hint) = match (index, count) {
        (Some((name, index)), Some((_, count))) => return in_range(name, index, count),
        (Some((name, index)), None) => (
            format!("{name} says shard {index}, and nothing says of how many"),
            format!("set {SHARDS} to their number: this engine tells it to nobody"),
        ),
        (None, Some((name, count))) => (
            format!("{name} says {count} shards, and nothing says which one this is"),
            format!("pass --shard I/{count}, counted from 0, or set {INDEX}"),
        ),
        (None, None) => (
            "--run names a run, and nothing says which shard of it this is".to_owned(),
            "pass --shard I/N, counted from 0; or --collect".to_owned(),
        ),
    };
    Err(Error::usage(what).hint(hint))
}

/// `I/N`
fn of_option(text: &str) -> Result<Shard> {
    let wrong = || {
        Error::usage(format!("'{}' is not I/N", text.escape_debug()))
            .hint("for example 0/10: the first of ten, counted from 0")
    };
    let (index, count) = text.split_once('/').ok_or_else(wrong)?;
    let (index, count) = (index.parse(), count.parse());
    let (Ok(index), Ok(count)) = (index, count) else {
        return Err(wrong());
    };
    in_range("it", index, count)
}

fn in_range(name: &str, index: u32, count: u32) -> Result<Shard> {
    if !(1..=MAX_SHARDS).contains(&count) {
        return Err(Error::usage(format!("{count} is not a number of shards"))
            .hint(format!("1 to {MAX_SHARDS}")));
    }
    if index >= count {
        return Err(
            Error::usage(format!("{name} says shard {index}, and there are {count}"))
                .hint(format!("shards are counted from 0: 0 to {}", count - 1)),
        );
    }
    Ok(Shard { index, count })
}

fn number(name: &str, text: &str) -> Result<u32> {
    text.trim().parse().map_err(|_| {
        Error::usage(format!(
            "{name} is '{}', which is no number",
            text.escape_debug()
        ))
        .hint("a whole number, counted from 0")
    })
}

/// What all that say anything say, and who said it first.
fn agreed(
    given: Option<u32>,
    said: &[(&'static str, u32)],
    what: &str,
) -> Result<Option<(&'static str, u32)>> {
    let mut all = given
        .map(|value| ("--shard", value))
        .into_iter()
        .chain(said.iter().copied());
    let Some(first) = all.next() else {
        return Ok(None);
    };
    match all.find(|other| other.1 != first.1) {
        None => Ok(Some(first)),
        Some(other) => Err(Error::usage(format!(
            "{what}: {} says {}, and {} says {}",
            first.0, first.1, other.0, other.1
        ))
        .hint("leave out the one that is wrong: `env -u NAME lifeboat …` runs without a variable")),
    }
}

/// An array of other tasks than 0 to N-1 is a mistake, or a part of a run that is named.
fn check_slurm(shard: Shard, named: bool, variables: &Variables) -> Result<()> {
    let get = |name| {
        variables
            .get(name)
            .map(|text| number(name, text))
            .transpose()
    };
    let (tasks, first) = (get(SLURM_COUNT)?, get(SLURM_MIN)?);
    let Some(tasks) = tasks else { return Ok(()) };
    let last = shard.count - 1;
    if tasks > shard.count || (tasks == shard.count && first.is_some_and(|first| first > 0)) {
        return Err(Error::usage(format!(
            "the array has {tasks} tasks from {} on, and there are {} shards",
            first.unwrap_or_default(),
            shard.count
        ))
        .hint(format!("submit it with --array=0-{last}")));
    }
    if tasks < shard.count && !named {
        return Err(Error::usage(format!(
            "the array has {tasks} of {} tasks: the other shards of its run would never report",
            shard.count
        ))
        .hint(format!(
            "submit it with --array=0-{last}; or name the run that these tasks belong to, by --run or {RUN}"
        )));
    }
    Ok(())
}

fn run_text(run: Option<&str>, variables: &Variables) -> Result<RunText> {
    let get = |name| variables.get(name).map(String::as_str);
    // A child's job id is `parent:index`.
    let batch = || get(BATCH_JOB).filter(|_| get(BATCH).is_some());
    let batch = || Some(batch()?.split(':').next().unwrap_or_default());
    let slurm = || get(SLURM_JOB).filter(|_| get(SLURM).is_some());
    let (name, text) = match (run, get(RUN)) {
        (Some(run), _) => ("--run", Some(run)),
        (None, Some(run)) => (RUN, Some(run)),
        (None, None) => ("the job's id", batch().or_else(slurm)),
    };
    let text = text.ok_or_else(|| {
        Error::usage("nothing says which run this shard belongs to").hint(format!(
            "pass --run or set {RUN}, to the same text for all shards of a run and another one for each run: in Kubernetes \
             the label batch.kubernetes.io/controller-uid, else the date"
        ))
    })?;
    RunText::try_from(text.to_owned()).context(|| name.to_owned())
}

#[cfg(test)]
mod tests;
