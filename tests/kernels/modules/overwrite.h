/* SPDX-License-Identifier: GPL-2.0 */
/* Writes a pointer into the kernel's read-only data, as rootkits do. x86_64. */
#pragma once
#include <linux/compiler.h>
#include <linux/irqflags.h>
#include <asm/processor-flags.h>

/* write_cr0() refuses to let go of this bit, so the register is set by hand. */
static inline void overwrite(void **place, void *with)
{
	unsigned long flags, cr0;

	local_irq_save(flags);
	asm volatile("mov %%cr0, %0" : "=r"(cr0));
	asm volatile("mov %0, %%cr0" : : "r"(cr0 & ~X86_CR0_WP) : "memory");
	WRITE_ONCE(*place, with);
	asm volatile("mov %0, %%cr0" : : "r"(cr0) : "memory");
	local_irq_restore(flags);
}
