use super::*;
use crate::captures::CHALLENGE;

#[test]
fn the_reference_servers_challenge_is_read_and_written_as_it_was() {
    let value = header::encode(CHALLENGE.as_bytes());
    let challenge = PaymentRequired::parse(value.as_bytes()).unwrap().unwrap();
    assert_eq!(challenge.accepts[0].amount, "1000");
    assert_eq!(challenge.to_header(), value);
}

#[test]
fn nulls_are_absent_and_absent_is_not_written() {
    let text = r#"{"x402Version":2,"error":null,"resource":null,"accepts":[],"extensions":null}"#;
    let challenge = PaymentRequired::parse(header::encode(text.as_bytes()).as_bytes()).unwrap().unwrap();
    let written = header::decode(challenge.to_header().as_bytes()).unwrap();
    assert_eq!(String::from_utf8(written).unwrap(), r#"{"x402Version":2,"accepts":[]}"#);
}

#[test]
fn what_is_no_challenge_is_none() {
    assert_eq!(PaymentRequired::parse(b"e30="), Ok(None));
    assert_eq!(PaymentRequired::parse(b"not base64!"), Err(HeaderError::NotBase64));
}

#[test]
fn other_alphabets_than_ascii_survive() {
    let mut challenge =
        PaymentRequired::parse(header::encode(CHALLENGE.as_bytes()).as_bytes()).unwrap().unwrap();
    challenge.accepts[0].extra.insert("name".to_owned(), Value::from("USD₮0"));
    let again = PaymentRequired::parse(challenge.to_header().as_bytes()).unwrap();
    assert_eq!(again, Some(challenge));
}

#[test]
fn the_extension_is_declared_as_stock_clients_look_for_it() {
    let extension = payment_identifier_extension();
    assert_eq!(extension["info"], json!({ "required": false }));
    let id = &extension["schema"]["properties"]["id"];
    assert_eq!((&id["minLength"], &id["maxLength"]), (&json!(16), &json!(128)));
    assert_eq!(id["pattern"], "^[a-zA-Z0-9_-]+$");
}
