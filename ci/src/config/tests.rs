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
    assert_eq!(Size::of(pool, builder), Size { servers: 1, millicores: 2000, ram: 4096, ..Size::default() });
    assert_eq!(provider.max_sessions.get(), 64);
    assert_eq!(config.hub.namespace.as_str(), "build-resources");
}

#[test]
fn row_10_a_registry_counts_in_the_pool() {
    let with = "registry: {image: 'localhost/registry:1'}";
    let text = changed("memory: 4096", &format!("memory: 4096\n            {with}"));
    let text = text.replacen("ram: 8192}", &format!("ram: 8192}}\n            {with}"), 1);
    let config = parse(text.as_bytes()).unwrap();
    let pools = config.pools();
    let size = |label: &str| Size::of(pools[0].1, pools[0].1.label(&label.parse().unwrap()).unwrap());
    let counted = |label: &str| (size(label).servers, size(label).millicores, size(label).ram);
    assert_eq!(counted("builder"), (1, 2100, 4096 + 256));
    assert_eq!(counted("space"), (1, 5000, 8192 + 256));
    // What is beyond the pool with it is refused before anybody asks.
    let text = text.replacen("max-cores: 8", "max-cores: 4", 1);
    let (_, path, problem) = refusal(&text);
    assert!(
        path.ends_with("labels[space].quota") && problem.contains("with its registry"),
        "{path}: {problem}"
    );
}

/// Change, line, path, a word of the refusal.
type Mistake = ((&'static str, &'static str), u64, &'static str, &'static str);

fn each_is_refused(mistakes: &[Mistake]) {
    for ((from, to), line, path, word) in mistakes {
        let path = path
            .replace("RAW", "providers[0].pools[0].labels[0]")
            .replace("POOL", "providers[east].pools[main]");
        let found = refusal(&changed(from, to));
        assert!(
            found.0 == *line && found.1 == path && found.2.contains(word),
            "{found:?}, wanted {line} {path} {word}"
        );
    }
}

#[test]
fn row_45_what_cannot_be_decoded_is_refused_with_its_line_and_path() {
    each_is_refused(&[
        (("            cpu: 2", "            cpus: 2"), 17, "RAW.cpus", "cpus"),
        (("cpu: 2", "cpu: 2 GB"), 17, "RAW.cpu", "thousandths"),
        (("memory: 4096", "memory: 4Gi"), 18, "RAW.memory", "without a unit"),
        (("max-servers: 4", "max-projects: 4"), 10, "providers[0].pools[0].max-projects", "max-projects"),
        (("type: pod", "type: vm"), 15, "RAW.type", "vm"),
        (("emptyDir: {}", "emptydir: {}"), 20, "RAW.volumes", "emptydir"),
        (("- name: builder\n            ty", "- name: Builder\n            ty"), 14, "RAW.name", "name"),
        (("driver: kubernetes", "driver: nova"), 7, "providers[0].driver", "nova"),
        (
            ("driver: kubernetes", "driver: kubernetes\n    max-sessions: 0"),
            8,
            "providers[0].max-sessions",
            "between",
        ),
        (("driver: kubernetes", "driver: kubernetes\n    mode: open"), 8, "providers[0].mode", "open"),
        (("labels:\n  - name: b", "max-hold-age: 1d\nlabels:\n  - name: b"), 2, "max-hold-age", "unit"),
        (("labels:\n  - name: b", "leases: {idle-ttl: 0}\nlabels:\n  - name: b"), 2, "leases.idle-ttl", ""),
        (("  - name: space\n", "  - {name: space, min-ready: -1}\n"), 4, "labels[1].min-ready", ""),
        (
            ("  - name: space\n", "  - {name: space, max-ready-age: 1h}\n"),
            4,
            "labels[1].max-ready-age",
            "unit",
        ),
        (("system: ext-ci\n", ""), 4, "the document", "system"),
    ]);
}

#[test]
fn row_45_what_cannot_be_meant_is_refused_with_its_line_and_path() {
    each_is_refused(&[
        (("type: pod", "type: project"), 15, "POOL.labels[builder].type", "openshift"),
        (("driver: kubernetes", "driver: openshift"), 24, "POOL.labels[space].type", "project"),
        (("memory: 4096", "retries: 101"), 18, "POOL.labels[builder].retries", "100"),
        (
            ("            image: localhost/builder:1\n", ""),
            14,
            "POOL.labels[builder].image",
            "needs an image",
        ),
        (
            ("driver: kubernetes", "driver: kubernetes\n    mode: shared"),
            6,
            "providers[east].namespace",
            "needs one",
        ),
        (
            ("driver: kubernetes", "driver: kubernetes\n    namespace: x"),
            8,
            "providers[east].namespace",
            "only",
        ),
        (
            ("driver: kubernetes", "driver: kubernetes\n    mode: shared\n    namespace: x"),
            26,
            "POOL.labels[space].type",
            "only pods",
        ),
        (("cpu: 2", "cpu: 9"), 17, "POOL.labels[builder].cpu", "max-cores"),
        (("cpu: 2", "cpu: 2\n            cpu-limit: 1"), 17, "POOL.labels[builder].cpu", "limit"),
        (("cpu: 2", "ingress: true"), 17, "POOL.labels[builder].ingress", "only a namespace"),
        (("cpu: 2", "viewers: ['']"), 17, "POOL.labels[builder].viewers", "no user"),
        (("cpu: 2", "privileged: true"), 17, "POOL.labels[builder].privileged", "allow-privileged"),
        (("emptyDir: {}", "hostPath: {path: /}"), 20, "POOL.labels[builder].volumes", "hostPath"),
        (("[{name: workspace, m", "[{name: other, m"), 21, "POOL.labels[builder].volume-mounts", "other"),
        (("{request.change}", "{request.x}"), 22, "POOL.labels[builder].dynamic-labels", "request.x"),
        (("{change:", "{build-resources/a:"), 22, "POOL.labels[builder].dynamic-labels", "reserved"),
        (("  - name: space\n", "  - name: space\n  - name: ghost\n"), 5, "labels[ghost]", "no pool"),
        (
            ("  - name: space\n", "  - {name: space, min-ready: 101}\n"),
            4,
            "labels[space].min-ready",
            "at most",
        ),
        (("  - name: space\n", ""), 22, "POOL.labels[space]", "do not name"),
        (
            ("- name: space\n            ty", "- name: builder\n            ty"),
            23,
            "POOL.labels[builder]",
            "twice",
        ),
        (
            ("quota: {pods", "image: x\n            quota: {pods"),
            25,
            "POOL.labels[space].image",
            "only a pod",
        ),
    ]);
}

#[test]
fn row_41_what_cannot_be_kept_ready_is_refused_with_its_line() {
    let warm = |key: &str| {
        let asked = GOOD.replacen("- name: space", "- {name: space, min-ready: 1}", 1);
        let asked = asked.replacen("    pools:", "    registry-image: localhost/registry:1\n    pools:", 1);
        asked.replacen("            quota:", &format!("{key}            quota:"), 1)
    };
    let config = parse(warm("").as_bytes()).unwrap();
    assert!(config.stock_pool(&"space".parse().unwrap()).is_some());
    let (line, path, problem) = refusal(&warm("            registry: true\n"));
    assert_eq!((line, path.as_str()), (4, "labels[space].min-ready"));
    assert!(problem.contains("no pool can keep it ready"), "{problem}");
}

#[test]
fn text_that_is_no_configuration_is_refused_in_bounds() {
    assert!(matches!(parse(&vec![b' '; (1 << 20) + 1]).unwrap_err(), ConfigError::Size));
    for text in ["", "[", "\u{0}", "- a", "system: &a [*a]", &"[".repeat(1000)] {
        assert!(parse(text.as_bytes()).is_err(), "{text:?}");
    }
    assert!(parse(b"\xff\xfe\xff").is_err());
}

#[test]
fn the_example_is_valid() {
    let config = parse(include_bytes!("../../docs/example.yaml")).unwrap();
    assert_eq!(config.labels.len(), 2);
}
