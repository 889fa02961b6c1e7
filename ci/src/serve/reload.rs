//! The configuration while it may change: what is good is taken, what is not is told, and the last good one stays.
//!
//! Decides: what counts as a change. Must not: take half of a new one. Input: a file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::sleep;
use tracing::{error, info};

use crate::config::{self, Config, ConfigError};
use crate::drive::Clusters;
use crate::error::{Failure, chain};
use crate::metrics::{Metrics, Reload};

/// Between two looks at the file. A look costs one read of a small file and no request.
const LOOK: Duration = Duration::from_secs(2);

/// The file, and what stood in it last.
pub struct ConfigFile {
    path: PathBuf,
    /// The bytes that were judged last, good or bad.
    judged: Option<Vec<u8>>,
}

/// What a look at the file came to.
#[derive(Debug)]
enum Found {
    /// What was judged before.
    Same,
    /// A configuration that may be taken.
    New(Box<Config>),
    /// One that may not.
    Bad(String),
}

impl ConfigFile {
    /// The file of a configuration that was read a moment ago.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn new(path: &Path) -> Result<(Self, Config), ConfigError> {
        let text = config::read(path)?;
        let config = config::parse(&text)?;
        Ok((ConfigFile { path: path.to_owned(), judged: Some(text) }, config))
    }

    /// Resolves with the next good configuration that is another than `now`, and its clusters.
    pub async fn changed(
        &mut self,
        now: &Config,
        kubeconfig: Option<&Path>,
        metrics: &Metrics,
    ) -> (Config, Clusters) {
        loop {
            sleep(LOOK).await;
            let problem = match self.look(now) {
                Found::Same => continue,
                Found::Bad(problem) => problem,
                Found::New(config) => match Clusters::connect(&config, kubeconfig).await {
                    Ok(clusters) => {
                        metrics.reloaded(Reload::Taken);
                        info!(labels = config.labels.len(), "a new configuration is in force");
                        return (*config, clusters);
                    }
                    Err(error) => said(&error),
                },
            };
            metrics.reloaded(Reload::Refused);
            error!(error = problem, "the new configuration is wrong; the one before stays in force");
        }
    }

    /// Judges the file, once for each content.
    fn look(&mut self, now: &Config) -> Found {
        let text = match config::read(&self.path) {
            Ok(text) => Some(text),
            // Told once, not at each look.
            Err(error) if self.judged.is_some() => {
                self.judged = None;
                return Found::Bad(said(&error));
            }
            Err(_) => None,
        };
        if text == self.judged {
            return Found::Same;
        }
        self.judged.clone_from(&text);
        match config::parse(&text.unwrap_or_default()) {
            Ok(config) if config.system != now.system => {
                Found::Bad("`system` cannot change: what carries the old name would be nobody's".to_owned())
            }
            Ok(config) => Found::New(Box::new(config)),
            Err(error) => Found::Bad(said(&error)),
        }
    }
}

fn said(failure: &impl Failure) -> String {
    chain(failure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::GOOD;

    #[test]
    fn row_45_a_new_configuration_is_taken_only_when_it_is_good_and_a_bad_one_is_told_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.yaml");
        std::fs::write(&path, GOOD).unwrap();
        let (mut file, now) = ConfigFile::new(&path).unwrap();
        assert!(matches!(file.look(&now), Found::Same));
        let bad = GOOD.replace("max-servers", "max-severs");
        let renamed = GOOD.replace("system: ext-ci", "system: other");
        for (text, word) in [(bad, "line 10: providers[0].pools[0].max-severs"), (renamed, "`system`")] {
            std::fs::write(&path, text).unwrap();
            match file.look(&now) {
                Found::Bad(problem) => assert!(problem.contains(word), "{problem}"),
                other @ (Found::Same | Found::New(_)) => panic!("{other:?}"),
            }
            assert!(matches!(file.look(&now), Found::Same), "told once");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(file.look(&now), Found::Bad(_)) && matches!(file.look(&now), Found::Same));
        std::fs::write(&path, GOOD.replace("max-servers: 4", "max-servers: 9")).unwrap();
        match file.look(&now) {
            Found::New(config) => assert_eq!(config.pools()[0].1.max_servers.unwrap().get(), 9),
            other @ (Found::Same | Found::Bad(_)) => panic!("{other:?}"),
        }
    }
}
