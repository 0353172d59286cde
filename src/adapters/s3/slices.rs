//! Bodies in slices, so that a line that has gone silent is noticed while a body is sent.
//!
//! The SDK watches how fast it is asked for a body's pieces. A body in memory is one piece, asked
//! for at once; then nothing is left to watch. Signature and checksum are those of the whole.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The size of a slice: small beside what a slow line carries within a stall's grace.
const SLICE_BYTES: usize = 64 * 1024;

/// Cuts the body of every request. It must be the client's: those run before the operations',
/// and the SDK's watch is one of the latter.
#[derive(Debug)]
pub(super) struct Slicing;

#[dyn_dispatch_hint]
impl Intercept for Slicing {
    fn name(&self) -> &'static str {
        "Slicing"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.request_mut().body_mut();
        let whole = std::mem::replace(body, SdkBody::taken());
        *body = whole.map_preserve_contents(|whole| {
            SdkBody::from_body_1_x(Slices {
                whole,
                pending: Bytes::new(),
            })
        });
        Ok(())
    }
}

struct Slices {
    whole: SdkBody,
    pending: Bytes,
}

impl Body for Slices {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        while self.pending.is_empty() {
            match ready!(Pin::new(&mut self.whole).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.pending = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                other => return Poll::Ready(other),
            }
        }
        let length = self.pending.len().min(SLICE_BYTES);
        let slice = self.pending.split_to(length);
        Poll::Ready(Some(Ok(Frame::data(slice))))
    }

    fn is_end_stream(&self) -> bool {
        self.pending.is_empty() && self.whole.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let pending_bytes = u64::try_from(self.pending.len()).unwrap_or(u64::MAX);
        let rest = self.whole.size_hint();
        match rest.exact() {
            Some(rest_bytes) => SizeHint::with_exact(rest_bytes.saturating_add(pending_bytes)),
            None => rest,
        }
    }
}
