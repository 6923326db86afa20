/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A number or a text, and the slots whose tests it passes. */
#pragma once

#include "buffer.h"

/* Keys as the maps have them: those of scopes, bank by bank, then those of events' fields. */
static __always_inline u32 scope_key(u32 bank, u32 key)
{
	return bank % BANKS * SCOPE_KEYS + key;
}

static __always_inline u32 field_key(u32 index)
{
	return BANKS * SCOPE_KEYS + index;
}

static __always_inline u64 decide(u64 used, u64 positive, u64 yes, u64 no)
{
	return ~used | ((yes | ~positive) & ~no);
}

struct range_test {
	u32 bank, key;
	u64 value;
	u64 yes;
};

static long range_step(u64 slot, struct range_test *test)
{
	u32 key = test->key;
	if (slot >= MAX_POLICIES || key >= NUMBER_KEYS)
		return 1;
	struct number_scope *scope = &plan_of(test->bank)->numbers[key];
	if (scope->ranged >> slot & 1 && test->value >= scope->min[slot] && test->value <= scope->max[slot])
		test->yes |= 1ULL << slot;
	return 0;
}

/* Of a task's number. */
__noinline u64 number_slots(u32 bank, u32 key, u64 value)
{
	if (key >= NUMBER_KEYS)
		return 0;
	struct number_scope *scope = &plan_of(bank)->numbers[key];
	if (!scope->used)
		return ~0ULL;
	struct number_probe probe = {.key = scope_key(bank, key), .value = value};
	struct verdict *named = bpf_map_lookup_elem(&tracee_numbers, &probe);
	u64 yes = named ? named->yes : 0;
	if (scope->ranged) {
		struct range_test test = {.bank = bank, .key = key, .value = value, .yes = yes};
		repeat(MAX_POLICIES, range_step, &test);
		yes = test.yes;
	}
	return decide(scope->used, scope->positive, yes, named ? named->no : 0);
}

static __always_inline void add_verdict(struct verdict *to, struct verdict *found)
{
	if (found) {
		to->yes |= found->yes;
		to->no |= found->no;
	}
}

/*
 * In builder->probe. All of it by words, whatever the length, and then moved to the front: the verifier goes through no
 * loop of bytes. Inline: what calls this stands high already.
 */
static __always_inline void reverse_text(struct builder *builder, u32 length)
{
	const u32 words = TEXT_MAX / 8;
#pragma unroll
	for (u32 i = 0; i < words; i++)
		builder->reversed[words - 1 - i] = __builtin_bswap64(builder->probe.words[i]);
	FORGOTTEN(length);
	if (length <= TEXT_MAX)
		bpf_probe_read_kernel(builder->probe.text, length, (char *)builder->reversed + (TEXT_MAX - length));
}

/* The test that goes with a key of the maps; NULL where there is none. */
static __always_inline struct text_scope *test_of(u32 key)
{
	if (key < BANKS * SCOPE_KEYS) {
		u32 text = key % SCOPE_KEYS;
		return text < TEXT_KEYS ? &plan_of(key / SCOPE_KEYS)->texts[text] : NULL;
	}
	u32 index = key - BANKS * SCOPE_KEYS;
	struct field *field = bpf_map_lookup_elem(&tracee_fields, &index);
	return field ? &field->test : NULL;
}

/*
 * Which of `slots` the text in builder->probe passes, `length` long and filled up with zeroes; nothing is said of
 * others. May leave the text reversed.
 */
__noinline u64 text_slots(u32 slot, u32 key, u32 length, u64 slots)
{
	struct builder *builder = builder_at(slot);
	struct text_scope *test = test_of(key);
	if (!builder || !test)
		return 0;
	struct verdict sum = {};
	u64 prefix = test->prefix & slots, suffix = test->suffix & slots;
	if (length > TEXT_MAX)
		length = TEXT_MAX;
	builder->probe.key = key;
	builder->probe.prefix_bits = (4 + length) * 8;
	if (test->exact & slots && length < TEXT_MAX)
		add_verdict(&sum, bpf_map_lookup_elem(&tracee_texts, &builder->probe.key));
	if (prefix)
		add_verdict(&sum, bpf_map_lookup_elem(&tracee_prefix, &builder->probe));
	if (suffix) {
		reverse_text(builder, length);
		add_verdict(&sum, bpf_map_lookup_elem(&tracee_suffix, &builder->probe));
	}
	test = test_of(key);
	return test ? decide(test->used, test->positive, sum.yes, sum.no) | test->undecided : 0;
}
