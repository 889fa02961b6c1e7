//! From the description of a package to the spec file that `rpmbuild` reads.

use std::fmt::Write as _;

use super::{Kind, Rpm};

/// The spec file. What it installs lies ready under `%{_sourcedir}/tree`.
pub(super) fn spec(rpm: &Rpm) -> String {
    let mut text = String::new();
    let Rpm { name, epoch, version, release, .. } = rpm;
    writeln!(text, "Name: {name}\nVersion: {version}\nRelease: {release}").unwrap();
    if *epoch > 0 {
        writeln!(text, "Epoch: {epoch}").unwrap();
    }
    if rpm.arch == "noarch" {
        text.push_str("BuildArch: noarch\n");
    }
    writeln!(text, "Summary: Fake of {name}\nLicense: MIT\nAutoReqProv: no").unwrap();
    for (tag, what) in &rpm.tags {
        writeln!(text, "{tag}: {}", escape(what)).unwrap();
    }
    writeln!(text, "%description\nA package with the name and the relations of {name}, for tests.").unwrap();
    text.push_str("%install\ncp -a %{_sourcedir}/tree/. %{buildroot}/\n");
    for (when, body) in &rpm.scriptlets {
        writeln!(text, "%{when}\n{}", escape(body)).unwrap();
    }
    text.push_str("%files\n");
    for entry in &rpm.files {
        let path = escape(&entry.path);
        match &entry.kind {
            Kind::File { mode, .. } => writeln!(text, "%attr({mode:04o},root,root) \"{path}\""),
            Kind::Symlink(_) => writeln!(text, "\"{path}\""),
            Kind::Directory => writeln!(text, "%dir %attr(0755,root,root) \"{path}\""),
        }
        .unwrap();
    }
    if rpm.filler > 0 {
        writeln!(text, "%attr(0644,root,root) \"{}\"", filler_path(rpm)).unwrap();
    }
    text
}

/// Where the filler goes.
pub(super) fn filler_path(rpm: &Rpm) -> String {
    format!("/usr/share/{}/filler", rpm.name)
}

/// Nothing in a description is a macro.
fn escape(text: &str) -> String {
    text.replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_looks_like_a_macro_stays_text() {
        let text = spec(&Rpm::new("a").requires("b%{dist}").post("echo 100%"));
        assert!(text.contains("Requires: b%%{dist}\n"));
        assert!(text.contains("%post\necho 100%%\n"));
    }
}
