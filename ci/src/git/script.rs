//! What is run on the node: three small shell programs that never contain a text of anybody; names come as arguments or as
//! lines, and were parsed before.
//!
//! Decides: how a repository is made, fed and checked out over there, and what its answers mean. Must not: trust an
//! answer. Input: parsed names, and what the node says. It needs `sh` and git; for a user who does not own the
//! repository git 2.38.

use super::address::Service;
use super::names::{Id, Repository};
use super::plan::{Cache, Found, Wanted};

/// The program's exit code when there is no git.
pub(super) const NO_GIT: i32 = 97;
/// The program's exit code when its input was cut off.
pub(super) const CUT: i32 = 96;
/// The line after the last one; no repository is called so.
const END: &str = ".";

/// How git is called. `safe.directory` goes by the environment of this one process: the files may belong to somebody else
/// (emptyDir, another container), and everything in the pod is the job's anyway. No collector of garbage may outlive the
/// session, and large files are streamed, not held in memory.
const GIT: &str = "git -c safe.directory=* -c init.defaultBranch=main -c advice.detachedHead=false \
    -c gc.auto=0 -c maintenance.auto=false -c receive.autogc=false -c receive.unpackLimit=1 -c receive.shallowUpdate=true \
    -c core.bigFileThreshold=16m -c submodule.recurse=false";

/// Makes what is missing, and says which commit each branch has. An object store is moved into its place whole, so that
/// a copy that was cut off is not taken for a store.
const PREPARE: &str = r#"
command -v git >/dev/null 2>&1 || exit 97
root=$1 caches=$2 cache=$3
while read -r name branch commit format; do
  if [ "$name" = . ]; then exit 0; fi
  path=$root/$name
  mkdir -p "$path/.git" || exit 98
  if [ ! -d "$path/.git/objects" ] && [ "$format" = sha1 ]; then
    for store in "$caches/$name/objects" "$caches/$name/.git/objects" "$caches/$name.git/objects"; do
      [ -d "$store" ] || continue
      rm -rf "$path/.git/objects.new"
      if [ "$cache" = copy ]; then cp -R "$store" "$path/.git/objects.new" || exit 98
      else mkdir -p "$path/.git/objects.new/info" && printf '%s\n' "$store" > "$path/.git/objects.new/info/alternates" || exit 98
      fi
      mv "$path/.git/objects.new" "$path/.git/objects" || exit 98
      break
    done
  fi
  case $format in
    sha256) $g init -q --template= --object-format=sha256 "$path" || exit 98;;
    *) $g init -q --template= "$path" || exit 98;;
  esac
  has=$($g -C "$path" rev-parse -q --verify "refs/heads/$branch^{commit}" 2>/dev/null) || has=-
  printf '%s %s\n' "$name" "$has"
done
exit 96
"#;

/// Checks the branches out, and says which commit and tree each repository has then; a tree is counted when the index
/// has the same.
const CHECKOUT: &str = r#"
root=$1 clean=$2 failed=0
while read -r name branch commit format; do
  if [ "$name" = . ]; then exit "$failed"; fi
  path=$root/$name
  if $g -C "$path" -c core.hooksPath=/dev/null checkout -q -f --no-track -B "$branch" "$commit" -- &&
    { [ "$clean" != clean ] || $g -C "$path" clean -q -ffdx; } &&
    head=$($g -C "$path" rev-parse HEAD) && tree=$($g -C "$path" rev-parse 'HEAD^{tree}') &&
    index=$($g -C "$path" write-tree) && [ "$index" = "$tree" ]
  then printf '%s %s %s\n' "$name" "$head" "$tree"
  else printf '%s: not checked out\n' "$name" >&2; failed=98
  fi
done
exit 96
"#;

/// Becomes the one service that was asked for. A push to a repository that is not there makes it.
const SERVE: &str = r#"
command -v git >/dev/null 2>&1 || exit 97
case $1 in
  receive-pack)
    if [ ! -e "$2" ]; then mkdir -p "$2" && $g init -q --template= "$2" >&2 || exit 98; fi
    exec $g -c receive.denyCurrentBranch="$3" receive-pack "$2";;
  upload-pack) exec $g upload-pack "$2";;
esac
exit 98
"#;

/// What a push to the branch that is checked out does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Current {
    /// Takes the work tree along, and is refused where that would lose changes.
    Update,
    /// Only the ref; the checkout follows.
    Ignore,
}

fn program(text: &str, arguments: &[&str]) -> Vec<String> {
    // Without names of files in words that are not quoted, `$g` becomes exactly these words.
    let text = format!("set -f; umask 002; LC_ALL=C; export LC_ALL; g='{GIT}'{text}");
    let head = ["sh".to_owned(), "-c".to_owned(), text, "build-resources".to_owned()];
    head.into_iter().chain(arguments.iter().map(|&one| one.to_owned())).collect()
}

/// The command that makes repositories, from the cache in `caches` where it has them; it reads [`lines`].
pub(super) fn prepare(root: &str, caches: &str, cache: Cache) -> Vec<String> {
    let how = match cache {
        Cache::Borrow => "borrow",
        Cache::Copy => "copy",
    };
    program(PREPARE, &[root, caches, how])
}

/// The command that checks branches out; it reads [`lines`].
pub(super) fn checkout(root: &str, clean: bool) -> Vec<String> {
    program(CHECKOUT, &[root, if clean { "clean" } else { "keep" }])
}

/// The command that takes a push.
pub(super) fn receive(path: &str, current: Current) -> Vec<String> {
    let policy = match current {
        Current::Update => "updateInstead",
        Current::Ignore => "ignore",
    };
    program(SERVE, &[Service::Receive.as_str(), path, policy])
}

/// The command that answers a fetch.
pub(super) fn upload(path: &str) -> Vec<String> {
    program(SERVE, &[Service::Upload.as_str(), path])
}

/// What the first two programs read.
pub(super) fn lines(wanted: &[&Wanted]) -> String {
    let line =
        |one: &&Wanted| format!("{} {} {} {}\n", one.name, one.branch(), one.commit, one.format.as_str());
    wanted.iter().map(line).chain([format!("{END}\n")]).collect()
}

/// What is there, in the order of the question; none where the answer is no answer.
pub(super) fn prepared(wanted: &[&Wanted], said: &str) -> Option<Vec<Option<Id>>> {
    let line = |(one, line): (&&Wanted, &str)| -> Option<Option<Id>> {
        match line.strip_prefix(one.name.as_str())?.strip_prefix(' ')? {
            "-" => Some(None),
            id => Some(Some(id.parse().ok()?)),
        }
    };
    (said.lines().count() == wanted.len())
        .then(|| wanted.iter().zip(said.lines()).map(line).collect())
        .flatten()
}

/// What a repository has after its checkout; none where nothing was said of it.
pub(super) fn checked_out(name: &Repository, said: &str) -> Option<Found> {
    said.lines().find_map(|line| {
        let (commit, tree) = line.strip_prefix(name.as_str())?.strip_prefix(' ')?.split_once(' ')?;
        Some(Found { commit: commit.parse().ok()?, tree: tree.parse().ok()? })
    })
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::wanted;
    use super::*;

    #[test]
    fn row_12_no_text_of_a_caller_is_part_of_a_program() {
        let path = "/workspace/src/$(id)";
        for command in [receive(path, Current::Update), upload(path)] {
            assert!(!command[2].contains("$(id)") && command[5] == path, "{command:?}");
        }
    }

    #[test]
    fn row_13_an_answer_that_is_none_is_not_believed() {
        let (one, two) = (wanted("a"), wanted("a/b"));
        let both = [&one, &two];
        let id = one.commit.as_str();
        let there = prepared(&both, &format!("a {id}\na/b -\n")).unwrap();
        assert_eq!(there, [Some(one.commit.clone()), None]);
        for bad in ["", "a -\n", "a/b -\na -\n", "a -\na/b -\nc -\n", "a x\na/b -\n", "a - \na/b -\n"] {
            assert!(prepared(&both, bad).is_none(), "{bad:?}");
        }
        assert!(checked_out(&one.name, &format!("a/b {id} {id}\na {id} {id}\n")).is_some());
        for bad in ["", "a", "a x y", &format!("a {id}"), &format!("b {id} {id}"), &format!("a {id} {id} ")] {
            assert!(checked_out(&one.name, bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn the_exit_codes_stand_in_the_programs() {
        assert!(PREPARE.contains(&format!("exit {NO_GIT}")) && SERVE.contains(&format!("exit {NO_GIT}")));
        assert!(PREPARE.ends_with(&format!("exit {CUT}\n")) && CHECKOUT.ends_with(&format!("exit {CUT}\n")));
        assert!(lines(&[]).ends_with(&format!("{END}\n")) && END.parse::<Repository>().is_err());
    }
}
