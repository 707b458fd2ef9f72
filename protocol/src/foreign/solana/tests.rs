use super::*;

/// A transaction with `signers` signatures of this byte over a message that says `text`.
pub(in crate::foreign) fn transaction((signers, signature): (u8, u8), text: &[u8]) -> Vec<u8> {
    let mut written = vec![signers];
    written.extend(vec![signature; usize::from(signers) * SIGNATURE]);
    written.extend(said(signers, text));
    written
}

/// A message of two keys and one instruction.
fn said(signers: u8, text: &[u8]) -> Vec<u8> {
    let mut message = vec![VERSIONED, signers, 0, 1, 2];
    message.extend([1; 2 * KEY]);
    message.extend([2; KEY]);
    message.extend([1, 1, 1, 0, u8::try_from(text.len()).unwrap()]);
    message.extend(text);
    message.push(0);
    message
}

#[test]
fn a_message_is_taken_whole_and_only_as_the_network_writes_it() {
    let written = transaction((2, 7), b"text");
    let whole = said(2, b"text");
    assert_eq!(message(&written), Some(&*whole));
    for cut in 0..written.len() {
        assert_eq!(message(&written[..cut]), None, "cut at {cut}");
    }
    assert_eq!(message(&[&*written, &[0]].concat()), None, "something behind it");

    let with = |place: usize, old: &[u8], new: &[u8]| {
        let mut changed = written.clone();
        let place = 1 + 2 * SIGNATURE + place;
        assert_eq!(changed.splice(place..place + old.len(), new.iter().copied()).collect::<Vec<_>>(), old);
        message(&changed).is_some()
    };
    assert!(with(0, &[0x80], &[0x80]));
    // As long as it was, in more bytes; another version; signers that are not those who signed, or more than there are keys.
    assert!(!with(4, &[2], &[0x82, 0]) && !with(4 + 1 + 3 * KEY, &[1], &[0x81, 0]));
    assert!(!with(0, &[0x80], &[0x81]) && !with(1, &[2], &[1]));
    assert_eq!(message(&transaction((3, 7), b"text")), None);
    // Without a version there are no lookups.
    let older = [&written[..1 + 2 * SIGNATURE], &whole[1..whole.len() - 1]].concat();
    assert_eq!(message(&older), Some(&whole[1..whole.len() - 1]));
}

#[test]
fn lengths_of_two_bytes_are_read() {
    let mut written = transaction((1, 7), b"");
    written.truncate(written.len() - 2);
    written.extend([0x80, 1]);
    written.extend([9; 128]);
    written.push(0);
    assert_eq!(message(&written).map(<[u8]>::len), Some(written.len() - 1 - SIGNATURE));
    written.extend([0; PACKET]);
    assert_eq!(message(&written), None);
}
