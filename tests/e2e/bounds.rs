//! The bounds of an image: one step beyond each is refused by name, and whatever lies within them, or lies about them,
//! the agent stays within its memory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use proof::images::raw::{NearlyNothing, RawImage, RawLayer};
use proof::packages::craft::Crafted;
use proof::process::{Finished, Running};
use proof::sandbox::Sandbox;

use crate::node::{assert_refused, wish};

/// What the agent may have in memory of its own at its worst, in KiB: with the pages of the program, of which a release
/// build has less than 24 MiB and a build without optimisation more, it stays below 64 MiB.
const MEMORY: u64 = 40 << 10;

struct Bench {
    host: Sandbox,
}

/// What a run came to, and the most memory of its own that it had, in KiB.
struct Measured {
    done: Finished,
    peak: u64,
}

impl Bench {
    fn new() -> Self {
        Bench { host: Sandbox::start() }
    }

    /// An image that offers `tool`, with more in its only layer.
    fn image(&self, more: impl FnOnce(&mut RawLayer)) -> RawImage {
        RawImage::at(&self.place()).layer(|layer| {
            layer.map(&["tool"]);
            let tool = Crafted::new("tool");
            layer.package(&tool.file_name(), &tool.build());
            more(layer);
        })
    }

    fn place(&self) -> PathBuf {
        self.host.dir().join("tmp/image")
    }

    /// Plans for `tool` from that image, and watches the memory.
    #[track_caller]
    fn plan(&self, payload: &str) -> Measured {
        wish(&self.host, &["tool"], payload);
        self.run_plan()
    }

    #[track_caller]
    fn run_plan(&self) -> Measured {
        let (out, err) = (self.host.dir().join("log/plan.out"), self.host.dir().join("log/plan.err"));
        let mut command = self.host.agent().command(["plan"]);
        command.stdout(fs::File::create(&out).unwrap()).stderr(fs::File::create(&err).unwrap());
        let (status, peak) = watched(command);
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        let done = Finished { status, stdout: read(&out), stderr: read(&err) };
        assert!(peak > 0 && peak <= MEMORY, "{peak} KiB of memory of its own: {done:#?}");
        Measured { done, peak }
    }

    #[track_caller]
    fn planned(&self, payload: &str) -> Finished {
        let Measured { done, peak } = self.plan(payload);
        eprintln!("peak {peak} KiB");
        let done = done.expect_success();
        assert!(done.stdout.contains("install  tool-1.0-1.el9.x86_64"), "{done:#?}");
        done
    }

    #[track_caller]
    fn over_a_limit(&self, payload: &str, words: &[&str]) {
        assert_refused(&self.host, &self.plan(payload).done, 13, "LimitExceeded", words);
    }
}

/// Runs the command to its end. The kernel keeps the highest mark of a process's memory as long as the process lives,
/// so looking often misses nothing but the very last moment, in which everything is let go of. Pages of files, which
/// the kernel takes back when it needs them, are not counted; there are never fewer of them than at the mark.
fn watched(command: Command) -> (std::process::ExitStatus, u64) {
    let mut process = Running::start(command);
    let status = PathBuf::from(format!("/proc/{}/status", process.id()));
    let mut peak = 0;
    loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let kib = |name: &str| {
            let mut lines = text.lines();
            let number = lines.find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
            number.map(|number| number.parse::<u64>().unwrap())
        };
        if let (Some(mark), Some(of_files)) = (kib("VmHWM:"), kib("RssFile:")) {
            peak = peak.max(mark.saturating_sub(of_files));
        }
        if let Some(status) = process.child().try_wait().unwrap() {
            return (status, peak);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn sizes_of_layers_and_their_sum() {
    let bench = Bench::new();
    let claim = |bytes: u64| {
        let image = bench.image(|_| ()).again(1);
        image.with(|image| {
            let own = image.manifest["layers"][1]["size"].as_u64().unwrap();
            image.manifest["layers"][0]["size"] = (bytes - own).into();
        })
    };
    bench.over_a_limit(&claim((8 << 30) + 1).write(), &["bytes of the image", "8589934593", "8589934592"]);
    // At the bound it is not the bound that is in the way: the layer is not as long as it is said to be, or the disk
    // has no room for it.
    let done = bench.plan(&claim(8 << 30).write()).done;
    assert!(matches!(done.code(), Some(29 | 32)), "{done:#?}");
}

#[test]
fn number_of_layers() {
    let bench = Bench::new();
    let image = |layers: usize| {
        RawImage::at(&bench.place())
            .layer(|layer| {
                layer.map(&["tool"]);
                layer.package("tool.rpm", &Crafted::new("tool").build());
            })
            .layer(|layer| layer.file("etc/nothing", b""))
            .again(layers - 2)
    };
    bench.over_a_limit(&image(129).write(), &["layers of the image", "129", "128"]);
    bench.planned(&image(128).write());
}

#[test]
fn size_of_manifest_and_config() {
    let bench = Bench::new();
    let image = |manifest: u64, config: u64| {
        bench.image(|_| ()).with(|image| {
            image.manifest["pad_to"] = manifest.into();
            image.config["pad_to"] = config.into();
        })
    };
    const LIMIT: u64 = 4 << 20;
    bench.over_a_limit(&image(LIMIT + 1, LIMIT).write(), &["4194305", "4194304"]);
    bench.over_a_limit(&image(LIMIT, LIMIT + 1).write(), &["4194305", "4194304"]);
    bench.planned(&image(LIMIT, LIMIT).write());
}

#[test]
fn length_of_an_entrys_name() {
    let bench = Bench::new();
    let name = |bytes: usize| "a/".repeat(bytes / 2) + &"b".repeat(bytes % 2);
    let long = bench.image(|layer| layer.file(&name(4097), b"")).write();
    assert_refused(&bench.host, &bench.plan(&long).done, 13, "LimitExceeded", &["4097", "4096"]);
    bench.planned(&bench.image(|layer| layer.file(&format!("{}bb", name(4094)), b"")).write());
}

#[test]
fn number_of_extensions_in_a_list() {
    let bench = Bench::new();
    let payload = bench.image(|_| ()).write();
    let names: Vec<String> = (0..65).map(|number| format!("tool-{number}")).collect();
    wish(&bench.host, &names.iter().map(String::as_str).collect::<Vec<_>>(), &payload);
    let done = bench.host.agent().apply();
    assert_refused(&bench.host, &done, 13, "LimitExceeded", &["65", "64"]);
    // As many as a file can hold, each of two letters and a comma.
    bench.host.remove_machine_config(crate::node::CONFIG);
    let head = r#"{"apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfig", "#;
    let names = vec!["\"\""; 2_700_000].join(",");
    let document =
        format!("{head}\"metadata\": {{\"name\": \"x\"}}, \"spec\": {{\"extensions\": [{names}]}}}}");
    bench.host.machine_config("many", &document);
    assert_refused(&bench.host, &bench.run_plan().done, 13, "LimitExceeded", &["256", "many.yaml"]);
}

#[test]
fn a_layer_that_grows_too_much() {
    let bench = Bench::new();
    let bomb = bench.image(|layer| layer.stream("srv/zeros", 96 << 20, &mut std::io::repeat(0)));
    bench.over_a_limit(&bomb.write(), &["ratio of inflated to compressed bytes", "200"]);
}

fn many(layer: &mut RawLayer, packages: usize) {
    for number in 1..packages {
        let package = Crafted::new(&format!("filling-{number}"))
            .provides(&format!("libfilling{number}.so.1()(64bit)"), "")
            .requires(&format!("libfilling{}.so.1()(64bit)", number / 2))
            .files("/usr/share/filling/", (0..8).map(|file| format!("{number}-{file}")));
        layer.package(&package.file_name(), &package.build());
    }
}

#[test]
fn number_of_packages() {
    let bench = Bench::new();
    let image = |packages| bench.image(|layer| many(layer, packages));
    bench.over_a_limit(&image(4097).write(), &["packages of one payload", "4097", "4096"]);
    bench.planned(&image(4096).write());
}

#[test]
fn much_that_is_nearly_nothing_and_many_entries_fit_into_the_memory() {
    let bench = Bench::new();
    let image = bench.image(|layer| {
        layer.stream("srv/data", 320 << 20, &mut NearlyNothing::default());
        for number in 0..20_000 {
            layer.file(&format!("usr/share/doc/{number}"), b"");
        }
        for number in 0..10_000 {
            layer.package(&format!("readme-{number}.txt"), b"");
        }
    });
    bench.planned(&image.write());
}

#[test]
fn the_heaviest_packages_that_are_read_at_all_fit_into_the_memory() {
    let bench = Bench::new();
    let kernel = |number: usize| {
        (0..25_000).fold(Crafted::new(&format!("kernel-{number}")), |package, symbol| {
            package.provides(&format!("kernel(symbol_{symbol})"), "0x1234abcd")
        })
    };
    let image = bench.image(|layer| {
        for number in 0..5 {
            layer.package(&format!("a-kernel-{number}.rpm"), &kernel(number).build());
        }
        // Just within what the paths of a package, and a header, may take.
        let files = (0..41_000).map(|number| format!("{number:0>60}"));
        let wide = Crafted::new("wide").files(&format!("/{}/", "d".repeat(100)), files);
        layer.package("b-wide.rpm", &wide.build());
        layer.package("c-long.rpm", &Crafted::new("long").changes(2_090_000).build());
    });
    let payload = image.write();
    bench.planned(&payload);
    // From the record of the first time, too.
    assert!(!bench.planned(&payload).stderr.contains("fetching layer"));
}

#[test]
fn a_few_bytes_that_stand_for_many_are_refused_within_the_memory() {
    let bench = Bench::new();
    // One directory of 4,000 bytes, and 250,000 files in it.
    let wide = Crafted::new("wide")
        .files(&format!("/{}/", "d".repeat(4000)), (0..250_000).map(|number| format!("{number:x}")));
    let image = bench.image(|layer| layer.package("wide.rpm", &wide.build()));
    bench.over_a_limit(&image.write(), &["wide.rpm"]);
    // The text of versions, which names nothing.
    let wordy = |number: usize| {
        (0..1900).fold(Crafted::new(&format!("wordy-{number}")), |package, provide| {
            package.provides(&format!("p{provide}"), &"1".repeat(4000))
        })
    };
    let image = bench.image(|layer| {
        for number in 0..8 {
            layer.package(&format!("wordy-{number}.rpm"), &wordy(number).build());
        }
    });
    bench.over_a_limit(&image.write(), &["dependencies"]);
    // As many dependencies as a package may have.
    let small =
        (0..100_000).fold(Crafted::new("small"), |package, _| package.provides("a", "1").requires("a"));
    let image = bench.image(|layer| layer.package("small.rpm", &small.build()));
    bench.over_a_limit(&image.write(), &["dependencies"]);
}

#[test]
fn documents_of_many_small_parts_are_read_within_the_memory() {
    let bench = Bench::new();
    let parts = |count: usize| -> serde_json::Map<String, serde_json::Value> {
        (0..count).map(|number| (format!("{number:x}"), "".into())).collect()
    };
    let image = bench.image(|_| ()).with(|image| {
        image.config["config"] = serde_json::json!({"Labels": parts(370_000)});
        image.manifest["layers"][0]["annotations"] = parts(370_000).into();
    });
    bench.planned(&image.write());
    let map = format!("{{\"x\": [{}[0]]}}", "[0],".repeat(260_000));
    let image = RawImage::at(&bench.place()).layer(|layer| {
        layer.package("extensions.json", map.as_bytes());
        layer.package("tool.rpm", &Crafted::new("tool").build());
    });
    bench.over_a_limit(&image.write(), &["values of the extension map", "65536"]);
}
