//! What a person must read of a step that did not go well, a line each.

use std::fmt::Display;

use super::step::{Step, StepReport};
use crate::drill::AssertionResult;
use crate::model::attestation::{NOT_PROVEN, Verdict};
use crate::model::finding::Finding;
use crate::{drill, export, snapshot};

pub(super) fn notices(step: &Step) -> Vec<String> {
    match &step.result {
        Err(error) => vec![
            format!("error: {}", error.chain()),
            format!("hint: {}", error.advice()),
        ],
        Ok(StepReport::Export(report)) => export(report),
        Ok(StepReport::SnapshotCopy(report)) => snapshot_copy(report),
        Ok(StepReport::SnapshotExpire(report)) => {
            let mut lines = labelled("finding:", &report.findings);
            lines.extend(labelled("FAILED", &report.failures));
            lines
        }
        Ok(StepReport::Verify(report)) => {
            let mut lines = labelled("problem:", &report.problems);
            lines.extend(labelled("finding:", &report.findings));
            if !report.problems.is_empty() {
                let hold = if report.locked { "hold and " } else { "" };
                lines.push(format!("DAMAGED: {hold}restore another point"));
            }
            lines
        }
        Ok(StepReport::Drill(report)) => drill(report),
        Ok(StepReport::SnapshotDrill(report)) => snapshot_drill(report),
        Ok(StepReport::Promote(report)) => {
            let mut lines = labelled("finding:", &report.findings);
            lines.extend(labelled("FAILED", &report.failures));
            lines
        }
        Ok(StepReport::Status(report)) => labelled("finding:", &report.findings),
        Ok(StepReport::Collect(report)) => {
            let mut lines = labelled("FAILED", &report.failures);
            lines.extend(labelled("finding:", &report.findings));
            lines
        }
    }
}

fn labelled(label: &str, items: &[impl Display]) -> Vec<String> {
    items.iter().map(|item| format!("{label} {item}")).collect()
}

fn export(report: &export::Report) -> Vec<String> {
    let mut lines = labelled("finding:", &report.findings);
    for failure in &report.failures {
        let source = &failure.source;
        let name = match &failure.database {
            Some(database) => format!("{source}/{database}"),
            None => source.clone(),
        };
        lines.push(format!("FAILED {name}: {}", failure.error));
        lines.push(format!("hint: {}", failure.hint));
    }
    lines
}

fn snapshot_copy(report: &snapshot::copy::Report) -> Vec<String> {
    let mut lines = labelled("finding:", &report.findings);
    for failure in &report.failures {
        lines.push(format!("FAILED {}: {}", failure.source, failure.error));
        lines.push(format!("hint: {}", failure.hint));
    }
    lines
}

fn troubles(label: &str, troubles: &[Finding]) -> Vec<String> {
    let line = |one: &Finding| format!("{label}: {}: {}", one.what, one.why);
    troubles.iter().map(line).collect()
}

fn wrong_answer(database: &str, answer: &AssertionResult) -> Option<String> {
    (!answer.ok).then(|| format!("DOES NOT HOLD{database}: {}: {}", answer.name, answer.why))
}

fn drill(report: &drill::Report) -> Vec<String> {
    let answers = report.assertions.iter();
    let mut lines: Vec<String> = answers.filter_map(|one| wrong_answer("", one)).collect();
    lines.extend(troubles("missing", &report.failures));
    lines.extend(troubles("unproven", &report.unproven));
    lines.extend(troubles("finding", &report.findings));
    match report.verdict() {
        Verdict::Sound => {}
        Verdict::Failed => lines.push(report.not_sound().to_owned()),
        Verdict::Unproven => lines.push(format!("NOT PROVEN: it {NOT_PROVEN}")),
    }
    lines
}

fn snapshot_drill(report: &drill::spare::Report) -> Vec<String> {
    let asked = report.assertions.iter();
    let wrong = asked.filter_map(|one| wrong_answer(&format!(" in {}", one.database), &one.result));
    let mut lines: Vec<String> = wrong.collect();
    lines.extend(troubles("missing", &report.failures));
    lines.extend(troubles("finding", &report.findings));
    if report.spare.is_none() {
        lines.push("NOT SOUND: removed again; hold and drill another copy".to_owned());
    }
    lines
}
