/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is read from files and written to them. */

#include "include/event.h"
#include "include/hook.h"

#define MAGIC_SIZE 20

/* ---- the bytes of a transfer ---- */

/* path, dev, inode, how much was asked for, position, and what came of it */
static __noinline int transfer_event(u16 event, struct file *file, u64 count, s64 position, s64 result)
{
	s32 slot = begin_event(event);
	if (slot < 0)
		return 0;
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	append_file_path(slot, file);
	append_device_inode(slot, inode);
	append_number(slot, count);
	append_number(slot, position);
	set_result(slot, result);
	return builder_send(slot, 0);
}

static __always_inline bool is_regular(struct file *file)
{
	return (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) == S_IFREG;
}

/* Where the bytes of a write stand: in one piece, or in the first of several that is not empty. */
struct written {
	u64 address, length;
	u32 in_kernel;
};

/* The first bytes of a regular file are written: what the file will look like to those who judge it by them. */
static __noinline int magic_event(struct file *file, struct written *written, s64 position, s64 result)
{
	if (result <= 0 || position != 0 || !is_regular(file))
		return 0;
	s32 slot = begin_event(EVENT_magic_write);
	if (slot < 0)
		return 0;
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	u64 length = written->length < (u64)result ? written->length : result;
	append_file_path(slot, file);
	if (length > MAGIC_SIZE)
		length = MAGIC_SIZE;
	if (written->in_kernel)
		append_kernel_bytes(slot, written->address, length);
	else
		append_bytes(slot, written->address, length, MAGIC_SIZE);
	append_device_inode(slot, inode);
	set_result(slot, result);
	return builder_send(slot, 0);
}

#define PIECES_MAX 16

struct piece_search {
	u64 next;
	u32 width; /* of a pointer */
	struct written found;
};

static long piece_step(u64 index, struct piece_search *search)
{
	u64 wide[2] = {};
	u32 narrow[2] = {};
	if (search->width == 4) {
		if (bpf_probe_read_user(narrow, sizeof(narrow), (void *)search->next))
			return 1;
		wide[0] = narrow[0];
		wide[1] = narrow[1];
	} else if (bpf_probe_read_user(wide, sizeof(wide), (void *)search->next)) {
		return 1;
	}
	search->next += 2 * search->width;
	if (!wide[1])
		return 0;
	search->found.address = wide[0];
	search->found.length = wide[1];
	return 1;
}

/* The first piece of a vector in user memory that is not empty. */
static __noinline int first_piece(u64 vector, u64 count, bool compat, struct written *to)
{
	struct piece_search search = {.next = vector, .width = compat ? 4 : 8};
	if (count > PIECES_MAX)
		count = PIECES_MAX;
	repeat(count, piece_step, &search);
	*to = search.found;
	return 0;
}

/* ---- where it happens ---- */

/* A position that the caller keeps, or the file's own: both are behind the bytes by now. */
static __noinline s64 position_before(struct file *file, s64 *position, s64 result)
{
	s64 after = 0;
	bpf_probe_read_kernel(&after, sizeof(after), position);
	return result > 0 ? after - result : after;
}

ON_RETURN(vfs_read, struct file *file, char *buffer, u64 count, s64 *position)
{
	return transfer_event(EVENT_vfs_read, file, count, position_before(file, position, result), result);
}

ON_RETURN(vfs_write, struct file *file, const char *buffer, u64 count, s64 *position)
{
	s64 at = position_before(file, position, result);
	struct written written = {.address = (u64)buffer, .length = count};
	magic_event(file, &written, at, result);
	return transfer_event(EVENT_vfs_write, file, count, at, result);
}

ON_RETURN(vfs_readv, struct file *file, u64 vector, u64 count, s64 *position, u32 flags)
{
	return transfer_event(EVENT_vfs_readv, file, count, position_before(file, position, result), result);
}

ON_RETURN(vfs_writev, struct file *file, u64 vector, u64 count, s64 *position, u32 flags)
{
	s64 at = position_before(file, position, result);
	struct written written = {};
	first_piece(vector, count, is_compat(current_task()), &written);
	magic_event(file, &written, at, result);
	return transfer_event(EVENT_vfs_writev, file, count, at, result);
}

ON_RETURN(__kernel_write, struct file *file, const void *buffer, u64 count, s64 *position)
{
	s64 at = position_before(file, position, result);
	struct written written = {.address = (u64)buffer, .length = count, .in_kernel = true};
	magic_event(file, &written, at, result);
	return transfer_event(EVENT___kernel_write, file, count, at, result);
}

/* ---- from system calls ---- */

enum transfer_flags { TRANSFER_WRITES = 1, TRANSFER_VECTOR = 2, TRANSFER_POSITION = 4 };

static __always_inline u32 transfer_of(u16 event)
{
	switch (event) {
	case EVENT_read:
		return 0;
	case EVENT_pread64:
		return TRANSFER_POSITION;
	case EVENT_readv:
		return TRANSFER_VECTOR;
	case EVENT_preadv:
	case EVENT_preadv2:
		return TRANSFER_VECTOR | TRANSFER_POSITION;
	case EVENT_write:
		return TRANSFER_WRITES;
	case EVENT_pwrite64:
		return TRANSFER_WRITES | TRANSFER_POSITION;
	case EVENT_writev:
		return TRANSFER_WRITES | TRANSFER_VECTOR;
	}
	return TRANSFER_WRITES | TRANSFER_VECTOR | TRANSFER_POSITION; /* pwritev, pwritev2 */
}

/* Of preadv and its kin a 32-bit program passes the position in two halves; -1: the file's own. */
static __always_inline s64 asked_position(struct call *call, u32 flags)
{
	if (call->compat && flags & TRANSFER_VECTOR)
		return (u32)call->args[3] | call->args[4] << 32;
	return call->args[3];
}

static __always_inline int transfer_calls(struct pt_regs *regs, s64 result, u32 writes)
{
	struct call call = {};
	if (!read_call(regs, &call))
		return 0;
	u32 flags = transfer_of(call.event);
	struct file *file = file_of(call.args[0]);
	if (!file || result == -EBADF || result == -EFAULT)
		return 0;
	s64 position = flags & TRANSFER_POSITION ? asked_position(&call, flags) : -1;
	if (position < 0) {
		position = BPF_CORE_READ(file, f_pos);
		position = result > 0 ? position - result : position;
	}
	bool vector = flags & TRANSFER_VECTOR;
	u16 event = vector ? EVENT_vfs_readv : EVENT_vfs_read;
	if (writes) {
		struct written written = {.address = call.args[1], .length = call.args[2]};
		if (vector)
			first_piece(call.args[1], call.args[2], call.compat, &written);
		if (by_lesser_way(EVENT_magic_write))
			magic_event(file, &written, position, result);
		event = vector ? EVENT_vfs_writev : EVENT_vfs_write;
	}
	return by_lesser_way(event) ? transfer_event(event, file, call.args[2], position, result) : 0;
}

AFTER_CALLS(read)
{
	return transfer_calls(regs, result, false);
}

AFTER_CALLS(write)
{
	if (by_lesser_way(EVENT_file_modification))
		end_modification(result > 0);
	return transfer_calls(regs, result, true);
}

/* ---- files that the kernel reads for itself ---- */

AT_SECURITY(kernel_read_file, struct file *file, u32 what)
{
	s32 slot = begin_event(EVENT_security_kernel_read_file);
	if (slot < 0)
		return 0;
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	append_file_path(slot, file);
	append_device_inode(slot, inode);
	append_number(slot, what);
	append_number(slot, inode_ctime(inode));
	return builder_send(slot, 0);
}

AT_SECURITY(kernel_post_read_file, struct file *file, char *buffer, s64 size, u32 what)
{
	s32 slot = begin_event(EVENT_security_kernel_post_read_file);
	if (slot < 0)
		return 0;
	append_file_path(slot, file);
	append_number(slot, size);
	append_number(slot, what);
	return builder_send(slot, 0);
}
