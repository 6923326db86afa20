/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Chunks that are put together when something begins, and told when it has been done: their sources are gone by then.
 */
#pragma once

#include "lookup.h"

#define KEPT_MAX (4 * PATH_MAX) /* two paths, each made absolute */

struct kept {
	u64 used;
	u8 chunks[KEPT_MAX];
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, HASH_FLAGS);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, struct kept);
} tracee_kept SEC(".maps");

/* A builder to append the chunks to, or -1. `event` is what they are for. */
static __noinline s32 begin_kept(u16 event)
{
	s32 slot = builder_take();
	struct builder *builder = slot < 0 ? NULL : builder_at(slot);
	if (!builder) {
		lost(event);
		return -1;
	}
	builder->record.event = event;
	builder->used = sizeof(u64); /* how many there are is kept before them */
	return slot;
}

/* Keeps what was appended under a key, and releases the builder. */
static __noinline int keep_chunks(u32 slot, u64 key)
{
	struct builder *builder = builder_at(slot);
	if (!builder)
		return 0;
	u16 event = builder->record.event;
	u64 used = builder->used - sizeof(u64);
	__builtin_memcpy(builder->data, &used, sizeof(used));
	long failed = used > KEPT_MAX ? -1 : bpf_map_update_elem(&tracee_kept, &key, builder->data, BPF_ANY);
	builder_release(slot);
	if (failed)
		lost(event);
	return 0;
}

static __always_inline bool has_kept(u64 key)
{
	return bpf_map_lookup_elem(&tracee_kept, &key);
}

/* Appends the chunks that were kept, and forgets them. */
static __noinline int append_kept_chunks(u32 slot, u64 key)
{
	struct builder *builder = builder_at(slot);
	struct kept *kept = bpf_map_lookup_elem(&tracee_kept, &key);
	if (!builder || !kept)
		return 0;
	u32 used = kept->used, at = builder->used;
	if (used <= KEPT_MAX && at <= DATA_MAX - KEPT_MAX) {
		bpf_probe_read_kernel(&builder->data[at], used, kept->chunks);
		builder->used = at + used;
	}
	bpf_map_delete_elem(&tracee_kept, &key);
	return 0;
}
