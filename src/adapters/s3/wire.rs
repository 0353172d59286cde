//! What goes over the wire: how many requests, and what time it is at the other end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_s3::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint;
use aws_smithy_runtime_api::client::orchestrator::Metadata;

/// Counts a client's requests and notes the time of its answers. Clones share the notes.
#[derive(Clone, Debug, Default)]
pub(super) struct Wire(Arc<Mutex<Notes>>);

#[derive(Debug, Default)]
struct Notes {
    requests: BTreeMap<String, u64>,
    last_answer: Option<jiff::Timestamp>,
}

impl Wire {
    pub(super) fn requests(&self) -> BTreeMap<String, u64> {
        self.notes().requests.clone()
    }

    pub(super) fn last_answer(&self) -> Option<jiff::Timestamp> {
        self.notes().last_answer
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        // Each change of the notes is one step, so a panic cannot leave them half made.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[dyn_dispatch_hint]
impl Intercept for Wire {
    fn name(&self) -> &'static str {
        "Wire"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = config.load::<Metadata>().map_or("Unknown", Metadata::name);
        *self
            .notes()
            .requests
            .entry(operation.to_owned())
            .or_default() += 1;
        Ok(())
    }

    fn read_after_transmit(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        if let Some(date) = date.and_then(parse_date) {
            self.notes().last_answer = Some(date);
        }
        Ok(())
    }
}

/// Counts the attempts of one request.
#[derive(Clone, Debug, Default)]
pub(super) struct Attempts(Arc<AtomicU32>);

impl Attempts {
    pub(super) fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

#[dyn_dispatch_hint]
impl Intercept for Attempts {
    fn name(&self) -> &'static str {
        "Attempts"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

fn parse_date(date: &str) -> Option<jiff::Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(date)
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_and_nonsense_is_ignored() {
        let date = parse_date("Wed, 12 Oct 2022 17:50:00 GMT").expect("a date as HTTP has it");
        assert_eq!(date.to_string(), "2022-10-12T17:50:00Z");
        assert_eq!(parse_date("yesterday"), None);
    }
}
