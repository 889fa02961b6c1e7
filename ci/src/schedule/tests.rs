//! The order of one pool, example by example and in a thousand random schedules.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::config::{Config, parse, tests::GOOD};

fn config() -> Config {
    parse(GOOD.as_bytes()).unwrap() // one pool of four servers
}

fn servers(servers: u64) -> Size {
    Size { servers, ..Size::default() }
}

fn claim<'a>(id: &'a str, size: u64, priority: u32) -> Claim<'a> {
    Claim { id, lease: id, size: servers(size), priority }
}

/// Does what a process does that looks at the pool once.
fn look(ledger: &mut Ledger, pool: &Pool, claim: &Claim<'_>) -> bool {
    let turn = turn(ledger, pool, claim);
    match turn {
        Turn::Go => admit(ledger, pool, claim),
        Turn::Wait { .. } => drop(enlist(ledger, claim)),
    }
    turn == Turn::Go
}

#[test]
fn row_10_what_fits_goes_first_but_passes_a_large_one_only_so_often() {
    let config = config();
    let (_, pool) = config.pools()[0];
    let mut ledger = Ledger::default();
    assert!(look(&mut ledger, pool, &claim("holder", 1, 100)));
    assert!(!look(&mut ledger, pool, &claim("large", 4, 100)));
    for number in 0..PASSES {
        let id = format!("small-{number}");
        assert!(look(&mut ledger, pool, &claim(&id, 1, 100)), "{number}");
        ledger.entries.remove(&id);
    }
    assert!(
        !look(&mut ledger, pool, &claim("small", 1, 100)),
        "there is room, but it is left for the large one"
    );
    assert!(look(&mut ledger, pool, &claim("urgent", 1, 99)), "a lower number goes before it all the same");
    ledger.entries.clear();
    assert!(!look(&mut ledger, pool, &claim("small", 1, 100)), "the large one fits now and is before it");
    assert!(look(&mut ledger, pool, &claim("large", 4, 100)));
    ledger.entries.clear();
    assert!(look(&mut ledger, pool, &claim("small", 1, 100)));
}

#[test]
fn row_10_the_order_is_priority_then_arrival_and_room_for_both_is_given_to_both() {
    let config = config();
    let (_, pool) = config.pools()[0];
    let mut ledger = Ledger::default();
    assert!(look(&mut ledger, pool, &claim("holder", 4, 100)));
    for (id, size, priority) in [("first", 3, 100), ("second", 3, 100), ("third", 1, 100), ("urgent", 3, 50)]
    {
        assert!(!look(&mut ledger, pool, &claim(id, size, priority)));
    }
    ledger.entries.clear();
    assert!(!look(&mut ledger, pool, &claim("first", 3, 100)), "the urgent one is before it");
    assert_eq!(turn(&ledger, pool, &claim("second", 3, 100)), Turn::Wait { behind: 2 });
    assert!(look(&mut ledger, pool, &claim("third", 1, 100)), "it fits beside the urgent one");
    assert!(look(&mut ledger, pool, &claim("urgent", 3, 50)));
}

#[test]
fn who_stands_in_the_order_already_keeps_his_place() {
    let mut ledger = Ledger::default();
    assert!(enlist(&mut ledger, &claim("one", 1, 100)));
    assert!(!enlist(&mut ledger, &claim("one", 1, 100)));
    assert!(enlist(&mut ledger, &claim("one", 2, 100)), "another size is another request");
    for number in 0..2 * WAITERS {
        enlist(&mut ledger, &claim(&format!("w{number}"), 1, 100));
    }
    assert_eq!(ledger.waiting.len(), WAITERS);
}

/// A generator that gives the same numbers for the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % most as u64).unwrap()
    }
}

/// What one process is at.
enum Step {
    /// It asks, with what it read last; none before it has read.
    Asking(Option<(u64, Ledger)>),
    /// It holds its nodes.
    Holding,
    /// It has given them back.
    Done,
    /// It died, and its Lease will lapse.
    Dead,
}

struct Schedule {
    dice: Dice,
    ledger: Ledger,
    /// Moves with each write, as a resource version does.
    version: u64,
    steps: Vec<(u64, u32, Step)>,
    admitted: BTreeMap<usize, u32>,
}

impl Schedule {
    fn name(at: usize) -> String {
        format!("r{at:02}")
    }

    /// One random process does one thing.
    fn step(&mut self, pool: &Pool, deaths: bool) {
        let at = self.dice.below(self.steps.len());
        let id = Schedule::name(at);
        let (size, priority, step) = &mut self.steps[at];
        let claim = claim(&id, *size, *priority);
        let dies = deaths && self.dice.below(40) == 0;
        match step {
            Step::Done => {}
            Step::Asking(_) | Step::Holding if dies => *step = Step::Dead,
            Step::Asking(read @ None) => *read = Some((self.version, self.ledger.clone())),
            Step::Asking(read) => {
                let (version, mut seen) = read.take().unwrap();
                let went = look(&mut seen, pool, &claim);
                if version == self.version {
                    self.version += 1;
                    self.ledger = seen; // compare-and-swap; else it reads anew
                    if went {
                        *step = Step::Holding;
                        *self.admitted.entry(at).or_default() += 1;
                    }
                }
            }
            Step::Holding if self.dice.below(3) == 0 => {
                self.ledger.entries.remove(&id);
                self.version += 1;
                *step = Step::Done;
            }
            Step::Holding => {}
            // Its Lease lapses at some moment; then whoever looks drops what it had.
            Step::Dead if self.dice.below(5) == 0 => {
                let living: BTreeSet<String> =
                    (0..self.steps.len()).filter(|one| *one != at).map(Schedule::name).collect();
                self.ledger.prune(&living);
                self.version += 1;
                self.steps[at].2 = Step::Done;
            }
            Step::Dead => {}
        }
    }

    fn run(seed: u64, sizes: &[u64], deaths: bool) {
        let config = config();
        let (_, pool) = config.pools()[0];
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let steps = sizes
            .iter()
            .map(|size| (*size, 99 + u32::try_from(dice.below(2)).unwrap(), Step::Asking(None)))
            .collect();
        let mut all =
            Schedule { dice, ledger: Ledger::default(), version: 0, steps, admitted: BTreeMap::new() };
        for _ in 0..20_000 {
            all.step(pool, deaths);
            let used = all.ledger.used_beside("");
            assert!(used.exceeds(pool).is_none(), "seed {seed}: {used:?} is more than the pool has");
            for waiter in all.ledger.waiting.values() {
                assert!(waiter.passed <= PASSES, "seed {seed}: passed {} times", waiter.passed);
            }
            if all.steps.iter().all(|(_, _, step)| matches!(step, Step::Done)) {
                assert!(all.ledger.entries.is_empty() && all.ledger.waiting.is_empty(), "seed {seed}");
                assert!(deaths || all.admitted.len() == sizes.len(), "seed {seed}: everybody had a turn");
                assert!(all.admitted.values().all(|times| *times == 1), "seed {seed}: and only one");
                return;
            }
        }
        panic!("seed {seed}: a schedule of {sizes:?} never ends");
    }
}

#[test]
fn row_40_a_thousand_random_schedules_end_and_never_hold_more_than_the_pool_has() {
    for seed in 1..=1_000 {
        let mut dice = Dice(seed | 1 << 40);
        let mut sizes = vec![3, 3]; // two nodesets of three nodes, and whatever else comes
        sizes.extend((0..dice.below(12)).map(|_| 1 + dice.below(4) as u64));
        Schedule::run(seed, &sizes, seed % 2 == 0);
    }
}

#[test]
fn row_10_a_stream_of_small_requests_cannot_hold_up_a_large_one() {
    for seed in 1..=10 {
        let mut sizes = vec![1; 60];
        sizes[3] = 4;
        Schedule::run(seed, &sizes, false);
    }
}
