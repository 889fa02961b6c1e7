//! One question to `rpm`, its answer line by line, under bounds.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, sink};
use tokio::process::Command;
use tokio::time::timeout;

use crate::text::shown;

/// Longest line of an answer.
const LINE: usize = 64 << 10;
/// Most of what rpm complains about that is kept.
const COMPLAINT: u64 = 4 << 10;

/// What to ask of which database.
#[derive(Debug, Clone, Copy)]
pub(super) struct Query<'a> {
    /// The directory of the database.
    pub(super) database: &'a Path,
    /// What to print of each package, in rpm's query format.
    pub(super) format: &'a str,
    /// Most bytes of an answer.
    pub(super) most: u64,
}

/// Asks about all packages. Nothing of the caller's environment reaches rpm, and no shell is involved.
pub(super) async fn run(
    query: Query<'_>,
    patience: Duration,
    mut each: impl FnMut(&str) -> Result<(), String>,
) -> Result<(), String> {
    let mut child = Command::new("rpm")
        .arg("--dbpath")
        .arg(query.database)
        .args(["-qa", "--queryformat", query.format])
        .env_clear()
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("starting `rpm`: {error}"))?;
    let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
        return Err("`rpm` has no output".to_owned());
    };
    let asking = async {
        // Side by side, so that neither pipe fills up while the other is waited for. An answer that is refused ends the
        // question: the child is killed when it is dropped.
        let (_, complaint) = tokio::try_join!(lines(out, query.most, &mut each), complaint(err))?;
        let status = child.wait().await.map_err(|error| format!("waiting for `rpm`: {error}"))?;
        if status.success() { Ok(()) } else { Err(format!("`rpm` ended with {status}: `{complaint}`")) }
    };
    timeout(patience, asking)
        .await
        .unwrap_or_else(|_| Err(format!("`rpm` did not answer within {patience:?}")))
}

/// Hands over each line without its end. What is not UTF-8 is shown as such; no name that is looked for is like that.
async fn lines(
    mut from: impl AsyncRead + Unpin,
    most: u64,
    each: &mut impl FnMut(&str) -> Result<(), String>,
) -> Result<(), String> {
    let mut read = 0_u64;
    let mut kept = Vec::new();
    let mut chunk = vec![0; LINE];
    loop {
        let length = from.read(&mut chunk).await.map_err(|error| format!("reading from `rpm`: {error}"))?;
        if length == 0 {
            break;
        }
        read = read.saturating_add(length as u64);
        if read > most {
            return Err(format!("`rpm` answered with more than {most} bytes"));
        }
        for piece in chunk.get(..length).unwrap_or_default().split_inclusive(|byte| *byte == b'\n') {
            kept.extend_from_slice(piece);
            if kept.len() > LINE {
                return Err(format!("`rpm` answered with a line of more than {LINE} bytes"));
            }
            if let Some(line) = kept.strip_suffix(b"\n") {
                each(&String::from_utf8_lossy(line))?;
                kept.clear();
            }
        }
    }
    if kept.is_empty() { Ok(()) } else { Err("the answer of `rpm` ends in the middle of a line".to_owned()) }
}

async fn complaint(mut from: impl AsyncRead + Unpin) -> Result<String, String> {
    let mut kept = Vec::new();
    let failed = |error: std::io::Error| format!("reading from `rpm`: {error}");
    (&mut from).take(COMPLAINT).read_to_end(&mut kept).await.map_err(failed)?;
    tokio::io::copy(&mut from, &mut sink()).await.map_err(failed)?;
    Ok(shown(&String::from_utf8_lossy(&kept)))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(answer: &[u8], most: u64) -> Result<Vec<String>, String> {
        let mut all = Vec::new();
        let mut each = |line: &str| {
            all.push(line.to_owned());
            Ok(())
        };
        lines(answer, most, &mut each).await?;
        Ok(all)
    }

    #[tokio::test]
    async fn an_answer_out_of_bounds_or_cut_short_is_refused() {
        let long = [vec![b'x'; LINE + 1], b"\n".to_vec()].concat();
        assert!(read(&long, u64::MAX).await.unwrap_err().contains("line of more than"));
        assert!(read(b"12345\n", 5).await.unwrap_err().contains("more than 5 bytes"));
        assert!(read(b"whole\nhal", 100).await.unwrap_err().contains("middle of a line"));
    }

    #[tokio::test]
    async fn lines_are_handed_over_one_by_one() {
        assert_eq!(read(b"a\n\nb c\n", 100).await.unwrap(), ["a", "", "b c"]);
        assert_eq!(read(b"", 100).await.unwrap(), [""; 0]);
    }
}
