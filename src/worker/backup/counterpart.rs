//! The segment of the parent that the rows since a cut may turn out to be.

use std::ops::Range;
use std::sync::Arc;

use super::parent::ParentSegment;

/// Follows rows as long as they have, one after the other, the paths of one segment.
#[derive(Default)]
pub(super) struct Counterpart {
    segment: Option<Arc<ParentSegment>>,
    next: usize,
    has_parted: bool,
}

impl Counterpart {
    /// Rows came whose paths are these of a segment.
    pub(super) fn follow(&mut self, segment: &Arc<ParentSegment>, rows: Range<usize>) {
        let own = self.segment.get_or_insert_with(|| segment.clone());
        if Arc::ptr_eq(own, segment) && rows.start == self.next {
            self.next = rows.end;
        } else {
            self.part();
        }
    }

    /// A row came that the parent does not have.
    pub(super) fn part(&mut self) {
        self.has_parted = true;
    }

    /// Ends here, and begins anew: the segment, where all its paths came and no others.
    pub(super) fn take(&mut self) -> Option<Arc<ParentSegment>> {
        let Self {
            segment,
            next,
            has_parted,
        } = std::mem::take(self);
        segment.filter(|segment| !has_parted && next == segment.deciding.len())
    }
}
