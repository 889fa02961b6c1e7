//! Keeps the object small: the API server and every watcher carry it, for each node of a fleet.

use super::types::NodeExtensionsStatus;
use crate::text::one_line;

/// Largest status, in bytes of JSON.
pub(super) const BYTES: usize = 64 << 10;
/// What is left of a text or list at each step of shortening: messages in characters, packages in number.
const STEPS: [(usize, usize); 3] = [(512, 16), (128, 4), (64, 0)];

/// At most `most` characters on one line; an ellipsis says that there was more.
pub(in crate::report) fn cut(text: &str, most: usize) -> String {
    let line = one_line(text, most.saturating_add(1));
    if line.chars().count() <= most {
        return line;
    }
    line.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// The status, shortened step by step until it fits; what is said of whole extensions goes last.
pub(super) fn to_size(mut status: NodeExtensionsStatus) -> NodeExtensionsStatus {
    for (texts, packages) in STEPS {
        if size(&status) <= BYTES {
            return status;
        }
        status.shortened = true;
        for extension in &mut status.extensions {
            extension.packages.truncate(packages);
            extension.requested_by.truncate(packages.max(1));
            for text in [&mut extension.message, &mut extension.cure].into_iter().flatten() {
                *text = cut(text, texts);
            }
        }
    }
    while size(&status) > BYTES && !status.extensions.is_empty() {
        let half = status.extensions.len() / 2;
        status.extensions.truncate(half);
    }
    status
}

fn size(status: &NodeExtensionsStatus) -> usize {
    serde_json::to_vec(status).map_or(usize::MAX, |bytes| bytes.len())
}
