/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Files that are changed: told once for each time that they are opened, with the change time before and after. */

#include "include/event.h"
#include "include/hook.h"

/* Open files that were told of, and their inodes: addresses are used again. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, u64);
	__type(value, u64);
} tracee_modified SEC(".maps");

/* A change on its way, by task, or by the request of an io_uring. */
struct modification {
	u64 file, ctime; /* 0: not known */
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, u64);
	__type(value, struct modification);
} tracee_modifying SEC(".maps");

static __always_inline bool was_told(struct file *file)
{
	u64 key = (u64)file, *inode = bpf_map_lookup_elem(&tracee_modified, &key);
	return inode && *inode == BPF_CORE_READ(file, f_inode, i_ino);
}

static __always_inline bool is_to_be_told(struct file *file)
{
	return is_wanted(EVENT_file_modification) && (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) == S_IFREG &&
	       !was_told(file);
}

static __noinline int begin_modification(struct file *file, u64 key)
{
	if (!is_to_be_told(file))
		return 0;
	struct modification begun = {.file = (u64)file, .ctime = inode_ctime(BPF_CORE_READ(file, f_inode))};
	return bpf_map_update_elem(&tracee_modifying, &key, &begun, BPF_ANY);
}

static __always_inline int modification_record(u32 slot, struct modification *begun)
{
	struct file *file = (void *)begun->file;
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	u64 number = BPF_CORE_READ(inode, i_ino);
	bpf_map_update_elem(&tracee_modified, &begun->file, &number, BPF_ANY);
	append_file_path(slot, file);
	append_device_inode(slot, inode);
	if (begun->ctime)
		append_number(slot, begun->ctime);
	else
		append_unknown(slot);
	append_number(slot, inode_ctime(inode));
	return builder_send(slot);
}

/* Where nothing was changed, `changed` is false: a later change of the open file is still to be told. */
static __noinline int end_modification(bool changed, u64 key)
{
	struct modification *kept = bpf_map_lookup_elem(&tracee_modifying, &key);
	if (!kept)
		return 0;
	struct modification begun = *kept;
	bpf_map_delete_elem(&tracee_modifying, &key);
	s32 slot = changed ? begin_event(EVENT_file_modification) : -1;
	return slot < 0 ? 0 : modification_record(slot, &begun);
}

/* A file that has just been opened has not been told of, whatever stood at its address. */
static __noinline int forget_modification(struct file *file)
{
	u64 key = (u64)file;
	bpf_map_delete_elem(&tracee_modified, &key);
	return 0;
}

/* ---- where it happens ---- */

/* Made once for each open, unlike descriptors. It has no inode yet. */
AT_FUNCTION(security_file_alloc, struct file *file)
{
	return forget_modification(file);
}

/* Both ends of a function: ON_RETURN keeps no time. */
#define AROUND_UPDATE(function)                                                                 \
	AT_FUNCTION(function, struct file *file)                                                \
	{                                                                                       \
		return begin_modification(file, bpf_get_current_pid_tgid());                    \
	}                                                                                       \
	SEC("fexit/" #function)                                                                 \
	int tracee_##function##_fexit(u64 *context)                                             \
	{                                                                                       \
		TAKE_CONTEXT(1);                                                                \
		return end_modification((s32)ctx[1] == 0, bpf_get_current_pid_tgid());          \
	}                                                                                       \
	SEC("kretprobe/" #function)                                                             \
	int tracee_##function##_kretprobe(struct pt_regs *ctx)                                  \
	{                                                                                       \
		return end_modification((s32)PT_REGS_RC(ctx) == 0, bpf_get_current_pid_tgid()); \
	}
AROUND_UPDATE(file_update_time)
AROUND_UPDATE(file_modified)

/* ---- from system calls ---- */

BEFORE_CALLS(write)
{
	struct call call = {};
	if (!by_lesser_way(EVENT_file_modification) || !is_watched(EVENT_file_modification))
		return 0;
	struct file *file = read_call(regs, &call) ? file_of(call.args[0]) : NULL;
	return file ? begin_modification(file, bpf_get_current_pid_tgid()) : 0;
}
