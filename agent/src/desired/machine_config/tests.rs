//! Hostile and honest documents.

use super::*;

const HEAD: &str = "apiVersion: machineconfiguration.openshift.io/v1\nkind: MachineConfig\n";

fn document(rest: &str) -> String {
    format!("{HEAD}{rest}")
}

fn names(config: &MachineConfig) -> Vec<&str> {
    config.extensions.iter().map(ExtensionName::as_str).collect()
}

/// What is wrong with the one document in `text`.
fn problem(text: &str) -> String {
    match parse(text.as_bytes()).unwrap_err() {
        Fault::Document { problem, .. } => problem,
        other @ (Fault::ExtensionName { .. } | Fault::Limit { .. }) => panic!("{other:?}"),
    }
}

#[test]
fn a_full_document_gives_the_fields_that_matter() {
    let text = document(
        "metadata:\n  name: 80-worker\n  labels:\n    machineconfiguration.openshift.io/role: worker\n    other: x\n\
         spec:\n  extensions: [' usbguard ', kerberos]\n  kernelType: realtime\n  fips: true\n  osImageURL: ''\n  \
         baseOSExtensionsContainerImage: reg.example/x@sha256:00\n  kernelArguments: [a]\n  config:\n    ignition: \
         {version: 3.4.0}\n    storage: {files: [{path: /etc/x, contents: {source: 'data:,secret'}}]}\n",
    );
    let [config] = parse(text.as_bytes()).unwrap().try_into().unwrap();
    assert_eq!(names(&config), ["usbguard", "kerberos"]);
    let expected = MachineConfig {
        name: "80-worker".to_owned(),
        role: Some("worker".to_owned()),
        generated: false,
        extensions: config.extensions.clone(),
        kernel_type: KernelType::Realtime,
        os_image: None,
        extensions_image: Some("reg.example/x@sha256:00".to_owned()),
        fips: true,
    };
    assert_eq!(config, expected);
}

#[test]
fn json_and_yaml_say_the_same_and_a_file_may_hold_several() {
    let json = r#"{"apiVersion":"machineconfiguration.openshift.io/v1","kind":"MachineConfig",
        "metadata":{"name":"a","annotations":{"machineconfiguration.openshift.io/generated-by-controller-version":"x"}},
        "spec":{"config":{"ignition":{"version":"3.4.0"}},"extensions":["ipsec"],"kernelType":""}}"#;
    let yaml = document(
        "metadata: {name: a, annotations: {machineconfiguration.openshift.io/generated-by-controller-version: x}}\nspec: {extensions: [ipsec]}\n",
    );
    let (json_once, yaml_once) = (parse(json.as_bytes()).unwrap(), parse(yaml.as_bytes()).unwrap());
    assert_eq!(json_once, yaml_once);
    assert!(json_once[0].generated);
    let b = document("metadata: {name: b}\n");
    let both = parse(format!("---\n{yaml}---\n---\n{b}...\n").as_bytes()).unwrap();
    assert_eq!(both.iter().map(|config| config.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(parse(format!("{json}\n{json}").as_bytes()).unwrap().len(), 2);
    assert_eq!(parse(b"").unwrap(), []);
    assert_eq!(parse(b"# only a remark\n").unwrap(), []);
}

#[test]
fn a_document_of_another_kind_is_refused_by_its_kind() {
    assert!(problem("apiVersion: v1\nkind: Secret\ndata: {password: aHVudGVyMg==}\n").contains("`Secret`"));
    assert!(
        problem("apiVersion: machineconfiguration.openshift.io/v1\nkind: MachineConfigPool\n")
            .contains("Pool")
    );
    assert!(
        problem("apiVersion: machineconfiguration.openshift.io.evil/v1\nkind: MachineConfig\n")
            .contains("evil")
    );
    assert!(problem("hello: world\n").contains("`none`"));
    assert!(problem("{}").contains("`none`"));
    for text in ["just words\n", "- a\n- b\n", "[1, 2]", "7"] {
        assert!(!problem(text).is_empty(), "{text}");
    }
}

#[test]
fn the_number_of_the_bad_document_is_told() {
    let good = document("metadata: {name: a}\n");
    let fault = parse(format!("{good}---\n{good}---\nkind: Pod\n").as_bytes()).unwrap_err();
    assert!(matches!(fault, Fault::Document { number: 3, .. }), "{fault:?}");
}

#[test]
fn broken_text_is_refused_on_one_line() {
    for text in [
        "a: b: c\n",
        "{\"apiVersion\": \"x\"",
        "{]",
        "\t- x",
        "a: &x [*x]\nb: *nobody\n",
        &document("metadata: {name: a}\nmetadata: {name: b}\n"),
        &document("metadata: {name: a}\nspec: {extensions: usbguard}\n"),
        &document("metadata: {name: a}\nspec: {extensions: [{name: usbguard}]}\n"),
        &document("metadata: {name: a}\nspec: {fips: maybe}\n"),
    ] {
        let problem = problem(text);
        assert!(!problem.contains('\n') && problem.len() < 900 && !problem.is_empty(), "{text}: {problem}");
    }
    assert!(matches!(parse(b"\xff\xfe").unwrap_err(), Fault::Document { number: 1, .. }));
}

#[test]
fn a_value_of_the_wrong_type_is_named_by_its_path_line_and_column() {
    let yaml = |rest: &str| problem(&document(&format!("metadata: {{name: a}}\nspec:\n  {rest}\n")));
    for (told, path) in [
        (yaml("extensions: usbguard"), "`spec.extensions`"),
        (yaml("extensions: [usbguard, {name: kerberos}]"), "`spec.extensions[1]`"),
        (yaml("fips: maybe"), "`spec.fips`"),
    ] {
        assert!(told.contains(path) && told.contains("line 5") && told.contains("column"), "{told}");
        assert!(!told.contains("maybe") && !told.contains("kerberos"), "{told}");
    }
    let json = problem(r#"{"metadata": {"name": "a"}, "spec": {"extensions": "hunter\"2"}}"#);
    let told = "`spec.extensions`: invalid type: string, expected a sequence at line 1 column 62";
    assert_eq!(json, told);
}

#[test]
fn a_name_or_kernel_or_image_that_cannot_be_is_refused() {
    assert!(problem(HEAD).contains("metadata"));
    assert!(problem(&document("metadata: {labels: {}}\n")).contains("metadata.name"));
    for name in ["''", "Upper", "a_b", "a..b", "-a", "'a b'", "\"a\\e[31m\"", &"a".repeat(254)] {
        let problem = problem(&document(&format!("metadata: {{name: {name}}}\n")));
        assert!(problem.contains("not a name") && !problem.contains('\x1b'), "{name}: {problem}");
    }
    assert!(problem(&document("metadata: {name: a}\nspec: {kernelType: turbo}\n")).contains("`turbo`"));
    let image = document("metadata: {name: a}\nspec: {baseOSExtensionsContainerImage: 'a b'}\n");
    assert!(problem(&image).contains("baseOSExtensionsContainerImage"));
}

#[test]
fn a_name_outside_the_grammar_names_the_machine_config() {
    for bad in ["Usbguard", "../etc", "--now", "a b", "", "@core", "usbguard;reboot"] {
        let text =
            document(&format!("metadata: {{name: 80-x}}\nspec: {{extensions: [usbguard, '{bad}']}}\n"));
        let fault = parse(text.as_bytes()).unwrap_err();
        assert!(
            matches!(fault, Fault::ExtensionName { ref machine_config, .. } if machine_config == "80-x"),
            "{fault:?}"
        );
    }
}

#[test]
fn every_bound_holds() {
    let many = format!("---\n{}", document("metadata: {name: a}\n")).repeat(DOCUMENTS + 1);
    assert!(parse(many.as_bytes()).is_err());
    let deep = document(&format!("metadata: {{name: a}}\nx: {}{}\n", "[".repeat(5_000), "]".repeat(5_000)));
    assert!(parse(deep.as_bytes()).is_err());
    let json = format!("{{\"x\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
    assert!(parse(json.as_bytes()).is_err());
    let list = vec!["x"; 257].join(",");
    let long = document(&format!("metadata: {{name: a}}\nspec: {{extensions: [{list}]}}\n"));
    assert!(matches!(parse(long.as_bytes()).unwrap_err(), Fault::Limit { .. }));
    assert!(matches!(parse(&vec![b'#'; FILE_BYTES + 1]).unwrap_err(), Fault::Limit { .. }));
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let inside = vec![format!("*a{}", level - 1); 9].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{inside}]\n"));
    }
    assert!(parse(text.as_bytes()).is_err());
}

#[test]
fn megabytes_of_ignition_are_skipped() {
    let file = format!("{{path: /etc/x, contents: {{source: 'data:,{}'}}}}", "x".repeat(10_000));
    let files = vec![file; 300].join(",\n    ");
    let text = document(&format!(
        "metadata: {{name: a}}\nspec:\n  config:\n    storage: {{files: [{files}]}}\n  extensions: [usbguard]\n"
    ));
    let found = parse(text.as_bytes()).unwrap();
    assert_eq!(names(&found[0]), ["usbguard"]);
}
