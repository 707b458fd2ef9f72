use super::*;

fn key(seed: u8) -> AgentKey {
    AgentKey::generate(UnixMillis(1_800_000_000_000), [seed; 42])
}

#[test]
fn a_key_survives_the_round_trip() {
    for seed in 0..=255 {
        let text = key(seed).reveal();
        let read = AgentKey::parse(&text).unwrap();
        assert_eq!(read.id(), key(seed).id());
        assert!(key(seed).hash().matches(&read), "{seed}");
    }
}

#[test]
fn one_changed_character_is_noticed_before_any_lookup() {
    let text = key(7).reveal();
    for index in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[index] = if bytes[index] == b'a' { b'b' } else { b'a' };
        assert!(AgentKey::parse(std::str::from_utf8(&bytes).unwrap()).is_err(), "character {index}");
    }
    for length in 0..text.len() {
        assert!(AgentKey::parse(&text[..length]).is_err(), "cut to {length}");
    }
    assert!(AgentKey::parse(&format!("{text}0")).is_err());
    assert!(AgentKey::parse("fg_äääääääääääää_ö").is_err());
}

#[test]
fn o5_only_the_right_secret_matches_and_what_is_kept_holds_no_secret() {
    let kept = key(1).hash();
    assert!(kept.matches(&key(1)));
    let mut other = key(1);
    other.secret[31] ^= 1;
    assert!(!kept.matches(&other));
    assert!(!KeyHash::new(key(2).id(), *kept.as_bytes()).matches(&key(1)));
    assert!(!kept.as_bytes().windows(SECRET_BYTES).any(|window| window == key(1).secret));
}

#[test]
fn o7_neither_debug_nor_an_error_shows_a_secret() {
    let text = key(3).reveal();
    // Behind 26 characters of the id and a line.
    let secret = &text[PREFIX.len() + 27..][..43];
    assert!(!format!("{:?} {:?}", key(3), key(3).hash()).contains(secret));
    let damaged = text.replace(&secret[..4], "zzzz");
    assert!(!AgentKey::parse(&damaged).unwrap_err().to_string().contains(&secret[4..]));
}

#[test]
fn a_hash_survives_a_file() {
    let hash = key(9).hash();
    assert_eq!(hash.to_string().parse(), Ok(hash));
    assert!("key_a:00".parse::<KeyHash>().is_err());
    assert!(key(9).reveal().parse::<KeyHash>().is_err());
}
