//! How large a trial is: what `./tests/run` takes each time, and what its row asks for, which `./tests/run full` takes.

/// The size of one trial.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// The row.
    pub(crate) row: u8,
    /// What is counted.
    pub(crate) of: &'static str,
    usual: u64,
    full: u64,
}

const fn size(row: u8, of: &'static str, usual: u64, full: u64) -> Size {
    Size { row, of, usual, full }
}

/// Each is a process with some twenty writes.
pub(crate) const REQUESTS: Size = size(4, "requests at once", 50, 200);
/// One node of two cores cannot run 200.
pub(crate) const PODS: Size = size(4, "pods that run at once", 12, 40);
/// By each of ten processes in one namespace, where what is given back is free within a second.
pub(crate) const SHARED: Size = size(10, "requests of each process in one namespace", 10, 50);
/// By each of ten processes: seven namespaces at a time go away, in six seconds.
pub(crate) const EACH: Size = size(10, "requests of each process for namespaces", 4, 50);
/// Pushed over exec.
pub(crate) const PUSHED: Size = size(12, "MiB in the file", 16, 1024);
/// Of a million lines.
pub(crate) const RUNS: Size = size(14, "runs", 3, 50);
/// Of the tree.
pub(crate) const TREE: Size = size(18, "MiB in the tree", 24, 2048);
/// In the same tree.
pub(crate) const FILES: Size = size(18, "small files", 400, 100_000);
/// Of a parent.
pub(crate) const RETURNED: Size = size(20, "MiB in the file", 16, 200);
/// Whose records are gone.
pub(crate) const LEAKED: Size = size(24, "leaked namespaces", 40, 1000);
/// For projects, as many as those of the fourth row.
pub(crate) const PROJECTS: Size = size(36, "requests at once", 12, 200);
/// At rest.
pub(crate) const NODES: Size = size(47, "nodes at rest", 20, 500);
/// Of them: three renewals of a Lease, or an hour.
pub(crate) const REST: Size = size(47, "seconds", 30, 3600);

/// All of them, in the order of their rows.
pub(crate) const ALL: &[Size] =
    &[REQUESTS, PODS, SHARED, EACH, PUSHED, RUNS, TREE, FILES, RETURNED, LEAKED, PROJECTS, NODES, REST];

impl Size {
    /// The size of this run.
    pub(crate) fn now(&self) -> u64 {
        if std::env::var_os("FULL_SIZE").is_some() { self.full } else { self.usual }
    }

    /// The same where a number of things is wanted.
    pub(crate) fn count(&self) -> usize {
        usize::try_from(self.now()).unwrap()
    }

    /// What the page of rows says of it.
    pub(crate) fn said(&self) -> String {
        format!("{} instead of {} {}", self.usual, self.full, self.of)
    }
}

#[test]
fn each_row_is_tried_smaller_than_it_asks_for_unless_told_otherwise() {
    assert!(ALL.iter().all(|size| size.usual < size.full && size.said().contains(&size.full.to_string())));
    assert!(ALL.is_sorted_by_key(|size| size.row));
}
