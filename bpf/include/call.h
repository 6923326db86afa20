/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A system call: which it is, and its arguments in the order of the catalogue. */
#pragma once

#include "scope.h"
#include "arch.h"
#include "catalogue.h" /* generated: crates/catalogue/src/emit_c.rs */

#define SOCKADDR_MAX 128
#define SYSCALL_ARRANGED (SYSCALL_IN_MEMORY | SYSCALL_PAIRS | SYSCALL_SWAPPED)

/* barrier_var: the verifier must see the address made from the number that was tested, not from an earlier copy. */
static __always_inline const struct syscall *syscall_by_number(s32 number, bool compat)
{
	u32 index = number;
	if (number == -1)
		return &sigreturn; /* a return from a signal has no number left */
	if (compat) {
		if (index >= COMPAT_SYSCALLS)
			return NULL;
		barrier_var(index);
		return &compat_syscalls[index];
	}
	if (index >= NATIVE_SYSCALLS)
		return NULL;
	barrier_var(index);
	return &native_syscalls[index];
}

/* 32-bit calls pass a 64-bit number as two, or all their arguments in memory; some ABIs swap two. */
static __noinline int arrange_arguments(const struct syscall *call, u64 *args)
{
	if (call->flags & SYSCALL_IN_MEMORY) {
		u32 values[6] = {};
		bpf_probe_read_user(values, sizeof(values), (void *)args[0]);
		for (u32 i = 0; i < 6; i++)
			args[i] = values[i];
	}
	u32 pairs = call->pairs;
	for (u32 i = 0; i < 5; i++) {
		if (!(pairs >> i & 1))
			continue;
		args[i] |= args[i + 1] << 32;
		for (u32 j = i + 1; j < 5; j++)
			args[j] = args[j + 1];
		args[5] = 0;
	}
	if (call->flags & SYSCALL_SWAPPED) {
		u64 last = args[4];
		args[4] = args[3];
		args[3] = last;
	}
	return 0;
}

/* A call as the programs of a group see it. */
struct call {
	u64 args[6];
	u16 event, group;
	bool compat;
	u8 path[2], dirfd[2]; /* places in args, 6: none */
};

/* The call that the current task is in. False where it is in none that is known. */
static __noinline bool read_call(struct pt_regs *regs, struct call *call)
{
	bool compat = is_compat(current_task());
	s32 number = syscall_number(regs);
	const struct syscall *entry = number == -1 ? NULL : syscall_by_number(number, compat);
	if (!entry)
		return false;
	call->event = entry->event;
	call->group = entry->group;
	call->compat = compat;
	__builtin_memcpy(call->path, entry->path, sizeof(call->path));
	__builtin_memcpy(call->dirfd, entry->dirfd, sizeof(call->dirfd));
	/* in our own frame: 7.3 loses sight of memory that is passed on twice */
	u64 args[6];
	syscall_arguments(regs, compat, args);
	if (entry->flags & SYSCALL_ARRANGED)
		arrange_arguments(entry, args);
	__builtin_memcpy(call->args, args, sizeof(args));
	return entry->event < MAX_EVENTS;
}

/* The address of the call's path number `which` as the caller wrote it; 0 where it has none. */
static __always_inline u64 asked_address(struct call *call, u32 which)
{
	u32 place = call->path[which & 1];
	return place < 6 ? call->args[place] : 0;
}
