//! Medians side by side, and how many times ours each is.

use crate::measure::Cost;

/// A title, the value, and how it is shown.
pub(crate) type Column = (&'static str, fn(&Cost) -> f64, fn(f64) -> String);

/// What a process tree costs.
pub(crate) const PROCESS: [Column; 3] = [
    ("wall s", |cost| cost.wall, |value| format!("{value:.2}")),
    ("CPU s", |cost| cost.cpu, |value| format!("{value:.2}")),
    ("peak MiB", |cost| cost.memory as f64 / 1024.0, |value| format!("{value:.0}")),
];

/// The same, and the bytes that it moves.
pub(crate) const BYTES: [Column; 6] = [
    PROCESS[0],
    PROCESS[1],
    PROCESS[2],
    ("wire MiB", |cost| mib(cost.wire), |value| format!("{value:.0}")),
    ("written MiB", |cost| mib(cost.written), |value| format!("{value:.0}")),
    ("kept MiB", |cost| mib(cost.kept), |value| format!("{value:.0}")),
];

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Prints one row a way: `median (times ours)`. The first way is what the others are held against.
pub(crate) fn print(ways: &[&str], costs: &[Vec<Cost>], columns: &[Column]) {
    let head: String = columns.iter().map(|(title, _, _)| format!("{title:>18}")).collect();
    println!("{:<24}{head}", "");
    for (way, runs) in ways.iter().zip(costs) {
        let cells: String = columns
            .iter()
            .map(|(_, value, show)| {
                let (own, ours) = (median(runs, *value), median(&costs[0], *value));
                let times = if ours > 0.0 { format!("{:.1} ×", own / ours) } else { "–".to_owned() };
                format!("{:>18}", format!("{} ({times})", show(own)))
            })
            .collect();
        println!("{way:<24}{cells}");
    }
}

fn median(runs: &[Cost], value: fn(&Cost) -> f64) -> f64 {
    let mut values: Vec<f64> = runs.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
