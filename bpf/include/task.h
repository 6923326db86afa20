/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who did it: the task's context of a record. */
#pragma once

#include "maps.h"
#include <bpf/bpf_core_read.h>

extern void *bpf_rdonly_cast(const void *object, u32 type) __ksym __weak;

/*
 * The current task, to read from. At each pointer followed from a trusted one the verifier searches all of the kernel's
 * types by name (to 6.18), which adds up to a fifth of our start; from an untrusted one (6.2) it does not. What a
 * helper takes must be trusted: bpf_get_current_task_btf().
 */
static __always_inline struct task_struct *current_task(void)
{
	if (bpf_ksym_exists(bpf_rdonly_cast))
		return bpf_rdonly_cast(bpf_get_current_task_btf(), bpf_core_type_id_kernel(struct task_struct));
	return bpf_get_current_task_btf();
}

/* The registers with which the current task entered the kernel. */
static __always_inline struct pt_regs *current_registers(void)
{
	return (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
}

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

/* `task` is the current one. */
static __always_inline void fill_task(struct task_context *context, struct task_struct *task)
{
	context->start_time = task->start_boottime;
	context->host_tid = task->pid;
	context->host_pid = task->tgid;
	context->host_ppid = task->real_parent->tgid;
	context->uid = task->cred->uid.val;
	context->cgroup_id = bpf_get_current_cgroup_id();
	/* a task that is going away has lost its namespaces and later its pid */
	struct nsproxy *namespaces = task->nsproxy;
	context->mount_ns = namespaces ? namespaces->mnt_ns->ns.inum : 0;
	context->pad = 0;
	__builtin_memcpy(context->comm, task->comm, TASK_COMM_LEN);

	struct pid *pid = task->thread_pid;
	u32 level = pid ? pid->level : 0;
	if (level == 0) {
		context->tid = context->host_tid;
		context->pid = context->host_pid;
		context->ppid = context->host_ppid;
		context->pid_ns = pid ? pid->numbers[0].ns->ns.inum : 0;
	} else {
		nested_pids(context, task, level);
	}
}
