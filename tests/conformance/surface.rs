//! Names, paths, objects, members and signatures.

use std::collections::HashMap;

use zbus::{OwnedObjectPath, OwnedVariant};

use crate::client::{
    Dict, EXPERIMENTAL_INTERFACE, NAME, OS_INTERFACE, ROOT, SYSROOT, SYSROOT_INTERFACE, TRANSACTION_INTERFACE,
};
use crate::deployment::text;
use crate::host::Host;
use crate::introspection::{Interface, parse};
use crate::packages::plain;
use crate::request::Request;
use crate::verdict::{Stop, Verdict, ensure, fail, skip};

async fn interface(host: &Host, path: &str, name: &str) -> Result<Interface, Stop> {
    let reply = host.control.call(path, "org.freedesktop.DBus.Introspectable", "Introspect", &()).await?;
    let xml: String = reply.body().deserialize()?;
    match parse(&xml)?.remove(name) {
        Some(interface) => Ok(interface),
        None => fail(format!("`{path}` has no interface `{name}`")),
    }
}

pub(crate) async fn name_is_activatable(host: &Host) -> Verdict {
    let reply = host.control.call_bus("ListActivatableNames", &()).await?;
    let names: Vec<String> = reply.body().deserialize()?;
    ensure!(names.iter().any(|name| name == NAME), "`{NAME}` is not among the activatable names");
    Ok(())
}

pub(crate) async fn owner_is_root(host: &Host) -> Verdict {
    if host.sandbox.is_some() && !nix::unistd::geteuid().is_root() {
        return skip("the stand-in runs as the user of this test, who is not root");
    }
    let reply = host.control.call_bus("GetConnectionUnixUser", &NAME).await?;
    let uid: u32 = reply.body().deserialize()?;
    ensure!(uid == 0, "the owner of the name is uid {uid}");
    Ok(())
}

pub(crate) async fn object_manager(host: &Host) -> Verdict {
    let manager = "org.freedesktop.DBus.ObjectManager";
    let reply = host.control.call(ROOT, manager, "GetManagedObjects", &()).await?;
    let body = reply.body();
    type Objects = HashMap<OwnedObjectPath, HashMap<String, HashMap<String, OwnedVariant>>>;
    let objects: Objects = body.deserialize()?;
    for (path, name) in
        [(SYSROOT, SYSROOT_INTERFACE), (&*host.os, OS_INTERFACE), (&*host.os, EXPERIMENTAL_INTERFACE)]
    {
        let found = objects.iter().find(|(object, _)| object.as_str() == path);
        let Some((_, interfaces)) = found else {
            return fail(format!("`{path}` is not a managed object"));
        };
        ensure!(interfaces.contains_key(name), "`{path}` is managed without `{name}`");
    }
    Ok(())
}

pub(crate) async fn sysroot_methods(host: &Host) -> Verdict {
    let wanted = [
        "RegisterClient a{sv} ->",
        "UnregisterClient a{sv} ->",
        "Reload  ->",
        "ReloadConfig  ->",
        "GetOS s -> o",
    ];
    interface(host, SYSROOT, SYSROOT_INTERFACE).await?.has_methods(&wanted)
}

pub(crate) async fn sysroot_properties(host: &Host) -> Verdict {
    let wanted = [
        "Booted o",
        "Path s",
        "ActiveTransaction (sss)",
        "ActiveTransactionPath s",
        "AutomaticUpdatePolicy s",
        "Deployments aa{sv}",
    ];
    interface(host, SYSROOT, SYSROOT_INTERFACE).await?.has_properties(&wanted)
}

pub(crate) async fn os_transactions(host: &Host) -> Verdict {
    let wanted = [
        "UpdateDeployment a{sv}a{sv} -> s",
        "PkgChange a{sv}asas -> s",
        "Deploy sa{sv} -> s",
        "Upgrade a{sv} -> s",
        "Rebase a{sv}sas -> s",
        "Rollback a{sv} -> s",
        "Cleanup as -> s",
        "KernelArgs sasasasa{sv} -> s",
        "SetInitramfsState basa{sv} -> s",
        "InitramfsEtc asasbba{sv} -> s",
        "FinalizeDeployment a{sv} -> s",
        "AutomaticUpdateTrigger a{sv} -> bs",
        "RefreshMd a{sv} -> s",
        "ModifyYumRepo sa{ss} -> s",
    ];
    interface(host, &host.os, OS_INTERFACE).await?.has_methods(&wanted)
}

pub(crate) async fn os_queries(host: &Host) -> Verdict {
    let os = interface(host, &host.os, OS_INTERFACE).await?;
    os.has_methods(&["GetDeploymentBootConfig sb -> a{sv}", "GetDeploymentsRpmDiff ss -> a(sua{sv})"])?;
    // Newer than 2022.10: they may be absent, but not different.
    let newer = [
        "ListRepos  -> aa{sv}",
        "WhatProvides as -> aa{sv}",
        "GetPackages as -> aa{sv}",
        "Search as -> aa{sv}",
    ];
    for method in newer {
        if os.knows(method.split(' ').next().unwrap_or_default()) {
            os.has_methods(&[method])?;
        }
    }
    Ok(())
}

pub(crate) async fn os_properties(host: &Host) -> Verdict {
    let wanted = [
        "BootedDeployment a{sv}",
        "DefaultDeployment a{sv}",
        "RollbackDeployment a{sv}",
        "CachedUpdate a{sv}",
        "HasCachedUpdateRpmDiff b",
        "Name s",
    ];
    interface(host, &host.os, OS_INTERFACE).await?.has_properties(&wanted)
}

pub(crate) async fn experimental(host: &Host) -> Verdict {
    let experimental = interface(host, &host.os, EXPERIMENTAL_INTERFACE).await?;
    experimental.has_methods(&["Moo b -> s", "LiveFs a{sv} -> s"])
}

pub(crate) async fn no_signals_of_its_own(host: &Host) -> Verdict {
    for (path, name) in [(SYSROOT, SYSROOT_INTERFACE), (&*host.os, OS_INTERFACE)] {
        let signals = interface(host, path, name).await?;
        ensure!(signals.signals().is_empty(), "`{name}` has signals: {:?}", signals.signals());
    }
    Ok(())
}

pub(crate) async fn booted_path(host: &Host) -> Verdict {
    let osname = text(host.booted(), "osname").unwrap_or_default();
    let name = host.control.text(&host.os, OS_INTERFACE, "Name").await?;
    ensure!(name == osname, "Booted is `{}`, named `{name}`, but `{osname}` is booted", host.os);
    Ok(())
}

pub(crate) async fn get_os(host: &Host) -> Verdict {
    let osname = text(host.booted(), "osname").unwrap_or_default();
    for asked in ["", &osname] {
        let reply = host.control.call(SYSROOT, SYSROOT_INTERFACE, "GetOS", &(asked,)).await?;
        let path: OwnedObjectPath = reply.body().deserialize()?;
        ensure!(path.as_str() == host.os, "GetOS(`{asked}`) is `{path}`, Booted is `{}`", host.os);
    }
    Ok(())
}

pub(crate) async fn sysroot_path(host: &Host) -> Verdict {
    let path = host.control.text(SYSROOT, SYSROOT_INTERFACE, "Path").await?;
    ensure!(path == "/", "Path is `{path}`");
    Ok(())
}

pub(crate) async fn update_policy(host: &Host) -> Verdict {
    let policy = host.control.text(SYSROOT, SYSROOT_INTERFACE, "AutomaticUpdatePolicy").await?;
    ensure!(["none", "check", "stage", "apply"].contains(&&*policy), "AutomaticUpdatePolicy is `{policy}`");
    Ok(())
}

pub(crate) async fn idle_properties(host: &Host) -> Verdict {
    let active = host.control.active().await?;
    ensure!(active == Default::default(), "ActiveTransaction is {active:?}");
    let address = host.control.active_path().await?;
    ensure!(address.is_empty(), "ActiveTransactionPath is `{address}`");
    Ok(())
}

pub(crate) async fn reload(host: &Host) -> Verdict {
    host.control.call(SYSROOT, SYSROOT_INTERFACE, "Reload", &()).await?;
    host.unchanged().await
}

pub(crate) async fn registration(host: &Host) -> Verdict {
    let caller = host.caller().await?;
    let id = zbus::OwnedVariant::from(zbus::Str::from_static("xagent-conformance-second"));
    let options = Dict::from([("id".to_owned(), id)]);
    caller.call(SYSROOT, SYSROOT_INTERFACE, "RegisterClient", &(options,)).await?;
    caller.call(SYSROOT, SYSROOT_INTERFACE, "UnregisterClient", &(Dict::new(),)).await?;
    Ok(caller.close().await?)
}

pub(crate) async fn unregistered_callers_may_begin(host: &Host) -> Verdict {
    // Every request of this suite comes from a fresh connection that never registered.
    host.run(Request::install(&[&plain("a")]).dry()).await?.succeeded()
}

pub(crate) async fn transaction_interface(host: &Host) -> Verdict {
    let caller = host.caller().await?;
    let address = host.begin(&caller, &Request::install(&[&plain("a")]).dry()).await?;
    let peer = host.peer(&address).await?;
    let xml = peer.introspect().await?;
    peer.close().await;
    caller.close().await?;
    let Some(transaction) = parse(&xml)?.remove(TRANSACTION_INTERFACE) else {
        return fail(format!("no interface `{TRANSACTION_INTERFACE}` at `/` of the private socket"));
    };
    transaction.has_methods(&["Start  -> b", "Cancel  ->"])?;
    transaction.has_properties(&["Title s", "InitiatingClientDescription s"])?;
    transaction.has_signals(&[
        "Finished bs",
        "Message s",
        "TaskBegin s",
        "TaskEnd s",
        "PercentProgress su",
        "ProgressEnd",
        "DownloadProgress (tt)(uu)(uuu)(uuut)(uu)(tt)",
        "SignatureProgress avs",
    ])
}

pub(crate) async fn boot_config(host: &Host) -> Verdict {
    let reply = host.control.call(&host.os, OS_INTERFACE, "GetDeploymentBootConfig", &("", false)).await?;
    let config: Dict = reply.body().deserialize()?;
    crate::deployment::has_type(&config, "staged", "b")?;
    crate::deployment::has_type(&config, "options", "s")
}
