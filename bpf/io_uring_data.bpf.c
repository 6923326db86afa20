/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads and writes that an io_uring is asked for, told as those of system calls. The kernel does them without the
 * functions that stand behind read and write, so they are taken here whatever way the events go otherwise; only
 * file_modification sees them where they happen.
 */

#include "include/request.h"
#include "include/hook.h"

/* of the kernel's interface, so the same on all kernels */
enum {
	OP_READV = 1,
	OP_WRITEV = 2,
	OP_READ_FIXED = 4,
	OP_WRITE_FIXED = 5,
	OP_READ = 22,
	OP_WRITE = 23,
	OP_READV_FIXED = 60,
	OP_WRITEV_FIXED = 61,
};

/* Of 7.x, in an enum without a name, which cannot be looked up. */
#define RING_COMPAT (1 << 11)

/* enum transfer_flags, or -1 for another kind of request. */
static __always_inline s32 requested_transfer(u32 opcode)
{
	switch (opcode) {
	case OP_READ:
	case OP_READ_FIXED:
		return 0;
	case OP_READV:
	case OP_READV_FIXED:
		return TRANSFER_VECTOR;
	case OP_WRITE:
	case OP_WRITE_FIXED:
		return TRANSFER_WRITES;
	case OP_WRITEV:
	case OP_WRITEV_FIXED:
		return TRANSFER_WRITES | TRANSFER_VECTOR;
	}
	return -1;
}

static __always_inline bool transfer_wanted(u32 opcode)
{
	s32 flags = requested_transfer(opcode);
	if (flags < 0)
		return false;
	if (!(flags & TRANSFER_WRITES))
		return is_served(flags & TRANSFER_VECTOR ? EVENT_vfs_readv : EVENT_vfs_read);
	return is_served(EVENT_magic_write) || by_lesser_way(EVENT_file_modification) ||
	       is_served(flags & TRANSFER_VECTOR ? EVENT_vfs_writev : EVENT_vfs_write);
}

/* Whether any kind of them is. */
static __always_inline bool transfers_wanted(void)
{
	return transfer_wanted(OP_READ) || transfer_wanted(OP_READV) || transfer_wanted(OP_WRITE) ||
	       transfer_wanted(OP_WRITEV);
}

/* The time of a file before it is written to. What an earlier request of a chain will open is not there yet. */
__noinline int asked_transfer(u64 key)
{
	struct request *request = bpf_map_lookup_elem(&tracee_requests, &key);
	if (!request || !(requested_transfer(request->opcode) & TRANSFER_WRITES) ||
	    !by_lesser_way(EVENT_file_modification))
		return 0;
	struct file *file = file_of_request((void *)key);
	return file ? begin_modification(file, key) : 0;
}

/* `changed`: whether it was written to. */
static __noinline int requested_modification(u64 key, struct file *file, bool changed)
{
	struct modification *kept = bpf_map_lookup_elem(&tracee_modifying, &key);
	struct modification begun = {.file = (u64)file};
	if (kept)
		begun.ctime = kept->ctime;
	bpf_map_delete_elem(&tracee_modifying, &key);
	s32 slot = changed && is_to_be_told(file) ? begin_requested(EVENT_file_modification, key) : -1;
	return slot < 0 ? 0 : modification_record(slot, &begun);
}

static __noinline int requested_magic(u64 key, struct transfer *transfer, struct written *written)
{
	s32 slot = begins_file(transfer) ? begin_request_event(EVENT_magic_write, key) : -1;
	return slot < 0 ? 0 : magic_record(slot, transfer, written);
}

static __noinline int requested_event(u64 key, u32 event, struct transfer *transfer)
{
	s32 slot = begin_request_event(event, key);
	return slot < 0 ? 0 : transfer_record(slot, transfer);
}

/*
 * Where the request was to go on from the file's own position, it stands behind the bytes by now. Of a pipe or a socket
 * there is none.
 */
static __always_inline s64 requested_position(struct file *file, struct io_rw *rw, s64 asked, s64 result, bool untold)
{
	if (BPF_CORE_READ(file, f_mode) & FMODE_STREAM)
		return 0;
	if (asked >= 0)
		return asked;
	if (untold)
		return BPF_CORE_READ(file, f_pos);
	s64 after = BPF_CORE_READ(rw, kiocb.ki_pos);
	return result > 0 ? after - result : after;
}

/* Whether a 32-bit program has set the ring up. */
static __always_inline bool is_compat_ring(struct io_ring_ctx *ring)
{
	struct io_ring_ctx___v7_0 *newer = (void *)ring;
	if (bpf_core_field_exists(newer->int_flags))
		return BPF_CORE_READ(newer, int_flags) & RING_COMPAT;
	return BPF_CORE_READ_BITFIELD_PROBED(ring, compat);
}

/* Nothing tells of one that is not completed visibly what came of it: it is taken to have done all that it was asked.
 */
__noinline int done_transfer(u64 key, s64 result, u32 untold)
{
	struct request *request = bpf_map_lookup_elem(&tracee_requests, &key);
	struct io_rw *rw = (void *)key;
	if (!request)
		return 0;
	struct io_rw *command = (void *)request->command;
	s32 flags = requested_transfer(request->opcode);
	s64 asked = BPF_CORE_READ(command, kiocb.ki_pos);
	struct file *file = untold ? file_of_request((void *)key) : BPF_CORE_READ((struct io_kiocb *)key, file);
	u32 mode = flags & TRANSFER_WRITES ? FMODE_WRITE : FMODE_READ;
	if (flags < 0 || !file || !(BPF_CORE_READ(file, f_mode) & mode) || result == -EBADF || result == -EFAULT ||
	    result == -ECANCELED)
		return 0;
	struct transfer transfer = {.file = file, .count = BPF_CORE_READ(rw, len), .result = result};
	struct written written = {.address = BPF_CORE_READ(rw, addr), .length = transfer.count};
	struct io_ring_ctx *ring = BPF_CORE_READ((struct io_kiocb *)key, ctx);
	u64 total = transfer.count;
	if (flags & TRANSFER_VECTOR) {
		written.width = pointer_width(is_compat_ring(ring));
		total = first_piece(&written);
	}
	if (untold)
		transfer.result = total;
	transfer.position = requested_position(file, rw, asked, transfer.result, untold);
	bool vector = flags & TRANSFER_VECTOR;
	if (!(flags & TRANSFER_WRITES))
		return requested_event(key, vector ? EVENT_vfs_readv : EVENT_vfs_read, &transfer);
	requested_modification(key, file, transfer.result > 0);
	requested_magic(key, &transfer, &written);
	return requested_event(key, vector ? EVENT_vfs_writev : EVENT_vfs_write, &transfer);
}
