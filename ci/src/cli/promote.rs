//! `promote`: images for changes that depend on the one that built them.
//!
//! Decides: the words of the commands. Must not: take a password as an argument. Input: arguments, and files of the user.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Problem, Said};
use crate::artifact::{Digest, Repository};
use crate::copy::Bounds;
use crate::drive::Desk;
use crate::error::shown;
use crate::promote::{self, Change, Image, Outcome, Place, PromoteError, Provenance, Source, Tree};

/// About images in an intermediate registry.
#[derive(Debug, Args)]
#[command(after_help = "\
An intermediate registry is one that outlives buildsets. A change that builds an image promotes it there; a change that \
depends on that one finds it by the name of the change, and pulls it by its digest.

Examples:
  export BUILD_RESOURCES_INTERMEDIATE=registry.example.com/ci/payload
  build-resources promote image 17 payload@sha256:… --change 1234,5 --manifest manifest.json --credentials auth.json
  build-resources promote failed 17 --change 1234,5 --credentials auth.json
  build-resources promote find 1234,5 1236,1 --manifest manifest.json     # exit 6 where one has no image")]
pub struct PromoteArgs {
    /// What about them.
    #[command(subcommand)]
    command: PromoteCommand,
}

/// About images in an intermediate registry.
#[derive(Debug, Subcommand)]
enum PromoteCommand {
    /// Copy an image there from the registry of a build, and write down where it comes from.
    Image(ImageArgs),
    /// Write down that the build of a change failed: what depends on it is refused.
    Failed(FailedArgs),
    /// Find the images of changes that this one depends on; needs no cluster and no configuration.
    Find(FindArgs),
}

/// The intermediate registry.
#[derive(Debug, Args)]
struct There {
    /// The repository of these images in the intermediate registry.
    #[arg(long, value_name = "HOST/REPOSITORY", env = "BUILD_RESOURCES_INTERMEDIATE", value_parser = repository)]
    intermediate: Repository,
    /// The file with its user and password, as `docker login` and `podman login` write it; without it nobody logs in.
    #[arg(long, value_name = "FILE")]
    credentials: Option<PathBuf>,
    /// The authority of its certificate, as PEM; without it those of this machine count.
    #[arg(long, value_name = "FILE")]
    authority: Option<PathBuf>,
}

/// The state that was built.
#[derive(Debug, Args)]
struct State {
    /// A change ahead of it that was in the state too, the first to merge first; may be repeated.
    #[arg(long, value_name = "CHANGE")]
    ahead: Vec<Change>,
    /// The repositories of the state, as `sync --manifest` wrote them.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
}

/// An image.
#[derive(Debug, Args)]
struct ImageArgs {
    /// The build whose registry has it.
    build: String,
    /// The repository there, and the digest that the tool said which pushed it (`--digestfile`).
    #[arg(value_name = "REPOSITORY@DIGEST", value_parser = image)]
    image: (String, Digest),
    /// The change, with its patch set; without it that of the request.
    #[arg(long)]
    change: Option<Change>,
    #[command(flatten)]
    state: State,
    #[command(flatten)]
    there: There,
    /// The node whose registry has it; without it the first that has a registry.
    #[arg(long)]
    node: Option<String>,
    /// Most bytes.
    #[arg(long, default_value_t = Bounds::default().bytes)]
    max_bytes: u64,
}

/// A build that failed.
#[derive(Debug, Args)]
struct FailedArgs {
    /// The build. It may be gone.
    build: String,
    /// Its buildset.
    #[arg(long)]
    buildset: Option<String>,
    /// The change, with its patch set.
    #[arg(long)]
    change: Change,
    #[command(flatten)]
    state: State,
    #[command(flatten)]
    there: There,
}

/// Changes.
#[derive(Debug, Args)]
struct FindArgs {
    /// The changes, each with its patch set.
    #[arg(required = true, value_name = "CHANGE")]
    changes: Vec<Change>,
    /// The repositories of the state that is tested, as `sync --manifest` wrote them: an image of other trees is refused.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    #[command(flatten)]
    there: There,
}

fn repository(text: &str) -> Result<Repository, &'static str> {
    text.parse()
}

fn image(text: &str) -> Result<(String, Digest), &'static str> {
    let (name, digest) = text.split_once('@').ok_or("REPOSITORY@sha256:… is wanted: a tag may move")?;
    let digest = digest.parse()?;
    // Of a whole pullspec only the repository counts: the build is said already.
    let place: Repository = format!("build/{name}").parse()?;
    Ok((place.name, digest))
}

impl There {
    async fn open(&self) -> Result<Place, PromoteError> {
        Place::open(self.intermediate.clone(), self.credentials.as_deref(), self.authority.as_deref()).await
    }
}

fn trees(path: Option<&Path>) -> Result<Option<Vec<Tree>>, PromoteError> {
    let Some(path) = path else { return Ok(None) };
    promote::read_trees(path).map(Some)
}

/// `promote`, where no cluster is asked; none where one is.
pub(super) async fn alone(args: &PromoteArgs) -> Result<Option<Said>, Problem> {
    match &args.command {
        PromoteCommand::Image(_) => Ok(None),
        PromoteCommand::Failed(args) => failed(args).await.map(Some),
        PromoteCommand::Find(args) => find(args).await.map(Some),
    }
}

/// `promote`.
pub(super) async fn run(desk: &Desk<'_>, args: &PromoteArgs) -> Result<Said, Problem> {
    match &args.command {
        PromoteCommand::Image(args) => copy(desk, args).await,
        PromoteCommand::Failed(args) => failed(args).await,
        PromoteCommand::Find(args) => find(args).await,
    }
}

async fn copy(desk: &Desk<'_>, args: &ImageArgs) -> Result<Said, Problem> {
    let record = desk.find(&args.build).await?;
    let request = &record.body.request;
    let said = args.change.clone().or_else(|| request.change.as_deref()?.parse().ok());
    let change = said.ok_or_else(|| PromoteError::NoChange(args.build.clone()))?;
    let trees = trees(args.state.manifest.as_deref())?.unwrap_or_default();
    let there = args.there.open().await?;
    let (name, digest) = args.image.clone();
    let source = Source { node: args.node.clone(), name, digest, most: args.max_bytes };
    let image = desk.promote(&record, &source, &there).await?;
    let provenance = Provenance {
        change,
        ahead: args.state.ahead.clone(),
        build: request.build.clone(),
        buildset: request.buildset.clone(),
        outcome: Outcome::Built(image.clone()),
        trees,
    };
    there.record(&provenance).await?;
    let text = format!("promoted for the change {}: {}\n", provenance.change, there.pullspec(&image.digest));
    Ok(Said::new(text, told(&there, &provenance, Some(&image))))
}

async fn failed(args: &FailedArgs) -> Result<Said, Problem> {
    let provenance = Provenance {
        change: args.change.clone(),
        ahead: args.state.ahead.clone(),
        build: args.build.clone(),
        buildset: args.buildset.clone(),
        outcome: Outcome::Failed,
        trees: trees(args.state.manifest.as_deref())?.unwrap_or_default(),
    };
    let there = args.there.open().await?;
    there.record(&provenance).await?;
    let text = format!("the change {} has failed: what depends on it is refused\n", provenance.change);
    Ok(Said::new(text, told(&there, &provenance, None)))
}

async fn find(args: &FindArgs) -> Result<Said, Problem> {
    let trees = trees(args.manifest.as_deref())?;
    let there = args.there.open().await?;
    let found = there.find(&args.changes, trees.as_deref()).await?;
    let mut text = String::new();
    for (provenance, image) in &found {
        let (pullspec, build) = (there.pullspec(&image.digest), shown(&provenance.build));
        let _ = writeln!(text, "{} {pullspec} of the build {build}", provenance.change);
    }
    let all: Vec<Value> = found.iter().map(|(known, image)| told(&there, known, Some(image))).collect();
    Ok(Said::new(text, json!(all)))
}

fn told(there: &Place, known: &Provenance, image: Option<&Image>) -> Value {
    json!({
        "change": known.change,
        "ahead": known.ahead,
        "build": known.build,
        "buildset": known.buildset,
        "state": if image.is_some() { "built" } else { "failed" },
        "image": image.map(|image| there.pullspec(&image.digest)),
        "digest": image.map(|image| image.digest.to_string()),
        "repositories": known.trees,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_35_an_image_is_named_by_its_digest_only() {
        let digest = Digest::of(b"x");
        let (name, found) = image(&format!("team/payload@{digest}")).unwrap();
        assert_eq!((name.as_str(), found), ("team/payload", digest.clone()));
        for bad in
            ["payload".to_owned(), "payload:1".to_owned(), format!("../x@{digest}"), "x@sha256:0".to_owned()]
        {
            assert!(image(&bad).is_err(), "{bad}");
        }
    }
}
