//! Paths of keys as people read them, and the known key that an unknown one was likely meant to be.

/// Longest part of a text from the file that a message repeats, in characters.
const SHOWN_CHARACTERS_MAX: usize = 64;

/// `section` and a key in it.
pub(super) fn join(section: &str, key: &str) -> String {
    let bare =
        !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    let key = if bare { printable(key) } else { format!("\"{}\"", printable(key)) };
    if section.is_empty() { key } else { format!("{section}.{key}") }
}

/// `path` and a place in it.
pub(super) fn index(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

/// The JSON pointer of a path that [`join`] and [`index`] made.
pub(super) fn pointer(path: &str) -> String {
    let mut keys = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (key, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                // Its end is a quote before the next key, index or the end: within a name it is followed by something else.
                let ends =
                    |at: &usize| quoted[at + 1..].chars().next().is_none_or(|next| ".[".contains(next));
                let end = quoted.match_indices('"').map(|(at, _)| at).find(ends).unwrap_or(quoted.len());
                (&quoted[..end], quoted.get(end + 1..).unwrap_or(""))
            }
            None => rest.split_at(rest.find(['.', '[', ']']).unwrap_or(rest.len())),
        };
        keys.push(key);
        rest = after.trim_start_matches(']').trim_start_matches(['.', '[']);
    }
    crate::document::pointer(&keys)
}

/// Without control characters, and not longer than a message should be.
pub(super) fn printable(text: &str) -> String {
    let mut shown: String = text.chars().filter(|character| !character.is_control()).collect();
    if let Some((end, _)) = shown.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        shown.truncate(end);
        shown.push('…');
    }
    shown
}

/// The one of `known` that `given` is nearest to, where it is near.
pub(super) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = given.to_ascii_lowercase().replace('-', "_");
    let near = known.into_iter().filter_map(|name| {
        let distance = strsim::damerau_levenshtein(&folded, &name.to_ascii_lowercase().replace('-', "_"));
        let allowed = (name.chars().count() / 3).clamp(1, 4);
        (distance <= allowed).then_some((distance, name))
    });
    near.min().map(|(_, name)| name)
}

/// `, did you mean ...?`, or nothing.
pub(super) fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    // Strings from outside may be long, and the distance is quadratic.
    let given: String = given.chars().take(SHOWN_CHARACTERS_MAX).collect();
    nearest(&given, known).map_or_else(String::new, |name| format!(", did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_key_is_suggested_and_a_far_one_is_not() {
        let known = ["price", "path", "methods", "read_timeout"];
        assert_eq!(nearest("prise", known), Some("price"));
        assert_eq!(nearest("pirce", known), Some("price"));
        assert_eq!(nearest("read-timeout", known), Some("read_timeout"));
        assert_eq!(nearest("timeout_read", known), None);
        assert_eq!(nearest("x", known), None);
    }

    #[test]
    fn paths_quote_what_is_no_bare_key() {
        assert_eq!(join("a[0]", "b-c"), "a[0].b-c");
        assert_eq!(join("", "b c"), "\"b c\"");
        assert_eq!(join("a", ""), "a.\"\"");
    }

    #[test]
    fn paths_become_pointers() {
        let path = join(&index(&index(&join("", "upstream"), 0), 12), "x-y");
        assert_eq!((path.as_str(), pointer(&path).as_str()), ("upstream[0][12].x-y", "/upstream/0/12/x-y"));
        let path = join(&join(&join("a", "b c"), "d.\"e/~"), "f");
        assert_eq!(pointer(&path), "/a/b c/d.\"e~1~0/f");
        assert_eq!(pointer(""), "");
    }
}
