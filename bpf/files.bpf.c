/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Opening files. */

#include "include/event.h"
#include "include/hook.h"

/* What the caller wrote, where a call that opens is what the task is in: else the kernel opens it for the task. */
static __noinline int append_asked(u32 slot)
{
	struct call call = {};
	bool opens = read_call(current_registers(), &call) && call.group == GROUP_open;
	append_string(slot, opens ? asked_address(&call, 0) : 0, 0);
	return 0;
}

static __noinline int file_open_event(struct file *file)
{
	s32 slot = begin_event(EVENT_security_file_open);
	if (slot < 0)
		return 0;
	append_file_path(slot, file);
	append_number(slot, BPF_CORE_READ(file, f_flags));
	append_inode(slot, BPF_CORE_READ(file, f_inode));
	append_asked(slot);
	return builder_send(slot, 0);
}

AT_SECURITY(file_open, struct file *file)
{
	return file_open_event(file);
}

AFTER_CALLS(open)
{
	return result < 0 ? 0 : file_open_event(file_of(result));
}
