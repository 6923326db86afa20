/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who did it: the task's context of a record. */
#pragma once

#include "containers.h"

/* The task's number in the pid namespace that stands `level` deep; 0 where it has none. */
static __noinline u32 pid_at_level(struct task_struct *task, u32 level, u32 *pid_ns)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	if (!pid || BPF_CORE_READ(pid, level) < level)
		return 0;
	struct upid *number =
		(void *)pid + bpf_core_field_offset(struct pid, numbers) + level * bpf_core_type_size(struct upid);
	if (pid_ns)
		*pid_ns = BPF_CORE_READ(number, ns, ns.inum);
	return BPF_CORE_READ(number, nr);
}

/* A task of a nested pid namespace, such as a container's. */
static __noinline int nested_pids(struct task_context *context, struct task_struct *task, u32 level)
{
	context->tid = pid_at_level(task, level, &context->pid_ns);
	context->pid = pid_at_level(BPF_CORE_READ(task, group_leader), level, NULL);
	context->ppid = pid_at_level(BPF_CORE_READ(task, real_parent, group_leader), level, NULL);
	return 0;
}

/* The name the current task goes by: a worker of an io_uring has one of its own, but what it does its process asked
 * for. */
static __always_inline void read_name(struct task_struct *task, char *name)
{
	if (OLDER_KERNEL) {
		/* there may be more behind the name's end, and the flag may mean something else (before 5.12) */
		bpf_get_current_comm(name, TASK_COMM_LEN);
		return;
	}
	char own[TASK_COMM_LEN];
	READ_BYTES(own, task->comm);
	__builtin_memcpy(name, own, TASK_COMM_LEN);
	if (READ(task, flags) & PF_IO_WORKER)
		BPF_CORE_READ_INTO((char(*)[TASK_COMM_LEN])name, task, group_leader, comm);
}

/* `task` is the current one. */
static __always_inline void fill_task(struct task_context *context, struct task_struct *task)
{
	context->start_time = READ(task, start_boottime);
	context->host_tid = READ(task, pid);
	context->host_pid = READ(task, tgid);
	context->host_ppid = READ(task, real_parent, tgid);
	context->uid = READ(task, cred, uid.val);
	context->cgroup_id = cgroup_of(task);
	/* a task that is going away has lost its namespaces and later its pid */
	struct nsproxy *namespaces = READ(task, nsproxy);
	context->mount_ns = namespaces ? READ(namespaces, mnt_ns, ns.inum) : 0;
	context->pad = 0;
	read_name(task, context->comm);

	struct pid *pid = READ(task, thread_pid);
	u32 level = pid ? READ(pid, level) : 0;
	if (level == 0) {
		context->tid = context->host_tid;
		context->pid = context->host_pid;
		context->ppid = context->host_ppid;
		context->pid_ns = pid ? READ(pid, numbers[0].ns, ns.inum) : 0;
	} else {
		nested_pids(context, task, level);
	}
}
