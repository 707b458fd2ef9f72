use alloy_primitives::U256;

use super::*;
use crate::captures::{PAYER, PAYMENT_DIGEST, address, word};

/// Of the captured payment.
const SIGNATURE: &str = "0x087b29b23a9757912840f93bfaba2bb4a6d3cd46cea6acc9c0f074a5a6e518b81809bd4ba3111858dc2dc6ea6b9b3a1db5a436e407ac04ca2209745bc1a317091b";

/// The order of the curve.
const ORDER: &str = "0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

fn captured() -> Vec<u8> {
    alloy_primitives::hex::decode(SIGNATURE).unwrap()
}

fn parse(bytes: &[u8]) -> Result<Signature, SignatureError> {
    Signature::parse(&alloy_primitives::hex::encode_prefixed(bytes))
}

fn recovered(bytes: &[u8]) -> Result<Address, SignatureError> {
    parse(bytes)?.recover(word(PAYMENT_DIGEST))
}

#[test]
fn the_captured_signature_is_its_payers() {
    let signature = Signature::parse(SIGNATURE).unwrap();
    assert_eq!(signature.recover(word(PAYMENT_DIGEST)), Ok(address(PAYER)));
    assert_ne!(signature.recover(B256::ZERO).ok(), Some(address(PAYER)));
}

#[test]
fn a7_v_is_one_of_four() {
    for v in 0..=255 {
        let mut bytes = captured();
        bytes[64] = v;
        match v {
            0 | 27 => assert_eq!(recovered(&bytes), Ok(address(PAYER))),
            1 | 28 => assert_ne!(recovered(&bytes), Ok(address(PAYER))),
            _ => assert_eq!(recovered(&bytes), Err(SignatureError::RecoveryId), "{v}"),
        }
    }
}

#[test]
fn a7_the_upper_s_of_the_same_signature_is_refused() {
    let order = U256::from_be_bytes(word(ORDER).0);
    let mut bytes = captured();
    let s = U256::from_be_slice(&bytes[32..64]);
    bytes[32..64].copy_from_slice(&(order - s).to_be_bytes::<32>());
    for v in [27, 28] {
        bytes[64] = v;
        assert_eq!(recovered(&bytes), Err(SignatureError::HighS));
    }
}

#[test]
fn a7_half_of_the_order_is_the_last_s() {
    assert_eq!(U256::from_be_bytes(S_MAX), U256::from_be_bytes(word(ORDER).0) >> 1);
    let mut bytes = captured();
    bytes[32..64].copy_from_slice(&S_MAX);
    assert!(parse(&bytes).is_ok());
    bytes[63] += 1;
    assert_eq!(parse(&bytes).err(), Some(SignatureError::HighS));
}

#[test]
fn a7_other_lengths_and_wrappers_are_refused() {
    let bytes = captured();
    // Compact (ERC-2098), one too short, one too long, ERC-6492's magic suffix.
    let wrapped = [&bytes[..], &[0x64, 0x92].repeat(16)].concat();
    for other in [&bytes[..64], &[][..], &[bytes.clone(), vec![0]].concat(), &wrapped] {
        assert_eq!(parse(other).err(), Some(SignatureError::Length), "{}", other.len());
    }
    let doubled = format!("0x0x{}", &SIGNATURE[4..]);
    for text in ["", &SIGNATURE[2..], &doubled, &SIGNATURE.replace('b', "g")] {
        assert_eq!(Signature::parse(text).err(), Some(SignatureError::NotHex), "{text}");
    }
}

#[test]
fn a7_what_is_no_signature_recovers_nobody() {
    for (from, to) in [(0, 32), (32, 64), (0, 64)] {
        let mut bytes = captured();
        bytes[from..to].fill(0);
        assert_eq!(recovered(&bytes), Err(SignatureError::Invalid));
    }
    let mut bytes = captured();
    bytes[..32].fill(0xff);
    assert_eq!(recovered(&bytes), Err(SignatureError::Invalid));
}

#[test]
fn a7_every_bit_of_the_signature_counts() {
    for bit in 0..512 {
        let mut bytes = captured();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(recovered(&bytes), Ok(address(PAYER)), "{bit}");
    }
}

#[test]
fn a_key_signs_what_it_recovers() {
    // The first key of the well-known test mnemonic, and its address.
    let text = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
    let key = SigningKey::from_hex(text).unwrap();
    assert_eq!(key.address(), address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
    for byte in 0..16 {
        let digest = B256::repeat_byte(byte);
        assert_eq!(parse(&key.sign(digest)).unwrap().recover(digest), Ok(key.address()));
    }
    assert_eq!(SigningKey::from_hex(&format!(" 0x{text}\n")).unwrap().address(), key.address());
}

#[test]
fn what_is_no_key_is_refused() {
    let zero = "0".repeat(64);
    for (text, error) in [
        ("", SignatureError::Key),
        ("0x42", SignatureError::Key),
        (&zero[..], SignatureError::Key),
        (ORDER, SignatureError::Key),
        (&"x".repeat(64), SignatureError::NotHex),
    ] {
        assert_eq!(SigningKey::from_hex(text).err(), Some(error), "{text}");
    }
}
