//! What the sandbox's operating system is made of: the packages that extensions lean on, as small fakes.

use std::fs;

use super::{Release, Rpm};

/// All packages of a release's base, in no order that matters.
pub fn base(release: Release) -> Vec<Rpm> {
    let mut rpms = vec![
        filesystem(),
        shell(),
        coreutils(),
        systemd(release),
        systemd_libs(release),
        os_release(release),
    ];
    rpms.extend(libraries(release));
    rpms.extend(plain());
    rpms.extend(kernel(release));
    rpms
}

/// The version of the base kernel, without architecture: `5.14.0-427.13.1.el9_4`.
pub fn kernel_release(release: Release) -> &'static str {
    release.pick("427.13.1.el9_4", "427.42.1.el9_4")
}

/// The version all kernels here have.
pub(super) const KERNEL: &str = "5.14.0";

/// The directories and links every other package relies on.
fn filesystem() -> Rpm {
    let mut rpm =
        Rpm::new("filesystem").evr(0, "3.16", "2.el9").provides("filesystem(unmerged-sbin-symlinks)");
    for path in ["/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/usr/share", "/etc", "/var"] {
        rpm = rpm.directory(path);
    }
    for name in ["bin", "sbin", "lib", "lib64"] {
        rpm = rpm.symlink(&format!("/{name}"), &format!("usr/{name}"));
    }
    rpm
}

/// A shell that needs nothing else, under the names that scriptlets ask for.
fn shell() -> Rpm {
    let busybox = fs::read("/usr/bin/busybox").or_else(|_| fs::read("/bin/busybox"));
    let busybox = busybox.expect("the Debian package `busybox-static` is needed");
    Rpm::new("bash")
        .evr(0, "5.1.8", "9.el9")
        .requires("filesystem >= 3")
        .provides("/bin/sh")
        .provides("/bin/bash")
        .executable("/usr/bin/busybox", busybox)
        .symlink("/usr/bin/sh", "busybox")
        .symlink("/usr/bin/bash", "busybox")
}

fn coreutils() -> Rpm {
    let mut rpm = Rpm::new("coreutils").evr(0, "8.32", "35.el9").requires("filesystem").requires("bash");
    let applets = "cat chmod chown cp cut date echo env false grep head id ln ls mkdir mv ps rm sed sleep sort stat sync \
                   tail test touch tr true uname wc";
    for applet in applets.split_whitespace() {
        rpm = rpm.symlink(&format!("/usr/bin/{applet}"), "busybox");
    }
    rpm
}

fn systemd(release: Release) -> Rpm {
    let (version, build) = ("252", release.pick("32.el9_4", "32.el9_4.7"));
    let helper = "#!/usr/bin/sh\n# units are not switched on while a deployment is assembled\nexit 0\n";
    Rpm::new("systemd")
        .evr(0, version, build)
        .requires(format!("systemd-libs = {version}-{build}"))
        .requires("/bin/sh")
        .requires("libgcrypt.so.20()(64bit)")
        .provides("syslog")
        .provides("systemd-sysusers = 252")
        .executable("/usr/lib/systemd/systemd", "stand-in for systemd\n")
        .executable("/usr/lib/systemd/systemd-update-helper", helper)
        .executable("/usr/bin/systemctl", helper)
        .executable("/usr/bin/systemd-sysusers", helper)
        .executable("/usr/bin/systemd-tmpfiles", helper)
}

fn systemd_libs(release: Release) -> Rpm {
    Rpm::new("systemd-libs")
        .evr(0, "252", release.pick("32.el9_4", "32.el9_4.7"))
        .requires("libc.so.6(GLIBC_2.34)(64bit)")
        .library("libsystemd.so.0", &["LIBSYSTEMD_209"])
        .library("libudev.so.1", &["LIBUDEV_183"])
}

fn os_release(release: Release) -> Rpm {
    let version = release.version();
    let text = format!(
        "NAME=\"Red Hat Enterprise Linux CoreOS\"\nID=\"rhcos\"\nID_LIKE=\"rhel fedora\"\nVERSION=\"{version}\"\n\
         VERSION_ID=\"4.18\"\nOSTREE_VERSION=\"{version}\"\nRHEL_VERSION=\"9.4\"\nVARIANT=CoreOS\nVARIANT_ID=coreos\n"
    );
    Rpm::new("redhat-release")
        .evr(0, "9.4", release.pick("1.0.el9", "1.1.el9"))
        .provides("system-release = 9.4")
        .provides("system-release(releasever) = 9.4")
        .file("/usr/lib/os-release", text)
        .symlink("/etc/os-release", "../usr/lib/os-release")
}

/// Packages whose use is a shared library: name, version, release, soname, versions of its symbols.
const LIBRARIES: &[(&str, &str, &str, &str, &[&str])] = &[
    ("libgcc", "11.4.1", "3.el9", "libgcc_s.so.1", &["GCC_3.0", "GCC_3.3.1"]),
    ("libstdc++", "11.4.1", "3.el9", "libstdc++.so.6", &["CXXABI_1.3", "GLIBCXX_3.4", "GLIBCXX_3.4.29"]),
    ("nss-util", "3.90.0", "7.el9_4", "libnssutil3.so", &["NSSUTIL_3.12"]),
    ("nspr", "4.35.0", "7.el9_4", "libnspr4.so", &[]),
    ("nss-softokn", "3.90.0", "7.el9_4", "libfreebl3.so", &["NSSRAWHASH_3.12.3"]),
    ("audit-libs", "3.1.2", "2.el9", "libaudit.so.1", &[]),
    ("libcap-ng", "0.8.2", "7.el9", "libcap-ng.so.0", &[]),
    ("libcap", "2.48", "9.el9", "libcap.so.2", &[]),
    ("polkit-libs", "0.117", "11.el9", "libpolkit-gobject-1.so.0", &[]),
    ("glib2", "2.68.4", "14.el9", "libglib-2.0.so.0", &[]),
    ("libgcrypt", "1.10.0", "10.el9_2", "libgcrypt.so.20", &["GCRYPT_1.6"]),
    ("libcom_err", "1.46.5", "5.el9", "libcom_err.so.2", &[]),
    ("libss", "1.46.5", "5.el9", "libss.so.2", &[]),
    ("keyutils-libs", "1.6.3", "1.el9", "libkeyutils.so.1", &["KEYUTILS_0.3"]),
    ("zlib", "1.2.11", "40.el9", "libz.so.1", &[]),
    ("libselinux", "3.6", "1.el9", "libselinux.so.1", &["LIBSELINUX_1.0"]),
    ("pam", "1.5.1", "19.el9", "libpam.so.0", &["LIBPAM_1.0"]),
];

fn libraries(release: Release) -> Vec<Rpm> {
    let mut rpms: Vec<Rpm> = LIBRARIES
        .iter()
        .map(|(name, version, build, soname, symbols)| {
            let rpm = Rpm::new(name).evr(0, version, build).library(soname, symbols);
            rpm.requires("libc.so.6(GLIBC_2.34)(64bit)")
        })
        .collect();
    rpms.push(
        Rpm::new("glibc")
            .evr(0, "2.34", release.pick("100.el9_4.2", "100.el9_4.4"))
            .library(
                "libc.so.6",
                &["GLIBC_2.2.5", "GLIBC_2.4", "GLIBC_2.14", "GLIBC_2.32", "GLIBC_2.33", "GLIBC_2.34"],
            )
            .library("libm.so.6", &["GLIBC_2.2.5", "GLIBC_2.29"])
            .provides("rtld(GNU_HASH)"),
    );
    rpms.push(
        Rpm::new("krb5-libs")
            .evr(0, "1.21.1", release.pick("1.el9", "2.el9_4"))
            .requires("libcom_err.so.2()(64bit)")
            .requires("libkeyutils.so.1(KEYUTILS_0.3)(64bit)")
            .library("libkrb5.so.3", &["krb5_3_MIT"])
            .library("libk5crypto.so.3", &["k5crypto_3_MIT"])
            .library("libgssapi_krb5.so.2", &["gssapi_krb5_2_MIT"])
            .library("libkrb5support.so.0", &["krb5support_0_MIT"]),
    );
    rpms.push(
        Rpm::new("openssl-libs")
            .evr(1, "3.0.7", release.pick("27.el9", "28.el9_4"))
            .requires("libz.so.1()(64bit)")
            .library("libcrypto.so.3", &["OPENSSL_3.0.0"])
            .library("libssl.so.3", &["OPENSSL_3.0.0"]),
    );
    rpms.push(
        Rpm::new("nss")
            .evr(0, "3.90.0", "7.el9_4")
            .requires("nss-softokn(x86-64) >= 3.90.0")
            .requires("nss-util >= 3.90.0")
            .library("libnss3.so", &["NSS_3.30", "NSS_3.52"])
            .library("libsmime3.so", &[]),
    );
    rpms
}

/// Packages of which only the name, the version and perhaps one file matter.
fn plain() -> Vec<Rpm> {
    let plain = |name: &str, version: &str, build: &str| Rpm::new(name).evr(0, version, build);
    vec![
        plain("setup", "2.13.7", "10.el9")
            .arch("noarch")
            .file("/etc/passwd", "root:x:0:0:root:/root:/usr/bin/sh\n"),
        plain("selinux-policy", "38.1.35", "2.el9_4").arch("noarch"),
        plain("selinux-policy-targeted", "38.1.35", "2.el9_4")
            .arch("noarch")
            .requires("selinux-policy = 38.1.35-2.el9_4")
            .provides("selinux-policy-base = 38.1.35-2.el9_4"),
        plain("policycoreutils", "3.6", "2.1.el9")
            .executable("/usr/sbin/semodule", "#!/usr/bin/sh\nexit 0\n"),
        plain("polkit", "0.117", "11.el9").requires("polkit-libs(x86-64) = 0.117-11.el9"),
        plain("dbus-common", "1.12.20", "8.el9").arch("noarch"),
        plain("dbus", "1.12.20", "8.el9").requires("dbus-common = 1.12.20-8.el9"),
        Rpm::new("NetworkManager")
            .evr(1, "1.46.0", "4.el9_4")
            .requires("dbus")
            .provides("NetworkManager-devel-abi = 1"),
        plain("iproute", "6.2.0", "6.el9_4").executable("/usr/sbin/ip", "stand-in for ip\n"),
        plain("logrotate", "3.18.0", "8.el9"),
        plain("findutils", "4.8.0", "6.el9").requires("bash").symlink("/usr/bin/find", "busybox"),
        plain("gawk", "5.1.0", "6.el9").requires("bash").symlink("/usr/bin/awk", "busybox"),
        plain("linux-firmware", "20240115", "143.el9_4").arch("noarch"),
        plain("dracut", "057", "53.git20240104.el9").requires("bash"),
        plain("kmod", "28", "9.el9").executable("/usr/sbin/depmod", "#!/usr/bin/sh\nexit 0\n"),
        plain("ostree", "2024.4", "4.el9_4").requires("ostree-libs(x86-64) = 2024.4-4.el9_4"),
        plain("ostree-libs", "2024.4", "4.el9_4").library("libostree-1.so.1", &["LIBOSTREE_2016.3"]),
        plain("rpm-ostree", "2024.3", "4.el9_4").requires("ostree"),
    ]
}

/// The base kernel, split and bound together as the original is.
fn kernel(release: Release) -> Vec<Rpm> {
    let build = kernel_release(release);
    let uname = format!("{KERNEL}-{build}.x86_64");
    let modules = format!("/usr/lib/modules/{uname}");
    let part = |name: &str| Rpm::new(name).evr(0, KERNEL, build);
    let needs = |rpm: Rpm, what: &str| rpm.requires(format!("{what}-uname-r = {uname}"));
    let gives = |rpm: Rpm, what: &str| rpm.provides(format!("{what}-uname-r = {uname}"));
    vec![
        needs(needs(needs(part("kernel"), "kernel-core"), "kernel-modules"), "kernel-modules-core")
            .file("/usr/share/doc/kernel/README", "the base kernel\n"),
        needs(gives(gives(part("kernel-core"), "kernel-core"), "kernel"), "kernel-modules-core")
            .provides("installonlypkg(kernel)")
            .requires("linux-firmware >= 20150904")
            .requires("dracut >= 027")
            .file(&format!("{modules}/vmlinuz"), format!("stand-in for a kernel {uname}\n")),
        needs(gives(part("kernel-modules"), "kernel-modules"), "kernel-modules-core")
            .provides("installonlypkg(kernel-module)")
            .file(&format!("{modules}/kernel/drivers/net/e1000e.ko"), "module\n"),
        gives(part("kernel-modules-core"), "kernel-modules-core")
            .provides("installonlypkg(kernel-module)")
            .file(&format!("{modules}/modules.dep"), "\n"),
        needs(gives(part("kernel-modules-extra"), "kernel-modules-extra"), "kernel-modules-core")
            .provides("installonlypkg(kernel-module)")
            .file(&format!("{modules}/extra/sctp.ko"), "module\n"),
    ]
}
