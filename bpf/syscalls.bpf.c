/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every system call, by one program at its exit: the arguments still stand in the registers there, and the pages they
 * point at are present. Which event a number is, and which arguments to follow, is in tables made from the catalogue.
 * An exec that succeeds and calls that never return are told by process.bpf.c.
 */

#include "include/call.h"

/* Appends what argument `value` points at. `length` is the argument that tells how much that is. */
__noinline int append_argument(u32 slot, u32 kind, u64 value, u64 length, s64 ret)
{
	struct builder *builder = builder_at(slot);
	if (!builder)
		return 0;
	bool compat = builder->record.flags & RECORD_COMPAT;
	u32 timespec = builder->record.flags & RECORD_TIME32 ? 8 : 16;
	switch (kind) {
	case FOLLOW_STRING:
		return append_string(slot, value, 0);
	case FOLLOW_STRING_OUT:
		return append_string(slot, ret >= 0 ? value : 0, 0);
	case FOLLOW_LIST:
		return append_list(slot, value, compat ? 4 : 8);
	case FOLLOW_BYTES:
		return append_bytes(slot, value, length, 4096);
	case FOLLOW_BYTES_OUT:
		/* without room the kernel writes nothing, and only tells how much there would be */
		return append_bytes(slot, ret >= 0 && length ? value : 0, ret, 4096);
	case FOLLOW_SOCKADDR:
		return append_bytes(slot, value, (u32)length, SOCKADDR_MAX);
	case FOLLOW_SOCKADDR_OUT: {
		u32 size = 0;
		if (ret < 0 || !length || bpf_probe_read_user(&size, 4, (void *)length))
			value = 0;
		return append_bytes(slot, value, size, SOCKADDR_MAX);
	}
	case FOLLOW_TIMESPEC:
		return append_bytes(slot, value, timespec, 32);
	case FOLLOW_TIMESPEC_OUT:
		return append_bytes(slot, ret == 0 ? value : 0, timespec, 32);
	case FOLLOW_TIMESPEC_REST:
		return append_bytes(slot, ret < 0 ? value : 0, timespec, 32);
	case FOLLOW_TIMESPEC_PAIR:
		return append_bytes(slot, value, 2 * timespec, 32);
	case FOLLOW_FD_PAIR:
		return append_bytes(slot, ret == 0 ? value : 0, 8, 8);
	case FOLLOW_FD:
		return append_fd_path(slot, value);
	}
	return 0;
}

/* The whole record of a call whose arguments point at something, or come in an order of their own. */
static __noinline int send_followed(const struct syscall *call, struct pt_regs *regs, u64 slots, s64 ret, u32 flags)
{
	bool compat = flags & RECORD_COMPAT;
	s32 slot = builder_take();
	struct builder *builder = slot < 0 ? NULL : builder_at(slot);
	if (!builder) {
		lost(call->event);
		return 0;
	}
	fill_record(&builder->record, call->event, slots, flags & RECORD_BANK);
	builder->record.ret = ret;
	u64 args[6];
	syscall_arguments(regs, compat, args);
	if (call->flags & SYSCALL_ARRANGED)
		arrange_arguments(call, args);
	__builtin_memcpy(builder->record.args, args, sizeof(args));
	if (compat)
		builder->record.flags |= RECORD_COMPAT | (call->flags & SYSCALL_TIME32 ? RECORD_TIME32 : 0);
	for (u32 i = 0; i < 6; i++) {
		u32 kind = call->follow[i];
		if (!kind)
			continue;
		u32 length = call->length[i];
		append_argument(slot, kind, builder->record.args[i], length < 6 ? builder->record.args[length] : ~0ULL,
				ret);
	}
	return builder_send(slot);
}

/* What is left of `slots` by what the registers tell. */
static __noinline u64 call_slots(const struct syscall *call, struct pt_regs *regs, u64 slots, s64 ret, u32 flags)
{
	u64 args[6];
	syscall_arguments(regs, flags & RECORD_COMPAT, args);
	if (call->flags & SYSCALL_ARRANGED)
		arrange_arguments(call, args);
	return early_slots(flags & RECORD_BANK ? 1 : 0, call->event, slots, args, ret, flags & RECORD_COMPAT);
}

static __always_inline int syscall_event(const struct syscall *call, struct pt_regs *regs, struct wanted wanted,
					 s64 ret, bool compat)
{
	u32 flags = (wanted.bank ? RECORD_BANK : 0) | (compat ? RECORD_COMPAT : 0);
	u64 slots = wanted.slots;
	if (plan_of(wanted.bank)->fields[call->event % MAX_EVENTS].early)
		slots = call_slots(call, regs, slots, ret, flags);
	if (!slots)
		return 0;
	if (call->flags & (SYSCALL_FOLLOWED | SYSCALL_ARRANGED))
		return send_followed(call, regs, slots, ret, flags);
	void *ring = this_ring();
	struct record *record = ring ? bpf_ringbuf_reserve(ring, sizeof(*record), 0) : NULL;
	if (!record) {
		lost(call->event);
		return 0;
	}
	fill_record(record, call->event, slots, wanted.bank);
	record->ret = ret;
	syscall_arguments(regs, compat, record->args);
	record->flags |= flags;
	bpf_ringbuf_submit(record, wake_flags(ring));
	count_sent();
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(tracee_sys_exit, struct pt_regs *regs, long ret)
{
	struct task_struct *task = current_task();
	bool compat = is_compat(task);
	s32 number = syscall_number(regs);
	const struct syscall *call = syscall_by_number(number, compat);
	if (!call || call->event >= MAX_EVENTS || !is_served(call->event) || !is_wanted(call->event))
		return 0;
	/* no number either: a call that a tracer called off, and a call that has none */
	if (number == -1 && (READ(task, ptrace) || ret == -ENOSYS))
		return 0;
	/* a successful exec is told where it happens; a new task only returns from its parent's call */
	if (ret == 0 && call->flags & (SYSCALL_EXEC | SYSCALL_FORK))
		return 0;
	struct wanted wanted = wanted_of_current(call->event);
	if (!wanted.slots)
		return 0;
	return syscall_event(call, regs, wanted, ret, compat);
}
