//! rpm's rule for when two version ranges have a version in common (`rpmdsCompare`), which no crate has.

use std::cmp::Ordering;

use super::{Bound, Relation};

/// Whether some version lies in both ranges, as rpm sees it.
///
/// - A missing epoch counts as 0 on either side (reading the text sees to that).
/// - A missing release is a wildcard, but only where the side that lacks it admits equality: `a = 1.0-3` meets `a <= 1.0`,
///   and does not meet `a < 1.0` nor `a > 1.0`.
/// - Two ranges that are open in the same direction always overlap; rpm does not ask whether such a version exists.
pub(super) fn overlap(left: &Bound, right: &Bound) -> bool {
    let order = left.order(right);
    match (order, &left.release, &right.release) {
        (Ordering::Equal, Some(_), None) if admits_equal(right) => return true,
        (Ordering::Equal, None, Some(_)) if admits_equal(left) => return true,
        (Ordering::Less | Ordering::Equal | Ordering::Greater, _, _) => {}
    }
    match order {
        Ordering::Less => admits_greater(left) || admits_less(right),
        Ordering::Greater => admits_less(left) || admits_greater(right),
        Ordering::Equal => {
            (admits_equal(left) && admits_equal(right))
                || (admits_less(left) && admits_less(right))
                || (admits_greater(left) && admits_greater(right))
        }
    }
}

fn admits_less(bound: &Bound) -> bool {
    match bound.relation {
        Relation::Less | Relation::LessOrEqual => true,
        Relation::Equal | Relation::GreaterOrEqual | Relation::Greater => false,
    }
}

fn admits_equal(bound: &Bound) -> bool {
    match bound.relation {
        Relation::LessOrEqual | Relation::Equal | Relation::GreaterOrEqual => true,
        Relation::Less | Relation::Greater => false,
    }
}

fn admits_greater(bound: &Bound) -> bool {
    match bound.relation {
        Relation::Greater | Relation::GreaterOrEqual => true,
        Relation::Less | Relation::LessOrEqual | Relation::Equal => false,
    }
}
