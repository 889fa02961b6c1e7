//! Runs `rpmbuild`, once for each description: the file is kept under the digest of what it was made from.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::spec::{filler_path, spec};
use super::{Kind, Rpm};
use crate::cache;
use crate::command::{run, tool};

/// The file of this package.
pub(super) fn build(rpm: &Rpm) -> PathBuf {
    let text = spec(rpm);
    let contents = format!("{:?} {}", rpm.files, rpm.filler);
    let key = cache::key([
        RECIPE.as_bytes(),
        text.as_bytes(),
        contents.as_bytes(),
        rpm.arch.as_bytes(),
        tool_version(),
    ]);
    cache::entry("rpm", &key, |place| make(rpm, &text, place)).join(rpm.file_name())
}

/// Builds many at once, on all processors; the files come in the order of the descriptions.
pub fn build_all(rpms: &[Rpm]) -> Vec<PathBuf> {
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(rpms.len());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(rpm) = rpms.get(next.fetch_add(1, Ordering::Relaxed)) {
                    build(rpm);
                }
            });
        }
    });
    rpms.iter().map(build).collect()
}

/// Changes whenever the way of building does, so that no file of an older way is found.
const RECIPE: &str = "rpm recipe 2";

/// What makes the bytes the same on every machine: no build host, no build time, no build ids, one compressor.
const MACROS: &[(&str, &str)] = &[
    ("_buildhost", "builder.example"),
    ("use_source_date_epoch_as_buildtime", "1"),
    ("clamp_mtime_to_source_date_epoch", "1"),
    ("_binary_payload", "w3.zstdio"),
    ("_binary_filedigest_algorithm", "8"),
    ("__os_install_post", "%{nil}"),
    ("__arch_install_post", "%{nil}"),
    ("debug_package", "%{nil}"),
    ("_build_id_links", "none"),
    ("_missing_build_ids_terminate_build", "0"),
    ("_binaries_in_noarch_packages_terminate_build", "0"),
    ("_vendor", "example"),
];

fn tool_version() -> &'static [u8] {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| run(tool("rpmbuild", Path::new("/nonexistent")).arg("--version"))).as_bytes()
}

fn make(rpm: &Rpm, text: &str, place: &Path) {
    let work = place.join("work");
    let root = work.join("SOURCES/tree");
    fs::create_dir_all(&root).unwrap();
    lay_out(rpm, &root);
    let spec_file = work.join("package.spec");
    fs::write(&spec_file, text).unwrap();
    let target = if rpm.arch == "noarch" { "x86_64" } else { rpm.arch.as_str() };
    let mut command = tool("rpmbuild", &work);
    command.args(["-bb", "--quiet", "--target", &format!("{target}-redhat-linux")]);
    command.args(["--define", &format!("_topdir {}", work.display())]);
    command.args(["--define", &format!("_tmppath {}", work.display())]);
    for (name, value) in MACROS {
        command.args(["--define", &format!("{name} {value}")]);
    }
    run(command.arg(&spec_file));
    let built = work.join("RPMS").join(&rpm.arch).join(rpm.file_name());
    fs::rename(&built, place.join(rpm.file_name()))
        .unwrap_or_else(|error| panic!("{}: {error}", built.display()));
    fs::remove_dir_all(work).unwrap();
}

fn lay_out(rpm: &Rpm, root: &Path) {
    for entry in &rpm.files {
        let path = root.join(entry.path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match &entry.kind {
            Kind::File { content, mode } => {
                fs::write(&path, content).unwrap();
                fs::set_permissions(&path, PermissionsExt::from_mode(*mode)).unwrap();
            }
            Kind::Symlink(target) => symlink(target, &path).unwrap(),
            Kind::Directory => fs::create_dir_all(&path).unwrap(),
        }
    }
    if rpm.filler > 0 {
        let path = root.join(filler_path(rpm).trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fill(&path, rpm.filler, &rpm.nevra());
    }
}

/// Writes `bytes` of a xorshift sequence seeded by `seed`: cheap, repeatable, and it does not compress.
pub(crate) fn fill(path: &Path, bytes: u64, seed: &str) {
    let mut state = seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    }) | 1;
    let mut out = BufWriter::new(File::create(path).unwrap());
    let mut left = usize::try_from(bytes).unwrap();
    while left > 0 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let chunk = state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes();
        let take = left.min(chunk.len());
        out.write_all(&chunk[..take]).unwrap();
        left -= take;
    }
    out.flush().unwrap();
}
