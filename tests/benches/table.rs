//! Medians side by side, and how many times ours each is.

use crate::measure::Cost;
use crate::ways::Way;

type Column = (&'static str, fn(&Cost) -> f64, fn(f64) -> String);

/// What is shown, in this order. The first way is what the others are held against.
const COLUMNS: [Column; 6] = [
    ("wall s", |cost| cost.wall, |value| format!("{value:.2}")),
    ("CPU s", |cost| cost.cpu, |value| format!("{value:.2}")),
    ("peak MiB", |cost| cost.memory as f64 / 1024.0, |value| format!("{value:.0}")),
    ("wire MiB", |cost| mib(cost.wire), |value| format!("{value:.0}")),
    ("written MiB", |cost| mib(cost.written), |value| format!("{value:.0}")),
    ("kept MiB", |cost| mib(cost.kept), |value| format!("{value:.0}")),
];

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Prints one row a way: `median (times ours)`.
pub(crate) fn print(ways: &[Way], costs: &[Vec<Cost>]) {
    let head: String = COLUMNS.iter().map(|(title, _, _)| format!("{title:>18}")).collect();
    println!("{:<20}{head}", "");
    for (way, runs) in ways.iter().zip(costs) {
        let cells: String = COLUMNS
            .iter()
            .map(|(_, value, show)| {
                let (own, ours) = (median(runs, *value), median(&costs[0], *value));
                let times = if ours > 0.0 { format!("{:.1} ×", own / ours) } else { "–".to_owned() };
                format!("{:>18}", format!("{} ({times})", show(own)))
            })
            .collect();
        println!("{:<20}{cells}", way.title());
    }
}

fn median(runs: &[Cost], value: fn(&Cost) -> f64) -> f64 {
    let mut values: Vec<f64> = runs.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
