//! The dictionaries that describe deployments: keys, types, and what they mean.

use crate::client::{OS_INTERFACE, SYSROOT, SYSROOT_INTERFACE};
use crate::deployment::{flag, has_type, ids, layers, strings, text};
use crate::host::Host;
use crate::packages::plain;
use crate::request::Request;
use crate::verdict::{Verdict, ensure, fail, skip};

const ALWAYS: [(&str, &str); 21] = [
    ("id", "s"),
    ("osname", "s"),
    ("checksum", "s"),
    ("serial", "i"),
    ("booted", "b"),
    ("staged", "b"),
    ("pinned", "b"),
    ("unlocked", "s"),
    ("timestamp", "t"),
    ("version", "s"),
    ("packages", "as"),
    ("requested-packages", "as"),
    ("requested-local-packages", "as"),
    ("requested-local-fileoverride-packages", "as"),
    ("requested-base-removals", "as"),
    ("requested-base-local-replacements", "as"),
    ("base-removals", "av"),
    ("base-local-replacements", "a(vv)"),
    ("base-remote-replacements", "a{sv}"),
    ("regenerate-initramfs", "b"),
    ("base-commit-meta", "a{sv}"),
];

pub(crate) async fn keys_that_are_always_there(host: &Host) -> Verdict {
    host.stage(Request::install(&[&plain("a")])).await?;
    for deployment in host.control.deployments().await? {
        for (key, signature) in ALWAYS {
            has_type(&deployment, key, signature)?;
        }
    }
    Ok(())
}

pub(crate) async fn id_is_made_of_its_parts(host: &Host) -> Verdict {
    for deployment in &host.before {
        let part = |key| text(deployment, key).unwrap_or_default();
        let serial = deployment.get("serial").and_then(|value| i32::try_from(value).ok()).unwrap_or(-1);
        let wanted = format!("{}-{}.{serial}", part("osname"), part("checksum"));
        ensure!(part("id") == wanted, "the id is `{}`, its parts make `{wanted}`", part("id"));
    }
    Ok(())
}

pub(crate) async fn one_is_booted(host: &Host) -> Verdict {
    let deployments = host.control.deployments().await?;
    let booted: Vec<_> =
        deployments.iter().filter(|deployment| flag(deployment, "booted") == Some(true)).collect();
    let [booted] = booted[..] else {
        return fail(format!("{} deployments are booted", booted.len()));
    };
    let property = host.control.dict(&host.os, OS_INTERFACE, "BootedDeployment").await?;
    ensure!(text(&property, "id") == text(booted, "id"), "BootedDeployment is `{:?}`", text(&property, "id"));
    Ok(())
}

pub(crate) async fn first_is_the_default(host: &Host) -> Verdict {
    let staged = host.stage(Request::install(&[&plain("a")])).await?;
    ensure!(flag(&staged, "staged") == Some(true), "the first deployment is not staged");
    ensure!(flag(&staged, "booted") == Some(false), "the first deployment is booted");
    let default = host.control.dict(&host.os, OS_INTERFACE, "DefaultDeployment").await?;
    ensure!(text(&default, "id") == text(&staged, "id"), "DefaultDeployment is {:?}", text(&default, "id"));
    let rest: Vec<_> = host.control.deployments().await?.into_iter().skip(1).collect();
    ensure!(ids(&rest) == ids(&host.before), "behind it are {:?}", ids(&rest));
    let others = rest.iter().filter(|deployment| flag(deployment, "staged") != Some(false)).count();
    ensure!(others == 0, "{others} more are staged");
    Ok(())
}

pub(crate) async fn only_one_is_staged(host: &Host) -> Verdict {
    host.stage(Request::install(&[&plain("a")])).await?;
    host.stage(Request::install(&[&plain("b")])).await?;
    let now = host.control.deployments().await?;
    ensure!(now.len() == host.before.len() + 1, "two stagings left {:?}", ids(&now));
    Ok(())
}

pub(crate) async fn layered_names_its_base(host: &Host) -> Verdict {
    let staged = host.stage(Request::install(&[&plain("a")])).await?;
    for (key, signature) in [
        ("base-checksum", "s"),
        ("base-version", "s"),
        ("base-timestamp", "t"),
        ("layered-commit-meta", "a{sv}"),
    ] {
        has_type(&staged, key, signature)?;
    }
    ensure!(text(&staged, "base-checksum").as_deref() == Some(&*host.base()), "it is on another base");
    ensure!(text(&staged, "checksum") != text(&staged, "base-checksum"), "the layered commit is the base");
    let Some(meta) = staged.get("layered-commit-meta").cloned() else {
        return fail("`layered-commit-meta` is missing");
    };
    let meta = crate::client::Dict::try_from(meta)?;
    has_type(&meta, "rpmostree.clientlayer", "b")
}

pub(crate) async fn bare_has_no_base(host: &Host) -> Verdict {
    let bare = host.before.iter().filter(|deployment| {
        let keys = ["packages", "requested-local-packages", "requested-packages", "requested-base-removals"];
        let local = ["requested-base-local-replacements", "requested-local-fileoverride-packages"];
        let empty = |key: &&str| strings(deployment, key).is_ok_and(|list| list.is_empty());
        keys.iter().chain(&local).all(empty) && flag(deployment, "regenerate-initramfs") == Some(false)
    });
    let bare: Vec<_> = bare.collect();
    if bare.is_empty() {
        return skip("every deployment of this host has layers");
    }
    let wrong = bare.iter().find(|deployment| deployment.contains_key("base-checksum"));
    ensure!(wrong.is_none(), "{:?} has a base-checksum", wrong.map(|deployment| text(deployment, "id")));
    Ok(())
}

pub(crate) async fn keeps_the_version(host: &Host) -> Verdict {
    let staged = host.stage(Request::install(&[&plain("a")])).await?;
    let (seen, wanted) = (text(&staged, "version"), text(host.booted(), "version"));
    ensure!(seen == wanted, "the staged version is {seen:?}, the booted one {wanted:?}");
    Ok(())
}

pub(crate) async fn packages_are_from_repos(host: &Host) -> Verdict {
    let package = plain("a");
    let staged = host.stage(Request::install(&[&package])).await?;
    layers(&staged, &[&package.nevra])?;
    for key in ["packages", "requested-packages"] {
        let ours = strings(&staged, key)?.into_iter().find(|name| name.contains(&package.name));
        ensure!(ours.is_none(), "`{key}` holds the local package as {ours:?}");
    }
    Ok(())
}

pub(crate) async fn origin_or_image(host: &Host) -> Verdict {
    for deployment in &host.before {
        let keys: Vec<&str> = ["origin", "container-image-reference"]
            .into_iter()
            .filter(|key| has_type(deployment, key, "s").is_ok())
            .collect();
        ensure!(keys.len() == 1, "{:?} has {keys:?}", text(deployment, "id"));
    }
    Ok(())
}

pub(crate) async fn staging_keeps_the_origin(host: &Host) -> Verdict {
    let staged = host.stage(Request::install(&[&plain("a")])).await?;
    for key in ["origin", "container-image-reference"] {
        let (seen, wanted) = (text(&staged, key), text(host.booted(), key));
        ensure!(seen == wanted, "`{key}` is {seen:?}, was {wanted:?}");
    }
    Ok(())
}

pub(crate) async fn rollback_is_listed(host: &Host) -> Verdict {
    let rollback = host.control.dict(&host.os, OS_INTERFACE, "RollbackDeployment").await?;
    let known = ids(&host.before);
    match text(&rollback, "id") {
        None => ensure!(rollback.is_empty(), "RollbackDeployment has keys but no id"),
        Some(id) => {
            ensure!(known[1..].contains(&id), "RollbackDeployment `{id}` is not behind the booted one")
        }
    }
    Ok(())
}

pub(crate) async fn cleanup_drops_the_pending(host: &Host) -> Verdict {
    host.stage(Request::install(&[&plain("a")])).await?;
    let outcome = host.clean().await?;
    outcome.succeeded()?;
    host.unchanged().await?;
    let default = host.control.dict(&host.os, OS_INTERFACE, "DefaultDeployment").await?;
    ensure!(
        text(&default, "id") == text(host.booted(), "id"),
        "DefaultDeployment is {:?}",
        text(&default, "id")
    );
    Ok(())
}

pub(crate) async fn cleanup_of_nothing(host: &Host) -> Verdict {
    let outcome = host.clean().await?;
    outcome.succeeded()?;
    outcome.said("Deployments unchanged.")?;
    host.unchanged().await
}

pub(crate) async fn reload_is_a_barrier(host: &Host) -> Verdict {
    let staged = host.stage(Request::install(&[&plain("a")])).await?;
    let reader = host.caller().await?;
    reader.call(SYSROOT, SYSROOT_INTERFACE, "Reload", &()).await?;
    let seen = reader.deployments().await?;
    reader.close().await?;
    ensure!(
        ids(&seen).first() == text(&staged, "id").as_ref(),
        "after Reload the deployments are {:?}",
        ids(&seen)
    );
    Ok(())
}
