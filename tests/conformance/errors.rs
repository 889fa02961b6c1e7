//! Error replies and their names, and the limits of a message.

use crate::child::{self, Task};
use crate::client::{Bus, CallError, Dict, OS_INTERFACE, SYSROOT, SYSROOT_INTERFACE};
use crate::host::Host;
use crate::packages::plain;
use crate::request::Request;
use crate::verdict::{Stop, Verdict, ensure, fail, skip};

const NOT_FOUND: &str = "org.gtk.GDBus.UnmappedGError.Quark._g_2dio_2derror_2dquark.Code1";
const UNKNOWN_METHOD: &str = "org.freedesktop.DBus.Error.UnknownMethod";

fn refused(answer: Result<zbus::Message, CallError>) -> Result<CallError, Stop> {
    match answer {
        Ok(_) => fail("it was answered without an error"),
        Err(error) => Ok(error),
    }
}

pub(crate) async fn unknown_os(host: &Host) -> Verdict {
    let name = "xagent-conf-no-such-os";
    let error = refused(host.control.call(SYSROOT, SYSROOT_INTERFACE, "GetOS", &(name,)).await)?;
    ensure!(error.name == NOT_FOUND, "error reply {error}");
    let told =
        error.text.contains("OS name") && error.text.contains(name) && error.text.contains("not found");
    ensure!(told, "the text is `{}`", error.text);
    Ok(())
}

pub(crate) async fn unknown_object(host: &Host) -> Verdict {
    let path = "/org/projectatomic/rpmostree1/xagent_conf_no_such_os";
    let error = refused(host.control.call(path, OS_INTERFACE, "Cleanup", &(vec!["pending-deploy"],)).await)?;
    if host.sandbox.is_some() && error.name == "org.freedesktop.DBus.Error.UnknownObject" {
        return skip("the stand-in's D-Bus library answers UnknownObject before the stand-in is asked");
    }
    ensure!(error.name == UNKNOWN_METHOD, "error reply {error}");
    Ok(())
}

pub(crate) async fn unknown_method(host: &Host) -> Verdict {
    let error = refused(host.control.call(SYSROOT, SYSROOT_INTERFACE, "XagentConfNoSuchMethod", &()).await)?;
    ensure!(error.name == UNKNOWN_METHOD, "error reply {error}");
    Ok(())
}

pub(crate) async fn invalid_cleanup(host: &Host) -> Verdict {
    let outcome = host.transact("Cleanup", &(vec!["xagent-conf-nonsense"],)).await?;
    ensure!(outcome.refused.is_some(), "there was a transaction: {:?}", outcome.events);
    host.idle().await
}

pub(crate) async fn finalize_wrong_checksum(host: &Host) -> Verdict {
    host.stage(Request::install(&[&plain("a")]).option("lock-finalization", true)).await?;
    let wrong = "0".repeat(64);
    let options =
        Dict::from([("checksum".to_owned(), zbus::OwnedVariant::try_from(zbus::Variant::from(wrong))?)]);
    let outcome = host.transact("FinalizeDeployment", &(options,)).await?;
    outcome.failed_anywhere(&["Expected staged base checksum", "but found", &host.base()])?;
    ensure!(
        host.control.deployments().await?.len() == host.before.len() + 1,
        "the staged deployment is gone"
    );
    Ok(())
}

pub(crate) async fn finalize_missing_checksum(host: &Host) -> Verdict {
    if host.sandbox.is_none() {
        return skip("a daemon that deviates here would reboot the host");
    }
    host.stage(Request::install(&[&plain("a")]).option("lock-finalization", true)).await?;
    let outcome = host.transact("FinalizeDeployment", &(Dict::new(),)).await?;
    outcome.failed_anywhere(&["Missing expected checksum"])
}

pub(crate) async fn failure_is_no_error_reply(host: &Host) -> Verdict {
    let outcome = host.run(Request::uninstall(&["xagent-conf-never-layered"])).await?;
    ensure!(outcome.refused.is_none(), "an error reply: {:?}", outcome.refused);
    ensure!(
        !outcome.success && !outcome.text.is_empty(),
        "Finished({}, `{}`)",
        outcome.success,
        outcome.text
    );
    Ok(())
}

pub(crate) async fn failure_may_have_staged(host: &Host) -> Verdict {
    if host.sandbox.is_none() {
        return skip("a daemon that deviates here would change the running system");
    }
    let package = plain("a");
    let outcome = host.run(Request::install(&[&package]).option("apply-live", true)).await?;
    // No systemd runs the stand-in.
    outcome.failed(&["Not running under systemd"])?;
    crate::deployment::layers(&host.default().await?, &[&package.nevra])
}

pub(crate) async fn nobody_is_not_authorized(host: &Host) -> Verdict {
    child::possible()?;
    let address = match &host.bus {
        Bus::At(address) => address.clone(),
        Bus::System => "unix:path=/run/dbus/system_bus_socket".to_owned(),
    };
    let answer = child::run(Task::Layer, &address, None).await?;
    let no_polkit =
        answer.contains("org.freedesktop.DBus.Error.Failed") && answer.contains("Authorization error");
    let denied = answer.contains("org.freedesktop.DBus.Error.AccessDenied");
    ensure!(no_polkit || denied, "uid 65534 was told: {answer}");
    host.unchanged().await
}

/// What became of one call with so many file descriptors: an address, or an error (of the bus or of the daemon).
async fn handles(host: &Host, count: usize) -> Result<Result<String, CallError>, Stop> {
    let package = plain("a");
    let files = (0..count).map(|_| package.open()).collect();
    let caller = host.caller().await?;
    let answer = host.begin(&caller, &Request::new().files("install-local-packages", files).dry()).await;
    // The bus may have dropped it already.
    let _ = caller.close().await;
    host.idle().await?;
    Ok(answer)
}

pub(crate) async fn sixteen_handles_pass(host: &Host) -> Verdict {
    handles(host, 16).await??;
    Ok(())
}

pub(crate) async fn the_seventeenth_handle(host: &Host) -> Verdict {
    let reply = host.control.call_bus("GetConnectionUnixProcessID", &"org.freedesktop.DBus").await;
    let pid = reply.ok().and_then(|reply| reply.body().deserialize::<u32>().ok());
    let broker = pid.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).ok());
    let Some(broker) = broker else {
        return skip("which program the bus is cannot be seen from here");
    };
    let answer = handles(host, 17).await?;
    match (broker.trim(), answer) {
        ("dbus-daemon", Ok(_)) => fail("dbus-daemon let 17 file descriptors through"),
        ("dbus-daemon", Err(error)) => {
            ensure!(error.name == "local", "there was an error reply: {error}");
            Ok(())
        }
        (name, Err(error)) if name.starts_with("dbus-broker") => {
            fail(format!("{name} did not pass 17: {error}"))
        }
        (name, Ok(_)) if name.starts_with("dbus-broker") => Ok(()),
        (name, _) => skip(format!("`{name}` is neither dbus-daemon nor dbus-broker")),
    }
}
