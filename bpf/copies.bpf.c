/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Bytes that the kernel moves into a file from another file or a pipe. They come to no function of write's, and stand
 * nowhere that a program could read them: that the file begins anew is told, what it begins with is not known.
 */

#include "include/event.h"
#include "include/hook.h"

/* `position`: where the caller keeps the file's, else 0; it is behind the bytes by now. */
static __noinline int moved_into(struct file *file, u64 position, s64 result)
{
	s64 after = 0;
	if (!file || result <= 0)
		return 0;
	if (!position)
		after = BPF_CORE_READ(file, f_pos);
	else if (bpf_probe_read_user(&after, sizeof(after), (void *)position))
		return 0;
	struct transfer transfer = {.file = file, .count = result, .position = after - result, .result = result};
	s32 slot = begins_file(&transfer) ? begin_event(EVENT_magic_write) : -1;
	if (slot < 0)
		return 0;
	append_file_path(slot, file);
	append_unknown(slot);
	append_device_inode(slot, BPF_CORE_READ(file, f_inode));
	set_result(slot, result);
	return builder_send(slot);
}

AFTER_CALLS(copy)
{
	struct call call = {};
	if (!is_watched(EVENT_magic_write) || !read_call(regs, &call))
		return 0;
	/* sendfile has an offset only of the file that it reads */
	bool sends = call.event != EVENT_copy_file_range;
	return moved_into(file_of(sends ? call.args[0] : call.args[2]), sends ? 0 : call.args[3], result);
}

AFTER_CALLS(splice)
{
	struct call call = {};
	end_splice(result);
	if (!is_watched(EVENT_magic_write) || !read_call(regs, &call))
		return 0;
	return moved_into(file_of(call.args[2]), call.args[3], result);
}
