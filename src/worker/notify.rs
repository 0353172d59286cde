//! The notice that a run owes.

use crate::adapters::sns::{self, SnsTopic};
use crate::api::policy::Notice as Kind;
use crate::api::report::RunReport;
use crate::plan::notice::{Attribute, Notice, Origin, notice};

/// Tells the topic how a run ended, where the policy wants that told. Answers whether the notice
/// was sent; nothing where none is owed. The outcome of the run does not hang on it.
pub async fn notify(
    topic: &SnsTopic,
    wanted: &[Kind],
    origin: &Origin<'_>,
    report: &RunReport,
) -> Option<Result<(), String>> {
    let notice = notice(origin, report);
    if !wanted.is_empty() && !wanted.contains(&notice.kind) {
        return None;
    }
    match topic.publish(for_sns(&notice)).await {
        Ok(message) => {
            tracing::info!(message, subject = notice.subject, "notice sent");
            Some(Ok(()))
        }
        Err(error) => {
            tracing::error!(error = %error, subject = notice.subject, "notice not sent");
            Some(Err(error.to_string()))
        }
    }
}

fn for_sns(notice: &Notice) -> sns::Notice {
    let attribute = |(name, value): &(&'static str, Attribute)| {
        let value = match value {
            Attribute::Text(text) => sns::Attribute::String(text.clone()),
            Attribute::Number(number) => {
                sns::Attribute::Number(i64::try_from(*number).unwrap_or(i64::MAX))
            }
        };
        ((*name).to_owned(), value)
    };
    sns::Notice {
        subject: notice.subject.clone(),
        body: notice.body.clone(),
        attributes: notice.attributes.iter().map(attribute).collect(),
    }
}
