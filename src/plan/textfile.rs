//! A plain host's metrics, as the text that `node_exporter`'s textfile collector reads.
//!
//! The file is also the host's memory: a run that failed says nothing about the last success, and
//! the store may be what cannot be reached. So what the file said before is kept where a newer
//! answer is missing, and what the run's report knows of restore points is added to it.

use jiff::Timestamp;

use super::metrics::{
    self, LAST_RESTORE_POINT, LAST_SUCCESS, METRICS, Metric, OF_SOURCE, SUCCESS_DUE, Sample,
};
use super::schedule::Owner;
use super::{due, history};
use crate::api::policy::BackupPolicySpec;
use crate::api::report::RunReport;
use crate::api::status::SourceStatus;

/// The metrics of one policy on one host.
#[derive(Clone, Debug, PartialEq)]
pub struct Textfile {
    namespace: String,
    policy: String,
    lines: Vec<Line>,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
struct Line {
    metric: Metric,
    source: String,
    label: Option<String>,
    value: f64,
}

/// A label's name and value.
type Label<'a> = (&'a str, &'a str);

/// The file is another policy's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("holds the metrics of policy {namespace}/{policy}: give each policy a file of its own")]
pub struct OtherPolicy {
    /// The other policy's namespace.
    pub namespace: String,
    /// The other policy's name.
    pub policy: String,
}

impl Textfile {
    /// Reads what was written before. Lines that this version does not know are dropped.
    ///
    /// # Errors
    /// When it is about another policy, whose metrics would be lost.
    pub fn parse(text: &str, namespace: &str, policy: &str) -> Result<Self, OtherPolicy> {
        let mut lines = Vec::new();
        for line in text.lines() {
            let Some((metric, labels, value)) = split(line) else {
                continue;
            };
            let find = |wanted| labels.iter().find(|(name, _)| *name == wanted);
            let (Some((_, in_namespace)), Some((_, of_policy)), Some((_, source))) =
                (find("namespace"), find("policy"), find("source"))
            else {
                continue;
            };
            if (*in_namespace, *of_policy) != (namespace, policy) {
                return Err(OtherPolicy {
                    namespace: (*in_namespace).to_owned(),
                    policy: (*of_policy).to_owned(),
                });
            }
            let label = labels.iter().find(|(name, _)| !OF_SOURCE.contains(name));
            lines.push(Line {
                metric,
                source: (*source).to_owned(),
                label: label.map(|(_, value)| (*value).to_owned()),
                value,
            });
        }
        Ok(Self {
            namespace: namespace.to_owned(),
            policy: policy.to_owned(),
            lines,
        })
    }

    /// Drops what is told of sources that the policy no longer has.
    pub fn keep(&mut self, spec: &BackupPolicySpec) {
        self.lines
            .retain(|line| spec.sources.iter().any(|source| source.name == line.source));
    }

    /// Tells how a run of a source ended.
    pub fn note(&mut self, spec: &BackupPolicySpec, source: &str, report: &RunReport) {
        let mut status = SourceStatus {
            name: source.to_owned(),
            last_success_time: self.time(LAST_SUCCESS, source),
            last_restore_point_time: self.time(LAST_RESTORE_POINT, source),
            ..SourceStatus::default()
        };
        history::fold(&mut status, std::slice::from_ref(report));
        let mut samples = metrics::of_source(&status);
        if let Some(expected) = self.expectation(spec, &status, report) {
            samples.extend(metrics::of_expectation(expected));
        }
        self.replace(source, &samples);
    }

    /// The text, with what belongs to a metric together, as the format asks for.
    /// <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        for metric in METRICS {
            let lines = self.lines.iter().filter(|line| line.metric == *metric);
            let lines: Vec<String> = lines.map(|line| self.line(line)).collect();
            if !lines.is_empty() {
                let Metric {
                    name, kind, help, ..
                } = metric;
                text.extend([format!("# HELP {name} {help}\n# TYPE {name} {kind}\n")]);
                text.extend(lines);
            }
        }
        text
    }

    /// What is expected of the source from now on. Until its first success, the first due time
    /// stands: failing again does not put it off.
    fn expectation(
        &self,
        spec: &BackupPolicySpec,
        status: &SourceStatus,
        report: &RunReport,
    ) -> Option<due::Expectation> {
        let owner = Owner {
            namespace: &self.namespace,
            policy: &self.policy,
            source: &status.name,
        };
        let since = status.last_success_time.unwrap_or(report.start_time);
        let mut expected = due::expectation(spec.into(), owner, since)?;
        if status.last_success_time.is_none()
            && let Some(due) = &mut expected.success_due
            && let Some(earlier) = self.time(SUCCESS_DUE, &status.name)
        {
            *due = earlier.min(*due);
        }
        Some(expected)
    }

    fn replace(&mut self, source: &str, samples: &[Sample]) {
        self.lines.retain(|line| line.source != source);
        self.lines.extend(samples.iter().map(|sample| Line {
            metric: sample.metric,
            source: source.to_owned(),
            label: sample.label.map(ToOwned::to_owned),
            value: sample.value,
        }));
    }

    fn time(&self, metric: Metric, source: &str) -> Option<Timestamp> {
        let line = self
            .lines
            .iter()
            .find(|line| line.metric == metric && line.source == source)?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a time is whole seconds, and one beyond all bounds is refused below"
        )]
        Timestamp::from_second(line.value as i64).ok()
    }

    /// Names are checked ones and labels come from closed enums: nothing has to be escaped.
    fn line(&self, line: &Line) -> String {
        let values = [
            self.namespace.as_str(),
            self.policy.as_str(),
            line.source.as_str(),
        ];
        let values = values.into_iter().chain(line.label.as_deref());
        let labels: Vec<String> = line
            .metric
            .labels
            .iter()
            .zip(values)
            .map(|(name, value)| format!("{name}=\"{value}\""))
            .collect();
        format!(
            "{}{{{}}} {}\n",
            line.metric.name,
            labels.join(","),
            line.value
        )
    }
}

/// A line as [`Textfile::render`] writes it, taken apart.
fn split(line: &str) -> Option<(Metric, Vec<Label<'_>>, f64)> {
    let (name, rest) = line.split_once('{')?;
    let (labels, value) = rest.split_once("} ")?;
    let metric = METRICS.iter().find(|metric| metric.name == name)?;
    let labels = labels.split(',').map(|label| {
        let (name, value) = label.split_once('=')?;
        Some((name, value.strip_prefix('"')?.strip_suffix('"')?))
    });
    Some((*metric, labels.collect::<Option<_>>()?, value.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::outcome::Outcome;

    fn spec(sources: &[&str]) -> BackupPolicySpec {
        let sources: Vec<String> = sources
            .iter()
            .map(|name| format!("{{name: {name}, path: {{directory: /srv}}}}"))
            .collect();
        let yaml = format!(
            "{{schedule: 0 2 * * *, sources: [{}], categories: [], storage: {{region: eu-south-1}}}}",
            sources.join(", ")
        );
        serde_saphyr::from_str(&yaml).expect("a spec")
    }

    fn report(end: &str, outcome: Outcome) -> RunReport {
        serde_json::from_value(serde_json::json!({
            "version": 1, "run": end, "epoch": 1, "phase": "Done",
            "outcome": outcome, "reason": "Complete", "startTime": end, "completionTime": end,
            "files": {"uploaded": 3}, "bytes": {}, "requests": {"PutObject": 3},
        }))
        .expect("a report")
    }

    fn after(text: &str, source: &str, report: &RunReport) -> String {
        let spec = spec(&["files", "mail"]);
        let mut file = Textfile::parse(text, "default", "office").expect("this policy's");
        file.keep(&spec);
        file.note(&spec, source, report);
        file.render()
    }

    #[track_caller]
    fn value(text: &str, start: &str) -> String {
        let line = text.lines().find_map(|line| line.strip_prefix(start));
        line.unwrap_or_else(|| panic!("{start} is not in\n{text}"))
            .to_owned()
    }

    const LAST_SUCCESS_OF_FILES: &str = "backstay_last_success_timestamp_seconds\
        {namespace=\"default\",policy=\"office\",source=\"files\"} ";
    const DUE_OF_FILES: &str = "backstay_success_due_timestamp_seconds\
        {namespace=\"default\",policy=\"office\",source=\"files\"} ";

    #[test]
    fn a_failed_run_leaves_the_last_success_as_it_was() {
        let first = after(
            "",
            "files",
            &report("2026-11-01T02:10:00Z", Outcome::Succeeded),
        );
        assert_eq!(value(&first, LAST_SUCCESS_OF_FILES), "1793499000");
        let second = after(
            &first,
            "files",
            &report("2026-11-02T02:10:00Z", Outcome::Failed),
        );
        assert_eq!(value(&second, LAST_SUCCESS_OF_FILES), "1793499000");
        assert_eq!(value(&second, DUE_OF_FILES), value(&first, DUE_OF_FILES));
        let failed = "backstay_last_run_outcome\
            {namespace=\"default\",policy=\"office\",source=\"files\",outcome=\"Failed\"} ";
        assert_eq!(value(&second, failed), "1");
    }

    #[test]
    fn before_the_first_success_failing_again_does_not_put_it_off() {
        let first = after(
            "",
            "files",
            &report("2026-11-01T02:10:00Z", Outcome::Failed),
        );
        let second = after(
            &first,
            "files",
            &report("2026-11-02T02:10:00Z", Outcome::Failed),
        );
        assert_eq!(value(&second, DUE_OF_FILES), value(&first, DUE_OF_FILES));
        assert!(!second.contains(LAST_SUCCESS_OF_FILES));
    }

    #[test]
    fn other_sources_are_kept_while_the_policy_has_them() {
        let first = after(
            "",
            "files",
            &report("2026-11-01T02:10:00Z", Outcome::Succeeded),
        );
        let both = after(
            &first,
            "mail",
            &report("2026-11-01T03:10:00Z", Outcome::Partial),
        );
        assert_eq!(value(&both, LAST_SUCCESS_OF_FILES), "1793499000");
        let mut file = Textfile::parse(&both, "default", "office").unwrap();
        assert_eq!(file.render(), both);
        file.keep(&spec(&["mail"]));
        let text = file.render();
        assert!(text.contains("source=\"mail\"") && !text.contains("source=\"files\""));
    }

    #[test]
    fn what_belongs_to_a_metric_stands_together_under_its_help() {
        let first = after(
            "",
            "files",
            &report("2026-11-01T02:10:00Z", Outcome::Succeeded),
        );
        let both = after(
            &first,
            "mail",
            &report("2026-11-01T03:10:00Z", Outcome::Succeeded),
        );
        let names = both.lines().map(|line| {
            let line = line.strip_prefix("# HELP ").unwrap_or(line);
            let line = line.strip_prefix("# TYPE ").unwrap_or(line);
            line.split(['{', ' ']).next().unwrap().to_owned()
        });
        let mut names: Vec<String> = names.collect();
        names.dedup();
        let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
        assert_eq!(names.len(), distinct.len(), "{both}");
    }

    #[test]
    fn another_policys_file_is_refused_and_what_is_no_metric_is_dropped() {
        let text = after(
            "",
            "files",
            &report("2026-11-01T02:10:00Z", Outcome::Succeeded),
        );
        let error = Textfile::parse(&text, "default", "mail").unwrap_err();
        assert_eq!(error.policy, "office");
        let odd =
            "node_load1 3\nbackstay_waiting{\nbackstay_last_success_timestamp_seconds{a=\"b\"} x\n";
        let file = Textfile::parse(odd, "default", "mail").unwrap();
        assert_eq!(file.render(), "");
    }
}
