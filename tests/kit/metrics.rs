//! [`Metrics`]: one scrape of the ops listener.

/// The text of a scrape.
#[derive(Clone, Debug)]
pub struct Metrics(pub String);

// === impl Metrics ===

impl Metrics {
    /// The sum of all series of a name that carry these labels.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.series(name, labels).sum()
    }

    /// The same for counters of whole things.
    #[must_use]
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        self.sum(name, labels) as u64
    }

    /// How many series there are in all.
    #[must_use]
    pub fn series_count(&self) -> usize {
        self.lines().count()
    }

    fn series(&self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = f64> {
        let wanted: Vec<String> =
            labels.iter().map(|(label, value)| format!("{label}=\"{value}\"")).collect();
        self.lines().filter_map(move |line| {
            let (series, value) = line.rsplit_once(' ')?;
            let found = series.split('{').next() == Some(name);
            let labelled = wanted.iter().all(|label| series.contains(label.as_str()));
            if found && labelled { value.parse::<f64>().ok() } else { None }
        })
    }

    fn lines(&self) -> impl Iterator<Item = &str> {
        self.0.lines().filter(|line| !line.starts_with('#') && !line.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_found_by_name_and_labels() {
        let scrape = Metrics(
            "# HELP a b\na{x=\"1\",y=\"2\"} 3\na{x=\"1\",y=\"3\"} 4\nab{x=\"1\"} 9\nc 5\n".to_owned(),
        );
        assert_eq!(scrape.count("a", &[("x", "1")]), 7);
        assert_eq!(scrape.count("a", &[("x", "1"), ("y", "3")]), 4);
        assert_eq!(scrape.count("c", &[]), 5);
        assert_eq!(scrape.count("d", &[]), 0);
    }
}
