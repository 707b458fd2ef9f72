//! When a delivery that failed is tried again, and when it is given up (property P10).

/// How long after the failure before it each attempt comes, in milliseconds: at once, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 10 h.
const DELAYS_MS: [i64; 8] = [0, 5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 36_000_000];

/// Delays are up to a fifth shorter or longer, so that what failed together does not come back together.
const JITTER: i64 = 5;

/// The delay after so many failed attempts, in milliseconds; none where there were enough. `roll` is random, and all that is.
pub(super) fn delay_ms(attempts: u32, roll: u32) -> Option<i64> {
    let nominal = *DELAYS_MS.get(usize::try_from(attempts).ok()?)?;
    let spread = nominal / JITTER;
    Some(nominal - spread + 2 * spread * i64::from(roll) / i64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p10_attempts_are_ordered_within_a_fifth_of_their_time_and_go_on_for_27_hours() {
        let rolls = (0..=32).map(|bit| u32::MAX.checked_shr(bit).unwrap_or(0));
        for roll in rolls {
            let delays: Vec<i64> = (0..).map_while(|attempts| delay_ms(attempts, roll)).collect();
            assert_eq!((delays.len(), delays[0]), (8, 0));
            for (delay, nominal) in delays.iter().zip(DELAYS_MS).skip(1) {
                assert!(*delay > 0 && (delay - nominal).abs() * 5 <= nominal, "{delay} for {nominal}");
            }
        }
        assert_eq!((delay_ms(1, 0), delay_ms(1, u32::MAX)), (Some(4_000), Some(6_000)));
        assert!(DELAYS_MS.iter().sum::<i64>() >= 27 * 3_600_000);
        assert_eq!(delay_ms(8, 7), None);
    }
}
