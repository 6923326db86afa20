//! Which programs a plan needs. What is not needed is not loaded: the verifier's time is most of the start.

use tracee_core::catalogue::{index, EVENTS};
use tracee_core::plan::Compiled;

use crate::limits;

/// Names of the programs to load.
pub fn needed(plan: &Compiled) -> Vec<&'static str> {
    let wanted = |events: &[u16]| events.iter().any(|event| plan.wanted[usize::from(*event)] != 0);
    // for the table of tasks, whatever is traced
    let mut programs = vec!["tracee_fork", "tracee_exec", "tracee_exit"];
    if EVENTS.iter().zip(&plan.wanted).any(|(event, policies)| event.syscall && *policies != 0) {
        programs.push("tracee_sys_exit");
    }
    if wanted(&[index::SCHED_PROCESS_EXEC, index::EXECVE, index::EXECVEAT]) {
        programs.push("tracee_exec_ev");
        programs.push(if limits::has_tracepoint("sched_prepare_exec") { "tracee_prepare" } else { "tracee_enter" });
    }
    if wanted(&[index::SCHED_PROCESS_FORK]) {
        programs.push("tracee_fork_ev");
    }
    if wanted(&[index::SCHED_PROCESS_EXIT, index::EXIT, index::EXIT_GROUP]) {
        programs.push("tracee_exit_ev");
    }
    let tree = tracee_core::scope::NUMBER_KEYS.iter().position(|k| *k == "tree");
    if plan.scope.follow != 0 || tree.is_some_and(|key| plan.scope.numbers[key].used != 0) {
        programs.extend(["tracee_inherit", "tracee_follow"]);
    }
    programs
}
