/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is read from files and written to them. */

#include "include/event.h"
#include "include/hook.h"

#define MAGIC_SIZE 20

/* ---- the bytes of a transfer ---- */

/* What was done to a file: how much was asked for, from where on, and what came of it. */
struct transfer {
	struct file *file;
	u64 count;
	s64 position, result;
};

static __always_inline int transfer_record(u32 slot, struct transfer *transfer)
{
	struct file *file = transfer->file;
	append_file_path(slot, file);
	append_device_inode(slot, BPF_CORE_READ(file, f_inode));
	append_number(slot, transfer->count);
	append_number(slot, transfer->position);
	set_result(slot, transfer->result);
	return builder_send(slot);
}

static __noinline int transfer_event(u16 event, struct transfer *transfer)
{
	s32 slot = begin_event(event);
	return slot < 0 ? 0 : transfer_record(slot, transfer);
}

/* Where the bytes of a write stand: in one piece, or in as many as `length` says. */
struct written {
	u64 address, length;
	u32 width; /* in pieces: of a pointer, else 0 */
	u32 in_kernel;
};

#define PIECES_MAX 16

struct piece_search {
	u64 next, count;
	u32 width;
	u64 address, length, total;
};

static long piece_step(u64 index, struct piece_search *search)
{
	u64 wide[2] = {};
	u32 narrow[2] = {};
	if (index >= search->count)
		return 1;
	if (search->width == 4) {
		if (bpf_probe_read_user(narrow, sizeof(narrow), (void *)search->next))
			return 1;
		wide[0] = narrow[0];
		wide[1] = narrow[1];
	} else if (bpf_probe_read_user(wide, sizeof(wide), (void *)search->next)) {
		return 1;
	}
	search->next += 2 * search->width;
	if (!search->total) {
		search->address = wide[0];
		search->length = wide[1];
	}
	search->total += wide[1];
	return 0;
}

/* Makes of many pieces the first that is not empty; how long all are together. */
static __noinline u64 first_piece(struct written *written)
{
	/* 0, but verifiers before 6.7 must not know it: they think that each turn begins as the first does */
	u64 nothing = written->length >> 63;
	struct piece_search search = {
		.next = written->address, .count = written->length, .width = written->width, .total = nothing};
	repeat(PIECES_MAX, piece_step, &search);
	written->address = search.address;
	written->length = search.length;
	return search.total;
}

/* The first bytes of a regular file are written: what the file will look like to those who judge it by them. */
static __always_inline bool begins_file(struct transfer *transfer)
{
	struct file *file = transfer->file;
	return transfer->result > 0 && transfer->position == 0 &&
	       (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) == S_IFREG;
}

/* `written`: one piece */
static __always_inline int magic_record(u32 slot, struct transfer *transfer, struct written *written)
{
	struct file *file = transfer->file;
	u64 length = written->length < (u64)transfer->result ? written->length : transfer->result;
	append_file_path(slot, file);
	if (length > MAGIC_SIZE)
		length = MAGIC_SIZE;
	if (written->in_kernel)
		append_kernel_bytes(slot, written->address, length);
	else
		append_bytes(slot, written->address, length, MAGIC_SIZE);
	append_device_inode(slot, BPF_CORE_READ(file, f_inode));
	set_result(slot, transfer->result);
	return builder_send(slot);
}

static __noinline int magic_event(struct transfer *transfer, struct written *written)
{
	s32 slot = begins_file(transfer) ? begin_event(EVENT_magic_write) : -1;
	if (slot < 0)
		return 0;
	struct written piece = *written;
	if (piece.width)
		first_piece(&piece);
	return magic_record(slot, transfer, &piece);
}

/* ---- where it happens ---- */

/*
 * A position that the caller keeps, or the file's own: both are behind the bytes by now. Of pipes and sockets there is
 * none.
 */
static __always_inline struct transfer transferred(struct file *file, u64 count, s64 *position, s64 result)
{
	struct transfer transfer = {.file = file, .count = count, .result = result};
	if (position && !bpf_probe_read_kernel(&transfer.position, sizeof(s64), position) && result > 0)
		transfer.position -= result;
	return transfer;
}

static __always_inline u32 pointer_width(bool compat)
{
	return compat ? 4 : 8;
}

ON_RETURN(vfs_read, struct file *file, char *buffer, u64 count, s64 *position)
{
	struct transfer transfer = transferred(file, count, position, result);
	return transfer_event(EVENT_vfs_read, &transfer);
}

ON_RETURN(vfs_write, struct file *file, const char *buffer, u64 count, s64 *position)
{
	struct transfer transfer = transferred(file, count, position, result);
	struct written written = {.address = (u64)buffer, .length = count};
	magic_event(&transfer, &written);
	return transfer_event(EVENT_vfs_write, &transfer);
}

ON_RETURN(vfs_readv, struct file *file, u64 vector, u64 count, s64 *position, u32 flags)
{
	struct transfer transfer = transferred(file, count, position, result);
	return transfer_event(EVENT_vfs_readv, &transfer);
}

ON_RETURN(vfs_writev, struct file *file, u64 vector, u64 count, s64 *position, u32 flags)
{
	struct transfer transfer = transferred(file, count, position, result);
	struct written written = {
		.address = vector, .length = count, .width = pointer_width(is_compat(current_task()))};
	magic_event(&transfer, &written);
	return transfer_event(EVENT_vfs_writev, &transfer);
}

ON_RETURN(__kernel_write, struct file *file, const void *buffer, u64 count, s64 *position)
{
	struct transfer transfer = transferred(file, count, position, result);
	struct written written = {.address = (u64)buffer, .length = count, .in_kernel = true};
	magic_event(&transfer, &written);
	return transfer_event(EVENT___kernel_write, &transfer);
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

static __always_inline s64 position_of_call(struct file *file, s64 asked, s64 result)
{
	if (BPF_CORE_READ(file, f_mode) & FMODE_STREAM)
		return 0;
	if (asked >= 0)
		return asked;
	s64 after = BPF_CORE_READ(file, f_pos);
	return result > 0 ? after - result : after;
}

static __always_inline int transfer_calls(struct pt_regs *regs, s64 result, u32 writes)
{
	struct call call = {};
	bool wanted =
		writes ? is_watched(EVENT_vfs_write) || is_watched(EVENT_vfs_writev) || is_watched(EVENT_magic_write)
		       : is_watched(EVENT_vfs_read) || is_watched(EVENT_vfs_readv);
	if (!wanted || !read_call(regs, &call))
		return 0;
	u32 flags = transfer_of(call.event);
	struct file *file = file_of(call.args[0]);
	if (!file || result == -EBADF || result == -EFAULT)
		return 0;
	struct transfer transfer = {.file = file, .count = call.args[2], .result = result};
	transfer.position =
		position_of_call(file, flags & TRANSFER_POSITION ? asked_position(&call, flags) : -1, result);
	bool vector = flags & TRANSFER_VECTOR;
	u16 event = vector ? EVENT_vfs_readv : EVENT_vfs_read;
	if (writes) {
		struct written written = {.address = call.args[1], .length = call.args[2]};
		if (vector)
			written.width = pointer_width(call.compat);
		if (by_lesser_way(EVENT_magic_write))
			magic_event(&transfer, &written);
		event = vector ? EVENT_vfs_writev : EVENT_vfs_write;
	}
	return by_lesser_way(event) ? transfer_event(event, &transfer) : 0;
}

AFTER_CALLS(read)
{
	return transfer_calls(regs, result, false);
}

AFTER_CALLS(write)
{
	if (by_lesser_way(EVENT_file_modification) && is_watched(EVENT_file_modification))
		end_modification(result > 0, bpf_get_current_pid_tgid());
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
	return builder_send(slot);
}

AT_SECURITY(kernel_post_read_file, struct file *file, char *buffer, s64 size, u32 what)
{
	s32 slot = begin_event(EVENT_security_kernel_post_read_file);
	if (slot < 0)
		return 0;
	append_file_path(slot, file);
	append_number(slot, size);
	append_number(slot, what);
	return builder_send(slot);
}
