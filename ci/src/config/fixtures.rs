//! What Nodepool gets wrong about configurations, one file each: refused with the line that says `# here`, or accepted.

use std::path::Path;

use super::{ConfigError, parse};
use crate::error::Failure;

/// What a fixture says of itself, held against what is made of it.
fn wrong(text: &str) -> Option<String> {
    let wanted = text.lines().find_map(|line| line.strip_prefix("# refused: "));
    match (parse(text.as_bytes()), wanted) {
        (Ok(_), None) if text.contains("\n# accepted\n") => None,
        (Ok(_), _) => Some("it is accepted".to_owned()),
        (Err(error), None) => Some(format!("it is refused: {error}")),
        (Err(error), Some(word)) => {
            let here = text.lines().position(|line| line.ends_with("# here")).map(|at| at as u64 + 1);
            let ConfigError::Wrong { line, ref path, ref problem } = error else {
                return Some(error.to_string());
            };
            let good = Some(line) == here
                && (path.contains("providers[") || path.starts_with("labels["))
                && problem.contains(word)
                && error.reason().exit_code() == 2;
            (!good).then(|| format!("wanted {here:?} and `{word}`: {error}"))
        }
    }
}

#[test]
fn row_45_what_nodepool_lets_pass_or_refuses_wrongly_is_known_line_by_line() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/fixtures");
    let (mut count, mut odd) = (0, Vec::new());
    for entry in std::fs::read_dir(place).unwrap().map(Result::unwrap) {
        let text = std::fs::read_to_string(entry.path()).unwrap();
        odd.extend(wrong(&text).map(|problem| format!("{:?}: {problem}", entry.file_name())));
        count += 1;
    }
    assert!(odd.is_empty(), "{odd:#?}");
    assert!(count >= 26, "{count} fixtures");
}
