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
    Failed(Fault),
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What is at fault.
    pub cause: Cause,
    /// What happened, in the cluster's words.
    pub why: String,
}

/// What is at fault when an attempt fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// What the configuration says of the pod: another one would end the same.
    Configuration,
    /// The cluster: it took the pod away, had no place for it, or could not bring its image. Another may fare better.
    Infrastructure,
}

impl Cause {
    /// The fault of that cause.
    pub(super) fn because(self, why: impl Into<String>) -> Fault {
        Fault { cause: self, why: why.into() }
    }
}

/// Reasons that neither time nor another pod cures.
const HOPELESS: &[&str] =
    &["InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError", "RunContainerError"];
/// Reasons of the machine that the pod is on: time does not cure them, another pod elsewhere may.
const STUCK: &[&str] = &["CreateContainerError"];
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
        return Verdict::Failed(Cause::Infrastructure.because("the pod is being deleted"));
    }
    if matches!(phase, "Failed" | "Succeeded") {
        // The kubelet and the controllers give a reason when they end a pod; one that ended by itself has none.
        let fault = match (status.reason.as_deref(), ended(status)) {
            (Some(reason), _) => Cause::Infrastructure.because(said(reason, status.message.as_deref())),
            (None, Some(ended)) => ended,
            (None, None) => Cause::Configuration.because(said(phase, status.message.as_deref())),
        };
        return Verdict::Failed(fault);
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
        Some((reason, message)) if HOPELESS.contains(&reason) => {
            Verdict::Failed(Cause::Configuration.because(said(reason, message)))
        }
        Some((reason, message))
            if STUCK.contains(&reason) || (PULLING.contains(&reason) && waited >= patience.pull) =>
        {
            Verdict::Failed(Cause::Infrastructure.because(said(reason, message)))
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
        [HOPELESS, STUCK, PULLING].iter().position(|known| known.contains(reason)).unwrap_or(3)
    })
}

/// A container that is over. It does not start again, so its pod never becomes ready.
fn ended(status: &PodStatus) -> Option<Fault> {
    status.container_statuses.iter().flatten().find_map(|one| {
        let over = one.state.as_ref()?.terminated.as_ref()?;
        let reason = over.reason.as_deref().unwrap_or("Completed");
        let what = format!("the container {} ended with code {}", shown(&one.name), over.exit_code);
        Some(Cause::Configuration.because(said(&format!("{reason}: {what}"), over.message.as_deref())))
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
        Verdict::Failed(Cause::Infrastructure.because(format!("not ready after {waited} s: {}", shown(why))))
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
        let failed = |text: &str| Verdict::Failed(Cause::Infrastructure.because(text));
        let wrong = |text: &str| Verdict::Failed(Cause::Configuration.because(text));
        for (pod, waited, verdict) in [
            (ready, 0, Verdict::Ready),
            (evicted, 0, failed("Evicted: low on disk")),
            (pod(r#"{"phase": "Succeeded"}"#), 0, wrong("Succeeded")),
            (waiting("InvalidImageName"), 0, wrong("InvalidImageName: image i")),
            (waiting("CreateContainerError"), 0, failed("CreateContainerError: image i")),
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
        let wrong = |text: &str| Verdict::Failed(Cause::Configuration.because(text));
        for (pod, verdict) in [
            (states(&waits("ErrImageNeverPull"), &initialising, &initialising), wrong("ErrImageNeverPull")),
            (
                states("{}", &waits("ContainerCreating"), &waits("InvalidImageName")),
                wrong("InvalidImageName"),
            ),
            (states("{}", &initialising, &waits("ErrImagePull")), Verdict::Wait),
            (states("{}", "{}", over), wrong("Error: the container second ended with code 3")),
        ] {
            assert_eq!(judge(&pod, 1, patience), verdict, "{pod:?}");
        }
    }
}
