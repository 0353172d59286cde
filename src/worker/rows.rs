//! The rows of a restore point, segment by segment.

use crate::adapters::segment::{self, Batch};
use crate::adapters::store::Store;
use crate::api::catalog::SegmentRef;
use crate::plan::location::Location;
use crate::worker::failure::Failure;
use crate::worker::repository::read_object;

/// Reads one segment: its hash is verified before anything of it is parsed.
pub async fn read_segment<S: Store>(
    store: &S,
    location: &Location,
    reference: &SegmentRef,
) -> Result<Batch, Failure> {
    let bytes = read_object(store, location, &reference.object).await?;
    segment::decode(reference, bytes)
        .map_err(|error| Failure::integrity(format!("{}: {error}", reference.object.key)))
}
