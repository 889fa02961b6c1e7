//! The fleet for people.

use super::count::{Fleet, FleetProblem, Group};
use crate::cli::render::{Answer, Screen};
use crate::cli::status::stage;

impl Answer for Fleet {
    fn text(&self, screen: Screen) -> String {
        let mut text = self.head();
        if !self.extensions.is_empty() {
            let rows = self.extensions.iter().map(|row| {
                [
                    or_dash(row.pool.as_deref()),
                    row.extension.clone(),
                    or_dash(row.version.as_deref()),
                    stage(row.stage).to_owned(),
                    row.group.nodes.to_string(),
                    named(&row.group),
                ]
            });
            text += "\n";
            text += &screen.table(["POOL", "EXTENSION", "VERSION", "STAGE", "NODES", "WHICH"], rows);
        }
        text += &self.problems.iter().map(problem).collect::<String>();
        text
    }
}

impl Fleet {
    fn head(&self) -> String {
        let Self { nodes, ready, reboot_pending, stuck, .. } = self;
        if *nodes == 0 && self.silent.nodes == 0 {
            return "No node reports: is the agent installed, and does it know the cluster?\n".to_owned();
        }
        let mut text = format!(
            "{nodes} {}: {ready} ready, {reboot_pending} waiting for a reboot, {stuck} stuck.\n",
            if *nodes == 1 { "node reports" } else { "nodes report" }
        );
        if self.silent.nodes > 0 {
            text += &format!(
                "{} more say nothing that can be read: {}.\n",
                self.silent.nodes,
                named(&self.silent)
            );
        }
        if self.more {
            text += "There are more nodes than were read: ask pool by pool.\n";
        }
        text
    }
}

/// The nodes that are named, and how many are not.
fn named(group: &Group) -> String {
    let rest = group.nodes.saturating_sub(group.named.len());
    match (group.named.is_empty(), rest) {
        (true, _) => String::new(),
        (false, 0) => group.named.join(", "),
        (false, _) => format!("{} and {rest} more", group.named.join(", ")),
    }
}

fn problem(problem: &FleetProblem) -> String {
    let mut text = format!("\n{}: {}\n", problem.reason, problem.message);
    text += &problem.cure.as_ref().map(|cure| format!("  cure: {cure}\n")).unwrap_or_default();
    text += &problem.extension.as_ref().map(|name| format!("  concerns: {name}\n")).unwrap_or_default();
    text += &problem.pool.as_ref().map(|pool| format!("  pool: {pool}\n")).unwrap_or_default();
    text + &format!("  nodes: {}\n", named(&problem.group))
}

fn or_dash(text: Option<&str>) -> String {
    text.unwrap_or("-").to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::count::tests::sample;
    use super::super::read::Found;
    use super::*;

    #[test]
    fn the_table_says_where_to_look_first() {
        let text = Fleet::of(&sample()).text(Screen { width: None });
        let expected = "\
11 nodes report: 7 ready, 2 waiting for a reboot, 3 stuck.
1 more say nothing that can be read: old.

POOL    EXTENSION  VERSION  STAGE         NODES  WHICH
worker  usbguard   1.0-1    active        7
worker  usbguard   1.0-1    after reboot  2      b0, c0
worker  usbguard   1.0-1    blocked       2      d0, d1

UnmetRequirement: about UnmetRequirement
  cure: use the payload that was built for the booted release
  concerns: usbguard
  pool: worker
  nodes: d0, d1

DrainBlocked: about DrainBlocked
  pool: worker
  nodes: c0
";
        assert_eq!(text, expected);
    }

    #[test]
    fn an_empty_fleet_says_what_to_check() {
        assert!(Fleet::of(&Found::default()).text(Screen { width: None }).starts_with("No node reports"));
    }
}
