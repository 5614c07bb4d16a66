//! One older point of each database whose exports name stored parts again.

use super::options::Options;
use super::steps::Newest;
use crate::error::Result;
use crate::model::manifest::Manifest;
use crate::random;
use crate::repository::{ListedPoint, MOST_PASSED_OVER, PointSelector, Selected};

/// Points drawn by chance, one of each of these databases but the newest one and those in `beside`.
///
/// Where each export stored everything, a point was as whole when it was drilled as its neighbours. Parts that many
/// points name are worth a second look: whoever damages one cannot know which point is drilled next.
pub(super) async fn by_chance(
    options: &Options<'_>,
    newest: &[Newest],
    beside: &[Selected],
) -> Result<Vec<Selected>> {
    let repository = options.repository()?;
    let (mut drawn, mut found) = (Vec::new(), None);
    for one in newest {
        let point = &one.point;
        // What keeps it from being opened keeps it from being drilled, which says so.
        let opened = options.open(point).await;
        if !opened.is_ok_and(|opened| names_parts_again(&opened.manifest)) {
            continue;
        }
        let found = match &found {
            Some(found) => found,
            None => found.insert(repository.find(None, None).await?),
        };
        let is_drilled = |other: &ListedPoint| {
            let mut drilled = std::iter::once(point).chain(beside);
            drilled.any(|one| is(one, other))
        };
        let others = found.iter();
        let others = others.filter(|other| is_of(point, other) && !is_drilled(other));
        let mut others: Vec<&ListedPoint> = others.collect();
        drawn.extend(draw(options, &mut others).await?);
    }
    Ok(drawn)
}

fn names_parts_again(manifest: &Manifest) -> bool {
    manifest.state.is_some()
}

fn is_of(point: &Selected, other: &ListedPoint) -> bool {
    other.source == point.source && other.database == point.database
}

fn is(point: &Selected, other: &ListedPoint) -> bool {
    is_of(point, other) && point.which == PointSelector::Id(other.id.clone())
}

/// One that can be trusted: `status` reports the others.
async fn draw(options: &Options<'_>, points: &mut Vec<&ListedPoint>) -> Result<Option<Selected>> {
    for _ in 0..MOST_PASSED_OVER.min(points.len()) {
        let number = usize::from_le_bytes(random::bytes()?);
        let one = points.swap_remove(number % points.len());
        let point = Selected {
            source: one.source.clone(),
            database: one.database.clone(),
            which: PointSelector::Id(one.id.clone()),
        };
        match options.open(&point).await {
            Ok(_) => return Ok(Some(point)),
            Err(error) if error.affects_every_point() => return Err(error),
            Err(_) => {}
        }
    }
    Ok(None)
}
