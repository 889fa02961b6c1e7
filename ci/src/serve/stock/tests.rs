//! What is missing and what is too much, from values.

use jiff::Timestamp;

use super::*;
use crate::config::{Config, parse, tests::GOOD};
use crate::drive::Clusters;
use crate::state::Phase;
use crate::state::tests::record;

/// Nobody is asked.
const KUBECONFIG: &str = "{current-context: a, clusters: [{name: a, cluster: {server: 'http://localhost:1'}}], \
                          contexts: [{name: a, context: {cluster: a, user: a}}], users: [{name: a, user: {token: t}}]}";

fn config(stocked: &str) -> Config {
    parse(GOOD.replacen("  - name: space\n", stocked, 1).as_bytes()).unwrap()
}

fn clusters(config: &Config) -> Clusters {
    let path = std::env::temp_dir().join(format!("stock-{}", std::process::id()));
    std::fs::write(&path, KUBECONFIG).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let made = runtime.block_on(Clusters::connect(config, Some(&path))).unwrap();
    std::fs::remove_file(&path).unwrap();
    made
}

fn desk<'a>(config: &'a Config, clusters: &'a Clusters) -> Desk<'a> {
    Desk::new(config, clusters, "me".to_owned(), Timestamp::now, Duration::ZERO)
}

fn warm(desk: &Desk<'_>, number: u64) -> Record {
    let (provider, pool, label) = desk.config.stock_pool(&"space".parse().unwrap()).unwrap();
    let spot = Spot { provider: provider.name.clone(), pool: pool.name.clone() };
    let mut one = record("x");
    one.id = stock_id(&desk.config.system, &spot, &label.name, number);
    one.body.phase = Phase::Ready;
    one.body.spot = Some(spot);
    let meaning = desk.meaning(provider, pool, label);
    one.body.stock = Some(crate::state::Stock { meaning, taken: None });
    one
}

#[test]
fn row_41_a_full_stock_is_left_alone_and_another_configuration_empties_it() {
    let two = config("  - {name: space, min-ready: 2}\n");
    let clusters = clusters(&two);
    let planned = |config: &Config, records: &[Record]| {
        let listing = Listing { records: records.to_vec(), ..Listing::default() };
        let plan = plan(&desk(config, &clusters), &Scope::All, &listing);
        (plan.surplus.len(), plan.missing.len())
    };
    let all = [warm(&desk(&two, &clusters), 0), warm(&desk(&two, &clusters), 1)];
    let mut taken = all.clone();
    taken[1].body.stock.as_mut().unwrap().taken = Some("r".to_owned());
    assert_eq!((planned(&two, &[]), planned(&two, &all), planned(&two, &all[1..])), ((0, 2), (0, 0), (0, 1)));
    assert_eq!(planned(&config("  - {name: space, min-ready: 1}\n"), &all), (1, 0));
    assert_eq!(planned(&config("  - name: space\n"), &all), (2, 0));
    assert_eq!(planned(&config("  - name: space\n"), &taken), (1, 0), "what a request has is not ours");
    let text = GOOD.replacen("  - name: space\n", "  - {name: space, min-ready: 2}\n", 1);
    let other = parse(text.replace("quota: {pods: 5", "quota: {pods: 6").as_bytes()).unwrap();
    assert_eq!(planned(&other, &all), (2, 0), "the label means something else");
    let aged = config("  - {name: space, min-ready: 2, max-ready-age: 60}\n");
    assert_eq!(planned(&aged, &all).1, 0);
}
