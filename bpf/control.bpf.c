/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What user space keeps the tree of processes by: the beginning, each exec and the end of every process, whatever is
 * traced. These programs are always loaded, and write to a ring of their own. Threads are left out: a process ends with
 * the last of them, whichever that is.
 */

#include "include/event.h"
#include "include/hook.h"

/* Bytes of a program's arguments that are kept. */
#define KEPT_ARGUMENTS 1024

/* Whose process it is, as enum control says; args[0] is the start time of its parent. */
static __noinline int fill_process(struct record *record, struct task_struct *task)
{
	struct task_context *to = &record->task;
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	struct task_struct *parent = BPF_CORE_READ(task, real_parent, group_leader);
	to->start_time = BPF_CORE_READ(leader, start_boottime);
	to->host_tid = BPF_CORE_READ(task, pid);
	to->host_pid = BPF_CORE_READ(task, tgid);
	to->host_ppid = BPF_CORE_READ(parent, tgid);
	to->uid = BPF_CORE_READ(task, cred, uid.val);
	BPF_CORE_READ_INTO(&to->comm, task, comm);
	nested_pids(to, task, BPF_CORE_READ(task, thread_pid, level));
	record->args[0] = BPF_CORE_READ(parent, start_boottime);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(tracee_fork, struct task_struct *parent, struct task_struct *child)
{
	if (BPF_CORE_READ(child, pid) != BPF_CORE_READ(child, tgid))
		return 0;
	struct record *record = reserve_control(CONTROL_FORK);
	if (!record)
		return 0;
	fill_process(record, child);
	/* not always its parent: see CLONE_PARENT */
	record->args[1] = BPF_CORE_READ(parent, tgid);
	record->args[2] = BPF_CORE_READ(parent, group_leader, start_boottime);
	bpf_ringbuf_submit(record, control_wake_flags());
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(tracee_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	s32 slot = builder_take();
	struct builder *builder = slot < 0 ? NULL : builder_at(slot);
	if (!builder) {
		lost(CONTROL_EXEC);
		return 0;
	}
	begin_control(&builder->record, CONTROL_EXEC);
	fill_process(&builder->record, task);
	append_file_path(slot, BPF_CORE_READ(bprm, file));
	if (config.process_tree) {
		struct mm_struct *mm = BPF_CORE_READ(task, mm);
		u64 start = BPF_CORE_READ(mm, arg_start);
		append_path(slot, (u64)BPF_CORE_READ(task, fs, pwd.dentry), (u64)BPF_CORE_READ(task, fs, pwd.mnt));
		append_bytes(slot, start, BPF_CORE_READ(mm, arg_end) - start, KEPT_ARGUMENTS);
	}
	return builder_output(slot, 1);
}

/* ---- the end ---- */

struct heir_search {
	struct task_struct *task;
	u32 level; /* of pid namespaces: an heir is not looked for beyond */
	u32 found;
};

static long heir_step(u64 index, struct heir_search *search)
{
	struct task_struct *task = search->task;
	if (!task || !BPF_CORE_READ(task, tgid) || BPF_CORE_READ(task, thread_pid, level) != search->level)
		return 1;
	struct signal_struct *signal = BPF_CORE_READ(task, signal);
	if (BPF_CORE_READ_BITFIELD_PROBED(signal, is_child_subreaper) && BPF_CORE_READ(signal, live.counter)) {
		search->found = 1;
		return 1;
	}
	search->task = BPF_CORE_READ(task, real_parent);
	return 0;
}

/*
 * Who becomes the parent of the children that a process leaves behind: the nearest ancestor that asked for them
 * (PR_SET_CHILD_SUBREAPER), else the first process of the pid namespace. As the kernel is about to decide itself.
 */
static __noinline struct task_struct *heir_of(struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	u32 level = BPF_CORE_READ(pid, level);
	struct signal_struct *signal = BPF_CORE_READ(task, signal);
	if (BPF_CORE_READ_BITFIELD_PROBED(signal, has_child_subreaper)) {
		struct heir_search search = {.task = BPF_CORE_READ(task, real_parent), .level = level};
		repeat(128, heir_step, &search);
		if (search.found)
			return search.task;
	}
	struct upid *number =
		(void *)pid + bpf_core_field_offset(struct pid, numbers) + level * bpf_core_type_size(struct upid);
	return BPF_CORE_READ(number, ns, child_reaper);
}

/* As wait(2) gives it. */
static __always_inline u32 exit_status(struct task_struct *task)
{
	struct signal_struct *signal = BPF_CORE_READ(task, signal);
	if (BPF_CORE_READ(signal, flags) & SIGNAL_GROUP_EXIT)
		return BPF_CORE_READ(signal, group_exit_code);
	return BPF_CORE_READ(task, group_leader, exit_code);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(tracee_exit, struct task_struct *task)
{
	if (BPF_CORE_READ(task, signal, live.counter))
		return 0; /* other threads go on, and the pid with them */
	struct record *record = reserve_control(CONTROL_EXIT);
	if (!record)
		return 0;
	fill_process(record, task);
	struct task_struct *heir = heir_of(task);
	record->args[1] = BPF_CORE_READ(heir, tgid);
	record->args[2] = BPF_CORE_READ(heir, group_leader, start_boottime);
	record->args[3] = exit_status(task);
	bpf_ringbuf_submit(record, control_wake_flags());
	return 0;
}
