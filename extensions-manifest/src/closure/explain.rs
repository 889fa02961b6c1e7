//! Why is this package here: the shortest path from an extension down to it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Because, Closure};
use crate::nevra::Nevra;

impl Closure {
    /// The path from an extension to `package`, one line a step, for people: why is this package here.
    ///
    /// The shortest path, and of equal ones always the same. Empty when the package is not in the closure.
    pub fn explain(&self, package: &Nevra) -> Vec<String> {
        // Breadth first, upwards; `below` remembers by which requirement each package was reached.
        let mut below: BTreeMap<&Nevra, (&Nevra, &str)> = BTreeMap::new();
        let mut seen = BTreeSet::from([package]);
        let mut queue = VecDeque::from([package]);
        while let Some(here) = queue.pop_front() {
            let reasons = self.members.get(here).into_iter().flat_map(|member| &member.because);
            for reason in reasons {
                match reason {
                    Because::Extension(extension) => {
                        let mut lines = vec![format!("extension `{extension}` names {here}")];
                        let mut step = here;
                        while let Some((next, requirement)) = below.get(step) {
                            lines.push(format!("{step} requires `{requirement}`, which {next} provides"));
                            step = next;
                        }
                        return lines;
                    }
                    Because::RequiredBy { package: above, requirement } => {
                        if seen.insert(above) {
                            below.insert(above, (here, requirement));
                            queue.push_back(above);
                        }
                    }
                }
            }
        }
        Vec::new()
    }
}
