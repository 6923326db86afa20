/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The area of the current task's memory that an address lies in. */
#pragma once

#include "task.h"

struct area {
	u64 start, end, flags, file;
	u64 special; /* the kernel's own, such as the vdso */
};

static long take_area(struct task_struct *task, struct vm_area_struct *vma, struct area *area)
{
	area->start = READ(vma, vm_start);
	area->end = READ(vma, vm_end);
	area->flags = READ(vma, vm_flags);
	area->file = (u64)BPF_CORE_READ(vma, vm_file);
	/* plain memory has no operations; a file's has, and so have the areas that the kernel puts into each process */
	area->special = !area->file && BPF_CORE_READ(vma, vm_ops);
	return 0;
}

/* False where there is none, or where another thread is changing the areas. */
static __noinline bool area_at(u64 address, struct area *area)
{
	return find_area(address, take_area, area);
}
