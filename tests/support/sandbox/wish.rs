//! MachineConfig documents as an admin would write them.

use std::fmt::Write as _;

/// What one MachineConfig asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wish {
    extensions: Vec<String>,
    image: Option<String>,
    kernel_type: Option<String>,
    role: Option<String>,
}

impl Wish {
    /// These extensions, in this order.
    pub fn extensions<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Wish { extensions: names.into_iter().map(str::to_owned).collect(), ..Wish::default() }
    }

    /// From that image.
    #[must_use]
    pub fn from(mut self, image: &str) -> Self {
        self.image = Some(image.to_owned());
        self
    }

    /// With that kernel: `realtime`.
    #[must_use]
    pub fn kernel(mut self, kind: &str) -> Self {
        self.kernel_type = Some(kind.to_owned());
        self
    }

    /// For nodes with another role than `worker`.
    #[must_use]
    pub fn role(mut self, role: &str) -> Self {
        self.role = Some(role.to_owned());
        self
    }

    /// The document of a MachineConfig of this name.
    pub fn document(&self, name: &str) -> String {
        let role = self.role.as_deref().unwrap_or("worker");
        let mut text = format!(
            "apiVersion: machineconfiguration.openshift.io/v1\nkind: MachineConfig\nmetadata:\n  name: {name}\n  \
             labels:\n    machineconfiguration.openshift.io/role: {role}\nspec:\n"
        );
        if let Some(image) = &self.image {
            writeln!(text, "  baseOSExtensionsContainerImage: {image}").unwrap();
        }
        if let Some(kind) = &self.kernel_type {
            writeln!(text, "  kernelType: {kind}").unwrap();
        }
        writeln!(text, "  extensions: {}", serde_json::json!(self.extensions)).unwrap();
        text
    }
}
