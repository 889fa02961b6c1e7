//! Images made entry by entry, refusals first, then what is read and kept.

mod craft;
mod hostile;
mod layers;
mod proxied;
mod releases;
mod stored;

use super::*;
use crate::error::{Failure, Reason, chain};
use crate::rpm::craft::craft as rpm;
