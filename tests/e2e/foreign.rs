//! What an admin layered by hand is never touched.

use std::collections::BTreeSet;

use proof::images::Payload;
use proof::packages::{Release, Rpm, admin_tool};
use proof::sandbox::{Hand, Sandbox};

use crate::node::{apply, booted, host_and_payload, nevras, staged};

/// What `rpm-ostree install FILE` does, by another client, and the reboot after it.
fn layered_by_hand(host: &Sandbox, rpm: &Rpm) -> String {
    Hand::at(&host.bus_address()).layer(&[&rpm.build()]);
    host.reboot();
    rpm.nevra()
}

fn with(mut set: BTreeSet<String>, nevra: &str) -> BTreeSet<String> {
    set.insert(nevra.to_owned());
    set
}

#[test]
fn an_admins_package_survives_install_replace_and_removal_of_ours() {
    let (host, first) = host_and_payload();
    let tool = layered_by_hand(&host, &admin_tool());
    assert_eq!(booted(&host), BTreeSet::from([tool.clone()]));

    apply(&host, &["usbguard"], &first.reference());
    host.reboot();
    assert_eq!(booted(&host), with(nevras(Release::First, "usbguard"), &tool));

    apply(&host, &["usbguard"], &Payload::of(Release::Second).build().reference());
    host.reboot();
    assert_eq!(booted(&host), with(nevras(Release::Second, "usbguard"), &tool));

    apply(&host, &[], &first.reference());
    host.reboot();
    assert_eq!(booted(&host), BTreeSet::from([tool]));
}

#[test]
fn a_package_of_the_payload_that_an_admin_layered_first_stays_the_admins() {
    let (host, payload) = host_and_payload();
    let extension =
        proof::packages::extensions(Release::First).into_iter().find(|one| one.name == "sysstat").unwrap();
    let sensors = extension.rpms.iter().find(|rpm| rpm.name() == "lm_sensors-libs").unwrap();
    let nevra = layered_by_hand(&host, sensors);

    apply(&host, &["sysstat"], &payload.reference());
    host.reboot();
    assert_eq!(booted(&host), nevras(Release::First, "sysstat"));
    apply(&host, &[], &payload.reference());
    assert_eq!(staged(&host), Some(BTreeSet::from([nevra])), "what the admin layered stays");
}
