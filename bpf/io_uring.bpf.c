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

#define COMMAND_WORDS 8 /* what a request begins with: its operation's own structure, such as struct io_open */
#define REQUEST_SKIPS_COMPLETION (1 << 6) /* where it succeeds */

/* of the kernel's interface, so the same on all kernels */
enum {
	OP_OPENAT = 18,
	OP_OPENAT2 = 28,
	OP_RENAMEAT = 35,
	OP_UNLINKAT = 36,
	OP_SYMLINKAT = 38,
	OP_FTRUNCATE = 55,
};

struct request {
	u64 policies; /* whose scope holds for the task that submitted it */
	u64 command[COMMAND_WORDS];
	u32 opcode, pad;
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, u64);
	__type(value, struct request);
} tracee_requests SEC(".maps");

/* What the request was asked, as the operation's structure of kernel.h; NULL where it was not noted. */
static __always_inline void *command_of(u64 key)
{
	struct request *request = bpf_map_lookup_elem(&tracee_requests, &key);
	return request ? request->command : NULL;
}

/* As begin_event, for what a request has done. */
static __always_inline s32 begin_requested(u32 event, u64 key)
{
	struct request *request = bpf_map_lookup_elem(&tracee_requests, &key);
	if (!request || event >= MAX_EVENTS)
		return -1;
	barrier_var(event); /* the verifier must see the number that was tested */
	if (!by_lesser_way(event))
		return -1;
	u64 policies = request->policies & config.wanted[event];
	if (policies && config.sampling != ~0u && bpf_get_prandom_u32() > config.sampling)
		return -1;
	return policies ? open_record(event, policies) : -1;
}

/* An event whose arguments have all been kept. */
__noinline int kept_event(u32 event, u64 key, s64 result)
{
	if (!has_kept(key))
		return 0;
	s32 slot = result < 0 ? -1 : begin_requested(event, key);
	if (slot < 0)
		return bpf_map_delete_elem(&tracee_kept, &key);
	append_kept_chunks(slot, key);
	return builder_send(slot, 0);
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
	if (untold || opens_apart(command)) {
		append_requested_path(slot, BPF_CORE_READ(command, dfd), filename, 0);
		append_number(slot, BPF_CORE_READ(command, how.flags));
		append_inode(slot, found_inode(slot));
	}
	append_string(slot, (u64)BPF_CORE_READ(filename, name), 1);
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
	return builder_send(slot, 0);
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
		builder_send(slot, 0);
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
		return config.wanted[EVENT_security_file_open] | config.wanted[EVENT_do_truncate];
	case OP_FTRUNCATE:
		return config.wanted[EVENT_do_truncate];
	case OP_UNLINKAT:
		return config.wanted[EVENT_security_inode_unlink];
	case OP_RENAMEAT:
		return config.wanted[EVENT_security_inode_rename];
	case OP_SYMLINKAT:
		return config.wanted[EVENT_security_inode_symlink];
	}
	return false;
}

/* What is known only before it is done. `untold`: nothing will come after it. */
static __always_inline int request_asked(u32 opcode, u64 key, u32 untold)
{
	switch (opcode) {
	case OP_OPENAT:
	case OP_OPENAT2:
		return asked_open(key, untold);
	case OP_UNLINKAT:
		return asked_unlink(key);
	case OP_RENAMEAT:
		return asked_rename(key);
	case OP_SYMLINKAT:
		return asked_symlink(key);
	}
	return 0;
}

/* The events of a request that has completed. */
static __always_inline int request_done(u32 opcode, u64 key, s64 result, u32 untold)
{
	switch (opcode) {
	case OP_OPENAT:
	case OP_OPENAT2:
		return done_open(key, result, untold);
	case OP_FTRUNCATE:
		return done_truncate(key, result);
	case OP_UNLINKAT:
		return kept_event(EVENT_security_inode_unlink, key, result);
	case OP_RENAMEAT:
		return kept_event(EVENT_security_inode_rename, key, result);
	case OP_SYMLINKAT:
		return kept_event(EVENT_security_inode_symlink, key, result);
	}
	return 0;
}

AT_TRACEPOINT(io_uring_submit_req, struct io_kiocb *prepared)
{
	struct request request = {.opcode = BPF_CORE_READ(prepared, opcode)};
	requested_of_sockets(prepared, request.opcode);
	if (!request_wanted(request.opcode) || bpf_get_current_pid_tgid() >> 32 == config.self)
		return 0;
	u64 key = (u64)prepared;
	request.policies = config.scoped ? scope_of_current() : ~0ULL;
	bpf_probe_read_kernel(request.command, sizeof(request.command), prepared);
	if (!request.policies || bpf_map_update_elem(&tracee_requests, &key, &request, BPF_ANY))
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
