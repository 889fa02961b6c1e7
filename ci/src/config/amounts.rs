//! The numbers in a configuration, each parsed once and trusted afterwards.
//!
//! Decides: which amounts and units are possible. Must not: know which key a number stands under. Input: scalars of a file
//! that an operator wrote.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::shown;

/// Largest amount of anything: keeps sums far from overflow.
const AMOUNT: u64 = 1 << 40;

/// A number of something, above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "AmountText", into = "u64")]
pub struct Amount(u64);

#[derive(Deserialize)]
#[serde(untagged, expecting = "a number above zero, without a unit")]
enum AmountText {
    Number(u64),
    Text(String),
}

impl TryFrom<AmountText> for Amount {
    type Error = String;

    fn try_from(text: AmountText) -> Result<Self, String> {
        match text {
            AmountText::Number(number) => Amount::try_from(number),
            AmountText::Text(text) => {
                Err(format!("`{}` is no number; it is wanted above zero and without a unit", shown(&text)))
            }
        }
    }
}

impl Amount {
    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// One of our own defaults.
    pub(super) const fn known(number: u64) -> Self {
        Amount(number)
    }
}

impl TryFrom<u64> for Amount {
    type Error = String;

    fn try_from(number: u64) -> Result<Self, String> {
        if (1..=AMOUNT).contains(&number) {
            Ok(Amount(number))
        } else {
            Err(format!("a number between 1 and {AMOUNT} is wanted, without a unit"))
        }
    }
}

impl From<Amount> for u64 {
    fn from(amount: Amount) -> Self {
        amount.0
    }
}

/// Processor time: whole cores as a number, or thousandths as `"500m"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "CpuText")]
pub struct Cpu {
    millicores: u64,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "whole cores as a number, or thousandths as `500m`")]
enum CpuText {
    Cores(u64),
    Text(String),
}

impl Cpu {
    /// Thousandths of a core.
    pub const fn millicores(self) -> u64 {
        self.millicores
    }
}

impl TryFrom<CpuText> for Cpu {
    type Error = String;

    fn try_from(text: CpuText) -> Result<Self, String> {
        let wrong = || "whole cores as a number, or thousandths as `500m`, are wanted".to_owned();
        let millicores = match text {
            CpuText::Cores(cores) => cores.checked_mul(1000),
            CpuText::Text(text) => {
                let digits = text.strip_suffix('m').ok_or_else(wrong)?;
                digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
            }
        };
        match millicores {
            Some(millicores) if (1..=1_000_000).contains(&millicores) => Ok(Cpu { millicores }),
            Some(_) | None => Err(wrong()),
        }
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}m", self.millicores)
    }
}

/// A number of things that cannot be shared, above zero. Nodepool writes `1.0` too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "CountText")]
pub struct Count(u64);

#[derive(Deserialize)]
#[serde(untagged, expecting = "a whole number above zero")]
enum CountText {
    Whole(u64),
    Fraction(f64),
}

impl Count {
    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl TryFrom<CountText> for Count {
    type Error = String;

    fn try_from(text: CountText) -> Result<Self, String> {
        let number = match text {
            CountText::Whole(number) => Some(number),
            CountText::Fraction(number) if number.fract() == 0.0 => format!("{number:.0}").parse().ok(),
            CountText::Fraction(_) => None,
        };
        match number {
            Some(number) if (1..=1024).contains(&number) => Ok(Count(number)),
            Some(_) | None => {
                Err("a whole number from 1 to 1024 is wanted; the cluster shares no part of one".to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_has_one_unit() {
        let cpu = |yaml: &str| serde_saphyr::from_str::<Cpu>(yaml).ok().map(Cpu::millicores);
        assert_eq!(cpu("2"), Some(2000));
        assert_eq!(cpu("\"500m\""), Some(500));
        for bad in ["0", "-1", "1.5", "\"2 GB\"", "\"m\"", "\"0m\"", "\"+5m\"", "1001"] {
            assert_eq!(cpu(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_amount_is_above_zero_and_a_count_is_whole() {
        assert!(Amount::try_from(0).is_err() && Amount::try_from(AMOUNT + 1).is_err());
        let count = |yaml: &str| serde_saphyr::from_str::<Count>(yaml).ok().map(Count::get);
        assert_eq!((count("2"), count("1.0"), count("1.00")), (Some(2), Some(1), Some(1)));
        for bad in ["0", "-1", "0.5", "2000", "x", ".inf", ".nan"] {
            assert_eq!(count(bad), None, "{bad}");
        }
    }
}
