//! `return` and `buildset`: what one build leaves to others, and the end of what they share.
//!
//! Decides: the words of the commands. Must not: print a secret, or take one as an argument. Input: arguments, and the files
//! that hold secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Problem, Said};
use crate::buildset::{BuildsetError, Ended, Returned};
use crate::copy::Bounds;
use crate::drive::Desk;
use crate::error::{Reason, shown};
use crate::request::Keep;
use crate::state::Buildset;

/// Largest secret, in bytes.
const SECRET: u64 = 1_000_000;

/// What a build returns.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  build-resources return 17 registry=10.0.0.1:5000 --secret registry_password=@password.txt\n  \
                  build-resources return 17 --artifact packages=@packages.tar"
)]
pub struct ReturnArgs {
    /// The build that returns it.
    build: String,
    /// A name and a value. It becomes a variable in the inventory of the builds that inherit from this one.
    #[arg(value_name = "KEY=VALUE", value_parser = pair)]
    values: Vec<(String, String)>,
    /// A name and a file that holds a secret. It goes into the file secrets.json of the builds that inherit from this one.
    #[arg(long, value_name = "KEY=@FILE", value_parser = secret)]
    secret: Vec<(String, PathBuf)>,
    /// A name and a large file. It goes into a registry that stays until the buildset ends; the builds that inherit from this
    /// one are told its pullspec, size and SHA-256, and fetch it with `artifact get`.
    #[arg(long, value_name = "KEY=@FILE", value_parser = secret)]
    artifact: Vec<(String, PathBuf)>,
    /// Most bytes of one such file.
    #[arg(long, default_value_t = Bounds::default().bytes)]
    max_bytes: u64,
}

/// About a buildset.
#[derive(Debug, clap::Args)]
pub struct BuildsetArgs {
    /// What about it.
    #[command(subcommand)]
    command: BuildsetCommand,
}

/// About a buildset.
#[derive(Debug, clap::Subcommand)]
pub(super) enum BuildsetCommand {
    /// End it: all that its builds have goes, children before their parents.
    #[command(after_help = "Example:\n  build-resources buildset end 4711 --wait")]
    End {
        /// The buildset.
        buildset: String,
        /// Wait until nothing of it is left.
        #[arg(long)]
        wait: bool,
    },
    /// Show its builds, where they lie, and what they returned.
    Show {
        /// The buildset.
        buildset: String,
    },
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("KEY=VALUE is wanted")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// A secret is never an argument: everybody on the machine can read those.
fn secret(text: &str) -> Result<(String, PathBuf), &'static str> {
    let (key, file) = text.split_once("=@").ok_or("KEY=@FILE is wanted: a secret is read from a file")?;
    Ok((key.to_owned(), PathBuf::from(file)))
}

/// `return`.
pub(super) async fn give(desk: &Desk<'_>, args: &ReturnArgs) -> Result<Said, Problem> {
    let mut returned = Returned {
        data: args.values.iter().cloned().collect(),
        secrets: BTreeMap::new(),
        artifacts: BTreeMap::new(),
    };
    for (key, path) in &args.secret {
        returned.secrets.insert(key.clone(), read(path)?);
    }
    let files: BTreeMap<String, &Path> =
        args.artifact.iter().map(|(key, path)| (key.clone(), path.as_path())).collect();
    let names: BTreeSet<&String> =
        returned.data.keys().chain(returned.secrets.keys()).chain(files.keys()).collect();
    if names.len() < args.values.len() + args.secret.len() + args.artifact.len() {
        return Err(usage("one name is given twice".to_owned()));
    }
    desk.give(&args.build, &returned).await?;
    if !files.is_empty() {
        desk.give_files(&args.build, &files, args.max_bytes).await?;
    }
    Ok(Said::new(
        format!("{} returned {} values\n", shown(&args.build), names.len()),
        json!({"build": args.build, "returned": names}),
    ))
}

fn read(path: &Path) -> Result<String, Problem> {
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(SECRET + 1).read_to_end(&mut text))
        .map_err(|error| usage(format!("reading the secret `{}`: {error}", path.display())))?;
    if text.len() as u64 > SECRET {
        return Err(usage(format!("the secret `{}` is larger than {SECRET} bytes", path.display())));
    }
    String::from_utf8(text).map_err(|_| {
        usage(format!("the secret `{}` is no text; encode it, as base64 for one", path.display()))
    })
}

fn usage(message: String) -> Problem {
    Problem { reason: Reason::Usage, message, cure: None }
}

/// `buildset`.
pub(super) async fn about(desk: &Desk<'_>, args: &BuildsetArgs) -> Result<Said, Problem> {
    match &args.command {
        BuildsetCommand::Show { buildset } => {
            let found = desk.store.buildset(buildset).await?;
            let set = found.ok_or_else(|| BuildsetError::Unknown(buildset.clone()))?;
            Ok(shown_set(&set))
        }
        BuildsetCommand::End { buildset, wait } => {
            let (state, left) = match desk.end_buildset(buildset, *wait).await? {
                Ended::Gone => ("gone", Vec::new()),
                Ended::Going(left) => ("going", left),
            };
            let json = json!({"buildset": buildset, "state": state, "going": left});
            Ok(Said::new(format!("the buildset {} is {state}\n", shown(buildset)), json))
        }
    }
}

fn shown_set(set: &Buildset) -> Said {
    let mut text = format!("buildset  {}\n", shown(&set.name));
    if let Some(provider) = &set.provider {
        let _ = writeln!(text, "provider  {provider}"); // writing to a String cannot fail
    }
    let _ = writeln!(text, "until     {}{}", set.until, if set.ended { " (ended)" } else { "" });
    for member in set.members.values() {
        let kept = match member.keep {
            Keep::Job => "",
            Keep::Buildset => ", kept",
        };
        let placed = member.placed.as_ref().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(text, "build     {} {placed}{kept}", shown(&member.build));
        for parent in &member.inherits {
            let _ = writeln!(text, "            inherits {}", shown(parent));
        }
        for (key, value) in &member.data {
            let _ = writeln!(text, "            {key} = {}", shown(value));
        }
        for key in &member.secrets {
            let _ = writeln!(text, "            {key} (secret)");
        }
        for (key, file) in &member.artifacts {
            let _ = writeln!(text, "            {key} = {} ({} bytes)", file.image, file.size);
        }
    }
    let members: Vec<Value> = set
        .members
        .values()
        .map(|member| {
            json!({
                "build": member.build,
                "keep": member.keep,
                "inherits": member.inherits,
                "provider": member.placed,
                "data": member.data,
                "secrets": member.secrets,
                "artifacts": member.artifacts,
            })
        })
        .collect();
    let json = json!({
        "buildset": set.name,
        "provider": set.provider,
        "until": set.until.to_string(),
        "ended": set.ended,
        "builds": members,
    });
    Said::new(text, json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_19_a_secret_comes_from_a_file_only() {
        assert_eq!(secret("a=@/b").unwrap(), ("a".to_owned(), PathBuf::from("/b")));
        assert!(secret("a=b").is_err());
        assert_eq!(pair("a=b=c").unwrap(), ("a".to_owned(), "b=c".to_owned()));
        assert!(pair("a").is_err());
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("secret");
        for (bytes, word) in [(vec![b'x'; 1_000_001], "larger"), (vec![0xff], "no text")] {
            std::fs::write(&path, bytes).unwrap();
            assert!(read(&path).err().unwrap().message.contains(word));
        }
    }
}
