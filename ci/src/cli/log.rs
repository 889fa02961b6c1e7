//! The log of a command: each line with its time, and no secret of the build.
//!
//! Decides: nothing. Must not: hold back what cannot be the beginning of a secret. Input: pieces of two outputs, each of which
//! is censored as the stream that it is.

use std::io;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;

use crate::censor::{Censor, Secrets};
use crate::exec::{Output, Stamper};

/// An open log.
pub(super) struct Log {
    file: File,
    stamper: Stamper,
    out: Censor,
    err: Censor,
}

impl Log {
    /// Begins a log; what lay there before is gone.
    pub(super) async fn create(path: &Path, secrets: Arc<Secrets>) -> io::Result<Self> {
        let file = File::create(path).await?;
        let (out, err) = (Censor::new(secrets.clone()), Censor::new(secrets));
        Ok(Log { file, stamper: Stamper::default(), out, err })
    }

    /// Writes what is decided by now.
    pub(super) async fn take(&mut self, output: Output, bytes: &[u8], now: Timestamp) -> io::Result<()> {
        let mut decided = Vec::new();
        match output {
            Output::Out => self.out.push(bytes, &mut decided),
            Output::Err => self.err.push(bytes, &mut decided),
        }
        self.file.write_all(&self.stamper.lines(output, &decided, now)).await
    }

    /// Writes the rest.
    pub(super) async fn close(&mut self, now: Timestamp) -> io::Result<()> {
        for output in [Output::Out, Output::Err] {
            let mut rest = Vec::new();
            match output {
                Output::Out => self.out.finish(&mut rest),
                Output::Err => self.err.finish(&mut rest),
            }
            self.file.write_all(&self.stamper.lines(output, &rest, now)).await?;
        }
        self.file.write_all(&self.stamper.rest(now)).await?;
        self.file.sync_all().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn row_31_a_secret_does_not_reach_the_log_whichever_way_its_pieces_come() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("log");
        let secrets = Arc::new(Secrets::new(&["correct-horse-battery"]).unwrap());
        let mut log = Log::create(&path, secrets).await.unwrap();
        for (output, piece) in [
            (Output::Out, "user x, password correct-ho"),
            (Output::Err, "warning: correct-horse-battery\n"),
            (Output::Out, "rse-battery.\nlast correct-"),
        ] {
            log.take(output, piece.as_bytes(), Timestamp::UNIX_EPOCH).await.unwrap();
        }
        log.close(Timestamp::UNIX_EPOCH).await.unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("horse"), "{text}");
        assert!(text.contains("user x, password ***.\n") && text.contains("warning: ***\n"), "{text}");
        assert!(text.contains("last correct-"), "what only began like one is no secret: {text}");
    }
}
