//! A good configuration is taken; each bad one is refused with its line and path.

use super::*;

/// A configuration with a pod label and a namespace label in one pool.
pub(crate) const GOOD: &str = "\
system: ext-ci
labels:
  - name: builder
  - name: space
providers:
  - name: east
    driver: kubernetes
    pools:
      - name: main
        max-servers: 4
        max-cores: 8
        max-ram: 16384
        labels:
          - name: builder
            type: pod
            image: localhost/builder:1
            cpu: 2
            memory: 4096
            env: [{name: HOME, value: /workspace}]
            volumes: [{name: workspace, emptyDir: {}}]
            volume-mounts: [{name: workspace, mountPath: /workspace}]
            dynamic-labels: {change: \"{request.change}\"}
          - name: space
            type: namespace
            quota: {pods: 5, cores: 4, ram: 8192}
";

fn refusal(text: &str) -> (u64, String, String) {
    match parse(text.as_bytes()).unwrap_err() {
        ConfigError::Wrong { line, path, problem } => (line, path, problem),
        other @ (ConfigError::Read { .. } | ConfigError::Size) => panic!("{other}"),
    }
}

fn changed(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replacen(from, to, 1)
}

#[test]
fn a_good_configuration_is_taken_whole() {
    let config = parse(GOOD.as_bytes()).unwrap();
    let pools = config.pools();
    let [(provider, pool)] = pools.as_slice() else { panic!("one pool") };
    let builder = pool.label(&"builder".parse().unwrap()).unwrap();
    assert_eq!(provider.name.as_str(), "east");
    assert_eq!(Size::of(pool, builder), Size { servers: 1, millicores: 2000, ram: 4096 });
    assert_eq!(config.hub.namespace.as_str(), "build-resources");
}

#[test]
fn every_mistake_is_refused_with_its_line_and_path() {
    let image = "            image: localhost/builder:1\n";
    let label = "providers[east].pools[main].labels[builder]";
    let raw = "providers[0].pools[0].labels[0]";
    for (text, line, path, word) in [
        (changed("            cpu: 2", "            cpus: 2"), 17, format!("{raw}.cpus").as_str(), "cpus"),
        (changed("cpu: 2", "cpu: 2 GB"), 17, format!("{raw}.cpu").as_str(), "thousandths"),
        (changed("memory: 4096", "memory: 4Gi"), 18, format!("{raw}.memory").as_str(), "without a unit"),
        (
            changed("max-servers: 4", "max-projects: 4"),
            10,
            "providers[0].pools[0].max-projects",
            "max-projects",
        ),
        (changed("type: pod", "type: vm"), 15, format!("{raw}.type").as_str(), "vm"),
        (changed("emptyDir: {}", "emptydir: {}"), 20, format!("{raw}.volumes").as_str(), "emptydir"),
        (
            changed("- name: builder\n            type", "- name: Builder\n            type"),
            14,
            format!("{raw}.name").as_str(),
            "name",
        ),
        (changed("type: pod", "type: project"), 14, format!("{label}.type").as_str(), "OpenShift"),
        (changed(image, ""), 14, format!("{label}.image").as_str(), "needs an image"),
        (changed("cpu: 2", "cpu: 9"), 14, format!("{label}.cpu").as_str(), "max-cores"),
        (changed("cpu: 2", "cpu: 2\n            cpu-limit: 1"), 14, format!("{label}.cpu").as_str(), "limit"),
        (
            changed("cpu: 2", "privileged: true"),
            14,
            format!("{label}.privileged").as_str(),
            "allow-privileged",
        ),
        (changed("emptyDir: {}", "hostPath: {path: /}"), 14, format!("{label}.volumes").as_str(), "hostPath"),
        (
            changed("[{name: workspace, mountPath", "[{name: other, mountPath"),
            14,
            format!("{label}.volume-mounts").as_str(),
            "other",
        ),
        (
            changed("{request.change}", "{request.colour}"),
            14,
            format!("{label}.dynamic-labels").as_str(),
            "request.colour",
        ),
        (
            changed("{change:", "{build-resources/system:"),
            14,
            format!("{label}.dynamic-labels").as_str(),
            "reserved",
        ),
        (changed("  - name: space\n", "  - name: space\n  - name: ghost\n"), 5, "labels[ghost]", "no pool"),
        (changed("  - name: space\n", ""), 22, "providers[east].pools[main].labels[space]", "do not name"),
        (
            changed("- name: space\n            type", "- name: builder\n            type"),
            23,
            "providers[east].pools[main].labels[builder]",
            "twice",
        ),
        (
            changed("quota: {pods", "image: x\n            quota: {pods"),
            23,
            "providers[east].pools[main].labels[space].image",
            "only a pod",
        ),
        (changed("driver: kubernetes", "driver: nova"), 7, "providers[0].driver", "nova"),
        (changed("system: ext-ci\n", ""), 4, "the document", "system"),
    ] {
        let found = refusal(&text);
        assert!(
            found.0 == line && found.1 == path && found.2.contains(word),
            "{found:?}, wanted {line} {path} {word}"
        );
    }
}

#[test]
fn text_that_is_no_configuration_is_refused_in_bounds() {
    assert!(matches!(parse(&vec![b' '; (1 << 20) + 1]).unwrap_err(), ConfigError::Size));
    for text in ["", "[", "\u{0}", "- a", "system: &a [*a]", &"[".repeat(1000)] {
        assert!(parse(text.as_bytes()).is_err(), "{text:?}");
    }
    assert!(parse(b"\xff\xfe\xff").is_err());
}
