/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Files changed without being opened; watches on them; folders listed. */

#include "include/lookup.h"
#include "include/hook.h"

/* ---- permissions ---- */

ON_RETURN(chmod_common, const struct path *path, u32 mode)
{
	s32 slot = begin_event(EVENT_chmod_common);
	if (slot < 0)
		return 0;
	append_path(slot, (u64)BPF_CORE_READ(path, dentry), (u64)BPF_CORE_READ(path, mnt));
	append_number(slot, (u16)mode);
	set_result(slot, (s32)result);
	return builder_send(slot);
}

static __always_inline u32 chmod_mode(struct call *call)
{
	return call->event == EVENT_chmod || call->event == EVENT_fchmod ? call->args[1] : call->args[2];
}

AFTER_CALLS(chmod)
{
	struct call call = {};
	if (!read_call(regs, &call))
		return 0;
	s32 slot = begin_event(EVENT_chmod_common);
	if (slot < 0)
		return 0;
	bool is_link = call.event == EVENT_fchmodat2 && call.args[3] & AT_SYMLINK_NOFOLLOW;
	u32 found = look_up_target(slot, &call, is_link ? LOOKUP_NOFOLLOW : 0);
	/* the kernel comes to chmod_common with a file that it has found */
	if (result < 0 && found != LOOKUP_FOUND) {
		builder_release(slot);
		return 0;
	}
	append_found_argument(slot, &call, 0);
	append_number(slot, (u16)chmod_mode(&call));
	set_result(slot, result);
	return builder_send(slot);
}

/* ---- times ---- */

static __noinline int append_times(u32 slot, struct inode *inode)
{
	if (!inode) {
		append_unknown(slot);
		append_unknown(slot);
		return 0;
	}
	append_number(slot, inode_atime(inode));
	append_number(slot, inode_mtime(inode));
	return 0;
}

/* dev, inode, and the times as they are now */
static __noinline int append_times_set(u32 slot, struct inode *inode)
{
	append_device_inode(slot, inode);
	return append_times(slot, inode);
}

ON_RETURN(vfs_utimes, const struct path *path, void *times)
{
	s32 slot = (s32)result < 0 ? -1 : begin_event(EVENT_vfs_utimes);
	if (slot < 0)
		return 0;
	append_path(slot, (u64)BPF_CORE_READ(path, dentry), (u64)BPF_CORE_READ(path, mnt));
	append_times_set(slot, BPF_CORE_READ(path, dentry, d_inode));
	return builder_send(slot);
}

AFTER_CALLS(utimes)
{
	struct call call = {};
	if (result < 0 || !read_call(regs, &call))
		return 0;
	s32 slot = begin_event(EVENT_vfs_utimes);
	if (slot < 0)
		return 0;
	bool has_flags = call.event == EVENT_utimensat || call.event == EVENT_utimensat_time32;
	bool is_link = has_flags && call.args[3] & AT_SYMLINK_NOFOLLOW;
	look_up_target(slot, &call, is_link ? LOOKUP_NOFOLLOW : 0);
	append_found_argument(slot, &call, 0);
	append_times_set(slot, found_inode(slot));
	return builder_send(slot);
}

/* ---- watches ---- */

static __noinline int inotify_event(u64 dentry, u64 mount)
{
	s32 slot = begin_event(EVENT_inotify_watch);
	if (slot < 0)
		return 0;
	append_path(slot, dentry, mount);
	append_inode_number(slot, BPF_CORE_READ((struct dentry *)dentry, d_inode));
	return builder_send(slot);
}

ON_RETURN(inotify_find_inode, const char *name, struct path *path, u32 flags, u64 mask)
{
	if ((s32)result < 0)
		return 0;
	return inotify_event((u64)BPF_CORE_READ(path, dentry), (u64)BPF_CORE_READ(path, mnt));
}

AT_SECURITY(path_notify, const struct path *path, u64 mask, u32 type)
{
	s32 slot = begin_event(EVENT_security_path_notify);
	if (slot < 0)
		return 0;
	append_path(slot, (u64)BPF_CORE_READ(path, dentry), (u64)BPF_CORE_READ(path, mnt));
	append_inode_number(slot, BPF_CORE_READ(path, dentry, d_inode));
	append_number(slot, mask);
	append_number(slot, type);
	return builder_send(slot);
}

/* As the kernel passes them to its security modules: what a mark is put on, from fanotify_mark's flags. */
static __always_inline u32 mark_type(u32 flags)
{
	enum { OBJECT_INODE, OBJECT_MOUNT, OBJECT_SUPER };
	if (flags & FAN_MARK_FILESYSTEM)
		return OBJECT_SUPER;
	return flags & FAN_MARK_MOUNT ? OBJECT_MOUNT : OBJECT_INODE;
}

AFTER_CALLS(watch)
{
	struct call call = {};
	if (result < 0 || !read_call(regs, &call))
		return 0;
	bool is_mark = call.event == EVENT_fanotify_mark;
	/* marks are taken away by the same call, and that is no watch */
	if (is_mark && !(call.args[1] & FAN_MARK_ADD))
		return 0;
	s32 slot = by_lesser_way(EVENT_security_path_notify) ? begin_event(EVENT_security_path_notify) : -1;
	if (slot >= 0) {
		look_up_argument(slot, &call, 0, 0);
		append_found_argument(slot, &call, 0);
		append_inode_number(slot, found_inode(slot));
		append_number(slot, is_mark ? call.args[2] : call.args[2] & IN_ALL_EVENTS);
		append_number(slot, is_mark ? mark_type(call.args[1]) : 0);
		builder_send(slot);
	}
	slot = is_mark || !by_lesser_way(EVENT_inotify_watch) ? -1 : begin_event(EVENT_inotify_watch);
	if (slot < 0)
		return 0;
	look_up_argument(slot, &call, 0, 0);
	append_found_argument(slot, &call, 0);
	append_inode_number(slot, found_inode(slot));
	return builder_send(slot);
}

/* ---- listing ---- */

static __noinline int listed(u64 name, s32 length, u64 inode)
{
	s32 slot = inode ? -1 : begin_event(EVENT_zeroed_inodes);
	if (slot < 0)
		return 0;
	append_kernel_bytes(slot, name, length);
	return builder_send(slot);
}

/* for getdents64, getdents, and that of 32-bit programs */
AT_FUNCTION(filldir64, void *context, const char *name, int length, s64 offset, u64 inode)
{
	return listed((u64)name, length, inode);
}

AT_FUNCTION(filldir, void *context, const char *name, int length, s64 offset, u64 inode)
{
	return listed((u64)name, length, inode);
}

AT_FUNCTION(compat_filldir, void *context, const char *name, int length, s64 offset, u64 inode)
{
	return listed((u64)name, length, inode);
}

struct listing {
	u64 next, end, slots;
	u32 bank;
	u32 is_old;    /* getdents: with fields as wide as a register */
	u32 is_narrow; /* of a 32-bit program */
};

#define ENTRIES_MAX 1024

/*
 * The name that stands at a user's address. Global: a loop comes here. Whose slots want it is found before the loop,
 * since below it there would be too many calls for kernels that round each one's stack up to 32 bytes.
 */
__noinline int zeroed_entry(u64 name, u64 slots, u32 bank)
{
	s32 slot = open_record(EVENT_zeroed_inodes, slots, bank);
	if (slot < 0)
		return 0;
	append_string(slot, name, 0);
	return builder_send(slot);
}

static long entry_step(u64 index, struct listing *listing)
{
	u64 head = listing->is_narrow ? 8 : 16, inode = 0; /* two numbers come first: the inode's, and a position */
	u16 length = 0;
	if (listing->next >= listing->end)
		return 1;
	if (bpf_probe_read_user(&inode, listing->is_narrow ? 4 : 8, (void *)listing->next) ||
	    bpf_probe_read_user(&length, 2, (void *)(listing->next + head)) || length < head + 4)
		return 1;
	if (!inode)
		zeroed_entry(listing->next + head + (listing->is_old ? 2 : 3), listing->slots, listing->bank);
	listing->next += length;
	return 0;
}

AFTER_CALLS(getdents)
{
	struct call call = {};
	if (result <= 0 || !read_call(regs, &call))
		return 0;
	struct wanted wanted = wanted_of_current(EVENT_zeroed_inodes);
	if (!wanted.slots)
		return 0;
	bool is_old = call.event == EVENT_getdents;
	struct listing listing = {.next = call.args[1],
				  .end = call.args[1] + result,
				  .slots = wanted.slots,
				  .bank = wanted.bank,
				  .is_old = is_old,
				  .is_narrow = is_old && call.compat};
	repeat(ENTRIES_MAX, entry_step, &listing);
	return 0;
}
