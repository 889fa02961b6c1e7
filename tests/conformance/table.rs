//! The clauses: a number for ever, where the contract says it, and what it says in one sentence.
//!
//! A clause that is dropped leaves its number unused. Sections are those of the contract page.

use std::future::Future;
use std::pin::Pin;

use crate::host::Host;
use crate::verdict::Verdict;
use crate::{
    cancelling, deployments, errors, idle, joining, lifecycle, local_rpms, options, poison, signals, surface,
};

type Run = for<'h> fn(&'h Host) -> Pin<Box<dyn Future<Output = Verdict> + 'h>>;

/// One clause.
pub(crate) struct Clause {
    /// Its number.
    pub(crate) id: u16,
    /// Where the contract says it.
    pub(crate) section: &'static str,
    /// What it says.
    pub(crate) statement: &'static str,
    /// How it is tried.
    pub(crate) run: Run,
}

impl Clause {
    /// `C-017`.
    pub(crate) fn name(&self) -> String {
        format!("C-{:03}", self.id)
    }
}

macro_rules! clauses {
    ($($id:literal $section:literal $run:path: $statement:literal)*) => {
        /// All clauses, by number.
        pub(crate) const CLAUSES: &[Clause] = &[
            $(Clause { id: $id, section: $section, statement: $statement, run: |host| Box::pin($run(host)) }),*
        ];
    };
}

clauses! {
    // Names, paths, members
    1 "§1" surface::name_is_activatable: "the bus can start the daemon under its well-known name"
    2 "§1" surface::owner_is_root: "the owner of the well-known name is root"
    3 "§1" surface::object_manager: "the object manager lists the sysroot and the booted stateroot with their interfaces"
    4 "§1" surface::sysroot_methods: "Sysroot has its methods with their signatures"
    5 "§1" surface::sysroot_properties: "Sysroot has its properties with their types"
    6 "§1" surface::os_transactions: "OS has the methods that make a transaction, with their signatures"
    7 "§1" surface::os_queries: "OS has the methods that only answer, with their signatures; those newer than 2022.10 may be absent"
    8 "§1" surface::os_properties: "OS has its properties with their types"
    9 "§1" surface::experimental: "OSExperimental is on the same object, with Moo and LiveFs"
    10 "§1" surface::transaction_interface: "the private socket has the Transaction interface at `/`, with its members and signals"
    11 "§1" surface::no_signals_of_its_own: "Sysroot and OS declare no signals: changes are told by PropertiesChanged only"
    12 "§1" surface::booted_path: "Booted is the object whose Name is the osname of the booted deployment"
    13 "§1" surface::get_os: "GetOS gives the same object for the booted osname and for the empty name"
    14 "§1" surface::sysroot_path: "Path is `/`"
    15 "§1" surface::update_policy: "AutomaticUpdatePolicy is none, check, stage or apply"
    16 "§1" surface::idle_properties: "ActiveTransaction is three empty strings and ActiveTransactionPath is empty when nothing runs"
    17 "§1" surface::reload: "Reload answers and changes nothing"
    18 "§1" surface::registration: "a client may register with an id, and unregister"
    19 "§1" surface::unregistered_callers_may_begin: "a transaction needs no registration"
    20 "§1" surface::boot_config: "GetDeploymentBootConfig tells `staged` and `options` of the default deployment"

    // The life of a transaction
    21 "§2" lifecycle::address: "the method returns a unix address without a guid, and ActiveTransactionPath is the same"
    22 "§1 §2" lifecycle::active_transaction: "ActiveTransaction is the method, the caller's unique name and the object, and empty afterwards"
    23 "§2 §6" lifecycle::changes_are_told: "beginning and end of a transaction change ActiveTransaction and ActiveTransactionPath in one signal"
    24 "§2" lifecycle::nothing_before_start: "nothing runs before Start; the title is `new-deployment`"
    25 "§2" lifecycle::start_tells_who: "Start is true for the call that started it and false for every other"
    26 "§2" lifecycle::no_hello: "the private socket is a plain peer: no Hello, no destination"
    27 "§2" lifecycle::vanished_before_start: "a caller that leaves the bus before Start cancels its transaction and frees the lock"
    28 "§2" lifecycle::dropped_after_start: "after Start it belongs to nobody: it stages though socket and caller are gone"
    29 "§2" lifecycle::finished_again_for_the_late: "Finished is sent again to a Start that comes after the end, and to nobody else"
    30 "§0.5" lifecycle::lingers_until_peers_leave: "a finished transaction is in the way until its peers have left"
    31 "§0.5" lifecycle::lingering_is_bounded: "a peer that does not leave is closed by the daemon after a time (30 s)"
    32 "§2" lifecycle::every_peer_hears: "signals go to every peer, not only to the one that started it"
    33 "§2" lifecycle::properties_during: "properties are answered while a transaction runs"
    34 "§0.1" joining::equal_parameters_join: "a second call with equal parameters is given the same transaction"
    35 "§0.1" joining::handles_compare_by_index: "file handles compare by index: another file joins, is told of success, and is not installed"
    36 "§0.1" joining::a_nonce_makes_unequal: "an unknown option with a unique value makes parameters unequal"
    37 "§0.1" joining::the_command_line_makes_unequal: "so does initiating-command-line"
    38 "§0.6 §6" joining::busy_name_and_text: "a different call is refused with the quark of G_IO_ERROR_BUSY and a text with the title"
    39 "§6" joining::busy_for_every_method: "Cleanup, RefreshMd and PkgChange are refused in the same way"
    40 "§0.7 §2" cancelling::cancel: "Cancel ends a running scriptlet: Finished(false), a text that ends with `Operation was cancelled`, nothing staged"
    41 "§2" cancelling::cancel_by_a_second_peer: "any peer at ActiveTransactionPath may cancel"
    42 "§2" cancelling::cancel_by_nobody: "Cancel asks for no authorization: uid 65534 may cancel root's transaction"
    43 "§0.10" cancelling::death: "when the daemon dies the private socket ends without Finished, nothing is staged, and the next call starts a new daemon"

    // Options
    44 "§0.9" options::unknown_is_ignored: "unknown keys are ignored"
    45 "§0.9" options::mistyped_is_ignored: "a key of the wrong type is ignored: dry-run as a string is no dry run"
    46 "§0.9" options::spelled_as_the_code_reads: "the key that only the XML knows, install-local-fileoverride-packages, is not read"
    47 "§3" options::too_many_fds: "more fds than handles are refused with `Expected N fds but received M` (in the reply or in Finished)"
    48 "§3" options::exclusions: "options that exclude each other are refused"
    49 "§0.4 §3" options::no_pull_base: "with no-pull-base the staged deployment has the base of the booted one"
    50 "§3" options::dry_run: "dry-run prints what it would install and stages nothing"
    51 "§3 §4" options::dry_run_imports: "dry-run imports the files all the same, which cache-only then sees"
    52 "§4" options::cache_only_takes_more: "cache-only layers what an earlier failed request left in the cache, unrequested"
    53 "§3" options::download_only: "download-only ends with `Update downloaded.` and stages nothing"
    54 "§3 §5" options::lock_finalization: "lock-finalization stages; the finalization-locked key may be absent"
    55 "§3" options::command_line_is_the_title: "initiating-command-line becomes the title"
    56 "§3" options::accumulates: "a call starts from the pending deployment: requests accumulate"
    57 "§3" options::cleanup_starts_over: "after Cleanup of the pending deployment a call starts from the booted one"
    58 "§3" options::replaces_in_one_call: "one call replaces a package by uninstall and install"
    59 "§4" options::removes_by_name_or_nevra: "a local package is uninstalled by name or by NEVRA"
    60 "§1" options::pkg_change_removes: "PkgChange uninstalls local packages and needs no no-pull-base"
    61 "§6" options::last_removal_is_the_bare_base: "uninstalling the last one gives the bare base commit"
    62 "§4" options::no_layering_is_idempotent: "no-layering with no-overrides gives the bare base, and `No change.` the second time"

    // Local packages
    63 "§4" local_rpms::installs: "every file passed becomes a request, shown by NEVRA in requested-local-packages"
    64 "§3" local_rpms::nameless_files: "a file without a name is as good as any: nothing is resolved by path"
    65 "§4" local_rpms::missing_dependency: "a missing dependency is named, with who needs it; nothing is staged"
    66 "§6" local_rpms::task_ends_on_failure: "a failed resolution ends its task with `done` all the same"
    67 "§4" local_rpms::closure_in_one_call: "files passed together satisfy each other"
    68 "§4" local_rpms::layered_satisfies: "a layered package satisfies a later one"
    69 "§4" local_rpms::needed_stays: "a package that another layered one needs cannot be uninstalled alone"
    70 "§6" local_rpms::already_layered: "a file that is layered already fails with `Package '<sha256>:<nevra>' is already layered`"
    71 "§6" local_rpms::idempotent_no_change: "with idempotent-layering it succeeds with `No change.` and stages nothing"
    72 "§4" local_rpms::second_version: "a second version of a layered package fails with `cannot install both`"
    73 "§0.2" poison::cured_by_original: "a layered NEVRA with other content poisons the host; the original with idempotent-layering cures it"
    74 "§0.2" poison::cured_by_removal: "uninstalling the poisoned NEVRA cures it too"
    75 "§0.2" poison::despite_idempotence: "with idempotent-layering other content fails with `Checksum mismatch`"
    76 "§0.2 §4" poison::replaced_content: "uninstall and install in one call replaces a NEVRA by other content"
    77 "§4" local_rpms::not_an_rpm: "a file that is no package, an empty one and a truncated one are `Unrecognized archive format`"
    78 "§4" local_rpms::header_flip_is_seen: "a flipped byte in the header is refused: `Verification of … failed`"
    79 "§4" local_rpms::payload_flip_is_not_seen: "a flipped byte in the payload is accepted and layered"
    80 "§4" local_rpms::failing_scriptlet: "a failing %post fails the request and is named; its status may be misread as a signal (2024.9)"
    81 "§4 §6" local_rpms::scriptlets_have_run: "a %post that succeeds is run in a task of its own"
    82 "§4" local_rpms::unknown_removal: "uninstalling what is not layered fails: `is not currently requested`"
    83 "§4" local_rpms::unknown_removal_idempotent: "with idempotent-layering it succeeds and stages nothing"
    84 "§4" local_rpms::same_file_twice: "the same file twice in one call is already layered, by itself"
    85 "§4" local_rpms::no_repositories: "a package by name fails with `No enabled repositories` where there are none"
    86 "§4 §6" local_rpms::no_repositories_needed: "local files need no repository: `No enabled rpm-md repositories.` is only a message"
    87 "§3 §5" local_rpms::file_override: "install-fileoverride-local-packages has its own list in the deployment"

    // Deployments
    88 "§5" deployments::keys_that_are_always_there: "every deployment has the keys that are always there, with their types"
    89 "§5" deployments::id_is_made_of_its_parts: "the id is osname-checksum.serial"
    90 "§5" deployments::one_is_booted: "exactly one deployment is booted, and it is BootedDeployment"
    91 "§1 §5" deployments::first_is_the_default: "the first deployment is the default: a staged one stands before the booted one"
    92 "§5" deployments::only_one_is_staged: "staging again replaces the staged deployment"
    93 "§5" deployments::layered_names_its_base: "a layered deployment has base-checksum, -version, -timestamp and layered-commit-meta"
    94 "§5" deployments::bare_has_no_base: "a deployment with nothing layered has no base-checksum"
    95 "§5" deployments::keeps_the_version: "a layered deployment keeps the version of its base"
    96 "§5" deployments::packages_are_from_repos: "`packages` and `requested-packages` never hold local packages"
    97 "§5" deployments::origin_or_image: "a deployment has an origin or a container-image-reference, not both"
    98 "§5" deployments::staging_keeps_the_origin: "layering keeps the origin"
    99 "§1 §5" deployments::rollback_is_listed: "RollbackDeployment is empty or one of those behind the booted one"
    100 "§1" deployments::cleanup_drops_the_pending: "Cleanup of pending-deploy leaves exactly what was there before"
    101 "§1" deployments::cleanup_of_nothing: "Cleanup with nothing to do succeeds with `Deployments unchanged.`"
    102 "§1" deployments::reload_is_a_barrier: "what is read after Reload is what is there"

    // Signals
    103 "§6" signals::tasks_of_an_install: "an install goes through its tasks in their order"
    104 "§6" signals::tasks_are_paired: "every task ends, with `done`, before the next begins"
    105 "§6" signals::finished_is_the_last: "Finished is the last word"
    106 "§6" signals::title_of_an_install: "the title becomes `install; localinstall: N`"
    107 "§6" signals::title_of_a_removal: "the title becomes `uninstall; uninstall: N`"
    108 "§1 §6" signals::counted_work: "counted work carries `(n/m)` in its text and ends with 100"
    109 "§6" signals::last_removal_assembles_nothing: "uninstalling the last one only stages"
    110 "§6" signals::bus_tells_of_an_install: "on the bus: transaction, then DefaultDeployment, then Deployments, then no transaction"
    111 "§1 §6" signals::bus_is_quiet_on_no_change: "on the bus a no-op tells only of the transaction"
    112 "§1 §6" signals::bus_tells_of_a_cleanup: "on the bus a Cleanup that drops a deployment changes Deployments"

    // Errors and limits
    113 "§1 §7" errors::unknown_os: "GetOS of an unknown name is the quark of G_IO_ERROR_NOT_FOUND: `OS name … not found`"
    114 "§7" errors::unknown_object: "an unknown object path is UnknownMethod"
    115 "§7" errors::unknown_method: "an unknown method is UnknownMethod"
    116 "§1" errors::invalid_cleanup: "an unknown element of Cleanup is an immediate error"
    117 "§6" errors::finalize_wrong_checksum: "FinalizeDeployment with a wrong checksum names what it found and keeps the staged deployment"
    118 "§6" errors::finalize_missing_checksum: "FinalizeDeployment without a checksum says `Missing expected checksum`"
    119 "§0.7" errors::failure_is_no_error_reply: "a failure is the text of Finished, not an error reply"
    120 "§0.8" errors::failure_may_have_staged: "Finished(false) may have staged: a failing apply-live leaves the deployment"
    121 "§7" errors::nobody_is_not_authorized: "a caller who is not root needs polkit: AccessDenied, or `Authorization error` without one"
    122 "§0.3" errors::sixteen_handles_pass: "a message may carry 16 file descriptors"
    123 "§0.3" errors::the_seventeenth_handle: "dbus-daemon drops the connection at the 17th without an error reply; dbus-broker passes it"

    // Idle exit
    124 "§8" idle::leaves_when_idle: "without registered clients the daemon leaves after a time, and the next call starts it again"
    125 "§8" idle::registered_clients_keep_it: "a registered client keeps the daemon"
}
