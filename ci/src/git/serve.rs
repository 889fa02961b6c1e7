//! Git's own client on one side, git's own server on the other, exec in between.
//!
//! Decides: the words between git and its remote helper. Must not: read the stream that follows. Input: what git writes.

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

use super::GitError;
use super::address::Service;
use super::far::{Far, Input, Output, Pipes};
use super::script::{self, Current};

/// Longest line that git may say to a remote helper, in bytes.
const LINE: u64 = 4096;

/// Runs one service; returns the exit code that git shall see.
///
/// # Errors
/// When the connection breaks, or the container lacks git.
pub async fn serve(far: &Far, service: Service, path: &str, pipes: Pipes) -> Result<i32, GitError> {
    let command = match service {
        Service::Receive => script::receive(path, Current::Update),
        Service::Upload => script::upload(path),
    };
    match far(command, pipes).await? {
        script::NO_GIT => Err(GitError::Lacks("git")),
        code => Ok(code),
    }
}

/// What git wants of its remote helper.
#[derive(Debug, PartialEq, Eq)]
enum Word {
    Capabilities,
    Option,
    Connect(Service),
    End,
}

fn word(line: &str) -> Result<Word, GitError> {
    let line = line.trim_end_matches('\n');
    match line.split_once(' ').unwrap_or((line, "")) {
        ("capabilities", "") => Ok(Word::Capabilities),
        ("option", _) => Ok(Word::Option),
        ("connect", service) => Ok(Word::Connect(Service::named(service)?)),
        ("", "") => Ok(Word::End),
        _ => Err(GitError::Refused {
            what: "word of git",
            text: crate::error::shown(line),
            why: "a remote helper of this kind only connects".to_owned(),
        }),
    }
}

/// The remote helper: says that it can connect, and becomes the service that git asks for. `way` tells how to get there
/// and the path of the repository, and is asked only then.
///
/// # Errors
/// When git asks for something else, or the connection breaks.
pub async fn helper<F: Future<Output = Result<(Far, String), GitError>>>(
    way: impl FnOnce() -> F,
    pipes: Pipes,
) -> Result<i32, GitError> {
    let lost = |error: std::io::Error| GitError::Lost {
        operation: "speaking with git".to_owned(),
        problem: error.to_string(),
    };
    let Pipes { input, mut output, errors } = pipes;
    let mut input = BufReader::new(input);
    let service = loop {
        let mut line = String::new();
        let mut bounded = tokio::io::AsyncReadExt::take(&mut input, LINE);
        bounded.read_line(&mut line).await.map_err(lost)?;
        let answer = match word(&line)? {
            Word::Capabilities => "connect\n\n",
            Word::Option => "unsupported\n",
            Word::Connect(service) => break service,
            Word::End => return Ok(0),
        };
        output.write_all(answer.as_bytes()).await.map_err(lost)?;
        output.flush().await.map_err(lost)?;
    };
    let (far, path) = way().await?;
    output.write_all(b"\n").await.map_err(lost)?;
    output.flush().await.map_err(lost)?;
    let (input, output): (Input, Output) = (Box::new(input), output);
    serve(&far, service, &path, Pipes { input, output, errors }).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_12_the_helper_knows_three_words() {
        assert_eq!(word("capabilities\n").unwrap(), Word::Capabilities);
        assert_eq!(word("option verbosity 1\n").unwrap(), Word::Option);
        assert_eq!(word("connect git-receive-pack\n").unwrap(), Word::Connect(Service::Receive));
        assert_eq!(word("\n").unwrap(), Word::End);
        assert_eq!(word("").unwrap(), Word::End);
        for bad in ["connect sh\n", "connect git-upload-archive\n", "list\n", "export\n", "connect\n"] {
            assert!(word(bad).is_err(), "{bad:?}");
        }
    }
}
