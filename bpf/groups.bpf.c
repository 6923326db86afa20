/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Kernel events on kernels where they cannot be taken where they happen: told from the system calls that cause them.
 * Each group of calls (catalogue/groups.yaml) has its function, AFTER_CALLS or BEFORE_CALLS. Which groups are needed is
 * set before loading, so that the verifier passes over the others.
 */

#include "include/event.h"
#include "include/hook.h"

/* The group of the call that the current task is in (catalogue/groups.yaml), or NO_GROUP. */
static __always_inline u32 group_of(struct pt_regs *regs)
{
	s32 number = syscall_number(regs);
	const struct syscall *call = number == -1 ? NULL : syscall_by_number(number, is_compat(current_task()));
	return call ? call->group : NO_GROUP;
}

/* Most calls are of none that is looked into. */
static __always_inline bool is_among(u64 groups, u32 current)
{
	return current < GROUPS && groups >> current & 1;
}

#define AFTER_GROUP(group)                                                    \
	if (served.after & 1ULL << GROUP_##group && current == GROUP_##group) \
		return after_##group(result);
#define BEFORE_GROUP(group)                                                    \
	if (served.before & 1ULL << GROUP_##group && current == GROUP_##group) \
		return before_##group();

SEC("tp_btf/sys_exit")
int BPF_PROG(tracee_groups_exit, struct pt_regs *regs, long result)
{
	if (served.after & 1ULL << GROUP_every)
		after_every(result);
	u32 current = group_of(regs);
	if (!is_among(served.after, current))
		return 0;
	GROUPS_AFTER(AFTER_GROUP)
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(tracee_groups_enter, struct pt_regs *regs, long number)
{
	u32 current = group_of(regs);
	if (!is_among(served.before, current))
		return 0;
	GROUPS_BEFORE(BEFORE_GROUP)
	return 0;
}
