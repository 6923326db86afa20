/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What programs have an io_uring do instead of making a system call, told as the events it stands for. A request is
 * noted when it has been prepared, by its address, since what it was asked is gone when it completes; that may be in a
 * worker of the process, which shares its files and its folders.
 *
 * To add an operation: a case in request_wanted and in request_done; and where its arguments do not stand in the
 * command alone, in request_asked.
 */

#include "include/kept.h"
#include "include/hook.h"
#include "include/request.h"

/* of the kernel's interface, so the same on all kernels */
enum {
	OP_OPENAT = 18,
	OP_OPENAT2 = 28,
	OP_RENAMEAT = 35,
	OP_UNLINKAT = 36,
	OP_SYMLINKAT = 38,
	OP_LINKAT = 39,
	OP_FTRUNCATE = 55,
};

/* An event whose arguments have all been kept. */
__noinline int kept_event(u32 event, u64 key, s64 result)
{
	if (!has_kept(key))
		return 0;
	s32 slot = result < 0 ? -1 : begin_requested(event, key);
	if (slot < 0)
		return bpf_map_delete_elem(&tracee_kept, &key);
	append_kept_chunks(slot, key);
	return builder_send(slot);
}

/* ---- files: a path is looked up before anything is done to it ---- */

static __always_inline int append_requested_path(u32 slot, s32 dirfd, struct filename *filename, u32 flags)
{
	u64 name = (u64)BPF_CORE_READ(filename, name);
	look_up(slot, dirfd, name, flags | LOOKUP_KERNEL);
	return append_found_path(slot, dirfd, name);
}

/* Whether no descriptor will tell the file: it goes into the ring's own table. */
static __always_inline bool opens_apart(struct io_open *command)
{
	return BPF_CORE_READ(command, file_slot);
}

__noinline int asked_open(u64 key, u32 untold)
{
	struct io_open *command = command_of(key);
	s32 slot = command ? begin_kept(EVENT_security_file_open) : -1;
	if (slot < 0)
		return 0;
	struct filename *filename = BPF_CORE_READ(command, filename);
	bool apart = untold || opens_apart(command);
	if (apart) {
		append_requested_path(slot, BPF_CORE_READ(command, dfd), filename, 0);
		append_number(slot, BPF_CORE_READ(command, how.flags));
		append_inode(slot, found_inode(slot));
	}
	append_string(slot, (u64)BPF_CORE_READ(filename, name), 1);
	if (apart)
		append_origin(slot, found_dentry(slot));
	return keep_chunks(slot, key);
}

static __always_inline int requested_truncation(u64 key, struct file *file, u64 length)
{
	s32 slot = begin_requested(EVENT_do_truncate, key);
	if (slot < 0)
		return 0;
	append_file_path(slot, file);
	append_inode_number(slot, BPF_CORE_READ(file, f_inode));
	append_number(slot, length);
	return builder_send(slot);
}

__noinline int done_open(u64 key, s64 result, u32 untold)
{
	struct io_open *command = command_of(key);
	if (!command)
		return 0;
	if (untold || opens_apart(command))
		return kept_event(EVENT_security_file_open, key, result);
	struct file *file = result < 0 ? NULL : file_of(result);
	if (!file)
		return bpf_map_delete_elem(&tracee_kept, &key);
	s32 slot = begin_requested(EVENT_security_file_open, key);
	if (slot >= 0) {
		append_file_path(slot, file);
		append_number(slot, BPF_CORE_READ(file, f_flags));
		append_inode(slot, BPF_CORE_READ(file, f_inode));
		append_kept_chunks(slot, key);
		append_origin(slot, BPF_CORE_READ(file, f_path.dentry));
		builder_send(slot);
	} else {
		bpf_map_delete_elem(&tracee_kept, &key);
	}
	bool is_new = BPF_CORE_READ(file, f_mode) & FMODE_CREATED;
	bool is_plain = (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) == S_IFREG;
	if (BPF_CORE_READ(command, how.flags) & O_TRUNC && !is_new && is_plain)
		requested_truncation(key, file, 0);
	return 0;
}

__noinline int asked_unlink(u64 key)
{
	struct io_unlink *command = command_of(key);
	if (!command || BPF_CORE_READ(command, flags) & AT_REMOVEDIR)
		return 0; /* folders are none of this event's */
	s32 slot = begin_kept(EVENT_security_inode_unlink);
	if (slot < 0)
		return 0;
	append_requested_path(slot, BPF_CORE_READ(command, dfd), BPF_CORE_READ(command, filename), LOOKUP_NOFOLLOW);
	struct inode *inode = found_inode(slot);
	append_inode_number(slot, inode);
	if (inode)
		append_number(slot, inode_ctime(inode));
	else
		append_unknown(slot);
	return keep_chunks(slot, key);
}

__noinline int asked_rename(u64 key)
{
	struct io_rename *command = command_of(key);
	s32 slot = command ? begin_kept(EVENT_security_inode_rename) : -1;
	if (slot < 0)
		return 0;
	append_requested_path(slot, BPF_CORE_READ(command, old_dfd), BPF_CORE_READ(command, oldpath), LOOKUP_NOFOLLOW);
	append_requested_path(slot, BPF_CORE_READ(command, new_dfd), BPF_CORE_READ(command, newpath), LOOKUP_NOFOLLOW);
	return keep_chunks(slot, key);
}

/* Its command is a link's, of which the old path is the target's text. */
__noinline int asked_symlink(u64 key)
{
	struct io_link *command = command_of(key);
	s32 slot = command ? begin_kept(EVENT_security_inode_symlink) : -1;
	if (slot < 0)
		return 0;
	append_requested_path(slot, BPF_CORE_READ(command, new_dfd), BPF_CORE_READ(command, newpath), LOOKUP_NOFOLLOW);
	append_string(slot, (u64)BPF_CORE_READ(command, oldpath, name), 1);
	return keep_chunks(slot, key);
}

__noinline int asked_link(u64 key)
{
	struct io_link *command = command_of(key);
	s32 slot = command ? begin_kept(EVENT_security_inode_link) : -1;
	if (slot < 0)
		return 0;
	u32 flags = BPF_CORE_READ(command, flags) & AT_SYMLINK_FOLLOW ? 0 : LOOKUP_NOFOLLOW;
	append_requested_path(slot, BPF_CORE_READ(command, old_dfd), BPF_CORE_READ(command, oldpath), flags);
	struct inode *inode = found_inode(slot);
	append_requested_path(slot, BPF_CORE_READ(command, new_dfd), BPF_CORE_READ(command, newpath), LOOKUP_NOFOLLOW);
	append_inode_number(slot, inode);
	return keep_chunks(slot, key);
}

__noinline int done_truncate(u64 key, s64 result)
{
	if (!bpf_core_type_exists(struct io_ftrunc)) /* before 6.9 */
		return 0;
	struct file *file = result < 0 ? NULL : BPF_CORE_READ((struct io_kiocb *)key, file);
	struct io_ftrunc *command = command_of(key);
	return file && command ? requested_truncation(key, file, BPF_CORE_READ(command, len)) : 0;
}

/* ---- the frame: inline, since calls may be nested eight deep ---- */

/* Whether an event that somebody wants may come of it. */
static __always_inline bool request_wanted(u32 opcode)
{
	switch (opcode) {
	case OP_OPENAT:
	case OP_OPENAT2:
		return by_lesser_way(EVENT_security_file_open) || by_lesser_way(EVENT_do_truncate);
	case OP_FTRUNCATE:
		return by_lesser_way(EVENT_do_truncate);
	case OP_UNLINKAT:
		return by_lesser_way(EVENT_security_inode_unlink);
	case OP_RENAMEAT:
		return by_lesser_way(EVENT_security_inode_rename);
	case OP_SYMLINKAT:
		return by_lesser_way(EVENT_security_inode_symlink);
	case OP_LINKAT:
		return by_lesser_way(EVENT_security_inode_link);
	}
	return transfer_wanted(opcode);
}

/* Asked with a constant, so that the verifier passes over the operations that nobody wants to know of. */
#define IF_WANTED(opcode, call) (request_wanted(opcode) ? (call) : 0)

/* What is known only before it is done. `untold`: nothing will come after it. */
static __always_inline int request_asked(u32 opcode, u64 key, u32 untold)
{
	switch (opcode) {
	case OP_OPENAT:
	case OP_OPENAT2:
		return IF_WANTED(OP_OPENAT, asked_open(key, untold));
	case OP_UNLINKAT:
		return IF_WANTED(OP_UNLINKAT, asked_unlink(key));
	case OP_RENAMEAT:
		return IF_WANTED(OP_RENAMEAT, asked_rename(key));
	case OP_SYMLINKAT:
		return IF_WANTED(OP_SYMLINKAT, asked_symlink(key));
	case OP_LINKAT:
		return IF_WANTED(OP_LINKAT, asked_link(key));
	}
	return requested_transfer(opcode) < 0 || !transfers_wanted() ? 0 : asked_transfer(key);
}

/* The events of a request that has completed. */
static __always_inline int request_done(u32 opcode, u64 key, s64 result, u32 untold)
{
	switch (opcode) {
	case OP_OPENAT:
	case OP_OPENAT2:
		return IF_WANTED(OP_OPENAT, done_open(key, result, untold));
	case OP_FTRUNCATE:
		return IF_WANTED(OP_FTRUNCATE, done_truncate(key, result));
	case OP_UNLINKAT:
		return IF_WANTED(OP_UNLINKAT, kept_event(EVENT_security_inode_unlink, key, result));
	case OP_RENAMEAT:
		return IF_WANTED(OP_RENAMEAT, kept_event(EVENT_security_inode_rename, key, result));
	case OP_SYMLINKAT:
		return IF_WANTED(OP_SYMLINKAT, kept_event(EVENT_security_inode_symlink, key, result));
	case OP_LINKAT:
		return IF_WANTED(OP_LINKAT, kept_event(EVENT_security_inode_link, key, result));
	}
	return requested_transfer(opcode) < 0 || !transfers_wanted() ? 0 : done_transfer(key, result, untold);
}

AT_TRACEPOINT(io_uring_submit_req, struct io_kiocb *prepared)
{
	struct request request = {.opcode = BPF_CORE_READ(prepared, opcode)};
	requested_of_sockets(prepared, request.opcode);
	if (!request_wanted(request.opcode) || is_ourselves())
		return 0;
	u64 key = (u64)prepared;
	u32 bank = config.bank;
	request.generation = plan_of(bank)->generation;
	request.slots = plan_of(bank)->scoped ? scope_of_current(bank) : ~0ULL;
	bpf_probe_read_kernel(request.command, sizeof(request.command), prepared);
	if (!request.slots || bpf_map_update_elem(&tracee_requests, &key, &request, BPF_ANY))
		return 0;
	bool untold = BPF_CORE_READ(prepared, flags) & REQUEST_SKIPS_COMPLETION;
	request_asked(request.opcode, key, untold);
	if (untold) {
		request_done(request.opcode, key, 0, true);
		bpf_map_delete_elem(&tracee_requests, &key);
	}
	return 0;
}

AT_TRACEPOINT(io_uring_complete, void *ring, struct io_kiocb *completed)
{
	u64 key = (u64)completed;
	struct request *request = key ? bpf_map_lookup_elem(&tracee_requests, &key) : NULL;
	if (!request)
		return 0;
	request_done(request->opcode, key, BPF_CORE_READ(completed, cqe.res), false);
	bpf_map_delete_elem(&tracee_requests, &key);
	return 0;
}
