//! What the figures were measured on, and what a process has used so far: by the kernel's own books.

use std::fs;

/// One line: processors, memory, kernel, load.
pub(crate) fn facts() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let value = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let count = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let model = value(&cpus, "model name");
    let memory = kib(&value(&read("/proc/meminfo"), "MemTotal")) >> 20;
    let (kernel, load) = (read("/proc/sys/kernel/osrelease"), read("/proc/loadavg"));
    format!("{count} × {model}, {memory} GiB, Linux {}, load {}", kernel.trim(), load.trim())
}

/// KiB that a process holds in memory.
pub(crate) fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    kib(line.expect("a process that lives has memory"))
}

/// Seconds of all processors that a process has used, user and system.
pub(crate) fn cpu(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name before the last bracket may hold anything; after it, fields 3, 4, …: user is 14, system 15.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    let second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).unwrap().unwrap();
    ticks as f64 / second as f64
}

fn kib(text: &str) -> u64 {
    text.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or(0)
}
