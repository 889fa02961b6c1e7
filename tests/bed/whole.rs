//! A whole cluster runs pods that this machine reaches, and leaves nothing behind.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use proof::cluster::Cluster;
use proof::command::run;
use proof::wait::{until, until_true};

const SERVER: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: server, labels: {app: server}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - {name: server, image: 'localhost/machine:1', imagePullPolicy: Never, command: [httpd, -f, -h, /etc]}
---
apiVersion: v1
kind: Service
metadata: {name: server}
spec: {selector: {app: server}, ports: [{port: 80}]}
";

/// The directories of control groups with that name.
fn groups(name: &str) -> Vec<String> {
    let root = Path::new("/sys/fs/cgroup");
    let all = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path().join(name));
    let found = all.chain([root.join(name)]).filter(|place| place.is_dir());
    found.map(|place| place.display().to_string()).collect()
}

#[test]
fn a_whole_cluster_runs_pods_behind_services_and_leaves_nothing() {
    let Some(cluster) = Cluster::full_or_told() else { return };
    cluster.apply(SERVER);
    cluster.kubectl(&["wait", "--for=condition=Ready", "pod/server", "--timeout=60s"]).expect_success();
    let service = cluster.get_json(&["service", "server"]);
    let address = service["spec"]["clusterIP"].as_str().unwrap();
    let answer = until("an answer by the Service", || {
        let mut stream = TcpStream::connect((address, 80)).map_err(|error| error.to_string())?;
        stream.write_all(b"GET /hostname HTTP/1.0\r\n\r\n").map_err(|error| error.to_string())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(|error| error.to_string())?;
        Ok(answer)
    });
    assert!(answer.ends_with("server\n"), "{answer}");
    let (dir, node) = (cluster.dir().to_owned(), cluster.node_address().unwrap().to_string());
    let name = dir.file_name().unwrap().to_str().unwrap();
    let routes = || run(Command::new("ip").args(["route", "get", &node]));
    assert!(!groups(name).is_empty() && routes().contains("proof-"), "{}", routes());
    drop(cluster);
    assert!(!dir.exists());
    assert_eq!(groups(name), Vec::<String>::new());
    until_true("the card to go with its other end", || !routes().contains("proof-"));
}
