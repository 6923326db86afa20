/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose packets are these? A packet is handled wherever the kernel happens to be, often in the middle of another task,
 * so each socket carries the task that it belongs to: who made it, then whoever last sent or received with it. A
 * connection that is accepted begins with what its listening socket has.
 */
#pragma once

#include "event.h"
#include "network.h"

struct owner {
	struct task_context task; /* host_tid 0: not known */
	u64 slots;                /* whose scope holds for it, by the plan of this generation, */
	u64 generation;           /* 0: not asked yet */
	u64 began;                /* of a connection: ns since boot; 0: before us */
	u32 is_open;              /* texts of scopes are left to user space */
	u32 came_in;              /* the connection was made by the other side; as it began is known */
	u32 messages_left[2];     /* bytes that a message of HTTP may go on for: in, out */
};

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct owner);
} tracee_owners SEC(".maps");

/* An open socket, and whose it is. `inode` tells it from another that has come to its descriptor meanwhile. */
struct socket_found {
	u32 pid, fd;
	u64 inode;
	struct owner owner;
};

/* As fill_task, of any task and in programs that know no tasks. */
static __noinline int context_of(struct task_context *context, struct task_struct *task)
{
	struct nsproxy *namespaces = BPF_CORE_READ(task, nsproxy);
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	u32 level = pid ? BPF_CORE_READ(pid, level) : 0;
	context->start_time = BPF_CORE_READ(task, start_boottime);
	context->cgroup_id = cgroup_of_any(task);
	context->host_tid = BPF_CORE_READ(task, pid);
	context->host_pid = BPF_CORE_READ(task, tgid);
	context->host_ppid = BPF_CORE_READ(task, real_parent, tgid);
	context->uid = BPF_CORE_READ(task, cred, uid.val);
	context->mount_ns = namespaces ? BPF_CORE_READ(namespaces, mnt_ns, ns.inum) : 0;
	context->pad = 0;
	struct task_struct *named = task;
	if (!OLDER_KERNEL && BPF_CORE_READ(task, flags) & PF_IO_WORKER)
		named = BPF_CORE_READ(task, group_leader);
	/* nothing of a longer name before it may stay behind its end */
	__builtin_memset(context->comm, 0, TASK_COMM_LEN);
	bpf_probe_read_kernel_str(context->comm, TASK_COMM_LEN, __builtin_preserve_access_index(&named->comm));
	if (level) {
		nested_pids(context, task, level);
	} else {
		context->tid = context->host_tid;
		context->pid = context->host_pid;
		context->ppid = context->host_ppid;
		context->pid_ns = pid ? BPF_CORE_READ(pid, numbers[0].ns, ns.inum) : 0;
	}
	return 0;
}

/* What the scope asks that only the task itself can be asked. */
static __always_inline u64 asked_of_task(struct plan *plan)
{
	return plan->texts[KEY_EXECUTABLE].used | plan->texts[KEY_UTS].used;
}

/* The slots whose scope holds for a task that is not the current one, as far as can be told of it. */
static __noinline u64 slots_by_context(u32 bank, struct owner *owner, u64 tree)
{
	struct task_context *task = &owner->task;
	struct plan *plan = plan_of(bank);
	u64 slots = plan->slots & tree, names = plan->texts[KEY_COMM].used;
	slots &= number_slots(bank, KEY_PID, task->host_pid);
	slots &= number_slots(bank, KEY_UID, task->uid);
	slots &= number_slots(bank, KEY_MOUNT_NS, task->mount_ns);
	slots &= number_slots(bank, KEY_PID_NS, task->pid_ns);
	s32 slot = names ? builder_take() : -1;
	struct builder *builder = slot < 0 ? NULL : builder_at(slot);
	if (builder) {
		u32 length = 0;
		__builtin_memset(builder->probe.text, 0, TEXT_MAX);
		__builtin_memcpy(builder->probe.text, task->comm, TASK_COMM_LEN);
		while (length < TASK_COMM_LEN - 1 && builder->probe.text[length])
			length++;
		slots &= text_slots(slot, scope_key(bank, KEY_COMM), length, slots);
		builder_release(slot);
	}
	return slots | ~plan->scoped;
}

/* Of the trees that a task stands in. */
static __noinline u64 tree_slots_of(u32 bank, struct task_struct *task)
{
	struct number_scope *scope = &plan_of(bank)->numbers[KEY_TREE];
	struct ancestry ancestry = {.task = task, .key = scope_key(bank, KEY_TREE)};
	if (!scope->used)
		return ~0ULL;
	repeat(1024, ancestry_step, &ancestry);
	return decide(scope->used, scope->positive, ancestry.sum.yes, ancestry.sum.no);
}

/* Makes a task the owner, which need not be the current one. */
static __always_inline void own(struct owner *owner, struct task_struct *task)
{
	u32 bank = config.bank;
	struct plan *plan = plan_of(bank);
	context_of(&owner->task, task);
	owner->generation = plan->generation;
	owner->is_open = plan->scoped && asked_of_task(plan);
	owner->slots = owner->task.host_pid == config.self ? 0
		       : plan->scoped                      ? slots_by_context(bank, owner, tree_slots_of(bank, task))
							   : ~0ULL;
}

/* Programs of cgroups reach what is kept with tasks. Some kernels may have had it a little earlier. */
#define HAS_TASKS_IN_CGROUPS (!OLDER_KERNEL && LINUX_KERNEL_VERSION >= KERNEL_VERSION(6, 18, 0))

/* Makes the current task the owner. */
static __noinline int own_by_current(struct owner *owner)
{
	u32 bank = config.bank;
	struct plan *plan = plan_of(bank);
	struct task_struct *task = (void *)bpf_get_current_task();
	if (!HAS_TASKS_IN_CGROUPS) {
		own(owner, task);
		return 0;
	}
	context_of(&owner->task, task);
	owner->generation = plan->generation;
	owner->is_open = 0;
	owner->slots = is_ourselves() ? 0 : plan->scoped ? scope_in_cgroups(bank) : ~0ULL;
	return 0;
}

/* The slots whose scope holds for the owner of a socket: of one that nobody owns, those without a scope. */
static __noinline u64 slots_of_owner(struct owner *owner, u32 bank)
{
	struct plan *plan = plan_of(bank);
	if (!owner || !owner->task.host_tid)
		return ~plan->scoped;
	if (owner->task.host_pid == config.self)
		return 0;
	if (owner->generation != plan->generation) {
		/* other policies: what is not what it was is asked anew, of what is known of the task */
		u64 same = plan->scoped ? same_slots(bank, owner->generation) : ~0ULL;
		u64 anew = plan->scoped ? slots_by_context(bank, owner, ~plan->numbers[KEY_TREE].used) : ~0ULL;
		owner->slots = (owner->slots & same) | (anew & ~same) | ~plan->scoped;
		owner->generation = plan->generation;
		owner->is_open = plan->scoped && asked_of_task(plan);
	}
	/* asked for each packet: what is known of a container comes later than its first sockets */
	return plan->containers ? owner->slots & container_slots(owner->task.cgroup_id, bank) : owner->slots;
}
