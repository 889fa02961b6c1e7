//! Amounts as the Kubernetes API writes them, as numbers that can be added.
//!
//! Decides: how an amount is rounded: up, so that nothing is reserved that is not counted. Must not: know what is counted.
//! Input: text of a `spec` that an operator wrote.

/// Thousand-millionths in one.
const NANO: u128 = 1_000_000_000;

/// Thousandths of an amount: of `500m` 500, of `2` 2000.
pub(super) fn thousandths(text: &str) -> Option<u64> {
    u64::try_from(nanos(text)?.div_ceil(1_000_000)).ok()
}

/// Whole ones of an amount, in units of `unit`: of `1Gi` in MiB 1024.
pub(super) fn whole(text: &str, unit: u128) -> Option<u64> {
    u64::try_from(nanos(text)?.div_ceil(unit.checked_mul(NANO)?)).ok()
}

/// The amount in thousand-millionths, which is as fine as the API knows.
fn nanos(text: &str) -> Option<u128> {
    let end = text.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && part.is_empty()) || whole.len() > 18 || part.len() > 9 {
        return None;
    }
    let digits = |text: &str| if text.is_empty() { Some(0_u128) } else { text.parse().ok() };
    let places = u32::try_from(part.len()).ok()?;
    let fine = digits(part)?.checked_mul(10_u128.pow(9_u32.checked_sub(places)?))?;
    let value = digits(whole)?.checked_mul(NANO)?.checked_add(fine)?;
    match suffix {
        "n" => Some(value.div_ceil(NANO)),
        "u" => Some(value.div_ceil(1_000_000)),
        "m" => Some(value.div_ceil(1_000)),
        "" => Some(value),
        other => value.checked_mul(factor(other)?),
    }
}

fn factor(suffix: &str) -> Option<u128> {
    let binary = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].iter().position(|one| *one == suffix);
    let decimal = ["k", "M", "G", "T", "P", "E"].iter().position(|one| *one == suffix);
    let power = |base: u128, at: usize| base.checked_pow(u32::try_from(at).ok()? + 1);
    match (binary, decimal) {
        (Some(at), _) => power(1024, at),
        (None, Some(at)) => power(1000, at),
        (None, None) => {
            let exponent = suffix.strip_prefix(['e', 'E'])?.parse::<u32>().ok()?;
            10_u128.checked_pow(exponent)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_the_api_reads_them_and_rounded_up() {
        for (text, wanted) in
            [("2", 2000), ("500m", 500), ("0.1", 100), ("1.5", 1500), ("1n", 1), ("1e1", 10_000), (".5", 500)]
        {
            assert_eq!(thousandths(text), Some(wanted), "{text}");
        }
        for (text, wanted) in
            [("1Gi", 1024), ("1048576", 1), ("1048577", 2), ("1G", 954), ("64Mi", 64), ("128974848", 123)]
        {
            assert_eq!(whole(text, 1 << 20), Some(wanted), "{text}");
        }
        for bad in ["", "x", "-1", "1 Gi", "1.2.3", "1KB", "1e99", "9999999999999999999"] {
            assert_eq!(thousandths(bad), None, "{bad}");
        }
    }
}
