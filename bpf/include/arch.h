/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where an architecture keeps a system call's number and arguments. */
#pragma once

#include "kernel.h"

#if defined(__TARGET_ARCH_x86)

#define TS_COMPAT 2
#define X32_BIT 0x40000000u

static __always_inline bool is_compat(struct task_struct *task)
{
	return task->thread_info.status & TS_COMPAT;
}

static __always_inline s32 syscall_number(struct pt_regs *regs)
{
	s32 number = regs->orig_ax;
	return number == -1 ? -1 : number & ~X32_BIT;
}

static __always_inline void syscall_arguments(struct pt_regs *regs, bool compat, u64 *args)
{
	if (compat) {
		args[0] = (u32)regs->bx;
		args[1] = (u32)regs->cx;
		args[2] = (u32)regs->dx;
		args[3] = (u32)regs->si;
		args[4] = (u32)regs->di;
		args[5] = (u32)regs->bp;
	} else {
		args[0] = regs->di;
		args[1] = regs->si;
		args[2] = regs->dx;
		args[3] = regs->r10;
		args[4] = regs->r8;
		args[5] = regs->r9;
	}
}

static __always_inline u64 instruction_pointer(struct pt_regs *regs)
{
	return regs->ip;
}

#elif defined(__TARGET_ARCH_arm64)

#define TIF_32BIT 22

static __always_inline bool is_compat(struct task_struct *task)
{
	return task->thread_info.flags >> TIF_32BIT & 1;
}

static __always_inline s32 syscall_number(struct pt_regs *regs)
{
	return regs->syscallno;
}

static __always_inline void syscall_arguments(struct pt_regs *regs, bool compat, u64 *args)
{
	args[0] = regs->orig_x0; /* x0 holds the return value by now */
	args[1] = regs->regs[1];
	args[2] = regs->regs[2];
	args[3] = regs->regs[3];
	args[4] = regs->regs[4];
	args[5] = regs->regs[5];
}

static __always_inline u64 instruction_pointer(struct pt_regs *regs)
{
	return regs->pc;
}

#endif
