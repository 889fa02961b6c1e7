//! `forward`: a port of a node, here. It is what `ssh` is told to go through.
//!
//! Decides: whose bytes are joined. Must not: open a port to other machines unless told to. Input: arguments; a ready build.

use std::net::SocketAddr;
use std::os::fd::AsFd;

use clap::Args;
use serde_json::Value;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::{Problem, Said};
use crate::drive::Desk;
use crate::forward::{ForwardError, Port};

/// Bring a port of a node here, through the API server.
#[derive(Debug, Args)]
#[command(after_help = "\
The way goes through the API server, with the build's own token; nothing in the cluster has to be reachable. On a node that
has a registry, port 5000 is the registry's.

Examples:
  build-resources forward 17 builder 8080                  # says where it listens
  build-resources forward 17 builder 8080 --listen 127.0.0.1:8080
  build-resources forward --stdio 17 builder 22            # for ProxyCommand of ssh")]
pub struct ForwardArgs {
    /// The build.
    build: String,
    /// The node, as the build calls it.
    node: String,
    /// The port that something in the pod listens on.
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// One connection, with our stdin and stdout.
    #[arg(long, conflicts_with = "listen")]
    stdio: bool,
    /// Where to listen. Each connection is one to the pod.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

/// `forward`.
pub(super) async fn run(desk: &Desk<'_>, args: &ForwardArgs) -> Result<Said, Problem> {
    let port = desk.port(&args.build, &args.node, args.port).await?;
    let nothing = || Said::new(String::new(), Value::Null);
    // By its descriptor: the usual one is locked by whoever prints.
    let stdout = std::io::stdout().as_fd().try_clone_to_owned().map_err(ForwardError::Local)?;
    let mut stdout = File::from_std(std::fs::File::from(stdout));
    if args.stdio {
        let stdin = std::io::stdin().as_fd().try_clone_to_owned().map_err(ForwardError::Local)?;
        port.join(File::from_std(std::fs::File::from(stdin)), stdout).await?;
        return Ok(nothing());
    }
    let listener = TcpListener::bind(args.listen).await.map_err(ForwardError::Local)?;
    let address = listener.local_addr().map_err(ForwardError::Local)?;
    let line = format!("listening on {address}\n");
    stdout.write_all(line.as_bytes()).await.map_err(ForwardError::Local)?;
    stdout.flush().await.map_err(ForwardError::Local)?;
    Err(serve(&port, listener).await.into())
}

/// Until no more connections can be taken. One that fails is told on stderr, and the others go on.
async fn serve(port: &Port, listener: TcpListener) -> ForwardError {
    let stderr = std::io::stderr().as_fd().try_clone_to_owned();
    let mut stderr = match stderr {
        Ok(stderr) => std::fs::File::from(stderr),
        Err(error) => return ForwardError::Local(error),
    };
    port.listen(listener, |error| {
        use std::io::Write as _;
        let _ = writeln!(stderr, "error: {}", crate::error::chain(&error)); // where nobody listens, nobody is told
    })
    .await
}
