/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every map, and the one block of configuration. Sizes that depend on the machine are set before loading. */
#pragma once

#include "older.h"

/* Alone in .bss, which user space maps: crates/kernel/src/shared.rs. */
struct config config;

/*
 * What is known before loading. The verifier knows it, too, and passes over what is not needed. Alone in its section,
 * for crates/kernel/src/object.rs.
 */
const volatile struct {
	u64 after, before;           /* bit by group of system calls: those that are looked into */
	u64 events[MAX_EVENTS / 64]; /* bit by event: some policy selects it */
	u64 lesser[MAX_EVENTS / 64]; /* ... and it is not taken where it happens */
} served SEC(".rodata.served");

static __always_inline bool is_served(u16 event)
{
	return served.events[event / 64 % (MAX_EVENTS / 64)] >> event % 64 & 1;
}

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(u32));
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_RINGBUF);
			__uint(max_entries, 4096);
		});
} tracee_rings SEC(".maps");

#define CONTROL_BYTES (4 << 20)
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, CONTROL_BYTES);
} tracee_control SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct cpu_counters);
} tracee_cpus SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, HASH_FLAGS);
	__type(key, struct number_probe);
	__type(value, struct verdict);
} tracee_numbers SEC(".maps");

struct text_exact {
	u32 key;
	char text[TEXT_MAX];
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, HASH_FLAGS);
	__type(key, struct text_exact);
	__type(value, struct verdict);
} tracee_texts SEC(".maps");

#define TEXT_TRIE(NAME)                               \
	struct {                                      \
		__uint(type, BPF_MAP_TYPE_LPM_TRIE);  \
		__uint(max_entries, 16384);           \
		__uint(map_flags, BPF_F_NO_PREALLOC); \
		__type(key, struct text_probe);       \
		__type(value, struct verdict);        \
	} NAME SEC(".maps")
TEXT_TRIE(tracee_prefix);
TEXT_TRIE(tracee_suffix); /* of reversed text */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BANKS *MAX_FIELDS);
	__type(key, u32);
	__type(value, struct field);
} tracee_fields SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, BANKS *MAX_RANGES);
	__type(key, u32);
	__type(value, struct range);
} tracee_ranges SEC(".maps");

static __always_inline struct plan *plan_of(u32 bank)
{
	return &config.plans[bank % BANKS];
}

/* The plan in use, for what is not told: whoever goes on to tell an event keeps to the bank that wanted it. */
static __always_inline struct plan *plan_in_use(void)
{
	return plan_of(config.bank);
}

static __always_inline bool is_wanted(u16 event)
{
	return plan_in_use()->wanted[event % MAX_EVENTS];
}

static __always_inline struct cpu_counters *this_cpu(void)
{
	u32 cpu = bpf_get_smp_processor_id();
	return bpf_map_lookup_elem(&tracee_cpus, &cpu);
}

static __always_inline u64 now(void)
{
	return bpf_ktime_get_boot_ns();
}
