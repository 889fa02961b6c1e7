//! Scriptlets: run in the new root, without network, as the daemon does with bubblewrap.
//!
//! `%preun` and `%postun` never run: what is removed is simply not in the next tree.

use std::fs;
use std::path::Path;

use super::Failure;
use super::command::tool;
use super::context::Context;
use super::depsolve::Candidate;
use super::package::rpm;

struct Kind {
    task: &'static str,
    name: &'static str,
    body: &'static str,
    interpreter: &'static str,
}

const KINDS: [Kind; 3] = [
    Kind { task: "Running pre scripts", name: "pre", body: "%{PREIN}", interpreter: "%{PREINPROG}" },
    Kind { task: "Running post scripts", name: "post", body: "%{POSTIN}", interpreter: "%{POSTINPROG}" },
    Kind {
        task: "Running posttrans scripts",
        name: "posttrans",
        body: "%{POSTTRANS}",
        interpreter: "%{POSTTRANSPROG}",
    },
];

/// Runs the scriptlets of `packages`, kind by kind.
///
/// # Errors
/// At the first that fails.
pub fn run(context: &Context, tree: &Path, packages: &[Candidate]) -> Result<(), Failure> {
    for kind in &KINDS {
        context.task(kind.task, || {
            for package in packages {
                run_one(context, tree, package, kind)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn run_one(context: &Context, tree: &Path, package: &Candidate, kind: &Kind) -> Result<(), Failure> {
    let ask = |format: &str| {
        let said = context.run(rpm().args(["-qp", "--queryformat", format]).arg(&package.file), kind.task)?;
        Ok::<String, Failure>(said.out)
    };
    let interpreter = ask(kind.interpreter)?;
    if !interpreter.starts_with('/') {
        // None at all, or rpm's built-in Lua, which needs no shell and which no test package has.
        return Ok(());
    }
    let body = ask(kind.body)?;
    let body = if body == "(none)" { "" } else { &body };
    let script = context.work().join("scriptlet");
    fs::write(&script, body)?;
    let place = format!("Running %{} for {}: bwrap({interpreter})", kind.name, package.facts.name);
    let mut bwrap = tool("bwrap");
    bwrap
        .args(["--die-with-parent", "--unshare-net", "--unshare-pid", "--bind"])
        .arg(tree)
        .args(["/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/run", "--tmpfs", "/var"])
        .args(["--dir", "/var/tmp", "--ro-bind"])
        .arg(&script)
        .args(["/run/scriptlet", "--chdir", "/", &interpreter, "/run/scriptlet", "1"]);
    let said = context.run(&mut bwrap, &place)?;
    match said.code {
        Some(0) => Ok(()),
        // The daemon misreads the status: exit code 3 is reported as signal 3.
        Some(code) => Err(Failure::new(format!("{place}: Child process killed by signal {code}"))),
        None => Err(Failure::new(format!("{place}: Child process killed by signal 9"))),
    }
}
