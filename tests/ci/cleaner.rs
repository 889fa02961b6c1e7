//! The cleaner takes what is ours and unwanted, at its second sighting, and nothing else.

use crate::bed::Bed;

fn namespace(name: &str, labels: &str) -> String {
    format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {{{labels}}}}}}}\n---\n")
}

#[test]
fn row_23_fifty_namespaces_of_others_are_left_alone() {
    let bed = Bed::new();
    let system = &bed.system;
    // Names like ours, labels like ours, but not our system's label with our system's name.
    let foreign: Vec<String> =
        (0..50).map(|number| format!("{system}-0123456789a{}-{number}-1", number % 10)).collect();
    let mut text = String::new();
    for (number, name) in foreign.iter().enumerate() {
        let labels = match number % 5 {
            0 => String::new(),
            1 => format!("build-resources/system: {system}-2, build-resources/request: 0123456789ab"),
            2 => format!("system: {system}"),
            3 => "build-resources/request: 0123456789ab, build-resources/until: '1'".to_owned(),
            _ => format!("app.kubernetes.io/managed-by: build-resources, build-resources/pool: {system}"),
        };
        text += &namespace(name, &labels);
    }
    bed.cluster.apply(&text);
    for _ in 0..3 {
        let cleaned = bed.json(&["gc"]);
        assert_eq!(cleaned["deleted"].as_array().unwrap().len(), 0, "{cleaned:#}");
        assert_eq!(cleaned["condemned"].as_array().unwrap().len(), 0, "{cleaned:#}");
    }
    let alive = bed.cluster.get_json(&["namespaces"]);
    let alive: Vec<&str> = alive["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["status"]["phase"] == "Active")
        .map(|one| one["metadata"]["name"].as_str().unwrap())
        .collect();
    assert!(foreign.iter().all(|name| alive.contains(&name.as_str())), "{alive:?}");
}

#[test]
fn row_23_what_lost_its_record_goes_at_its_second_sighting_and_a_dry_run_changes_nothing() {
    let bed = Bed::new();
    let name = format!("{}-0123456789ab-0-1", bed.system);
    let labels = format!("build-resources/system: {}, build-resources/request: 0123456789ab", bed.system);
    bed.cluster.apply(&namespace(&name, &labels));
    for _ in 0..2 {
        assert_eq!(bed.json(&["gc", "--dry-run"])["condemned"][0], name);
    }
    assert_eq!(bed.json(&["gc"])["condemned"][0], name);
    proof::wait::until("the second sighting", || {
        let cleaned = bed.json(&["gc"]);
        if cleaned["deleted"][0] == name.as_str() { Ok(()) } else { Err(cleaned.to_string()) }
    });
}
