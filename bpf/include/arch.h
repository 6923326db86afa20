/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where an architecture keeps a system call's number and arguments. */
#pragma once

#include "kernel.h"

#if defined(__TARGET_ARCH_x86)

#define TS_COMPAT 2
#define X32_BIT 0x40000000u

static __always_inline bool is_compat(struct task_struct *task)
{
	return READ(task, thread_info.status) & TS_COMPAT;
}

static __always_inline s32 syscall_number(struct pt_regs *regs)
{
	s32 number = READ(regs, orig_ax);
	return number == -1 ? -1 : number & ~X32_BIT;
}

static __always_inline void syscall_arguments(struct pt_regs *regs, bool compat, u64 *args)
{
	if (compat) {
		args[0] = (u32)READ(regs, bx);
		args[1] = (u32)READ(regs, cx);
		args[2] = (u32)READ(regs, dx);
		args[3] = (u32)READ(regs, si);
		args[4] = (u32)READ(regs, di);
		args[5] = (u32)READ(regs, bp);
	} else {
		args[0] = READ(regs, di);
		args[1] = READ(regs, si);
		args[2] = READ(regs, dx);
		args[3] = READ(regs, r10);
		args[4] = READ(regs, r8);
		args[5] = READ(regs, r9);
	}
}

static __always_inline u64 instruction_pointer(struct pt_regs *regs)
{
	return READ(regs, ip);
}

static __always_inline u64 stack_pointer(struct pt_regs *regs)
{
	return READ(regs, sp);
}

/* Where Go keeps the routine that the thread runs: right before what its segment register points at. */
static __always_inline u64 go_routine(struct pt_regs *regs)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	u64 routine = 0;
	bpf_probe_read_user(&routine, sizeof(routine), (void *)(BPF_CORE_READ(task, thread.fsbase) - 8));
	return routine;
}

#elif defined(__TARGET_ARCH_arm64)

#define TIF_32BIT 22

static __always_inline bool is_compat(struct task_struct *task)
{
	return READ(task, thread_info.flags) >> TIF_32BIT & 1;
}

static __always_inline s32 syscall_number(struct pt_regs *regs)
{
	return READ(regs, syscallno);
}

static __always_inline void syscall_arguments(struct pt_regs *regs, bool compat, u64 *args)
{
	args[0] = READ(regs, orig_x0); /* x0 holds the return value by now */
	args[1] = READ(regs, regs[1]);
	args[2] = READ(regs, regs[2]);
	args[3] = READ(regs, regs[3]);
	args[4] = READ(regs, regs[4]);
	args[5] = READ(regs, regs[5]);
}

static __always_inline u64 instruction_pointer(struct pt_regs *regs)
{
	return READ(regs, pc);
}

static __always_inline u64 stack_pointer(struct pt_regs *regs)
{
	return READ(regs, sp);
}

static __always_inline u64 go_routine(struct pt_regs *regs)
{
	return regs->regs[28];
}

#endif
