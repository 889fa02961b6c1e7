//! `config dump`: every setting, its value, and where that comes from.

use schemars::JsonSchema;
use serde::Serialize;

use super::render::{Answer, Screen};
use crate::plan::API_VERSION;
use crate::settings::{DumpLine, Loaded};

/// All settings.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConfigDump {
    /// Always `extensions.agent/v1`.
    pub api_version: &'static str,
    /// Always `ConfigDump`.
    pub kind: &'static str,
    /// Each setting, in the order of the default file.
    pub settings: Vec<DumpLine>,
    /// What was passed over.
    pub warnings: Vec<String>,
}

/// The settings that were loaded.
pub(super) fn dump(loaded: &Loaded) -> ConfigDump {
    ConfigDump {
        api_version: API_VERSION,
        kind: "ConfigDump",
        settings: loaded.dump.clone(),
        warnings: loaded.warnings.clone(),
    }
}

impl Answer for ConfigDump {
    fn text(&self, screen: Screen) -> String {
        let rows = self.settings.iter().map(|line| {
            let value = line.value.clone().unwrap_or_else(|| "(unset)".to_owned());
            [line.key.clone(), value, line.origin.to_string()]
        });
        screen.table(["SETTING", "VALUE", "FROM"], rows)
    }
}
