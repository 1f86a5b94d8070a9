//! Whole numbers in bodies. JSON has one kind of number: `351.0` is as whole as `351`.

use serde::{Deserialize as _, Deserializer};

/// Up to this number a float has every whole number.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// For members that are absent or a number that fits into 32 bits.
pub(crate) fn u32<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let wide = u64(deserializer)?;
    let narrow = wide.map(u32::try_from).transpose();
    narrow.map_err(|_| serde::de::Error::custom("not a whole number up to 4294967295"))
}

/// For members that are absent or a number that fits into 64 bits.
pub(crate) fn u64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    let fraction = number
        .as_f64()
        .filter(|n| n.fract() == 0.0 && (0.0..=EXACT).contains(n));
    // In range and without a fraction: the conversion is exact.
    number
        .as_u64()
        .or(fraction.map(|n| n as u64))
        .map(Some)
        .ok_or_else(|| serde::de::Error::custom("not a whole number from 0 on"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn a_whole_number_may_have_a_point() {
        for (number, expected) in [
            (json!(351), Some(351)),
            (json!(351.0), Some(351)),
            (json!(4_294_967_295_u64), Some(u32::MAX)),
            (json!(4_294_967_296_u64), None),
            (json!(0.5), None),
            (json!(-1), None),
            (json!("351"), None),
        ] {
            assert_eq!(super::u32(&number).ok().flatten(), expected, "{number}");
        }
        let large = json!(u64::MAX);
        assert_eq!(super::u64(&large).ok().flatten(), Some(u64::MAX));
        assert!(super::u64(&json!(1e300)).is_err());
    }
}
