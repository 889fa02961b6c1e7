//! Build resources beside what a job would use without them, on one whole cluster, as ratios in one run.

mod exec;
mod gc;
mod lab;
mod push;
mod ready;

use clap::ValueEnum;

use crate::measure::{self, Cost};
use crate::table;
use lab::Lab;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Figure {
    /// From a request to a ready pod, beside `kubectl create ns`, `run` and `wait`.
    Ready,
    /// Repositories into a pod, beside `git push` over ssh and over `kubectl exec`.
    Push,
    /// A command in a pod, and much output of one, beside `kubectl exec`.
    Exec,
    /// Namespaces that nobody wants, beside `kubectl delete ns`.
    Gc,
}

/// One way to do it: what it is called, and the command of each round.
pub(crate) struct Way<'a> {
    title: &'static str,
    command: Box<dyn Fn(usize) -> Vec<String> + 'a>,
}

impl<'a> Way<'a> {
    fn new(title: &'static str, command: impl Fn(usize) -> Vec<String> + 'a) -> Self {
        Way { title, command: Box::new(command) }
    }
}

/// Measures one figure.
pub(crate) fn compare(figure: Figure, rounds: usize) {
    println!("starting a cluster with a node …");
    let lab = Lab::start();
    match figure {
        Figure::Ready => ready::compare(&lab, rounds),
        Figure::Push => push::compare(&lab, rounds),
        Figure::Exec => exec::compare(&lab, rounds),
        Figure::Gc => gc::compare(&lab, rounds),
    }
}

/// Runs each way once a round, every other round backwards, and prints medians. A first round, which warms the caches, is
/// not counted. `after` puts things in order after each command, unmeasured.
fn side_by_side(lab: &Lab, title: &str, rounds: usize, ways: &[Way<'_>], after: impl Fn(usize, usize)) {
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); ways.len()];
    for round in 0..=rounds {
        let mut order: Vec<usize> = (0..ways.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for place in order {
            let cost = measure::run((ways[place].command)(round), lab.scratch());
            let cost = cost.unwrap_or_else(|error| panic!("{}: {error}", ways[place].title));
            after(place, round);
            if round > 0 {
                costs[place].push(cost);
            }
        }
    }
    println!("\n{title} (median of {rounds})");
    let titles: Vec<&str> = ways.iter().map(|way| way.title).collect();
    table::print(&titles, &costs, &table::PROCESS);
}

/// A script as a command.
fn script(text: &str) -> Vec<String> {
    ["sh", "-ec", text].map(str::to_owned).to_vec()
}
