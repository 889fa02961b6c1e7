//! What holds everything of one node, and takes it along when it is deleted.
//!
//! Decides: which object that is. Must not: hold what is another node's. Input: a place.

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::{Place, account, space};

/// What holds everything of one node. In a shared namespace that is the job's account and not its pod, because a pod can
/// only be made once its account is there: so there is no moment at which something is there that nothing holds.
#[derive(Debug, Clone)]
pub enum Holder {
    /// A namespace of its own.
    Namespace(Namespace),
    /// In a shared namespace, the account; the others name it as their owner.
    Account(ServiceAccount),
}

impl Holder {
    /// Its metadata.
    pub fn meta(&self) -> &ObjectMeta {
        match self {
            Holder::Namespace(namespace) => &namespace.metadata,
            Holder::Account(account) => &account.metadata,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.meta().name.as_deref().unwrap_or_default()
    }

    /// What its dependents say of it; nothing where it is a namespace.
    pub(super) fn owner(&self, uid: &str) -> Option<OwnerReference> {
        match self {
            Holder::Namespace(_) => None,
            Holder::Account(_) => Some(OwnerReference {
                api_version: "v1".to_owned(),
                kind: "ServiceAccount".to_owned(),
                name: self.name().to_owned(),
                uid: uid.to_owned(),
                controller: None,
                block_owner_deletion: Some(true), // the account ends last, so its end is the end of all
            }),
        }
    }
}

/// The holder of one node.
pub(super) fn holder(place: &Place<'_>) -> Holder {
    if place.is_shared() {
        Holder::Account(account::account(place))
    } else {
        Holder::Namespace(space::namespace(place))
    }
}
