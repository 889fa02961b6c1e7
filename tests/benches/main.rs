//! Ours beside what operators have today, in one run, as ratios: from a registry to verified RPM files on disk, and with
//! `ready`, `push`, `exec` or `gc` the build resources.
//!
//! Rounds are interleaved and every other one runs backwards, so that a busy moment of the machine hits all ways alike;
//! medians are shown. Nothing is asserted but that every way delivers the same packages. CPU is that of the whole
//! process tree, memory that of its largest process, the registry's own work is not in it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this crate is test code: a failed step must stop the run where it stands"
)]

mod ci;
mod measure;
mod payloads;
mod table;
mod ways;

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use proof::registry::Registry;
use proof::scratch::Scratch;

use measure::Cost;
use payloads::Sizes;
use ways::Way;

/// Compares ways from a registry to RPM files on disk, or one figure of the build resources.
#[derive(Parser)]
#[command(name = "bench")]
struct Arguments {
    /// How often each way is tried.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Packages in the payload.
    #[arg(long, default_value_t = 60)]
    rpms: usize,
    /// MiB of all packages together.
    #[arg(long, default_value_t = 60)]
    rpm_mib: u64,
    /// MiB of files below the packages, in the extensions image.
    #[arg(long, default_value_t = 100)]
    base_mib: u64,
    /// Layers of the OS image, the packages in the last.
    #[arg(long, default_value_t = 60)]
    os_layers: usize,
    /// MiB of files in the OS image.
    #[arg(long, default_value_t = 300)]
    os_mib: u64,
    /// A figure of the build resources instead; it starts a whole cluster.
    #[arg(value_enum, conflicts_with_all = ["rpms", "rpm_mib", "base_mib", "os_layers", "os_mib"])]
    figure: Option<ci::Figure>,
    #[command(subcommand)]
    step: Option<Step>,
}

/// What this program starts itself as.
#[derive(Subcommand)]
enum Step {
    /// Runs a command and writes what it cost into a file.
    #[command(hide = true)]
    Measure {
        out: PathBuf,
        #[arg(trailing_var_arg = true)]
        command: Vec<String>,
    },
    /// Our way: the agent's own loader.
    #[command(hide = true)]
    Load { reference: String, store: PathBuf },
}

fn main() {
    let arguments = Arguments::parse();
    match &arguments.step {
        Some(Step::Measure { out, command }) => measure::measure(out, command),
        Some(Step::Load { reference, store }) => ways::load(reference, store),
        None => match arguments.figure {
            Some(figure) => ci::compare(figure, arguments.rounds),
            None => compare(&arguments),
        },
    }
}

fn compare(arguments: &Arguments) {
    let sizes = Sizes {
        rpms: arguments.rpms,
        rpm_bytes: arguments.rpm_mib << 20,
        base_bytes: arguments.base_mib << 20,
        os_layers: arguments.os_layers,
        os_bytes: arguments.os_mib << 20,
    };
    println!("making {} packages and two images (kept for the next run) …", sizes.rpms);
    let images = payloads::make(&sizes);
    let registry = Registry::start();
    let scratch = Scratch::new("bench-");
    for name in ["home", "run", "tmp"] {
        std::fs::create_dir_all(scratch.path().join(name)).unwrap();
    }
    registry.trust(&scratch.path().join("home"));
    for image in &images {
        let reference = registry.push(&image.layout, image.repository);
        let job = Job { reference: &reference, layers: image.layout.layers(), rpms: sizes.rpms };
        println!("\n{}", image.title);
        let ways: Vec<Way> = Way::ALL.into_iter().filter(|way| usable(*way, &job, scratch.path())).collect();
        let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); ways.len()];
        for round in 0..arguments.rounds {
            let mut order: Vec<usize> = (0..ways.len()).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for place in order {
                let served = registry.relay().bytes_served();
                let mut cost =
                    once(ways[place], &job, scratch.path()).unwrap_or_else(|error| panic!("{error}"));
                cost.wire = registry.relay().bytes_served() - served;
                costs[place].push(cost);
            }
        }
        let titles: Vec<&str> = ways.iter().map(|way| way.title()).collect();
        table::print(&titles, &costs, &table::BYTES);
    }
}

/// One image and what must come out of it.
struct Job<'a> {
    reference: &'a str,
    layers: Vec<String>,
    rpms: usize,
}

/// A first try, which warms the caches and is not counted. A way that this machine does not have is said and left out.
fn usable(way: Way, job: &Job<'_>, scratch: &Path) -> bool {
    match once(way, job, scratch) {
        Ok(_) => true,
        Err(error) if way == Way::Ours => panic!("{error}"),
        Err(error) => {
            println!("left out: {}: {}", way.title(), error.trim().lines().last().unwrap_or_default());
            false
        }
    }
}

/// Runs one way once, in an empty directory that is removed afterwards.
fn once(way: Way, job: &Job<'_>, scratch: &Path) -> Result<Cost, String> {
    let place = scratch.join("work");
    std::fs::create_dir_all(&place).unwrap();
    let cost = measure::run(way.command(job.reference, &job.layers, &place), scratch);
    let cost = cost.map(|cost| Cost { kept: measure::size(&place), ..cost });
    let found = ways::packages(way, &place);
    ways::clear(way, &place, scratch);
    match cost {
        Ok(cost) if found == job.rpms => Ok(cost),
        Ok(_) => Err(format!("{} delivered {found} of {} packages", way.title(), job.rpms)),
        Err(error) => Err(error),
    }
}
