mod craft;
mod hostile;
mod layers;
mod proxied;
mod stored;

use super::*;
use crate::error::{Failure, Reason, chain};
use crate::rpm::craft::craft as rpm;
