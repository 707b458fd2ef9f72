//! Path patterns of routes: literals, one-segment parameters `{name}`, and a last `{*name}` for the rest.

use std::fmt;

use thiserror::Error;

use crate::path::{CanonicalPath, PathError};

/// A path pattern such as `/v1/models/{model}/runs/{*rest}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    text: String,
    segments: Vec<Segment>,
}

/// One segment of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Matches itself, in canonical form.
    Literal(String),
    /// Matches one segment that is not empty.
    Parameter(String),
    /// Matches all that is left, at least one byte. Only last.
    Rest(String),
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PatternError {
    /// A literal segment that no canonical path could have.
    #[error("{0}, so that no request could match")]
    Path(PathError),
    /// Braces that do not enclose a whole segment, or a name with other than letters, digits and `_`.
    #[error("`{0}` is not a parameter: write a whole segment as {{name}}, or the last one as {{*name}}")]
    Parameter(String),
    /// `{*name}` before the end.
    #[error("`{0}` must be the last segment")]
    RestNotLast(String),
    /// A literal that is not written as it will be matched.
    #[error("write it as `{0}`, the form in which it is matched")]
    NotCanonical(String),
}

// === impl PathPattern ===

impl PathPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// See [`PatternError`].
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let rest = text.strip_prefix('/').ok_or(PatternError::Path(PathError::NotAbsolute))?;
        let mut segments = Vec::new();
        let count = rest.split('/').count();
        for (index, part) in rest.split('/').enumerate() {
            let segment = Segment::parse(part)?;
            let last = index + 1 == count;
            match &segment {
                Segment::Rest(_) if !last => return Err(PatternError::RestNotLast(part.to_owned())),
                Segment::Literal(literal) if literal.is_empty() && !last => {
                    return Err(PatternError::Path(PathError::EmptySegment));
                }
                _ => segments.push(segment),
            }
        }
        Ok(Self { text: text.to_owned(), segments })
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first segment that other routers read as a parameter, and that is matched here as it stands: `:name`, or one with `*`.
    #[must_use]
    pub fn foreign(&self) -> Option<&str> {
        let is_foreign = |literal: &&str| literal.starts_with(':') || literal.contains('*');
        let mut literals = self.segments.iter().filter_map(|segment| match segment {
            Segment::Literal(literal) => Some(literal.as_str()),
            Segment::Parameter(_) | Segment::Rest(_) => None,
        });
        literals.find(is_foreign)
    }

    /// The segments in order; a trailing slash gives an empty last literal.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Whether an escaped slash in segment `index` of a path would fall into this pattern's last parameter.
    #[must_use]
    pub fn is_in_last_parameter(&self, index: usize) -> bool {
        match self.segments.last() {
            Some(Segment::Rest(_)) => index + 1 >= self.segments.len(),
            Some(Segment::Parameter(_)) => index + 1 == self.segments.len(),
            _ => false,
        }
    }

    /// Whether this pattern alone, without regard to others, matches the path exactly.
    #[must_use]
    pub fn matches(&self, path: &CanonicalPath) -> bool {
        let mut parts = path.segments();
        for segment in &self.segments {
            match (segment, parts.next()) {
                (Segment::Rest(_), Some(first)) => return !first.is_empty() || parts.next().is_some(),
                (Segment::Literal(literal), Some(part)) if literal == part => {}
                (Segment::Parameter(_), Some(part)) if !part.is_empty() => {}
                _ => return false,
            }
        }
        parts.next().is_none()
    }

    /// Whether some path is matched by both, each alone.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        let (mut own, mut others) = (self.segments.iter(), other.segments.iter());
        loop {
            let fits = match (own.next(), others.next()) {
                (None, None) => return true,
                (Some(Segment::Rest(_)), Some(_)) | (Some(_), Some(Segment::Rest(_))) => return true,
                (Some(Segment::Literal(one)), Some(Segment::Literal(other))) => one == other,
                (Some(Segment::Literal(literal)), Some(Segment::Parameter(_)))
                | (Some(Segment::Parameter(_)), Some(Segment::Literal(literal))) => !literal.is_empty(),
                (Some(Segment::Parameter(_)), Some(Segment::Parameter(_))) => true,
                (Some(_), None) | (None, Some(_)) => false,
            };
            if !fits {
                return false;
            }
        }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

// === impl Segment ===

impl Segment {
    fn parse(part: &str) -> Result<Self, PatternError> {
        if part.contains(['{', '}']) {
            let inner = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            let named = inner.map(|inner| (inner.strip_prefix('*'), inner));
            return match named {
                Some((Some(name), _)) if is_name(name) => Ok(Self::Rest(name.to_owned())),
                Some((None, name)) if is_name(name) => Ok(Self::Parameter(name.to_owned())),
                _ => Err(PatternError::Parameter(part.to_owned())),
            };
        }
        let path = format!("/{part}");
        let canonical = CanonicalPath::parse(path.as_bytes()).map_err(PatternError::Path)?;
        if canonical.as_str() == path {
            Ok(Self::Literal(part.to_owned()))
        } else {
            Err(PatternError::NotCanonical(canonical.as_str()[1..].to_owned()))
        }
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_patterns_overlap_where_some_path_fits_both() {
        let overlap = |one: &str, other: &str| {
            let (one, other) = (PathPattern::parse(one).unwrap(), PathPattern::parse(other).unwrap());
            assert_eq!(one.overlaps(&other), other.overlaps(&one));
            one.overlaps(&other)
        };
        for (one, other) in [
            ("/{a}", "/x"),
            ("/x/{a}", "/{b}/y"),
            ("/{*all}", "/x/y/z"),
            ("/x/{*a}", "/{b}/{c}"),
            ("/x", "/x"),
        ] {
            assert!(overlap(one, other), "{one} {other}");
        }
        for (one, other) in [("/x", "/y"), ("/{a}", "/x/y"), ("/x/{*a}", "/y/{*a}"), ("/x/", "/x/{a}")] {
            assert!(!overlap(one, other), "{one} {other}");
        }
    }

    #[test]
    fn what_other_routers_read_as_a_parameter_is_told() {
        for (pattern, foreign) in
            [("/a/:id", Some(":id")), ("/a/*", Some("*")), ("/a/{id}/{*rest}", None), ("/models:run", None)]
        {
            assert_eq!(PathPattern::parse(pattern).unwrap().foreign(), foreign, "{pattern}");
        }
    }

    fn matches(pattern: &str, path: &str) -> bool {
        PathPattern::parse(pattern).unwrap().matches(&CanonicalPath::parse(path.as_bytes()).unwrap())
    }

    #[test]
    fn patterns_match_whole_segments() {
        assert!(matches("/", "/"));
        assert!(matches("/a/{id}", "/a/5"));
        assert!(!matches("/a/{id}", "/a/"));
        assert!(!matches("/a/{id}", "/a/5/6"));
        assert!(matches("/a/{*rest}", "/a/5/6"));
        assert!(matches("/{*rest}", "/a/"));
        assert!(!matches("/a/{*rest}", "/a/"));
        assert!(!matches("/a/{*rest}", "/a"));
        assert!(matches("/a/", "/a/"));
        assert!(!matches("/a", "/a/"));
    }

    #[test]
    fn patterns_that_could_never_match_are_refused() {
        for text in [
            "a",
            "/a//b",
            "/../a",
            "/{}",
            "/{a}{b}",
            "/x{a}",
            "/{*a}/b",
            "/%61",
            "/a;b",
            "/a b",
            "/%e2%82%ac",
        ] {
            assert!(PathPattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_last_parameter_is_known_by_its_segment() {
        let pattern = PathPattern::parse("/a/{b}/{c}").unwrap();
        assert_eq!([0, 1, 2].map(|index| pattern.is_in_last_parameter(index)), [false, false, true]);
        let rest = PathPattern::parse("/a/{*b}").unwrap();
        assert_eq!([0, 1, 2].map(|index| rest.is_in_last_parameter(index)), [false, true, true]);
    }
}
