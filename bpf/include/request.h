/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Requests of io_uring: those that were noted when they had been prepared, and events told of them. */
#pragma once

#include "event.h"

#define COMMAND_WORDS 8 /* what a request begins with: its operation's own structure, such as struct io_open */
#define REQUEST_REGISTERED_FILE 1
#define REQUEST_SKIPS_COMPLETION (1 << 6) /* where it succeeds */
#define REGISTERED_FLAGS 7UL              /* what the lowest bits of file_ptr may hold */

struct request {
	u64 generation, slots; /* those whose scope held for the task that submitted it */
	u64 command[COMMAND_WORDS];
	u32 opcode, pad;
};
/* By the request's address. */
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
static __always_inline s32 begin_request_event(u32 event, u64 key)
{
	struct request *request = bpf_map_lookup_elem(&tracee_requests, &key);
	if (!request || event >= MAX_EVENTS || !is_served(event))
		return -1;
	barrier_var(event); /* the verifier must see the number that was tested */
	u32 bank = config.bank;
	struct plan *plan = plan_of(bank);
	u64 slots = plan->wanted[event];
	/* asked under an earlier plan: whose it was by this one cannot be told any more */
	slots &= request->generation == plan->generation ? request->slots : ~plan->scoped;
	if (!slots || is_left_out())
		return -1;
	return open_record(event, slots, bank);
}

/* ... that is seen where it happens, too, unless it is taken by a lesser way. */
static __always_inline s32 begin_requested(u32 event, u64 key)
{
	return event < MAX_EVENTS && by_lesser_way(event) ? begin_request_event(event, key) : -1;
}

/* Of the files that are registered with a ring, number `index`. */
static __noinline struct file *registered_file(struct io_ring_ctx *ring, u32 index)
{
	unsigned long pointer = 0;
	if (bpf_core_field_exists(ring->file_table.data)) {
		if (index >= BPF_CORE_READ(ring, file_table.data.nr))
			return NULL;
		struct io_rsrc_node **nodes = BPF_CORE_READ(ring, file_table.data.nodes), *node = NULL;
		bpf_probe_read_kernel(&node, sizeof(node), nodes + index);
		pointer = node ? BPF_CORE_READ(node, file_ptr) : 0;
	} else {
		struct io_ring_ctx___v6_12 *older = (void *)ring;
		if (index >= BPF_CORE_READ(older, nr_user_files))
			return NULL;
		void *files = BPF_CORE_READ(older, file_table.files);
		bpf_probe_read_kernel(&pointer, sizeof(pointer),
				      files + index * bpf_core_type_size(struct io_fixed_file));
	}
	return (void *)(pointer & ~REGISTERED_FLAGS);
}

/* The file that a request which has not begun is for. */
static __always_inline struct file *file_of_request(struct io_kiocb *request)
{
	s32 fd = BPF_CORE_READ(request, cqe.fd);
	if (BPF_CORE_READ(request, flags) & REQUEST_REGISTERED_FILE)
		return registered_file(BPF_CORE_READ(request, ctx), fd);
	return file_of(fd);
}
