//! A private, real dbus-daemon: its own configuration, the limits of a system bus, and activation of the stand-in.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use crate::process::{Running, bound};
use crate::scratch::environment;

/// The name that the daemon is activated by.
pub(super) const NAME: &str = "org.projectatomic.rpmostree1";

/// A running bus.
#[derive(Debug)]
pub(super) struct Bus {
    _daemon: Running,
}

/// The address of the bus of the sandbox at `dir`.
pub(super) fn address(dir: &Path) -> String {
    format!("unix:path={}", dir.join("bus/socket").display())
}

impl Bus {
    /// Starts the bus and returns when it listens.
    pub(super) fn start(dir: &Path) -> Self {
        let place = dir.join("bus");
        fs::create_dir_all(place.join("services")).unwrap();
        let socket = place.join("socket");
        let _ = fs::remove_file(&socket);
        let config = place.join("bus.conf");
        fs::write(&config, configuration(&place)).unwrap();
        let mut command = bound("dbus-daemon");
        environment(&mut command, dir);
        command.arg(format!("--config-file={}", config.display()));
        command.args(["--nofork", "--nopidfile", "--nosyslog", "--print-address=1"]);
        let log = fs::File::create(dir.join("log/dbus-daemon.log")).unwrap();
        let mut daemon = Running::start({
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
            command
        });
        let mut line = String::new();
        BufReader::new(daemon.child().stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(
            line.starts_with("unix:path="),
            "dbus-daemon says {line:?}; see {}",
            dir.join("log").display()
        );
        Bus { _daemon: daemon }
    }
}

/// Makes the bus start the stand-in when somebody calls it.
pub(super) fn offer(dir: &Path, stand_in: &Path) {
    let services = dir.join("bus/services");
    fs::create_dir_all(&services).unwrap();
    // Not bound to its parent: that is a process of the bus which the bus ends as soon as the name is taken. The stand-in
    // goes when the bus goes, and the sandbox's mark is on it.
    let exec = format!("{} --sandbox {}", stand_in.display(), dir.display());
    fs::write(
        services.join(format!("{NAME}.service")),
        format!("[D-BUS Service]\nName={NAME}\nExec={exec}\n"),
    )
    .unwrap();
}

/// Takes the offer back, as on a host without rpm-ostree.
pub(super) fn withdraw(dir: &Path) {
    fs::remove_file(dir.join("bus/services").join(format!("{NAME}.service"))).unwrap();
}

/// No `<limit>`: the defaults are those of a system bus, among them 16 file descriptors in a message.
fn configuration(place: &Path) -> String {
    let place = place.display();
    format!(
        r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path={place}/socket</listen>
  <auth>EXTERNAL</auth>
  <servicedir>{place}/services</servicedir>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="true"/>
    <allow receive_sender="*" eavesdrop="true"/>
  </policy>
</busconfig>
"#
    )
}
