//! [`Finding`]: one thing that was looked at, and all of them as text and as JSON.

use serde_json::{Value, json};

/// One thing that was looked at, or would have been.
pub(super) struct Finding {
    pub(super) what: String,
    /// None where all is well; else what is wrong and what to do.
    pub(super) wrong: Option<String>,
    /// Whether the exit code is about it: what the API's providers look after is theirs.
    pub(super) decides: bool,
    /// Why it was not looked at, where it was not and that is nobody's fault.
    passed_over: Option<String>,
}

pub(super) fn healthy(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.wrong.is_none() || !finding.decides)
}

pub(super) fn as_json(findings: &[Finding]) -> Value {
    let finding = |finding: &Finding| {
        json!({
            "what": finding.what, "ok": finding.wrong.is_none(), "wrong": finding.wrong, "decides": finding.decides,
            "passed_over": finding.passed_over
        })
    };
    json!({ "healthy": healthy(findings), "findings": findings.iter().map(finding).collect::<Vec<_>>() })
}

pub(super) fn as_text(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.what.len()).max().unwrap_or_default();
    let line = |finding: &Finding| {
        let (word, told) = match (&finding.wrong, &finding.passed_over) {
            (Some(wrong), _) if finding.decides => ("WRONG: ", wrong.as_str()),
            (Some(wrong), _) => ("to know: ", wrong.as_str()),
            (None, Some(why)) => ("not looked at: ", why.as_str()),
            (None, None) => ("ok", ""),
        };
        format!("{:<width$}  {word}{}", finding.what, told.replace('\n', "\n    "))
    };
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

// === impl Finding ===

impl Finding {
    pub(super) fn new(what: &str, wrong: Option<String>) -> Self {
        Self { what: what.to_owned(), wrong, decides: true, passed_over: None }
    }

    /// The exit code is not about it.
    pub(super) fn told(what: &str, wrong: Option<String>) -> Self {
        Self { decides: false, ..Self::new(what, wrong) }
    }

    pub(super) fn passed_over(what: &str, why: &str) -> Self {
        Self { passed_over: Some(why.to_owned()), ..Self::new(what, None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_called_so_where_the_exit_code_says_it_too_and_nowhere_else() {
        let wrong = || Some("why".to_owned());
        let findings = [
            Finding::new("good", None),
            Finding::told("told", wrong()),
            Finding::passed_over("other", "it is elsewhere"),
        ];
        assert!(healthy(&findings));
        assert_eq!(
            as_text(&findings),
            "good   ok\ntold   to know: why\nother  not looked at: it is elsewhere"
        );
        let findings = [Finding::new("bad", wrong())];
        assert!(!healthy(&findings) && as_text(&findings) == "bad  WRONG: why");
    }
}
