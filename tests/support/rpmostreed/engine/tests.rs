//! The engine on a real sysroot with real RPMs, without a bus: what D-Bus adds is the conformance suite's matter.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use tokio::sync::mpsc::unbounded_channel;

use super::context::{Context, Lock, Output};
use super::deployments::{self, Deployment, View};
use super::{CleanupWhat, Failure, Job, finalize, run};
use crate::packages::{Release, Rpm, kernel_rt};
use crate::rpmostreed::faults::{Faults, Step, Switch};
use crate::rpmostreed::request::Update;
use crate::sandbox::sysroot;
use crate::scratch::Scratch;

const OS: &str = sysroot::OSNAME;

struct Host(Scratch);

impl Host {
    fn new() -> Self {
        let scratch = Scratch::new("stand-in-");
        fs::create_dir(scratch.path().join("run")).unwrap();
        let booted = sysroot::fresh(Release::First, scratch.path());
        fs::write(scratch.path().join("run/booted"), booted).unwrap();
        Self(scratch)
    }

    fn faults(&self) -> Faults {
        Faults::of(self.0.path())
    }

    fn view(&self) -> View {
        deployments::read(self.0.path()).unwrap()
    }

    fn default(&self) -> Deployment {
        self.view().default_of(OS).unwrap().clone()
    }

    fn reboot(&self) -> Deployment {
        let id = finalize(self.0.path()).unwrap();
        let booted = self.view().booted_of(OS).unwrap().clone();
        assert_eq!(booted.id(), id);
        booted
    }

    fn job(&self, job: Job) -> (Result<(), Failure>, Vec<Output>) {
        let (say, mut heard) = unbounded_channel();
        let lock = Lock::take(self.0.path()).unwrap().expect("nobody else has the sysroot");
        let context = Context::new(self.0.path(), lock, Arc::default(), self.faults(), say);
        let result = run(job, &context);
        context.lock().release();
        drop(context);
        (result, std::iter::from_fn(|| heard.try_recv().ok()).collect())
    }

    fn send(&self, mut update: Update) -> (Result<(), Failure>, Vec<Output>) {
        update.descriptors = update.local.len();
        self.job(Job::Update { osname: OS.to_owned(), update: Box::new(update) })
    }

    fn try_update(&self, change: impl FnOnce(&mut Update)) -> Result<(), Failure> {
        let mut update = update();
        change(&mut update);
        self.send(update).0
    }

    fn update(&self, change: impl FnOnce(&mut Update)) {
        self.try_update(change).unwrap();
    }

    fn installed(&self, deployment: &Deployment, database: &str) -> Vec<String> {
        let mut rpm = Command::new("rpm");
        rpm.arg("--dbpath").arg(deployment.root(self.0.path()).join(database)).args([
            "-qa",
            "--qf",
            "%{NAME}\n",
        ]);
        crate::command::run(&mut rpm).lines().map(str::to_owned).collect()
    }
}

fn update() -> Update {
    let mut update = Update::new(HashMap::new(), HashMap::new(), 0).unwrap();
    update.options.no_pull_base = true;
    update
}

fn files<'a>(rpms: impl IntoIterator<Item = &'a Rpm>) -> Vec<OwnedFd> {
    rpms.into_iter().map(|rpm| File::open(rpm.build()).unwrap().into()).collect()
}

fn hello() -> Rpm {
    Rpm::new("hello").executable("/usr/bin/hello", "#!/usr/bin/sh\n").file("/etc/hello.conf", "x\n")
}

#[test]
fn what_is_staged_is_booted_after_a_reboot_and_uninstalled_to_the_bare_base() {
    let host = Host::new();
    let base = host.default();
    host.update(|update| update.local = files([&hello()]));
    let staged = host.default();
    assert!(staged.staged && !staged.booted);
    assert_eq!(staged.origin.local[0].nevra, hello().nevra());
    assert!(host.installed(&staged, "usr/share/rpm").contains(&"hello".to_owned()));
    assert!(!host.installed(&staged, "usr/lib/sysimage/rpm-ostree-base-db").contains(&"hello".to_owned()));

    let booted = host.reboot();
    assert_eq!(booted.id(), staged.id());
    assert_eq!(booted.origin, staged.origin);
    let root = booted.root(host.0.path());
    assert!(root.join("usr/bin/hello").exists() && root.join("etc/hello.conf").exists());
    assert_eq!(host.view().rollback_of(OS).unwrap().id(), base.id());

    host.update(|update| update.uninstall = vec!["hello".to_owned()]);
    assert_eq!(host.reboot().checksum, base.checksum);
}

#[test]
fn other_content_under_a_layered_nevra_poisons_the_host_until_the_original_comes_back() {
    let host = Host::new();
    let impostor = hello().file("/usr/share/hello/OTHER", "other\n");
    host.update(|update| update.local = files([&hello()]));
    let refused = host.try_update(|update| update.local = files([&impostor])).unwrap_err();
    assert!(refused.to_string().ends_with("is already layered"), "{refused}");

    let other = Rpm::new("other");
    let poisoned = host.try_update(|update| update.local = files([&other])).unwrap_err().to_string();
    let start = format!("Checksum mismatch for package {}: expected ", hello().nevra());
    assert!(poisoned.starts_with(&start), "{poisoned}");

    host.update(|update| {
        update.local = files([&hello()]);
        update.options.idempotent_layering = true;
    });
    host.update(|update| update.local = files([&other]));
}

#[test]
fn a_kernel_is_swapped_and_swapped_back_in_one_request_each() {
    let host = Host::new();
    let base = host.default();
    let plain = ["kernel", "kernel-core", "kernel-modules", "kernel-modules-core", "kernel-modules-extra"];
    let plain: Vec<String> = plain.map(str::to_owned).into();
    let rt: Vec<Rpm> =
        kernel_rt(Release::First).into_iter().filter(|rpm| rpm.name() != "kernel-rt-devel").collect();
    let mut swap = update();
    swap.override_remove.clone_from(&plain);
    swap.local = files(&rt);
    let (result, heard) = host.send(swap);
    result.unwrap();
    assert!(heard.contains(&Output::Message("Applying 5 overrides and 4 overlays".into())), "{heard:?}");
    assert!(heard.contains(&Output::TaskBegin("Generating initramfs".into())), "{heard:?}");
    let root = host.reboot().root(host.0.path());
    let kernels: Vec<PathBuf> =
        fs::read_dir(root.join("usr/lib/modules")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(kernels.len() == 1 && kernels[0].to_string_lossy().ends_with("+rt"), "{kernels:?}");

    host.update(|update| {
        update.override_reset = plain;
        update.uninstall = rt.iter().map(|rpm| rpm.name().to_owned()).collect();
    });
    assert_eq!(host.reboot().checksum, base.checksum);
}

#[test]
fn base_and_packages_move_in_one_request() {
    let host = Host::new();
    host.update(|update| update.local = files([&hello()]));
    let newer = hello().evr(0, "2.0", "1.el9");
    host.update(|update| {
        update.options.no_pull_base = false;
        update.refspec = Some(sysroot::refspec(Release::Second).to_owned());
        update.uninstall = vec!["hello".to_owned()];
        update.local = files([&newer]);
    });
    let booted = host.reboot();
    assert_eq!(booted.origin.refspec, sysroot::refspec(Release::Second));
    assert_eq!(booted.origin.local[0].nevra, newer.nevra());
}

#[test]
fn a_lost_or_locked_finalization_silently_boots_the_old_one() {
    let host = Host::new();
    let base = host.default();
    host.faults().turn_on(Switch::LoseStagedAtReboot, "");
    host.update(|update| update.local = files([&hello()]));
    assert_eq!(host.reboot().id(), base.id());
    host.update(|update| {
        update.local = files([&hello()]);
        update.options.lock_finalization = true;
    });
    assert_eq!(host.reboot().id(), base.id());
    assert_eq!(host.view().deployments().count(), 1);
}

#[test]
fn a_failing_scriptlet_fails_with_its_exit_code_taken_for_a_signal() {
    let host = Host::new();
    let failing = Rpm::new("failing").post("exit 3\n");
    let failure = host.try_update(|update| update.local = files([&failing])).unwrap_err();
    assert_eq!(
        failure.to_string(),
        "Running %post for failing: bwrap(/bin/sh): Child process killed by signal 3"
    );
    assert!(host.default().booted);
}

#[test]
fn opt_is_moved_var_is_lost_and_usr_local_is_refused() {
    let host = Host::new();
    let rpm = Rpm::new("paths").file("/opt/paths/x", "x\n").file("/var/lib/paths/x", "x\n");
    host.update(|update| update.local = files([&rpm]));
    let root = host.default().root(host.0.path());
    assert!(root.join("usr/lib/opt/paths/x").exists());
    assert_eq!(fs::read_dir(root.join("var")).unwrap().count(), 0);
    let local = Rpm::new("local").file("/usr/local/bin/x", "x\n");
    let refused = host.try_update(|update| update.local = files([&local])).unwrap_err().to_string();
    assert!(refused.ends_with("opendir(local): No such file or directory"), "{refused}");
}

#[test]
fn an_ordered_failure_fires_once_at_its_step() {
    for step in Step::ALL {
        if step == Step::AfterFinished {
            continue; // what comes after `Finished` is the transaction's, not the engine's
        }
        let host = Host::new();
        host.faults().fail_at(step, "as ordered");
        let failure = host.try_update(|update| update.local = files([&hello()])).unwrap_err();
        assert_eq!(failure.to_string(), "as ordered", "{step:?}");
        assert_eq!(host.default().staged, step == Step::AfterStagedBeforeFinished, "{step:?}");
        host.update(|update| {
            update.local = files([&hello()]);
            update.options.idempotent_layering = true;
        });
    }
}

#[test]
fn cleanup_and_rollback_work_on_what_is_there() {
    let host = Host::new();
    let rollback = || host.job(Job::Rollback { osname: OS.to_owned(), reboot: false }).0;
    assert_eq!(rollback().unwrap_err().to_string(), "No rollback deployment found");
    let base = host.default();
    host.update(|update| update.local = files([&hello()]));
    assert_eq!(rollback().unwrap_err().to_string(), "Staged deployment (remove with cleanup -p)");
    let layered = host.reboot();
    rollback().unwrap();
    assert_eq!(host.default().id(), base.id());
    assert_eq!(host.reboot().id(), base.id());
    assert_eq!(host.view().rollback_of(OS).unwrap().id(), layered.id());
    let what = CleanupWhat { rollback: true, pending: true, ..CleanupWhat::default() };
    let (result, heard) = host.job(Job::Cleanup { osname: OS.to_owned(), what });
    result.unwrap();
    assert!(
        heard.iter().any(|said| matches!(said, Output::Message(text) if text.starts_with("Freed: "))),
        "{heard:?}"
    );
    assert_eq!(host.view().deployments().count(), 1);
}
