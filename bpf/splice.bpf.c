/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Pages of a file that are put into a pipe which takes what is written next for a part of them (CVE-2022-0847). A slot
 * of the pipe that was used by a write keeps its flags when it is emptied. Kernels with the flaw leave them to the page
 * of the file that comes next: seen when splice has ended. Others reset them, so they are looked at before: the try is
 * seen where the flaw is mended.
 */

#include "include/event.h"
#include "include/hook.h"

#define PIPE_BUF_FLAG_CAN_MERGE 0x10

/* A splice on its way, by task. */
struct splicing {
	u64 in, out, offset;
	u32 flags; /* of the slot that comes next */
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, struct splicing);
} tracee_splicing SEC(".maps");

static __always_inline u32 file_type(struct file *file)
{
	return BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT;
}

/* Flags of the pipe's slot `from_head` behind the one that is filled next. */
static __noinline u32 slot_flags(struct file *file, u32 from_head)
{
	struct pipe_inode_info *pipe = BPF_CORE_READ(file, private_data);
	u32 slot = (BPF_CORE_READ(pipe, head) - from_head) & (BPF_CORE_READ(pipe, ring_size) - 1);
	struct pipe_buffer *buffer = (void *)BPF_CORE_READ(pipe, bufs) + slot * bpf_core_type_size(struct pipe_buffer);
	return BPF_CORE_READ(buffer, flags);
}

static __noinline int begin_splice(struct file *in, struct file *out, u64 offset)
{
	u32 type = file_type(in);
	if (!is_wanted(EVENT_dirty_pipe_splice) || (type != S_IFREG && type != S_IFBLK) || file_type(out) != S_IFIFO)
		return 0;
	u64 task = bpf_get_current_pid_tgid();
	struct splicing begun = {.in = (u64)in, .out = (u64)out, .offset = offset, .flags = slot_flags(out, 0)};
	return bpf_map_update_elem(&tracee_splicing, &task, &begun, BPF_ANY);
}

static __noinline int end_splice(s64 result)
{
	u64 task = bpf_get_current_pid_tgid();
	struct splicing *kept = bpf_map_lookup_elem(&tracee_splicing, &task);
	if (!kept)
		return 0;
	struct splicing begun = *kept;
	bpf_map_delete_elem(&tracee_splicing, &task);
	struct file *in = (void *)begun.in, *out = (void *)begun.out;
	u32 flags = begun.flags;
	if (result > 0 && !(flags & PIPE_BUF_FLAG_CAN_MERGE))
		flags = slot_flags(out, 1);
	if (result <= 0 || !(flags & PIPE_BUF_FLAG_CAN_MERGE))
		return 0;
	s32 slot = begin_event(EVENT_dirty_pipe_splice);
	if (slot < 0)
		return 0;
	append_number(slot, BPF_CORE_READ(in, f_inode, i_ino));
	append_number(slot, file_type(in));
	append_file_path(slot, in);
	append_number(slot, begun.offset);
	append_number(slot, result);
	append_number(slot, BPF_CORE_READ(out, f_inode, i_ino));
	append_number(slot, flags);
	return builder_send(slot);
}

/* ---- where it happens ---- */

AT_FUNCTION(do_splice, struct file *in, s64 *position, struct file *out)
{
	s64 offset = BPF_CORE_READ(in, f_pos);
	if (position)
		bpf_probe_read_kernel(&offset, sizeof(offset), position);
	return begin_splice(in, out, offset);
}

SEC("fexit/do_splice")
int tracee_do_splice_fexit(u64 *context)
{
	TAKE_CONTEXT(6);
	return end_splice(ctx[6]);
}

SEC("kretprobe/do_splice")
int tracee_do_splice_kretprobe(struct pt_regs *ctx)
{
	return end_splice(PT_REGS_RC(ctx));
}

/* ---- from system calls ---- */

BEFORE_CALLS(splice)
{
	struct call call = {};
	if (!read_call(regs, &call))
		return 0;
	struct file *in = file_of(call.args[0]), *out = file_of(call.args[2]);
	if (!in || !out)
		return 0;
	s64 offset = BPF_CORE_READ(in, f_pos);
	if (call.args[1] && bpf_probe_read_user(&offset, sizeof(offset), (void *)call.args[1]))
		return 0; /* splice will fail likewise */
	return begin_splice(in, out, offset);
}

/* copies.bpf.c looks into the group's calls afterwards, for what they have done to the file that was written to, too.
 */
