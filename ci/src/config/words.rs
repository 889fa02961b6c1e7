//! The small words of a configuration, each parsed once and trusted afterwards.
//!
//! Decides: which names, amounts and units are possible. Must not: know which key a word stands under. Input: scalars of
//! a file that an operator wrote.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::shown;

/// Most characters of a name: room is left for what is added to it, below the 63 of a DNS label.
const NAME: usize = 40;
/// Largest amount of anything: keeps sums far from overflow.
const AMOUNT: u64 = 1 << 40;

/// A name that can stand in names of objects: a DNS label of at most 40 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Name {
    /// One of our own defaults.
    pub(super) fn known(text: &'static str) -> Self {
        Name(text.to_owned())
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let inner = text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        let ends = !text.starts_with('-') && !text.ends_with('-');
        if inner && ends && (1..=NAME).contains(&text.len()) {
            Ok(Name(text))
        } else {
            Err(format!("a name must be 1 to {NAME} of `a-z`, `0-9` and inner `-`"))
        }
    }
}

impl std::str::FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Name::try_from(text.to_owned())
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

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

/// An image reference: not empty, no white space, at most 512 characters. What it means is the kubelet's affair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Image(String);

impl Image {
    /// The reference as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Image {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if (1..=512).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Image(text))
        } else {
            Err("an image is 1 to 512 printable characters without white space".to_owned())
        }
    }
}

impl From<Image> for String {
    fn from(image: Image) -> Self {
        image.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_short_dns_label() {
        for good in ["a", "payload-builder", "0"] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", "ä", &"a".repeat(NAME + 1)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }

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
    fn an_amount_is_above_zero_and_an_image_has_no_gaps() {
        assert!(Amount::try_from(0).is_err() && Amount::try_from(AMOUNT + 1).is_err());
        assert!(Image::try_from("a b".to_owned()).is_err() && Image::try_from(String::new()).is_err());
    }
}
