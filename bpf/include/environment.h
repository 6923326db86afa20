/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Of the environment of a program that begins, the variables that rule its dynamic loader: LD_PRELOAD and its kin. */
#pragma once

#include "buffer.h"

#define VARIABLES_MAX 65536
#define IS_LOADERS(word) (((word) & 0xffffff) == ('L' | 'D' << 8 | '_' << 16))

struct variable_walk {
	u64 next, end;
	u32 slot, start, length, flags;
	u32 within; /* a variable that is longer than the room was */
};

static __always_inline long variable_step(u64 index, struct variable_walk *walk)
{
	struct builder *builder = builder_at(walk->slot);
	u32 length = walk->length, head = 0;
	u64 at = (u64)walk->start + length;
	if (!builder || walk->next >= walk->end)
		return 1;
	if (length >= LIST_MAX || at > DATA_MAX) {
		walk->flags |= CHUNK_CUT;
		return 1;
	}
	u32 room = LIST_MAX - length;
	long n = bpf_probe_read_user_str(&builder->data[at], room, (void *)walk->next);
	if (n < 0) {
		walk->flags |= CHUNK_FAULT;
		return 1;
	}
	if (n == 0)
		n = 1; /* the end of an empty string, which some kernels copy but do not count */
	__builtin_memcpy(&head, &builder->data[at], sizeof(head));
	bool is_loaders = n > 4 && IS_LOADERS(head) && !walk->within, is_cut = n == room;
	if (is_loaders)
		walk->length = length + n;
	if (is_loaders && is_cut)
		walk->flags |= CHUNK_CUT;
	walk->within = is_cut;
	walk->next += is_cut ? n - 1 : n; /* what was cut got a NUL of its own */
	return 0;
}

LONG_STEP(variable_step, struct variable_walk)

/* Each with its NUL, one after the other. */
__noinline int append_loader_variables(u32 slot, u64 address, u64 end)
{
	struct builder *builder = builder_at(slot);
	u32 start = builder ? chunk_open(builder) : 0;
	if (!start)
		return 0;
	struct variable_walk walk = {.next = address, .end = end, .slot = slot, .start = start};
	repeat_long(slot, VARIABLES_MAX, variable_step, &walk);
	if (walk.next < walk.end)
		walk.flags |= CHUNK_CUT;
	chunk_close(builder, start, walk.length, walk.flags);
	return 0;
}
