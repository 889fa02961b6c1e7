//! The binary: run one command, turn how it ended into an exit code.

use std::io;
use std::process::ExitCode;

use jiff::Timestamp;

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(_) => return ExitCode::FAILURE,
    };
    // Not locked here: a thread that logs, or tells that it panicked, would wait for us for ever.
    let (mut out, mut err) = (io::stdout(), io::stderr());
    let code =
        runtime.block_on(build_resources::cli::main(std::env::args_os(), Timestamp::now, &mut out, &mut err));
    runtime.shutdown_background(); // a thread may wait for a line of stdin that nobody will type
    ExitCode::from(code)
}
