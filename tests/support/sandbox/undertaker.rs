//! Leaves nothing behind: when a sandbox ends, or the program that holds it dies of whatever cause, a small shell kills
//! every process that carries the sandbox's mark, unmounts what is mounted below it and removes its directory.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::environment::MARK;

/// Waits for the end of its standard input, which is the end of the sandbox.
const SCRIPT: &str = r#"
cat > /dev/null
tries=0
while pids=$(grep -lszxF "$2=$1" /proc/[0-9]*/environ | tr -dc '0-9\n'); [ "$pids" ] && [ $tries -lt 500 ]; do
  kill -KILL $pids 2> /dev/null
  tries=$((tries + 1))
  sleep 0.01
done
awk -v dir="$1/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | sort -r | while read -r mount; do
  umount -l "$mount"
done
rm -rf --one-file-system -- "$1"
"#;

/// Watches over one sandbox.
#[derive(Debug)]
pub(super) struct Undertaker(Child);

impl Undertaker {
    /// Starts watching over the sandbox at `dir`.
    pub(super) fn watch(dir: &Path) -> Self {
        let mut command = Command::new("setsid");
        command.args(["--wait", "sh", "-c", SCRIPT, "undertaker"]).arg(dir).arg(MARK);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Undertaker(crate::process::spawn(command))
    }
}

impl Drop for Undertaker {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
