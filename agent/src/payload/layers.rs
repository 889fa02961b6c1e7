//! The layers of one image, newest first, until lower ones can change nothing: the runtime drives the transport and tells
//! progress while a blocking worker reads.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::spawn_blocking;

use super::archive::Layer;
use super::assemble::{Frame, assemble};
use super::directory::OciLayout;
use super::error::PayloadError;
use super::fetch::{FetchProgress, FetchStats};
use super::harvest::Harvest;
use super::image::Image;
use super::intake::Intake;
use super::layer::read_layer;
use super::registry::{Driver, Registry};
use super::store::Store;
use super::{Labels, Payload, Pinned};

/// How long a transport may take for its last word when all bytes are there.
const FAREWELL: Duration = Duration::from_secs(30);
/// How often progress is told.
const TICK: Duration = Duration::from_millis(200);

/// Where layers come from.
pub(super) enum Source<'a> {
    Registry(&'a Registry),
    Layout(&'a OciLayout),
}

/// An image that is pinned and ready to be read.
pub(super) struct Opened<'a> {
    pub(super) source: Source<'a>,
    pub(super) image: Image,
    pub(super) pinned: Pinned,
}

/// What one load works on; it wanders between the runtime and the blocking workers.
struct Work {
    harvest: Harvest,
    intake: Intake,
}

/// Reads layers, newest first, until lower ones can change nothing.
pub(super) async fn read_layers(
    opened: Opened<'_>,
    store: &Arc<Store>,
    progress: &(dyn Fn(FetchProgress) + Send + Sync),
    stats: &mut FetchStats,
) -> Result<Payload, PayloadError> {
    let Opened { source, image, pinned } = opened;
    let mut work = Work { harvest: Harvest::new(), intake: Intake::new(store.clone()) };
    let layers = image.layers.len();
    for (index, layer) in image.layers.into_iter().enumerate() {
        if work.harvest.is_complete() {
            break;
        }
        store.preflight(layer.size)?;
        let told = FetchProgress { layer: index + 1, layers, bytes: 0, total: layer.size };
        let read = move |blob, layer: &Layer, counter| {
            let Work { mut harvest, mut intake } = work;
            let read = read_layer(blob, layer, &mut harvest, &mut intake, counter);
            read.map(|()| Work { harvest, intake })
        };
        let (back, received) =
            read_one(&source, layer, read, &|bytes| progress(FetchProgress { bytes, ..told })).await?;
        work = back;
        stats.requests += 1;
        stats.bytes_received += received;
    }
    let object = pinned.to_string();
    let labels = image.labels;
    let (payload, written) = worker(move || finish(work, pinned, labels, object)).await??;
    stats.bytes_written += written;
    Ok(payload)
}

fn finish(
    work: Work,
    pinned: Pinned,
    labels: Labels,
    object: String,
) -> Result<(Payload, u64), PayloadError> {
    let Work { harvest, mut intake } = work;
    let deeper = harvest.deeper;
    let Some((layout, files, keys)) = harvest.into_files() else {
        let problem = if deeper > 0 {
            "its packages lie one directory deeper, as in payloads of 4.6 and 4.7, which are not read yet"
        } else {
            "it holds no RPMs in `/usr/share/rpm-ostree/extensions` or `/extensions`"
        };
        return Err(PayloadError::Image { object, problem: problem.to_owned() });
    };
    let payload = assemble(Frame { pinned, layout, labels }, files, &keys)?;
    intake.commit()?;
    Ok((payload, intake.written))
}

/// Reads one layer in a blocking worker while its transport is driven and progress is told.
pub(super) async fn read_one<T: Send + 'static>(
    source: &Source<'_>,
    layer: Layer,
    read: impl FnOnce(Box<dyn Read + Send>, &Layer, Arc<AtomicU64>) -> Result<T, PayloadError> + Send + 'static,
    tell: &(dyn Fn(u64) + Send + Sync),
) -> Result<(T, u64), PayloadError> {
    let (blob, driver): (_, Driver<'_>) = match source {
        Source::Registry(registry) => registry.blob(&layer).await?,
        Source::Layout(layout) => (layout.blob(&layer)?, Box::pin(async { Ok(()) })),
    };
    let watched = Arc::new(AtomicU64::new(0));
    let counter = watched.clone();
    let mut job = spawn_blocking(move || read(blob, &layer, counter));
    let mut driver = driver;
    let mut driven = None;
    let mut tick = tokio::time::interval(TICK);
    let read = loop {
        // Each arm keeps its state outside of the select, so none of them loses anything when another is taken.
        tokio::select! {
            done = &mut job => break done.map_err(|_| PayloadError::Worker)?,
            done = &mut driver, if driven.is_none() => driven = Some(done),
            _ = tick.tick() => tell(watched.load(Ordering::Relaxed)),
        }
    };
    let received = watched.load(Ordering::Relaxed);
    tell(received);
    if driven.is_none() && matches!(read, Ok(_) | Err(PayloadError::Size { .. })) {
        // The blob is at its end: what is left is one answer of the transport.
        driven = tokio::time::timeout(FAREWELL, driver).await.ok();
    }
    match (read, driven) {
        // A blob that ends early because the connection did is no lie of the registry.
        (Err(PayloadError::Size { expected, found, .. }), Some(Err(error))) if found < expected => Err(error),
        (Err(error), _) | (Ok(_), Some(Err(error))) => Err(error),
        (Ok(read), _) => Ok((read, received)),
    }
}

/// Runs blocking work aside.
pub(super) async fn worker<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, PayloadError> {
    spawn_blocking(work).await.map_err(|_| PayloadError::Worker)
}
