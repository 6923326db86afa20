/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The helpers that a BPF program calls. */
#pragma once

#include "event.h"

/*
 * The helpers that a program calls are found in its instructions as the task hands them over: the verifier puts
 * addresses in the place of their numbers.
 */
#define INSTRUCTIONS_MAX 4096
#define HELPERS 256
#define CALL_OPCODE 0x85 /* BPF_JMP | BPF_CALL; the source register is 0 where a helper is called */

struct instruction {
	u8 opcode, registers;
	s16 offset;
	s32 value;
};

struct helper_search {
	u64 next; /* address of the next instruction */
	u32 count, seen;
	u64 used[HELPERS / 64]; /* bit by helper */
};

static long helper_step(u64 index, struct helper_search *search)
{
	struct instruction instruction = {};
	if (bpf_probe_read_user(&instruction, sizeof(instruction), (void *)search->next))
		return 1;
	search->seen++;
	search->next += sizeof(instruction);
	u32 helper = instruction.value;
	if (instruction.opcode == CALL_OPCODE && !(instruction.registers >> 4) && helper < HELPERS)
		search->used[helper / 64 % (HELPERS / 64)] |= 1ULL << helper % 64;
	return 0;
}

LONG_STEP(helper_step, struct helper_search)

struct helper_list {
	u64 used[HELPERS / 64];
	u32 slot, next;
};

static long helper_list_step(u64 index, struct helper_list *list)
{
	struct builder *builder = builder_at(list->slot);
	u64 helper = list->next++ % HELPERS;
	u32 at = builder ? builder->used : DATA_MAX;
	if (!builder || at > DATA_MAX - sizeof(helper))
		return 1;
	if (list->used[helper / 64 % (HELPERS / 64)] >> helper % 64 & 1) {
		__builtin_memcpy(&builder->data[at], &helper, sizeof(helper));
		builder->used = at + sizeof(helper);
	}
	return 0;
}
LONG_STEP(helper_list_step, struct helper_list)

/* Looks through the instructions of a program being loaded; `attributes` is what the call was given. */
static __noinline int find_helpers(u32 slot, u64 attributes, struct helper_search *to)
{
	struct helper_search search = {};
	bpf_probe_read_user(&search.count, sizeof(search.count), (void *)attributes + 4);
	bpf_probe_read_user(&search.next, sizeof(search.next), (void *)attributes + 8);
	u32 limit = search.count < INSTRUCTIONS_MAX ? search.count : INSTRUCTIONS_MAX;
	repeat_long(slot, limit, helper_step, &search);
	*to = search;
	return 0;
}

/* The numbers of the helpers that were found, in their order; marked as cut where not all instructions were seen. */
static __noinline int append_helpers(u32 slot, struct helper_search *search)
{
	struct builder *builder = builder_at(slot);
	struct helper_list list = {.slot = slot};
	u32 start = builder ? chunk_open(builder) : 0;
	if (!start)
		return 0;
	builder->used = start;
	__builtin_memcpy(list.used, search->used, sizeof(list.used));
	repeat_long(slot, HELPERS, helper_list_step, &list);
	chunk_close(builder, start, builder->used - start, search->seen < search->count ? CHUNK_CUT : 0);
	return 0;
}
