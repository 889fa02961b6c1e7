//! Where the builds of one buildset lie: on the provider of the first of them.
//!
//! Decides: which pools may be tried, in which order, and whether a reservation there counts. Must not: reserve anything.
//! Input: the configuration and the buildset's record. The first placement is written by compare-and-swap, and before
//! anything is made, so two builds that are placed at once cannot disagree.

use crate::config::{Affinity, Name, Pool, Provider};
use crate::drive::{Desk, Stop};
use crate::state::{Buildset, Record};

/// What came of a placement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Settled {
    /// The request may lie there.
    Here,
    /// Another build of the buildset was placed elsewhere first.
    Elsewhere(Name),
}

/// The pools that may be tried, the one that is tried first first.
pub(crate) fn in_order<'a>(
    mut pools: Vec<(&'a Provider, &'a Pool)>,
    affinity: Affinity,
    chosen: Option<&Name>,
) -> Vec<(&'a Provider, &'a Pool)> {
    if let Some(chosen) = chosen {
        match affinity {
            Affinity::Required => pools.retain(|(provider, _)| provider.name == *chosen),
            Affinity::Preferred => pools.sort_by_key(|(provider, _)| provider.name != *chosen), // stable
            Affinity::None => {}
        }
    }
    pools
}

/// Notes that a build lies on a provider. With affinity the first one's is the buildset's.
fn settle(set: &mut Buildset, id: &str, provider: &Name, affinity: Affinity) -> Settled {
    let chosen = set.provider.clone();
    if let (Affinity::Required, Some(chosen)) = (affinity, chosen)
        && chosen != *provider
    {
        return Settled::Elsewhere(chosen);
    }
    if affinity != Affinity::None {
        set.provider.get_or_insert_with(|| provider.clone());
    }
    if let Some(member) = set.members.get_mut(id) {
        member.placed = Some(provider.clone());
    }
    Settled::Here
}

/// Takes the note back. Where no other build was placed there, the buildset is free to go elsewhere.
fn leave(set: &mut Buildset, id: &str) {
    let left = set.members.get_mut(id).and_then(|member| member.placed.take());
    let others = set.members.values().any(|member| member.placed.is_some() && member.placed == set.provider);
    if left.is_some() && left == set.provider && !others {
        set.provider = None;
    }
}

impl Desk<'_> {
    /// The provider that the buildset of this record lies on.
    pub(crate) async fn chosen(&self, record: &Record) -> Result<Option<Name>, Stop> {
        let Some(name) = &record.body.request.buildset else { return Ok(None) };
        Ok(self.store.buildset(name).await?.and_then(|set| set.provider))
    }

    /// The same if this record were not there.
    pub(crate) async fn chosen_by_others(&self, record: &Record) -> Result<Option<Name>, Stop> {
        let Some(name) = &record.body.request.buildset else { return Ok(None) };
        let set = self.store.buildset(name).await?;
        Ok(set.and_then(|mut set| {
            leave(&mut set, &record.id);
            set.provider
        }))
    }

    /// Writes down that a record lies on a provider, unless its buildset lies elsewhere.
    pub(crate) async fn settle(&self, record: &Record, provider: &Name) -> Result<Settled, Stop> {
        self.change_buildset(record, |set| settle(set, &record.id, provider, self.config.buildset.affinity))
            .await
            .map(|settled| settled.unwrap_or(Settled::Here))
    }

    /// Writes down that a record could not be served where it was placed.
    pub(crate) async fn unsettle(&self, record: &Record) -> Result<(), Stop> {
        self.change_buildset(record, |set| leave(set, &record.id)).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{parse, tests::GOOD};
    use crate::request::{Request, node};
    use crate::state::tests::at;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn set() -> Buildset {
        let mut set = Buildset::new(&name("ci"), "s", at(100));
        for id in ["1", "2"] {
            let nodes = vec![node("space").unwrap()];
            let request = Request::new(format!("b{id}"), Some("s".to_owned()), None, nodes).unwrap();
            set.join(id, &request, at(0)).unwrap();
        }
        set
    }

    #[test]
    fn row_38_the_first_placement_is_everybodys_where_affinity_is_required() {
        let (east, west) = (name("east"), name("west"));
        for (affinity, second, chosen) in [
            (Affinity::Required, Settled::Elsewhere(east.clone()), Some(&east)),
            (Affinity::Preferred, Settled::Here, Some(&east)),
            (Affinity::None, Settled::Here, None),
        ] {
            let mut set = set();
            assert_eq!(settle(&mut set, "1", &east, affinity), Settled::Here);
            assert_eq!(settle(&mut set, "2", &west, affinity), second, "{affinity:?}");
            assert_eq!(set.provider.as_ref(), chosen);
        }
    }

    #[test]
    fn row_39_a_buildset_leaves_a_provider_only_while_nobody_else_lies_there() {
        let (east, west) = (name("east"), name("west"));
        let mut alone = set();
        settle(&mut alone, "1", &east, Affinity::Required);
        leave(&mut alone, "1");
        assert_eq!(settle(&mut alone, "1", &west, Affinity::Required), Settled::Here);
        let mut shared = set();
        settle(&mut shared, "1", &east, Affinity::Required);
        settle(&mut shared, "2", &east, Affinity::Required);
        leave(&mut shared, "1");
        assert_eq!(settle(&mut shared, "1", &west, Affinity::Required), Settled::Elsewhere(east));
    }

    #[test]
    fn row_38_pools_of_the_chosen_provider_are_the_only_ones_or_the_first() {
        let second = GOOD.split("providers:\n").nth(1).unwrap().replace("name: east", "name: west");
        let config = parse(format!("{GOOD}{second}").as_bytes()).unwrap();
        let west = name("west");
        let names = |affinity, chosen| {
            let pools = in_order(config.pools(), affinity, chosen);
            pools.iter().map(|(provider, _)| provider.name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(Affinity::Required, None), ["east", "west"]);
        assert_eq!(names(Affinity::Required, Some(&west)), ["west"]);
        assert_eq!(names(Affinity::Preferred, Some(&west)), ["west", "east"]);
        assert_eq!(names(Affinity::None, Some(&west)), ["east", "west"]);
    }
}
