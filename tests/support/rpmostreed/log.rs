//! One line per call and per event in `log/stand-in.log`, so that a failed test can be read afterwards.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

/// The log file, shared by all of the stand-in.
#[derive(Debug)]
pub struct Log(Mutex<File>);

impl Log {
    /// Opens the log for appending: activations follow each other in one file.
    ///
    /// # Errors
    /// When the directory cannot be made or the file not opened.
    pub fn open(dir: &Path) -> std::io::Result<Self> {
        let dir = dir.join("log");
        std::fs::create_dir_all(&dir)?;
        Ok(Self(Mutex::new(OpenOptions::new().create(true).append(true).open(dir.join("stand-in.log"))?)))
    }

    /// Writes one line.
    pub fn line(&self, text: &str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let line = format!("{}.{:03} {}\n", now.as_secs(), now.subsec_millis(), text.replace('\n', "\\n"));
        // A full disk must not turn into a D-Bus error the real daemon would not give.
        let _ = self.0.lock().unwrap().write_all(line.as_bytes());
    }
}
