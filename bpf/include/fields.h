/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What an event must be like for a slot to want it: tests of its fields, so that an event that nobody wants does not
 * leave the kernel. They never turn away what user space would take (crates/core/src/fields.rs makes them so): what
 * cannot be decided here passes, and is decided there.
 */
#pragma once

#include "match.h"

#define MOST_EARLY 8
#define MOST_LATE 8
#define MOST_CHUNKS 32
#define MOST_RANGES 64 /* of a field */

/*
 * All ones where it holds, else zero. Without a branch, each of which would have the verifier go through all that
 * follows once more; the barriers keep the compiler from making one.
 */
static __always_inline u64 when_set(u64 value)
{
	u64 top = value | -value;
	barrier_var(top);
	return -(top >> 63);
}

static __always_inline u64 when_less(u64 a, u64 b)
{
	u64 difference = a - b;
	barrier_var(difference);
	return -(((~a & b) | ((~a | b) & difference)) >> 63);
}

/* Slots that an event is for; none, where all that are left only ride along with others. */
static __always_inline u64 unless_riding(u32 bank, u64 slots)
{
	return slots & when_set(slots & ~plan_of(bank)->riding);
}

/* As numbers are compared: as wide as the field is, negative ones below the others. */
static __always_inline u64 ordered(struct field *field, u64 value, u32 compat)
{
	u64 narrow = when_set(field->by_caller & when_set(compat)), is_signed = when_set(field->is_signed);
	u64 width = (field->width & ~narrow) | (4 & narrow), is_number = when_set(width);
	u64 shift = (64 - 8 * width) & 63;
	u64 plain = value << shift >> shift;
	u64 negative = (u64)((s64)(value << shift) >> shift) ^ 1ULL << 63;
	u64 number = (negative & is_signed) | (plain & ~is_signed);
	return (number & is_number) | (when_set(value) & ~is_number & 1);
}

/*
 * Which of `slots` a field lets pass; nothing is said of others. `index`: of tracee_fields. Here of a number, as the
 * register or the chunk has it.
 */
__noinline u64 field_number(u32 index, u64 value, u32 compat, u64 slots)
{
	struct field *field = bpf_map_lookup_elem(&tracee_fields, &index);
	if (!field)
		return ~0ULL;
	struct verdict sum = {};
	u32 first = field->first_range, ranges = field->ranges;
	value = ordered(field, value, compat);
	/* a plain loop: what calls this stands high already, and a callback would be one call more */
	for (u32 i = 0; i < MOST_RANGES && i < ranges; i++) {
		u32 at = first + i;
		struct range *range = bpf_map_lookup_elem(&tracee_ranges, &at);
		if (!range)
			break;
		u64 part = value & range->mask;
		u64 within = ~when_less(part, range->min) & ~when_less(range->max, part);
		sum.yes |= range->yes & within;
		sum.no |= range->no & within;
	}
	field = bpf_map_lookup_elem(&tracee_fields, &index);
	if (field && field->test.exact & slots) {
		struct number_probe probe = {.key = field_key(index), .value = value};
		add_verdict(&sum, bpf_map_lookup_elem(&tracee_numbers, &probe));
	}
	return field ? decide(field->test.used, field->test.positive, sum.yes, sum.no) | field->test.undecided : ~0ULL;
}

/* Of a field that has no value: it equals nothing. */
static __always_inline u64 field_null(struct field *field)
{
	return decide(field->test.used, field->test.positive, 0, 0) | field->test.undecided;
}

/* Of a string of user memory, or of the kernel's. */
__noinline u64 field_string(u32 index, u64 address, u32 of_kernel, u64 slots)
{
	struct field *field = bpf_map_lookup_elem(&tracee_fields, &index);
	if (!field)
		return ~0ULL;
	if (!address)
		return field_null(field);
	s32 slot = builder_take();
	struct builder *builder = slot < 0 ? NULL : builder_at(slot);
	if (!builder)
		return ~0ULL;
	__builtin_memset(builder->probe.text, 0, TEXT_MAX);
	long n = of_kernel ? bpf_probe_read_kernel_str(builder->probe.text, TEXT_MAX, (void *)address)
			   : bpf_probe_read_user_str(builder->probe.text, TEXT_MAX, (void *)address);
	u64 passed = ~0ULL; /* too long to be decided here */
	if (n < 0)
		passed = field_null(field);
	else if (n < TEXT_MAX)
		passed = text_slots(slot, field_key(index), n > 0 ? n - 1 : 0, slots);
	builder_release(slot);
	return passed;
}

/* Of the text, or with `number` of the number, in the chunk whose header stands at `at` in builder->data. */
static __always_inline u64 field_chunk(u32 slot, u32 index, u32 at, u32 number, u64 slots)
{
	struct builder *builder = builder_at(slot);
	struct field *field = bpf_map_lookup_elem(&tracee_fields, &index);
	u32 header = 0;
	if (!builder || !field || at > DATA_MAX - 12)
		return ~0ULL;
	__builtin_memcpy(&header, &builder->data[at], sizeof(header));
	u32 flags = header >> 24, length = header & 0xffffff;
	if (flags & (CHUNK_NULL | CHUNK_FAULT))
		return field_null(field);
	if (number) {
		u64 value = 0;
		__builtin_memcpy(&value, &builder->data[at + 4], sizeof(value));
		return length == 8 ? field_number(index, value, builder->record.flags & RECORD_COMPAT, slots) : ~0ULL;
	}
	/* what is spelled in another way than it stands here, or is too long, is decided in user space */
	if (flags || length >= TEXT_MAX)
		return ~0ULL;
	__builtin_memset(builder->probe.text, 0, TEXT_MAX);
	FORGOTTEN(length);
	if (length >= TEXT_MAX)
		return ~0ULL;
	bpf_probe_read_kernel(builder->probe.text, length, &builder->data[at + 4]);
	return text_slots(slot, field_key(index), length, slots);
}

static __always_inline u64 number_at(const u64 *args, s64 result, u32 place)
{
	u64 value = result;
	for (u32 i = 0; i < 6; i++)
		if (i == place)
			value = args[i];
	return value;
}

/* What is left of `slots` by the fields that a system call's registers tell. */
static __always_inline u64 early_slots(u32 bank, u32 event, u64 slots, const u64 *args, s64 result, bool compat)
{
	struct event_fields *fields = &plan_of(bank)->fields[event % MAX_EVENTS];
	u32 first = bank % BANKS * MAX_FIELDS + fields->first, count = fields->early;
	for (u32 i = 0; i < MOST_EARLY && i < count && slots; i++) {
		u32 index = first + i;
		struct field *field = bpf_map_lookup_elem(&tracee_fields, &index);
		if (!field)
			break;
		u64 value = number_at(args, result, field->place);
		slots &= field->source == FIELD_STRING ? field_string(index, value, false, slots)
						       : field_number(index, value, compat, slots);
	}
	return unless_riding(bank, slots);
}

/* Arguments that are at hand before the record is put together, by place; of a text the kernel's address. */
#define FORESEEN 8
struct foreseen {
	u64 known; /* bit by place */
	u64 values[FORESEEN];
};

static __always_inline void foresee(struct foreseen *foreseen, u32 place, u64 value)
{
	foreseen->known |= 1ULL << place;
	foreseen->values[place] = value;
}

/*
 * What is left of `slots` by those alone of the fields that the record will tell: for events that mostly nobody wants,
 * whose other arguments, a path for one, cost far more than these. Those that are left are tested whole when it is
 * sent.
 */
static __noinline u64 foreseen_slots(u32 bank, u32 event, u64 slots, struct foreseen *foreseen)
{
	struct event_fields *fields = &plan_of(bank)->fields[event % MAX_EVENTS];
	u32 first = bank % BANKS * MAX_FIELDS + fields->first + fields->early, count = fields->late;
	for (u32 i = 0; i < MOST_LATE && i < count && slots; i++) {
		u32 index = first + i;
		struct field *field = bpf_map_lookup_elem(&tracee_fields, &index);
		if (!field)
			break;
		u32 place = field->place;
		if (place >= FORESEEN || !(foreseen->known >> place & 1) || field->also != NO_PLACE)
			continue;
		u64 value = foreseen->values[place];
		slots &= field->source == FIELD_TEXT ? field_string(index, value, true, slots)
						     : field_number(index, value, false, slots);
	}
	return unless_riding(bank, slots);
}

/* Where chunk number `place` of the record begins; DATA_MAX where there is none. */
__noinline u32 chunk_at(u32 slot, u32 place)
{
	struct builder *builder = builder_at(slot);
	u32 at = 0;
	if (!builder)
		return DATA_MAX;
	for (u32 i = 0; i < MOST_CHUNKS && i < place; i++) {
		u32 header = 0;
		if (at > DATA_MAX - 12)
			return DATA_MAX;
		__builtin_memcpy(&header, &builder->data[at], sizeof(header));
		at += 4 + (header & 0xffffff);
	}
	return at + 4 <= builder->used ? at : DATA_MAX;
}

/* Of one field of the record that a builder holds. */
__noinline u64 late_field(u32 slot, u32 index, u64 slots)
{
	struct builder *builder = builder_at(slot);
	struct field *field = bpf_map_lookup_elem(&tracee_fields, &index);
	if (!builder || !field)
		return ~0ULL;
	if (field->source == FIELD_REGISTER) {
		u64 value = number_at(builder->record.args, builder->record.ret, field->place);
		return field_number(index, value, builder->record.flags & RECORD_COMPAT, slots);
	}
	u32 number = field->source == FIELD_CHUNK, also = field->also;
	u32 at = chunk_at(slot, field->place);
	u64 passed = at < DATA_MAX ? field_chunk(slot, index, at, number, slots) : field_null(field);
	if (also != NO_PLACE) {
		at = chunk_at(slot, also);
		passed |= at < DATA_MAX ? field_chunk(slot, index, at, number, slots) : 0;
	}
	return passed;
}

/* What is left of the record's slots by the fields that it tells. */
static __always_inline u64 late_slots(u32 slot, struct builder *builder)
{
	u32 bank = builder->record.flags & RECORD_BANK ? 1 : 0;
	struct event_fields *fields = &plan_of(bank)->fields[builder->record.event % MAX_EVENTS];
	u32 first = bank * MAX_FIELDS + fields->first + fields->early, count = fields->late;
	u64 slots = builder->record.slots;
	for (u32 i = 0; i < MOST_LATE && i < count && slots; i++)
		slots &= late_field(slot, first + i, slots);
	return unless_riding(bank, slots);
}

/* Sends the event that the builder holds, if any slot wants it still, and releases it. */
__noinline int builder_send(u32 slot)
{
	struct builder *builder = builder_at(slot);
	if (!builder)
		return 0;
	builder->record.slots = late_slots(slot, builder);
	if (!builder->record.slots) {
		builder_release(slot);
		return 0;
	}
	return builder_output(slot, 0);
}
