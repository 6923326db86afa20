/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Kernel events on kernels where they cannot be taken where they happen: told from the system calls that cause them. A
 * call of a group (catalogue/groups.yaml) is handed to the group's program, where that is loaded; others pay one look
 * into a table.
 */

#include "include/event.h"
#include "include/hook.h"

#define GROUP_PROGRAMS(name)                           \
	struct {                                       \
		__uint(type, BPF_MAP_TYPE_PROG_ARRAY); \
		__uint(max_entries, GROUPS);           \
		__uint(key_size, sizeof(u32));         \
		__uint(value_size, sizeof(u32));       \
	} name SEC(".maps")
GROUP_PROGRAMS(tracee_exits);
GROUP_PROGRAMS(tracee_enters);

static __always_inline u32 group_of(struct pt_regs *regs)
{
	s32 number = syscall_number(regs);
	const struct syscall *call = number == -1 ? NULL : syscall_by_number(number, is_compat(current_task()));
	return call ? call->group : NO_GROUP;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(tracee_groups_exit, struct pt_regs *regs, long result)
{
	bpf_tail_call(ctx, &tracee_exits, group_of(regs));
	return 0;
}

SEC("tp_btf/sys_enter")
int BPF_PROG(tracee_groups_enter, struct pt_regs *regs, long number)
{
	bpf_tail_call(ctx, &tracee_enters, group_of(regs));
	return 0;
}
