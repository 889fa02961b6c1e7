//! What a release offers on top of its base, bundled with what the base lacks.
//!
//! Shared on purpose: `libqb` serves `usbguard` and `two-node-ha`, `nss-tools` serves `ipsec` and `two-node-ha`.

use super::base::KERNEL;
use super::{Release, Rpm, kernel_release};

/// One extension as `extensions.json` names it, with every package that comes for its sake.
#[derive(Debug, Clone)]
pub struct Extension {
    /// Its name.
    pub name: &'static str,
    /// The packages that its entry lists, as written there.
    pub packages: Vec<String>,
    /// `os-extension` or `development`.
    pub kind: &'static str,
    /// The base package whose version its packages carry.
    pub match_base_evr: Option<&'static str>,
    /// Its packages with all that they need beside the base; some serve another extension too.
    pub rpms: Vec<Rpm>,
}

/// All extensions of a release.
pub fn extensions(release: Release) -> Vec<Extension> {
    vec![
        extension("usbguard", &["usbguard"], usbguard(release)),
        extension("kerberos", &["krb5-workstation", "libkadm5"], kerberos(release)),
        extension("ipsec", &["NetworkManager-libreswan", "libreswan"], ipsec(release)),
        extension("sysstat", &["sysstat"], sysstat(release)),
        extension("two-node-ha", &["pacemaker", "pcs"], two_node_ha(release)),
        kernel_devel(release),
        Extension {
            kind: "development",
            match_base_evr: Some("kernel"),
            ..extension("kernel-rt", KERNEL_RT, kernel_rt(release))
        },
    ]
}

fn extension(name: &'static str, packages: &[&str], rpms: Vec<Rpm>) -> Extension {
    let packages = packages.iter().map(|&package| package.to_owned()).collect();
    Extension { name, packages, kind: "os-extension", match_base_evr: None, rpms }
}

fn libc(rpm: Rpm) -> Rpm {
    rpm.requires("libc.so.6(GLIBC_2.34)(64bit)").requires("rtld(GNU_HASH)")
}

/// The scriptlets that the systemd macros of the original expand to.
fn service(rpm: Rpm, unit: &str) -> Rpm {
    let helper = "/usr/lib/systemd/systemd-update-helper";
    let post = format!(
        "if [ $1 -eq 1 ] && [ -x \"{helper}\" ]; then\n    {helper} install-system-units {unit} || :\nfi\n"
    );
    let preun = format!(
        "if [ $1 -eq 0 ] && [ -x \"{helper}\" ]; then\n    {helper} remove-system-units {unit} || :\nfi\n"
    );
    rpm.file(&format!("/usr/lib/systemd/system/{unit}"), "[Service]\nExecStart=/usr/bin/true\n")
        .requires("systemd")
        .post(&post)
        .scriptlet("preun", &preun)
}

fn libqb(release: Release) -> Rpm {
    libc(Rpm::new("libqb").evr(0, "2.0.8", release.pick("1.el9", "2.el9"))).library("libqb.so.100", &[])
}

fn nss_tools(release: Release) -> Rpm {
    let rpm = Rpm::new("nss-tools").evr(0, "3.90.0", release.pick("7.el9_4", "8.el9_4"));
    libc(rpm)
        .requires("nss(x86-64) >= 3.90.0")
        .requires("libnss3.so(NSS_3.30)(64bit)")
        .executable("/usr/bin/certutil", "stand-in for certutil\n")
}

fn usbguard(release: Release) -> Vec<Rpm> {
    let build = release.pick("15.el9", "16.el9");
    let usbguard = libc(Rpm::new("usbguard").evr(0, "1.0.0", build))
        .requires("libqb.so.100()(64bit)")
        .requires("libprotobuf.so.25()(64bit)")
        .requires("libaudit.so.1()(64bit)")
        .requires("libcap-ng.so.0()(64bit)")
        .requires("libgcrypt.so.20(GCRYPT_1.6)(64bit)")
        .requires("libpolkit-gobject-1.so.0()(64bit)")
        .requires("libstdc++.so.6(GLIBCXX_3.4.29)(64bit)")
        .requires("(usbguard-selinux if selinux-policy-targeted)")
        .provides("libusbguard.so.1()(64bit)")
        .executable("/usr/bin/usbguard", format!("stand-in for usbguard 1.0.0-{build}\n"))
        .executable("/usr/sbin/usbguard-daemon", "stand-in for usbguard-daemon\n")
        .file("/etc/usbguard/usbguard-daemon.conf", "RuleFile=/etc/usbguard/rules.conf\n");
    let selinux = Rpm::new("usbguard-selinux")
        .evr(0, "1.0.0", build)
        .arch("noarch")
        .requires("selinux-policy >= 38.1")
        .requires("selinux-policy-base >= 38.1")
        .requires("policycoreutils")
        .file("/usr/share/selinux/packages/usbguard.pp.bz2", "policy\n")
        .post("if [ -x /usr/sbin/semodule ]; then\n    /usr/sbin/semodule -n -s targeted -X 200 -i x || :\nfi\n");
    let protobuf = libc(Rpm::new("protobuf").evr(0, "3.14.0", release.pick("13.el9", "14.el9")))
        .requires("libz.so.1()(64bit)")
        .library("libprotobuf.so.25", &[]);
    vec![service(usbguard, "usbguard.service"), selinux, protobuf, libqb(release)]
}

fn kerberos(release: Release) -> Vec<Rpm> {
    let (version, build) = ("1.21.1", release.pick("1.el9", "2.el9_4"));
    let bound = |rpm: Rpm| rpm.requires(format!("krb5-libs(x86-64) = {version}-{build}"));
    let libkadm5 = bound(libc(Rpm::new("libkadm5").evr(0, version, build)))
        .requires("libkrb5.so.3(krb5_3_MIT)(64bit)")
        .library("libkadm5clnt_mit.so.12", &["kadm5clnt_mit_12_MIT"]);
    let workstation = bound(libc(Rpm::new("krb5-workstation").evr(0, version, build)))
        .requires(format!("libkadm5(x86-64) = {version}-{build}"))
        .requires("libkadm5clnt_mit.so.12(kadm5clnt_mit_12_MIT)(64bit)")
        .requires("libss.so.2()(64bit)")
        .executable("/usr/bin/kinit", "stand-in for kinit\n");
    vec![workstation, libkadm5]
}

fn ipsec(release: Release) -> Vec<Rpm> {
    let libreswan = libc(Rpm::new("libreswan").evr(0, "4.12", release.pick("2.el9_4", "3.el9_4")))
        .requires("iproute >= 2.6.8")
        .requires("nss >= 3.52")
        .requires("nss-softokn")
        .requires("nss-tools")
        .requires("unbound-libs >= 1.6.6")
        .requires("libevent-2.1.so.7()(64bit)")
        .requires("libldns.so.3()(64bit)")
        .requires("libcap-ng.so.0()(64bit)")
        .requires("libpam.so.0(LIBPAM_1.0)(64bit)")
        .requires("logrotate")
        .requires("/usr/bin/awk")
        .conflicts("openswan < 2.6.50")
        .executable("/usr/sbin/ipsec", "stand-in for ipsec\n");
    let plugin = libc(Rpm::new("NetworkManager-libreswan").evr(0, "1.2.18", release.pick("3.el9", "4.el9")))
        .requires("NetworkManager >= 1:1.2.0")
        .requires("dbus-common")
        .requires("libreswan")
        .file("/usr/lib/NetworkManager/VPN/nm-libreswan-service.name", "[VPN Connection]\nname=libreswan\n");
    let small = |name: &str, version: &str, soname: &str| {
        libc(Rpm::new(name).evr(0, version, release.pick("5.el9", "6.el9"))).library(soname, &[])
    };
    let unbound = small("unbound-libs", "1.16.2", "libunbound.so.8").requires("libevent-2.1.so.7()(64bit)");
    vec![
        service(libreswan, "ipsec.service"),
        plugin,
        unbound,
        small("libevent", "2.1.12", "libevent-2.1.so.7"),
        small("ldns", "1.7.1", "libldns.so.3"),
        nss_tools(release),
    ]
}

fn sysstat(release: Release) -> Vec<Rpm> {
    let sysstat = libc(Rpm::new("sysstat").evr(0, "12.5.4", release.pick("7.el9", "8.el9")))
        .requires("libsensors.so.4()(64bit)")
        .requires("/usr/bin/find")
        .executable("/usr/bin/sar", "stand-in for sar\n");
    let sensors = libc(Rpm::new("lm_sensors-libs").evr(0, "3.6.0", release.pick("10.el9", "11.el9")));
    vec![service(sysstat, "sysstat.service"), sensors.library("libsensors.so.4", &[])]
}

fn two_node_ha(release: Release) -> Vec<Rpm> {
    let (version, build) = ("2.1.7", release.pick("5.el9_4", "6.el9_4"));
    let libs = libc(Rpm::new("pacemaker-libs").evr(0, version, build))
        .requires("libqb.so.100()(64bit)")
        .library("libcrmcommon.so.42", &[]);
    let pacemaker = libc(Rpm::new("pacemaker").evr(0, version, build))
        .requires(format!("pacemaker-libs(x86-64) = {version}-{build}"))
        .requires("libcrmcommon.so.42()(64bit)")
        .executable("/usr/sbin/pacemakerd", "stand-in for pacemakerd\n");
    let pcs = Rpm::new("pcs")
        .evr(0, "0.11.7", release.pick("2.el9", "3.el9"))
        .requires("pacemaker")
        .requires("/usr/bin/certutil")
        .executable("/usr/sbin/pcs", "stand-in for pcs\n");
    vec![service(pacemaker, "pacemaker.service"), libs, pcs, libqb(release), nss_tools(release)]
}

fn kernel_devel(release: Release) -> Extension {
    let build = kernel_release(release);
    let devel = Rpm::new("kernel-devel")
        .evr(0, KERNEL, build)
        .provides(format!("kernel-devel-uname-r = {KERNEL}-{build}.x86_64"))
        .provides("installonlypkg(kernel)")
        .requires("findutils")
        .requires("/usr/bin/make")
        .file(&format!("/usr/src/kernels/{KERNEL}-{build}.x86_64/Makefile"), "all:\n");
    let headers = Rpm::new("kernel-headers").evr(0, KERNEL, build).file("/usr/include/linux/version.h", "\n");
    let make = libc(Rpm::new("make").evr(1, "4.3", release.pick("8.el9", "9.el9")))
        .executable("/usr/bin/make", "stand-in for make\n");
    let bound = ["kernel-devel", "kernel-headers"].map(|name| format!("{name}-{KERNEL}-{build}"));
    Extension {
        packages: bound.to_vec(),
        match_base_evr: Some("kernel"),
        ..extension("kernel-devel", &[], vec![devel, headers, make])
    }
}

const KERNEL_RT: &[&str] = &[
    "kernel-rt-core",
    "kernel-rt-modules",
    "kernel-rt-modules-core",
    "kernel-rt-modules-extra",
    "kernel-rt-devel",
];

/// The realtime kernel, bound together as the original is.
pub fn kernel_rt(release: Release) -> Vec<Rpm> {
    let build = kernel_release(release);
    let uname = format!("{KERNEL}-{build}.x86_64+rt");
    let modules = format!("/usr/lib/modules/{uname}");
    let part = |what: &str| {
        Rpm::new(&format!("kernel-rt-{what}"))
            .evr(0, KERNEL, build)
            .provides(format!("kernel-rt-{what}-uname-r = {uname}"))
            .provides(format!("kernel-{what}-uname-r = {uname}"))
            .provides("installonlypkg(kernel)")
    };
    let needs = |rpm: Rpm, what: &str| rpm.requires(format!("kernel-rt-{what}-uname-r = {uname}"));
    vec![
        needs(part("core"), "modules-core")
            .provides(format!("kernel-rt = {KERNEL}-{build}"))
            .provides(format!("kernel-uname-r = {uname}"))
            .requires("linux-firmware >= 20150904")
            .requires("dracut >= 027")
            .requires("systemd >= 200")
            .file(&format!("{modules}/vmlinuz"), format!("stand-in for a kernel {uname}\n")),
        needs(part("modules"), "modules-core")
            .file(&format!("{modules}/kernel/drivers/net/e1000e.ko"), "module\n"),
        needs(part("modules-core"), "core").file(&format!("{modules}/modules.dep"), "\n"),
        needs(part("modules-extra"), "modules-core").file(&format!("{modules}/extra/sctp.ko"), "module\n"),
        part("devel").requires("/usr/bin/find").file(&format!("/usr/src/kernels/{uname}/Makefile"), "all:\n"),
    ]
}

/// A package of an admin's own, for layering by hand: no payload offers it.
pub fn admin_tool() -> Rpm {
    Rpm::new("admin-tool").evr(0, "1.0", "1").executable("/usr/bin/admin-tool", "#!/usr/bin/sh\necho hello\n")
}

/// A package that needs what neither payload nor base has, two steps away from the extension that asks.
pub fn unsatisfiable() -> Extension {
    let top = Rpm::new("broken-top").requires("broken-middle >= 1.0").file("/usr/share/broken/top", "\n");
    let middle =
        Rpm::new("broken-middle").requires("libmissing.so.9()(64bit)").file("/usr/share/broken/middle", "\n");
    extension("broken", &["broken-top"], vec![top, middle])
}
