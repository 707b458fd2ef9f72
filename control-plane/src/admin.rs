//! [`Admin`]: the one caller of the management API, known by a token.

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::Response;
use domain::Secret;
use subtle::ConstantTimeEq;

use crate::problem::Problem;

/// The digest of the administrator's token. Without one the API is closed.
#[derive(Clone)]
pub(crate) struct Admin {
    digest: Option<[u8; 32]>,
}

// === impl Admin ===

impl Admin {
    pub(crate) fn new(token: Option<&Secret>) -> Self {
        Self { digest: token.map(|token| digest(token.expose().as_bytes())) }
    }

    /// Digests are compared, so that neither the token's length nor its first letters show in the time it takes (O5).
    fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let expected = self.digest.ok_or(Problem::Closed)?;
        let mut shown = headers.get_all(AUTHORIZATION).iter();
        let (Some(field), None) = (shown.next(), shown.next()) else { return Err(Problem::Unauthorized) };
        let (scheme, token) = field.as_bytes().split_at_checked(7).ok_or(Problem::Unauthorized)?;
        let is_bearer = scheme.eq_ignore_ascii_case(b"bearer ");
        if is_bearer && bool::from(digest(token.trim_ascii()).ct_eq(&expected)) {
            Ok(())
        } else {
            Err(Problem::Unauthorized)
        }
    }
}

/// Lets nobody else through, not even to learn which paths there are.
pub(crate) async fn require(
    State(admin): State<Admin>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    admin.check(request.headers())?;
    Ok(next.run(request).await)
}

fn digest(token: &[u8]) -> [u8; 32] {
    *blake3::hash(token).as_bytes()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn check(admin: &Admin, field: &'static str) -> bool {
        admin.check(&HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(field))])).is_ok()
    }

    #[test]
    fn o5_only_the_whole_token_opens() {
        let admin = Admin::new(Some(&Secret::new("correct horse".to_owned())));
        assert!(check(&admin, "Bearer correct horse"));
        assert!(check(&admin, "bearer correct horse"));
        for field in
            ["Bearer correct hors", "Bearer correct horse2", "Bearer ", "Basic correct horse", "B", ""]
        {
            assert!(!check(&admin, field), "{field}");
        }
        assert!(admin.check(&HeaderMap::new()).is_err());
    }

    #[test]
    fn two_tokens_are_none() {
        let admin = Admin::new(Some(&Secret::new("a".to_owned())));
        let mut headers = HeaderMap::new();
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        headers.append(AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        assert!(admin.check(&headers).is_err());
    }

    #[test]
    fn without_a_token_it_is_closed_even_to_an_empty_one() {
        let admin = Admin::new(None);
        assert!(!check(&admin, "Bearer "));
    }
}
