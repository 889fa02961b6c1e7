//! Whether a pod is usable, will be, or never will be.
//!
//! Decides: which reasons of the kubelet end the wait, and after how long. Must not: ask anything. Input: a pod as the API
//! shows it, and for how long it has been waited for.

use k8s_openapi::api::core::v1::{Pod, PodCondition, PodStatus};

use crate::error::shown;

/// What to make of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It can be used.
    Ready,
    /// Not yet.
    Wait,
    /// It never will be.
    Failed(String),
}

/// Reasons that no waiting cures.
const HOPELESS: &[&str] = &[
    "InvalidImageName",
    "ErrImageNeverPull",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];
/// Reasons that may pass while a registry is slow.
const PULLING: &[&str] = &["ErrImagePull", "ImagePullBackOff"];

/// How long may be waited, in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For an image.
    pub pull: u64,
    /// For everything.
    pub launch: u64,
}

/// Judges a pod that has been waited for since `waited` seconds.
pub fn judge(pod: &Pod, waited: u64, patience: Patience) -> Verdict {
    let Some(status) = &pod.status else { return timeout(waited, patience, "the pod has no status") };
    let phase = status.phase.as_deref().unwrap_or_default();
    if pod.metadata.deletion_timestamp.is_some() {
        return Verdict::Failed("the pod is being deleted".to_owned());
    }
    if matches!(phase, "Failed" | "Succeeded") {
        let why = status.reason.as_deref().unwrap_or(phase);
        return Verdict::Failed(said(why, status.message.as_deref()));
    }
    let conditions = status.conditions.as_deref().unwrap_or_default();
    let condition = |name: &str| conditions.iter().find(|one| one.type_ == name);
    if condition("Ready").is_some_and(|one| one.status == "True") {
        return Verdict::Ready;
    }
    if let Some(ended) = ended(status) {
        return Verdict::Failed(ended);
    }
    match worst(status) {
        Some((reason, message)) if HOPELESS.contains(&reason) => Verdict::Failed(said(reason, message)),
        Some((reason, message)) if PULLING.contains(&reason) && waited >= patience.pull => {
            Verdict::Failed(said(reason, message))
        }
        Some((reason, _)) => timeout(waited, patience, reason),
        None => timeout(waited, patience, &unscheduled(condition("PodScheduled"))),
    }
}

/// What a container waits for: of several the one that is least likely to pass.
fn worst(status: &PodStatus) -> Option<(&str, Option<&str>)> {
    let all = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    let waiting = all.filter_map(|one| {
        let waiting = one.state.as_ref()?.waiting.as_ref()?;
        Some((waiting.reason.as_deref()?, waiting.message.as_deref()))
    });
    waiting.min_by_key(|(reason, _)| {
        if HOPELESS.contains(reason) {
            0
        } else if PULLING.contains(reason) {
            1
        } else {
            2
        }
    })
}

/// A container that is over. It does not start again, so its pod never becomes ready.
fn ended(status: &PodStatus) -> Option<String> {
    status.container_statuses.iter().flatten().find_map(|one| {
        let over = one.state.as_ref()?.terminated.as_ref()?;
        let reason = over.reason.as_deref().unwrap_or("Completed");
        let what = format!("the container {} ended with code {}", shown(&one.name), over.exit_code);
        Some(said(&format!("{reason}: {what}"), over.message.as_deref()))
    })
}

fn unscheduled(condition: Option<&PodCondition>) -> String {
    match condition.filter(|one| one.status == "False") {
        Some(one) => said(one.reason.as_deref().unwrap_or("Unschedulable"), one.message.as_deref()),
        None => "no kubelet has taken it up".to_owned(),
    }
}

fn timeout(waited: u64, patience: Patience, why: &str) -> Verdict {
    if waited >= patience.launch {
        Verdict::Failed(format!("not ready after {waited} s: {}", shown(why)))
    } else {
        Verdict::Wait
    }
}

fn said(reason: &str, message: Option<&str>) -> String {
    match message.filter(|text| !text.is_empty()) {
        Some(message) => format!("{}: {}", shown(reason), shown(message)),
        None => shown(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(status: &str) -> Pod {
        serde_json::from_str(&format!(r#"{{"metadata": {{"name": "one"}}, "status": {status}}}"#)).unwrap()
    }

    fn waiting(reason: &str) -> Pod {
        pod(&format!(
            r#"{{"phase": "Pending", "containerStatuses": [{{"name": "node", "image": "i", "imageID": "", "ready": false,
            "restartCount": 0, "state": {{"waiting": {{"reason": "{reason}", "message": "image i"}}}}}}]}}"#
        ))
    }

    #[test]
    fn row_07_what_no_waiting_cures_fails_at_once_and_the_rest_in_its_own_time() {
        let patience = Patience { pull: 10, launch: 100 };
        let ready = pod(r#"{"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}"#);
        let evicted = pod(r#"{"phase": "Failed", "reason": "Evicted", "message": "low on disk"}"#);
        let unfit = r#"{"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
            "reason": "Unschedulable", "message": "0/3 nodes"}]}"#;
        let failed = |text: &str| Verdict::Failed(text.to_owned());
        for (pod, waited, verdict) in [
            (ready, 0, Verdict::Ready),
            (evicted, 0, failed("Evicted: low on disk")),
            (waiting("InvalidImageName"), 0, failed("InvalidImageName: image i")),
            (waiting("ErrImagePull"), 9, Verdict::Wait),
            (waiting("ErrImagePull"), 10, failed("ErrImagePull: image i")),
            (waiting("ContainerCreating"), 99, Verdict::Wait),
            (waiting("ContainerCreating"), 100, failed("not ready after 100 s: ContainerCreating")),
            (pod(unfit), 99, Verdict::Wait),
            (pod(unfit), 100, failed("not ready after 100 s: Unschedulable: 0/3 nodes")),
            (
                pod(r#"{"phase": "Pending"}"#),
                100,
                failed("not ready after 100 s: no kubelet has taken it up"),
            ),
        ] {
            assert_eq!(judge(&pod, waited, patience), verdict, "{pod:?}");
        }
    }

    #[test]
    fn of_several_containers_the_hopeless_one_counts() {
        let states = |init: &str, first: &str, second: &str| {
            let one = |name: &str, state: &str| {
                format!(
                    r#"{{"name": "{name}", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": {state}}}"#
                )
            };
            pod(&format!(
                r#"{{"phase": "Pending", "initContainerStatuses": [{}], "containerStatuses": [{}, {}]}}"#,
                one("workspace", init),
                one("node", first),
                one("second", second)
            ))
        };
        let waits = |reason: &str| format!(r#"{{"waiting": {{"reason": "{reason}"}}}}"#);
        let initialising = waits("PodInitializing");
        let over = r#"{"terminated": {"exitCode": 3, "reason": "Error"}}"#;
        let patience = Patience { pull: 10, launch: 100 };
        let failed = |text: &str| Verdict::Failed(text.to_owned());
        for (pod, verdict) in [
            (states(&waits("ErrImageNeverPull"), &initialising, &initialising), failed("ErrImageNeverPull")),
            (
                states("{}", &waits("ContainerCreating"), &waits("InvalidImageName")),
                failed("InvalidImageName"),
            ),
            (states("{}", &initialising, &waits("ErrImagePull")), Verdict::Wait),
            (states("{}", "{}", over), failed("Error: the container second ended with code 3")),
        ] {
            assert_eq!(judge(&pod, 1, patience), verdict, "{pod:?}");
        }
    }
}
