/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From a program to the ring of its CPU. A record of fixed size is reserved in place; one that carries memory is put
 * together in a builder and copied. What finds no room is counted by event and CPU.
 */
#pragma once

#include "task.h"

#define LIST_MAX 32768  /* bytes of argv, and of the environment */
#define STRING_MAX 4098 /* one more than a path with its NUL, so that a cut shows */
/* sched_process_exec at its longest: two lists and six texts */
#define DATA_MAX (2 * LIST_MAX + 8 * 4400)
#define PATH_MAX 4096
#define NAME_MAX 255
#define PATH_END \
	(PATH_MAX + NAME_MAX + 1) /* where a path ends in builder->path: one more name fits before PATH_MAX bytes */

enum lookup_result { LOOKUP_GOES_ON, LOOKUP_FOUND, LOOKUP_MISSING, LOOKUP_FAILED };
#define NAME_ROOM 256

/* A path being looked up, and what came of it: see lookup.h. */
struct lookup {
	u64 dentry, mount;
	u64 parent_dentry, parent_mount; /* of the last name */
	u64 root_dentry, root_mount;
	u32 result, flags;
	u32 at, half, links;
	u32 length, last_length;
	u32 mounted;               /* bits of d_flags, one of which says that something is mounted there */
	u64 next, hash_len, child; /* of a search through names: what comes next, what is looked for, what was found */
	char name[NAME_ROOM], candidate[NAME_ROOM], last[NAME_ROOM]; /* filled up with zeroes */
};

/* A name that a call takes away, as it was before: see keep_note in lookup.h. */
struct note {
	u64 dentry, mount, parent_dentry, parent_mount;
	u64 inode, ctime, type;
	u32 dev, mode, result, last_length;
	char last[NAME_ROOM];
};

struct builder {
	u32 busy;
	u32 used;
	struct record record;
	u8 data[DATA_MAX];
	u8 slack[LIST_MAX]; /* a read may start anywhere in data */
	u8 path[2 * PATH_MAX];
	struct lookup lookup;
	struct note note;
	struct text_probe probe;
	u64 reversed[TEXT_MAX / 8]; /* of probe.text */
#if OLDER_KERNEL
	u64 context[12]; /* of a loop */
#endif
};

/* One for each CPU, then SPARE_BUILDERS for programs that were preempted while they held their CPU's. */
#define SPARE_BUILDERS 8
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct builder);
} tracee_builders SEC(".maps");

static __always_inline void lost(u16 event)
{
	struct cpu_counters *cpu = this_cpu();
	if (!cpu)
		return;
	if (event >= MAX_EVENTS) {
		__sync_fetch_and_add(&cpu->control_lost, 1);
		return;
	}
	struct loss *loss = &cpu->losses[event];
	u64 time = now();
	if (loss->count == loss->reported)
		loss->first = time;
	loss->last = time;
	__sync_fetch_and_add(&loss->count, 1);
	__sync_fetch_and_add(&cpu->lost, 1);
}

static __always_inline void *this_ring(void)
{
	u32 rings = config.rings;
	u32 index = rings ? bpf_get_smp_processor_id() % rings : 0;
	return bpf_map_lookup_elem(&tracee_rings, &index);
}

/* Waking the reader costs more than an event, so only a reader that would come too late is woken. */
static __always_inline u64 wake_flags(void *ring)
{
	u32 state = *(volatile u32 *)&config.reader_state;
	if (state == READER_AWAKE)
		return BPF_RB_NO_WAKEUP;
	if (state == READER_NAP && bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) < config.wake_bytes)
		return BPF_RB_NO_WAKEUP;
	*(volatile u32 *)&config.reader_state = READER_AWAKE;
	return BPF_RB_FORCE_WAKEUP;
}

/* Of control records none may be missing, but nobody waits for them: a reader is woken long before their ring is full.
 */
static __always_inline u64 control_wake_flags(void)
{
	if (*(volatile u32 *)&config.reader_state == READER_AWAKE ||
	    bpf_ringbuf_query(&tracee_control, BPF_RB_AVAIL_DATA) < CONTROL_BYTES / 8)
		return BPF_RB_NO_WAKEUP;
	*(volatile u32 *)&config.reader_state = READER_AWAKE;
	return BPF_RB_FORCE_WAKEUP;
}

static __always_inline void count_sent(void)
{
	struct cpu_counters *cpu = this_cpu();
	if (cpu)
		cpu->sent++;
}

/* The head of a record about the current task, wanted by `slots` of a bank's plan. */
GLOBAL_WITH_MEMORY int fill_record(struct record *record, u32 event, u64 slots, u32 bank)
{
	if (!record)
		return 0;
	record->time = now();
	record->slots = slots;
	record->event = event;
	record->cpu = bpf_get_smp_processor_id();
	record->flags = bank ? RECORD_BANK : 0;
	fill_task(&record->task, current_task());
	return 0;
}

static __always_inline struct builder *builder_at(u32 slot)
{
	return bpf_map_lookup_elem(&tracee_builders, &slot);
}

/* Takes a builder; its slot, or -1 where none is free. */
static __always_inline s32 builder_take(void)
{
	u32 slot = bpf_get_smp_processor_id() + SPARE_BUILDERS;
	struct builder *builder = builder_at(slot);
	if (builder && !take_lock(&builder->busy)) {
		slot = slot % SPARE_BUILDERS;
		builder = builder_at(slot);
		if (builder && !take_lock(&builder->busy))
			return -1;
	}
	if (!builder)
		return -1;
	builder->used = 0;
	return slot;
}

static __always_inline void builder_release(u32 slot)
{
	struct builder *builder = builder_at(slot);
	if (builder)
		release_lock(&builder->busy);
}

/*
 * Sends what the builder holds, to the control ring or to this CPU's, and releases it. The reader is woken for cgroups:
 * a container may be over before it looks again by itself.
 */
static __always_inline int builder_output(u32 slot, u32 control)
{
	struct builder *builder = builder_at(slot);
	if (!builder)
		return 0;
	u16 event = builder->record.event;
	u32 size = sizeof(struct record) + builder->used;
	if (size > sizeof(struct record) + DATA_MAX)
		size = sizeof(struct record) + DATA_MAX;
	long failed = -1;
	if (control) {
		u64 wake = event == CONTROL_CGROUP_MADE ? BPF_RB_FORCE_WAKEUP : control_wake_flags();
		failed = bpf_ringbuf_output(&tracee_control, &builder->record, size, wake);
	} else {
		void *ring = this_ring();
		if (ring)
			failed = bpf_ringbuf_output(ring, &builder->record, size, wake_flags(ring));
	}
	builder_release(slot);
	if (failed)
		lost(event);
	else if (!control)
		count_sent();
	return 0;
}

static __always_inline void begin_control(struct record *record, u16 kind)
{
	__builtin_memset(record, 0, sizeof(*record));
	record->time = now();
	record->event = kind;
	record->cpu = bpf_get_smp_processor_id();
}

/* A record without chunks, or NULL with the loss counted. */
static __always_inline struct record *reserve_control(u16 kind)
{
	struct record *record = bpf_ringbuf_reserve(&tracee_control, sizeof(*record), 0);
	if (record)
		begin_control(record, kind);
	else
		lost(kind);
	return record;
}

/* Writes a chunk's header over the four bytes kept for it at `at`. */
static __always_inline void chunk_header(struct builder *builder, u32 at, u32 length, u32 flags)
{
	u32 header = (length & 0xffffff) | flags << 24;
	if (at <= DATA_MAX - sizeof(header))
		__builtin_memcpy(&builder->data[at], &header, sizeof(header));
}

/* Room for a chunk that may run into the slack: the offset of its bytes, or 0 where the record is full. */
static __always_inline u32 chunk_open(struct builder *builder)
{
	u32 at = builder->used;
	if (at > DATA_MAX - 64)
		return 0;
	return at + 4;
}

static __always_inline void chunk_close(struct builder *builder, u32 start, u32 length, u32 flags)
{
	chunk_header(builder, start - 4, length, flags);
	builder->used = start + length;
}

/* A chunk without bytes: null, unreadable. */
static __always_inline void chunk_empty(struct builder *builder, u32 flags)
{
	u32 start = chunk_open(builder);
	if (start)
		chunk_close(builder, start, 0, flags);
}

__noinline int append_number(u32 slot, u64 value)
{
	struct builder *builder = builder_at(slot);
	if (!builder)
		return 0;
	u32 start = chunk_open(builder);
	if (!start || start > DATA_MAX - 8)
		return 0;
	__builtin_memcpy(&builder->data[start], &value, 8);
	chunk_close(builder, start, 8, 0);
	return 0;
}

/* A string of user memory, or of the kernel's. */
__noinline int append_string(u32 slot, u64 address, u32 in_kernel)
{
	struct builder *builder = builder_at(slot);
	if (!builder)
		return 0;
	if (!address) {
		chunk_empty(builder, CHUNK_NULL);
		return 0;
	}
	u32 start = chunk_open(builder);
	if (!start || start > DATA_MAX)
		return 0;
	void *to = &builder->data[start];
	long n = in_kernel ? bpf_probe_read_kernel_str(to, STRING_MAX, (void *)address)
			   : bpf_probe_read_user_str(to, STRING_MAX, (void *)address);
	if (n < 0)
		chunk_close(builder, start, 0, CHUNK_FAULT);
	else
		chunk_close(builder, start, n > 0 ? n - 1 : 0, n == STRING_MAX ? CHUNK_CUT : 0);
	return 0;
}

/* `length` bytes of kernel memory: a short text without a NUL. */
__noinline int append_kernel_bytes(u32 slot, u64 address, u32 length)
{
	struct builder *builder = builder_at(slot);
	u32 start = builder ? chunk_open(builder) : 0;
	if (!start || start > DATA_MAX)
		return 0;
	if (length > PATH_MAX)
		length = PATH_MAX;
	if (length && bpf_probe_read_kernel(&builder->data[start], length, (void *)address))
		chunk_close(builder, start, 0, CHUNK_FAULT);
	else
		chunk_close(builder, start, length, 0);
	return 0;
}

/* `length` bytes of user memory, at most `limit` of them. */
__noinline int append_bytes(u32 slot, u64 address, u64 length, u32 limit)
{
	struct builder *builder = builder_at(slot);
	if (!builder)
		return 0;
	if (!address) {
		chunk_empty(builder, CHUNK_NULL);
		return 0;
	}
	u32 start = chunk_open(builder);
	if (!start || start > DATA_MAX)
		return 0;
	if (limit > LIST_MAX)
		limit = LIST_MAX;
	u32 flags = 0;
	if (length > limit) {
		length = limit;
		flags = CHUNK_CUT;
	}
	u32 size = length;
	FORGOTTEN(size);
	if (size > LIST_MAX)
		return 0;
	if (size && bpf_probe_read_user(&builder->data[start], size, (void *)address))
		chunk_close(builder, start, 0, CHUNK_FAULT);
	else
		chunk_close(builder, start, size, flags);
	return 0;
}

#define KERNEL_LIST 0 /* as a width: pointers and strings are the kernel's */

struct list_walk {
	u64 next;  /* address of the next pointer */
	u32 width; /* of a pointer */
	u32 slot;
	u32 start;
	u32 length;
	u32 flags;
	u32 ended;
};

static __always_inline long list_step(u64 index, struct list_walk *walk)
{
	struct builder *builder = builder_at(walk->slot);
	if (!builder)
		return 1;
	u64 address = 0;
	bool in_kernel = walk->width == KERNEL_LIST;
	long failed = in_kernel          ? bpf_probe_read_kernel(&address, 8, (void *)walk->next)
		      : walk->width == 4 ? bpf_probe_read_user(&address, 4, (void *)walk->next)
					 : bpf_probe_read_user(&address, 8, (void *)walk->next);
	if (failed)
		walk->flags |= CHUNK_FAULT;
	if (failed || !address) {
		walk->ended = 1;
		return 1;
	}
	u32 length = walk->length;
	u64 at = (u64)walk->start + length;
	if (length >= LIST_MAX || at > DATA_MAX) {
		walk->flags |= CHUNK_CUT;
		walk->ended = 1;
		return 1;
	}
	u32 room = LIST_MAX - length;
	long n = in_kernel ? bpf_probe_read_kernel_str(&builder->data[at], room, (void *)address)
			   : bpf_probe_read_user_str(&builder->data[at], room, (void *)address);
	if (n < 0) {
		walk->flags |= CHUNK_FAULT;
		walk->ended = 1;
		return 1;
	}
	if (n == 0)
		n = 1; /* the end of an empty string, which some kernels copy but do not count */
	if (n == room)
		walk->flags |= CHUNK_CUT;
	walk->length = length + n;
	walk->next += walk->width ?: 8;
	return 0;
}

LONG_STEP(list_step, struct list_walk)

/* A NULL-terminated array of strings, in user memory unless KERNEL_LIST: each with its NUL, one after the other. */
__noinline int append_list(u32 slot, u64 address, u32 width)
{
	struct builder *builder = builder_at(slot);
	if (!builder)
		return 0;
	if (!address) {
		chunk_empty(builder, CHUNK_NULL);
		return 0;
	}
	u32 start = chunk_open(builder);
	if (!start)
		return 0;
	struct list_walk walk = {.next = address, .width = width, .slot = slot, .start = start};
	repeat_long(slot, LIST_MAX, list_step, &walk);
	if (!walk.ended)
		walk.flags |= CHUNK_CUT;
	chunk_close(builder, start, walk.length, walk.flags);
	return 0;
}
