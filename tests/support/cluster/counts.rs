//! What an API server says of its own work, in its metrics.

use std::collections::BTreeMap;

/// One reading of an API server's metrics.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Counts {
    samples: Vec<Sample>,
}

#[derive(Debug, Clone, PartialEq)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Counts {
    /// Reads the text form.
    pub fn parse(text: &str) -> Self {
        Counts { samples: text.lines().filter_map(sample).collect() }
    }

    /// The sum of all samples of this name whose labels include these.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |sample: &&Sample| {
            sample.name == name
                && labels
                    .iter()
                    .all(|(label, value)| sample.labels.get(*label).is_some_and(|have| have == value))
        };
        self.samples.iter().filter(fits).map(|sample| sample.value).sum()
    }

    /// Requests answered so far, by verb and resource.
    pub fn requests(&self) -> BTreeMap<(String, String), f64> {
        self.by_verb("apiserver_request_total")
    }

    /// Requests that stay open now, by verb and resource: the watches.
    pub fn open(&self) -> BTreeMap<(String, String), f64> {
        self.by_verb("apiserver_longrunning_requests")
    }

    fn by_verb(&self, name: &str) -> BTreeMap<(String, String), f64> {
        let mut found = BTreeMap::new();
        for sample in self.samples.iter().filter(|sample| sample.name == name) {
            let label = |label: &str| sample.labels.get(label).cloned().unwrap_or_default();
            let resource = match label("subresource") {
                subresource if subresource.is_empty() => label("resource"),
                subresource => format!("{}/{subresource}", label("resource")),
            };
            *found.entry((label("verb"), resource)).or_default() += sample.value;
        }
        found
    }
}

/// Reads `name{label="value",…} 1.5`; a comment gives none.
fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    if line.starts_with('#') {
        return None;
    }
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let pairs = labels.trim_end_matches('}').split("\",").filter_map(|pair| pair.split_once("=\""));
    let labels =
        pairs.map(|(label, value)| (label.to_owned(), value.trim_end_matches('"').to_owned())).collect();
    Some(Sample { name: name.to_owned(), labels, value: value.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_summed_by_their_labels() {
        let text = "# HELP apiserver_request_total x\n\
            apiserver_request_total{code=\"200\",resource=\"nodes\",subresource=\"\",verb=\"GET\"} 3\n\
            apiserver_request_total{code=\"404\",resource=\"nodes\",subresource=\"\",verb=\"GET\"} 1\n\
            apiserver_request_total{code=\"200\",resource=\"nodes\",subresource=\"status\",verb=\"PATCH\"} 2\n\
            process_cpu_seconds_total 1.5e+01\n";
        let counts = Counts::parse(text);
        let key = |verb: &str, resource: &str| (verb.to_owned(), resource.to_owned());
        let wanted = BTreeMap::from([(key("GET", "nodes"), 4.0), (key("PATCH", "nodes/status"), 2.0)]);
        assert_eq!(counts.requests(), wanted);
        assert!((counts.sum("apiserver_request_total", &[("code", "404")]) - 1.0).abs() < f64::EPSILON);
        assert!((counts.sum("process_cpu_seconds_total", &[]) - 15.0).abs() < f64::EPSILON);
    }
}
