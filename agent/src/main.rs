//! The binary: take what must be taken before there are threads, run one command, turn how it ended into an exit code.

use std::process::ExitCode;

use clap::Parser;
use extensions_agent::cli::{self, Cli, Process, Stop};
use extensions_agent::telemetry::{logging, server};
use jiff::Timestamp;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to stdout with 0, a mistake to stderr with 2; where neither is open, the code says it.
            let _ = error.print();
            return u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    let output = cli.common.output;
    match start(cli) {
        Ok(code) => ExitCode::from(code),
        Err(stop) => {
            let _ = cli::tell(stop.problem(), output, std::io::stderr().lock());
            ExitCode::from(stop.problem().reason.exit_code())
        }
    }
}

fn start(cli: Cli) -> Result<u8, Stop> {
    let process = Process {
        now: Timestamp::now(),
        metrics: server::inherited()?,
        log: std::env::var(logging::LOG_ENV).ok(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Stop::internal)?;
    let code = runtime.block_on(cli::main(cli, process));
    // Nothing that still reads or hashes in the background may keep a finished command from ending.
    runtime.shutdown_background();
    Ok(code)
}
