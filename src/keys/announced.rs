//! Keys that are believed because a pinned one announced them.

use crate::progress::Progress;
use crate::repository::Repository;

/// Notes those that reading the repository needed so far.
pub(crate) async fn note_all(repository: &Repository, progress: &dyn Progress) {
    for chain in repository.accepted_announcements().await {
        for one in chain.iter().rev() {
            progress.note(&format!(
                "the verification key {} is not pinned, but {} announced it at {}: put it onto the sheet and into trust",
                one.key, one.by, one.announced_at
            ));
        }
    }
}
