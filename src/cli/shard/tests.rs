use super::*;
use crate::error::Kind;

type Asked<'a> = (
    Option<&'a str>,
    Option<&'a str>,
    &'a [(&'static str, &'a str)],
);

fn ask((shard, run, set): Asked<'_>) -> Result<Option<(u32, u32, String)>> {
    let set = set.iter().map(|(name, text)| (*name, (*text).to_owned()));
    let found = identify(shard, run, &set.collect())?;
    Ok(found.map(|(shard, run)| (shard.index, shard.count, run.as_str().to_owned())))
}

#[track_caller]
fn is(asked: Asked<'_>, index: u32, count: u32, run: &str) {
    let found = ask(asked).unwrap();
    assert_eq!(found, Some((index, count, run.to_owned())), "{asked:?}");
}

#[track_caller]
fn refused(asked: Asked<'_>, why: &str, hint: &str) {
    let error = ask(asked).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage, "{asked:?}");
    assert!(error.chain().contains(why), "{asked:?}: {}", error.chain());
    assert!(
        error.advice().contains(hint),
        "{asked:?}: {}",
        error.advice()
    );
}

const SLURM_OF_TEN: [(&str, &str); 5] = [
    ("SLURM_ARRAY_TASK_ID", "3"),
    ("SLURM_ARRAY_TASK_COUNT", "10"),
    ("SLURM_ARRAY_TASK_MIN", "0"),
    ("SLURM_ARRAY_JOB_ID", "4711"),
    ("LIFEBOAT_SHARDS", "10"),
];

fn slurm<'a>(changed: &[(&'static str, &'a str)]) -> Vec<(&'static str, &'a str)> {
    let kept = SLURM_OF_TEN
        .iter()
        .filter(|(name, _)| changed.iter().all(|one| one.0 != *name));
    kept.chain(changed)
        .copied()
        .filter(|(_, text)| !text.is_empty())
        .collect()
}

#[test]
fn a_night_without_engine_has_no_shards() {
    assert_eq!(ask((None, None, &[])).unwrap(), None);
    // A job of Batch or Slurm that is no array.
    let alone: &[(&str, &str)] = &[("AWS_BATCH_JOB_ID", "j"), ("SLURM_ARRAY_JOB_ID", "4711")];
    assert_eq!(ask((None, None, alone)).unwrap(), None);
}

#[test]
fn options_and_each_engine_name_shard_and_run() {
    is((Some("0/3"), Some("night"), &[]), 0, 3, "night");
    let any: &[(&str, &str)] = &[
        ("LIFEBOAT_INDEX", "2"),
        ("LIFEBOAT_SHARDS", "3"),
        ("LIFEBOAT_RUN", "r"),
    ];
    is((None, None, any), 2, 3, "r");
    is((Some("2/3"), Some("mine"), any), 2, 3, "mine");
    let kubernetes: &[(&str, &str)] = &[
        ("JOB_COMPLETION_INDEX", "1"),
        ("LIFEBOAT_SHARDS", "3"),
        ("LIFEBOAT_RUN", "uid"),
    ];
    is((None, None, kubernetes), 1, 3, "uid");
    let batch: &[(&str, &str)] = &[
        ("AWS_BATCH_JOB_ARRAY_INDEX", "4"),
        ("AWS_BATCH_JOB_ARRAY_SIZE", "5"),
        ("AWS_BATCH_JOB_ID", "8f1c-parent:4"),
    ];
    is((None, None, batch), 4, 5, "8f1c-parent");
    is((None, None, &slurm(&[])), 3, 10, "4711");
}

#[test]
fn a_part_of_a_slurm_array_is_no_run_of_its_own() {
    let third = slurm(&[
        ("SLURM_ARRAY_TASK_COUNT", "1"),
        ("SLURM_ARRAY_TASK_MIN", "3"),
    ]);
    refused((None, None, &third), "1 of 10 tasks", "--array=0-9");
    // Of a run that has a name it is the third shard, not shard 0 of 1.
    is((None, Some("4711"), &third), 3, 10, "4711");
    let from_one = slurm(&[("SLURM_ARRAY_TASK_MIN", "1")]);
    refused((None, None, &from_one), "from 1 on", "--array=0-9");
    let more = slurm(&[("SLURM_ARRAY_TASK_COUNT", "11")]);
    refused((None, Some("x"), &more), "11 tasks", "--array=0-9");
    let unknown = slurm(&[("LIFEBOAT_SHARDS", "")]);
    refused((None, None, &unknown), "of how many", "LIFEBOAT_SHARDS");
}

#[test]
fn what_is_out_of_range_contradicts_or_is_missing_is_refused() {
    let shards: &[(&str, &str)] = &[("LIFEBOAT_SHARDS", "3")];
    let index: &[(&str, &str)] = &[("LIFEBOAT_INDEX", "1")];
    let kubernetes: &[(&str, &str)] = &[("JOB_COMPLETION_INDEX", "1")];
    for (shard, why) in [
        ("3/3", "and there are 3"),
        ("0/0", "0 is not a number of shards"),
        ("0/10001", "not a number of shards"),
        ("1", "is not I/N"),
        ("-1/3", "is not I/N"),
        ("a/b", "is not I/N"),
    ] {
        refused((Some(shard), Some("r"), &[]), why, "");
    }
    refused(
        (Some("0/2"), Some("r"), shards),
        "LIFEBOAT_SHARDS says 3",
        "env -u",
    );
    refused(
        (Some("0/3"), Some("r"), kubernetes),
        "JOB_COMPLETION_INDEX says 1",
        "env -u",
    );
    refused(
        (None, Some("r"), kubernetes),
        "of how many",
        "LIFEBOAT_SHARDS",
    );
    refused((None, None, shards), "which one this is", "LIFEBOAT_INDEX");
    refused((None, Some("r"), &[]), "which shard", "--shard I/N");
    refused((Some("0/3"), None, &[]), "which run", "controller-uid");
    let both = [shards[0], index[0]];
    refused(
        (None, Some("a\nb"), &both),
        "cannot name a run",
        "control characters",
    );
    let text: &[(&str, &str)] = &[("LIFEBOAT_INDEX", "one"), ("LIFEBOAT_SHARDS", "3")];
    refused((None, Some("r"), text), "'one', which is no number", "");
    let beyond: &[(&str, &str)] = &[("LIFEBOAT_INDEX", "3"), ("LIFEBOAT_SHARDS", "3")];
    refused(
        (None, Some("r"), beyond),
        "LIFEBOAT_INDEX says shard 3",
        "0 to 2",
    );
}
