//! The messages of one session: a byte that names the channel, and what goes over it.
//!
//! Decides: what a message means, and which exit code a status stands for. Must not: read or write. Input: bytes, untrusted.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;

use super::{ExecError, Exit};

/// What goes to the command.
pub(super) const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
/// Says that another channel has ended.
pub(super) const CLOSE: u8 = 255;
/// Largest status, in bytes.
const STATUS_SIZE: usize = 256 << 10;

/// A channel that the other side may speak on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    /// What the command wrote to its stdout.
    Stdout,
    /// What the command wrote to its stderr.
    Stderr,
    /// How it ended.
    Status,
    /// A channel has ended. The status says more, so nothing follows from it.
    Close,
}

/// The channel that the first byte of a message names.
pub(super) fn channel(first: Option<u8>) -> Result<Channel, ExecError> {
    match first {
        Some(STDOUT) => Ok(Channel::Stdout),
        Some(STDERR) => Ok(Channel::Stderr),
        Some(STATUS) => Ok(Channel::Status),
        Some(CLOSE) => Ok(Channel::Close),
        Some(other) => Err(ExecError::Odd(format!("a message on channel {other}"))),
        None => Err(ExecError::Odd("an empty message".to_owned())),
    }
}

/// What a status says. The inner result: how the command ended, or why it has not run to its end.
pub(super) fn exit(body: &[u8]) -> Result<Exit, ExecError> {
    if body.len() > STATUS_SIZE {
        return Err(ExecError::Odd(format!("a status of {} bytes", body.len())));
    }
    let status: Status =
        serde_json::from_slice(body).map_err(|error| ExecError::Odd(format!("a status: {error}")))?;
    if status.status.as_deref() == Some("Success") {
        return Ok(Exit { code: 0 });
    }
    let message = status.message.unwrap_or_default();
    if status.reason.as_deref() == Some("NonZeroExitCode") {
        let causes = status.details.and_then(|details| details.causes).unwrap_or_default();
        let code = causes.iter().find(|cause| cause.reason.as_deref() == Some("ExitCode"));
        let code = code.and_then(|cause| cause.message.as_deref()).and_then(|text| text.parse().ok());
        return match code {
            Some(code @ 1..=255) => Ok(Exit { code }),
            Some(_) | None => Err(ExecError::Odd(format!("no exit code in a status: {message}"))),
        };
    }
    // The words of the programs that start containers; where they change, the failure is still told, as one of the node.
    let missing = ["executable file not found", "no such file or directory", "permission denied"];
    if message.contains("exec") && missing.iter().any(|words| message.contains(words)) {
        return Err(ExecError::NotStarted(message));
    }
    Err(ExecError::Failed(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_16_a_status_becomes_an_exit_code() {
        let seven =
            br#"{"metadata":{},"status":"Failure","message":"command terminated","reason":"NonZeroExitCode",
            "details":{"causes":[{"reason":"Other","message":"3"},{"reason":"ExitCode","message":"7"}]}}"#;
        assert_eq!(exit(seven).unwrap().code, 7);
        assert_eq!(exit(br#"{"metadata":{},"status":"Success"}"#).unwrap().code, 0);
    }

    #[test]
    fn row_16_a_status_without_a_code_is_no_success() {
        for (body, is_odd) in [
            (&br#"{"status":"Failure","reason":"NonZeroExitCode"}"#[..], true),
            (br#"{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"0"}]}}"#, true),
            (br#"{"status":"Failure","reason":"InternalError","message":"error dialing backend"}"#, false),
            (br#"{"status":"#, true),
            (br#"{}"#, false),
            (b"", true),
        ] {
            match exit(body) {
                Err(ExecError::Odd(_)) if is_odd => {}
                Err(ExecError::Failed(_)) if !is_odd => {}
                other => panic!("{}: {other:?}", String::from_utf8_lossy(body)),
            }
        }
        let large = vec![b' '; STATUS_SIZE + 1];
        assert!(matches!(exit(&large), Err(ExecError::Odd(_))));
    }

    #[test]
    fn a_program_that_is_not_there_is_told_from_a_node_that_failed() {
        let body = br#"{"status":"Failure","reason":"InternalError","message":"OCI runtime exec failed: exec failed:
            unable to start container process: exec: \"nope\": executable file not found in $PATH: unknown"}"#;
        let body = String::from_utf8_lossy(body).replace('\n', " ");
        assert!(matches!(exit(body.as_bytes()), Err(ExecError::NotStarted(_))));
    }

    #[test]
    fn a_message_on_an_unknown_channel_is_refused() {
        assert_eq!(channel(Some(1)).unwrap(), Channel::Stdout);
        assert_eq!(channel(Some(255)).unwrap(), Channel::Close);
        for first in [Some(0), Some(4), Some(77), None] {
            assert!(matches!(channel(first), Err(ExecError::Odd(_))), "{first:?}");
        }
    }
}
