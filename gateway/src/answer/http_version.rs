//! The version of an answer. Every intermediary speaks its own (RFC 9110 section 2.5): what a client sees of HTTP/1 is
//! Pingora's, whatever the upstream speaks.

use http::Version;
use http::header::TRANSFER_ENCODING;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

/// Answers in our version. HTTP/1.0 knows no chunks (RFC 9112 section 6.1): its body ends with the connection.
pub(crate) fn speak(session: &mut Session, response: &mut ResponseHeader) {
    if session.is_http2() {
        return;
    }
    response.set_version(Version::HTTP_11);
    let is_old = session.req_header().version < Version::HTTP_11;
    if is_old && response.remove_header(&TRANSFER_ENCODING).is_some() {
        session.set_keepalive(None);
    }
}
