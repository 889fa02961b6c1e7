//! Which warm node stands for a wanted one, and which give way.

use super::*;
use crate::config::{Config, Size, parse, tests::GOOD};
use crate::state::tests::{at, record};
use crate::state::{Entry, Stock};

fn config() -> Config {
    parse(GOOD.as_bytes()).unwrap() // at most 4 servers
}

fn spot(config: &Config) -> Spot {
    let (provider, pool) = config.pools()[0];
    Spot { provider: provider.name.clone(), pool: pool.name.clone() }
}

fn warm(config: &Config, id: &str, label: &str, meaning: &str) -> Record {
    let mut one = record("x");
    one.id = id.to_owned();
    one.body.request.nodes = vec![crate::request::node(label).unwrap()];
    one.body.attempts = vec![1];
    one.body.phase = Phase::Ready;
    one.duration = 100;
    one.body.spot = Some(spot(config));
    one.body.stock = Some(Stock { meaning: meaning.to_owned(), taken: None });
    one
}

fn ids(records: &[&Record]) -> Vec<String> {
    records.iter().map(|record| record.id.clone()).collect()
}

#[test]
fn row_41_a_warm_node_stands_for_one_of_its_label_pool_and_meaning() {
    let config = config();
    let all = [("a", "space", "new"), ("b", "space", "new"), ("c", "space", "old"), ("d", "builder", "new")];
    let records = all.map(|(id, label, meaning)| warm(&config, id, label, meaning));
    let stock: Vec<&Record> = records.iter().collect();
    let found = |label: &str, spot: &Spot, id: &str| {
        ids(&candidates(&stock, spot, &label.parse().unwrap(), "new", id))
    };
    let here = spot(&config);
    let mut both = found("space", &here, "x");
    let first: BTreeSet<String> = ["x", "y"].map(|id| found("space", &here, id).remove(0)).into();
    assert_eq!(first.len(), 2, "not all requests begin with the same one");
    both.sort();
    assert_eq!((both, found("builder", &here, "x")), (vec!["a".into(), "b".into()], vec!["d".to_owned()]));
    assert!(found("space", &Spot { pool: "other".parse().unwrap(), ..here }, "x").is_empty());
}

#[test]
fn row_41_as_few_warm_nodes_give_way_as_will_do_and_those_that_are_going_first() {
    let config = config();
    let (_, pool) = config.pools()[0];
    let one = Size { servers: 1, ..Size::default() };
    let mut records = ["a", "b", "c"].map(|id| warm(&config, id, "space", "m"));
    records[2].body.phase = Phase::Releasing;
    let mut taken = warm(&config, "d", "space", "m");
    taken.body.stock.as_mut().unwrap().taken = Some("r".to_owned());
    let records = [records.to_vec(), vec![taken]].concat();
    let mut ledger = Ledger::default();
    for id in ["a", "b", "c", "r"] {
        ledger.entries.insert(id.to_owned(), Entry { size: one.clone(), lease: id.to_owned() });
    }
    let stock = giving_way(&records, &spot(&config), at(50));
    assert_eq!(ids(&stock), ["c", "a", "b"], "what a request has does not give way");
    let gone = |servers| {
        let size = Size { servers, ..Size::default() };
        ids(&yielding(&ledger, pool, &Claim { id: "q", lease: "q", size, priority: 100 }, &stock))
    };
    assert_eq!((gone(1), gone(2)), (vec!["c".to_owned()], vec!["c".to_owned(), "a".to_owned()]));
    assert!(gone(4).is_empty(), "nothing goes for a request that would not fit all the same");
    assert_eq!(giving_way(&records, &spot(&config), at(101)).len(), 4, "what lapsed is nobody's");
}

#[test]
fn row_41_only_the_warm_namespace_or_ones_own_is_taken_over() {
    let labels = |request: &str, label: &str| ObjectMeta {
        labels: Some(
            [(Key::Request.text(), request.to_owned()), (Key::Label.text(), label.to_owned())].into(),
        ),
        ..ObjectMeta::default()
    };
    let warm = Warm { id: "w".to_owned(), holder: "main-w-0-1".to_owned() };
    let wanted = labels("r", "space");
    assert!(["w", "r"].iter().all(|id| is_takeable(&labels(id, "space"), &wanted, &warm)));
    let going = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::UNIX_EPOCH);
    let going = ObjectMeta { deletion_timestamp: Some(going), ..labels("w", "space") };
    assert!(
        [labels("q", "space"), labels("w", "builder"), going]
            .iter()
            .all(|one| !is_takeable(one, &wanted, &warm))
    );
}
