//! One small file out of an image: layers are read from the top until one says what the file is, or that it is gone.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tar::{Entry, EntryType};

use super::archive::Layer;
use super::archive::{Walk, read_archive};
use super::error::PayloadError;
use super::fetch::FetchStats;
use super::harvest::limit;
use super::image::Image;
use super::layers::{Source, read_one};
use super::place::steps;
use super::unpack::Inflated;

/// Which file, and how large it may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// The steps of its path from the top of the tree: a directory, and the file in it.
    pub(super) path: [&'static str; 2],
    /// Most bytes.
    pub(super) bytes: u64,
}

/// What a layer says of the file.
#[derive(Debug, Default)]
enum Said {
    /// Nothing.
    #[default]
    Nothing,
    /// That it is not there, whatever lower layers have.
    Hidden,
    /// What it is.
    File(Vec<u8>),
}

/// The file, held against the digest of its layer; none where the image has no such file.
pub(super) async fn pick(
    source: &Source<'_>,
    image: Image,
    wanted: Wanted,
    stats: &mut FetchStats,
) -> Result<Option<Vec<u8>>, PayloadError> {
    for layer in image.layers {
        let read = move |blob, layer: &Layer, counter| read_layer(blob, layer, wanted, counter);
        let (said, received) = read_one(source, layer, read, &|_| {}).await?;
        stats.requests += 1;
        stats.bytes_received += received;
        match said {
            Said::Nothing => {}
            Said::Hidden => return Ok(None),
            Said::File(bytes) => return Ok(Some(bytes)),
        }
    }
    Ok(None)
}

fn read_layer(
    blob: Box<dyn Read + Send>,
    layer: &Layer,
    wanted: Wanted,
    watched: Arc<AtomicU64>,
) -> Result<Said, PayloadError> {
    let mut said = Said::Nothing;
    read_archive(blob, layer, watched, &mut |entry, walk| look(entry, walk, wanted, &mut said))?;
    Ok(said)
}

fn look(
    entry: &mut Entry<'_, Inflated>,
    walk: &Walk<'_>,
    wanted: Wanted,
    said: &mut Said,
) -> Result<(), PayloadError> {
    let [directory, file] = wanted.path.map(str::as_bytes);
    let name = entry.path_bytes().into_owned();
    let steps = steps(&name).map_err(|problem| walk.refused(problem))?;
    let kind = entry.header().entry_type();
    let hides = |step: &[u8], below: &[u8]| {
        step.strip_prefix(b".wh.").is_some_and(|rest| rest == below || rest == b".wh..opq")
    };
    let is_file = match steps.as_slice() {
        [first, second] if *first == directory && *second == file => true,
        [first] if hides(first, directory) || (*first == directory && kind != EntryType::Directory) => false,
        [first, second] if *first == directory && hides(second, file) => false,
        _ => return Ok(()),
    };
    if !is_file {
        // What a layer hides is hidden in the layers below, not in itself.
        if matches!(said, Said::Nothing) {
            *said = Said::Hidden;
        }
        return Ok(());
    }
    let shown = wanted.path.join("/");
    if matches!(said, Said::File(_)) {
        return Err(walk.refused(&format!("`{shown}` is there twice")));
    }
    if !(kind.is_file() || kind.is_contiguous()) {
        return Err(walk.refused(&format!("`{shown}` is not a regular file")));
    }
    limit(&format!("bytes of `{shown}`"), entry.size(), wanted.bytes)?;
    *said = Said::File(walk.bytes(entry)?);
    Ok(())
}
