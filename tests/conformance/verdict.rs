//! What a clause may say: nothing (it holds), why it does not hold, or why it could not be tried on this bus.

use crate::client::CallError;

/// Why a clause ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The contract is not kept.
    Fail(String),
    /// It cannot be tried on this bus.
    Skip(String),
}

/// What a clause comes to.
pub(crate) type Verdict = Result<(), Stop>;

/// The contract is not kept, for this reason.
pub(crate) fn fail<T>(why: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Fail(why.into()))
}

/// The clause cannot be tried here, for this reason.
pub(crate) fn skip<T>(why: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Skip(why.into()))
}

impl From<CallError> for Stop {
    fn from(error: CallError) -> Self {
        Stop::Fail(format!("unexpected error reply {error}"))
    }
}

impl From<zbus::Error> for Stop {
    fn from(error: zbus::Error) -> Self {
        CallError::from(error).into()
    }
}

/// Ends the clause as failed unless the condition holds; the rest says what was seen instead.
macro_rules! ensure {
    ($condition:expr, $($seen:tt)+) => {
        if !$condition {
            return Err($crate::verdict::Stop::Fail(format!($($seen)+)));
        }
    };
}
pub(crate) use ensure;
