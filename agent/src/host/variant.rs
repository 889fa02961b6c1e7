//! D-Bus values as JSON, for the parts of a deployment that the agent does not read but keeps.

use serde_json::{Map, Value};
use zbus::Variant;

/// Deepest nesting that is followed.
const DEPTH: usize = 16;

/// Most values that are kept of one key.
const VALUES: usize = 4_096;

/// The value as JSON. What is too deep, too much, or has no JSON form becomes `null`.
pub(super) fn to_json(value: &Variant<'_>) -> Value {
    let mut budget = VALUES;
    walk(value, DEPTH, &mut budget)
}

fn walk(value: &Variant<'_>, depth: usize, budget: &mut usize) -> Value {
    let Some(deeper) = depth.checked_sub(1) else { return Value::Null };
    let Some(left) = budget.checked_sub(1) else { return Value::Null };
    *budget = left;
    match value {
        Variant::U8(number) => (*number).into(),
        Variant::Bool(truth) => (*truth).into(),
        Variant::I16(number) => (*number).into(),
        Variant::U16(number) => (*number).into(),
        Variant::I32(number) => (*number).into(),
        Variant::U32(number) => (*number).into(),
        Variant::I64(number) => (*number).into(),
        Variant::U64(number) => (*number).into(),
        Variant::F64(number) => (*number).into(),
        Variant::Str(text) => text.as_str().into(),
        Variant::Signature(signature) => signature.to_string().into(),
        Variant::ObjectPath(path) => path.as_str().into(),
        Variant::Variant(inner) => walk(inner, deeper, budget),
        Variant::Array(array) => all(array.inner(), deeper, budget),
        Variant::Structure(structure) => all(structure.fields(), deeper, budget),
        Variant::Dict(dict) => {
            let mut object = Map::new();
            for (key, value) in dict.iter() {
                if *budget == 0 {
                    break;
                }
                object.insert(key_text(key), walk(value, deeper, budget));
            }
            Value::Object(object)
        }
        Variant::Fd(_) => Value::Null,
    }
}

fn all(values: &[Variant<'_>], depth: usize, budget: &mut usize) -> Value {
    let mut list = Vec::new();
    for value in values {
        if *budget == 0 {
            break;
        }
        list.push(walk(value, depth, budget));
    }
    Value::Array(list)
}

/// D-Bus allows any basic type as a key, JSON only text.
fn key_text(key: &Variant<'_>) -> String {
    let value = walk(key, 1, &mut 1);
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    #[test]
    fn values_keep_their_shape() {
        let tuple = Variant::new(("a-1-1.noarch", "a", 0_u64));
        assert_eq!(to_json(&tuple), json!(["a-1-1.noarch", "a", 0]));
        let dict = Variant::from(BTreeMap::from([("k", Variant::from(true)), ("l", Variant::from(-1_i32))]));
        assert_eq!(to_json(&dict), json!({"k": true, "l": -1}));
        assert_eq!(to_json(&Variant::from(vec!["x", "y"])), json!(["x", "y"]));
    }

    #[test]
    fn what_is_too_deep_or_too_much_is_left_out() {
        let mut deep = Variant::from(1_u8);
        for _ in 0..DEPTH {
            deep = Variant::Variant(Box::new(deep));
        }
        assert_eq!(to_json(&deep), Value::Null);
        let wide = to_json(&Variant::from(vec![1_u8; VALUES * 2]));
        assert_eq!(wide.as_array().map(Vec::len), Some(VALUES - 1));
    }
}
