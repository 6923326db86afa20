/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What kernels before 5.17 lack, and what stands in its place. The object is built twice, with OLDER_KERNEL 0 and 1;
 * crates/kernel/src/session.rs takes the one that fits. So the newer kernels pay nothing for the older ones, and code
 * elsewhere seldom needs to know of them: it reads the current task with READ, keeps things by task with TASK_MAP and
 * task_value, and loops with repeat.
 */
#pragma once

#include "record.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#ifndef OLDER_KERNEL
#define OLDER_KERNEL 0
#endif

/*
 * Before 6.8 the verifier forgets what it knew of a number of 32 bits that was put aside on the stack, or copied before
 * it was tested. So it is tested again where it is used, and the compiler must not see that this is not needed.
 */
#define FORGOTTEN(number) barrier_var(number)

#if OLDER_KERNEL

/* Memory is passed to global functions from 5.13 on. A static function is verified at each of its calls. */
#define GLOBAL_WITH_MEMORY static __noinline

/* Tracing programs follow pointers themselves only from the arguments of their hook: the current task is none of them.
 */
#define READ BPF_CORE_READ
#define READ_FILE BPF_CORE_READ
#define READ_BYTES(to, from) bpf_probe_read_kernel(to, sizeof(to), from)

static __always_inline struct task_struct *current_task(void)
{
	return (void *)bpf_get_current_task();
}

static __always_inline u64 stack_size(struct task_struct *task)
{
	u64 size = 16384;
#if defined(__TARGET_ARCH_arm64)
	/* pages of 64 KiB: a stack of one, and a guard */
	if (BPF_CORE_READ(task, stack_vm_area, size) > 65536)
		size = 65536;
#endif
	return bpf_core_field_exists(task->kasan_depth) ? 2 * size : size;
}

/* bpf_task_pt_regs (5.15): they stand at the end of the task's kernel stack. */
static __always_inline struct pt_regs *current_registers(void)
{
	struct task_struct *task = current_task();
	return BPF_CORE_READ(task, stack) + stack_size(task) - bpf_core_type_size(struct pt_regs);
}

/* bpf_loop (5.17): here the verifier goes through each turn, so there can be fewer, and steps have to be short. */
#define OLDER_TURNS 128
#define repeat(limit, step, context)                                                  \
	do {                                                                          \
		for (u32 turn = 0; turn < OLDER_TURNS && turn < (u32)(limit); turn++) \
			if (step(turn, context))                                      \
				break;                                                \
	} while (0)

/*
 * A step that is not short is a global function, which is verified once. Such functions take numbers only, so it finds
 * its context in the builder.
 */
#define OLDER_LONG_TURNS 512
#define LONG_STEP(step, what)                                           \
	__noinline int step##_turn(u32 slot)                            \
	{                                                               \
		struct builder *builder = builder_at(slot);             \
		return builder ? step(0, (what *)builder->context) : 1; \
	}
#define repeat_long(slot, limit, step, from)                                                  \
	do {                                                                                  \
		struct builder *holder = builder_at(slot);                                    \
		if (!holder)                                                                  \
			break;                                                                \
		_Static_assert(sizeof(*(from)) <= sizeof(holder->context), "struct builder"); \
		__builtin_memcpy(holder->context, from, sizeof(*(from)));                     \
		for (u32 turn = 0; turn < OLDER_LONG_TURNS && turn < (u32)(limit); turn++)    \
			if (step##_turn(slot))                                                \
				break;                                                        \
		__builtin_memcpy(from, holder->context, sizeof(*(from)));                     \
	} while (0)

/*
 * bpf_find_vma (5.17): down the tree of areas, unlocked. What another thread changes meanwhile may hide the area, or
 * show the one before.
 */
#define AREA_TREE_DEPTH 40 /* of a balanced tree with 2^20 areas */
#define find_area(address, step, context)                                  \
	({                                                                 \
		struct vm_area_struct *area_found = area_in_tree(address); \
		if (area_found)                                            \
			step(current_task(), area_found, context);         \
		area_found != NULL;                                        \
	})

static __noinline struct vm_area_struct *area_in_tree(u64 address)
{
	struct mm_struct___v6_0 *mm = (void *)BPF_CORE_READ(current_task(), mm);
	u64 node = mm ? (u64)BPF_CORE_READ(mm, mm_rb.rb_node) : 0;
	for (u32 i = 0; i < AREA_TREE_DEPTH && node; i++) {
		struct vm_area_struct___v6_0 *area =
			(void *)(node - bpf_core_field_offset(struct vm_area_struct___v6_0, vm_rb));
		if (address < BPF_CORE_READ(area, vm_start))
			node = (u64)BPF_CORE_READ(area, vm_rb.rb_left);
		else if (address >= BPF_CORE_READ(area, vm_end))
			node = (u64)BPF_CORE_READ(area, vm_rb.rb_right);
		else
			return (void *)area;
	}
	return NULL;
}

/* What a task's value is at first. */
static const u64 zeroes[64];

/* Task storage (5.12 for us): a hash map by the task's address; tracee_forget removes what was of a task that is gone.
 */
#define TASK_MAP(name, what)                                      \
	_Static_assert(sizeof(what) <= sizeof(zeroes), "zeroes"); \
	struct {                                                  \
		__uint(type, BPF_MAP_TYPE_HASH);                  \
		__uint(max_entries, 32768);                       \
		__type(key, u64);                                 \
		__type(value, what);                              \
	} name SEC(".maps")

static __always_inline void *value_by_task(void *map, struct task_struct *task)
{
	u64 key = (u64)task;
	void *value = bpf_map_lookup_elem(map, &key);
	if (value)
		return value;
	/* it may be forgotten already, while it still runs its last steps */
	if (BPF_CORE_READ(task, exit_state))
		return NULL;
	bpf_map_update_elem(map, &key, zeroes, BPF_NOEXIST);
	return bpf_map_lookup_elem(map, &key);
}
#define task_value(map, task) value_by_task(map, task)
#define current_value(map) value_by_task(map, current_task())

/*
 * Atomic exchange (5.12): counted by those who want it, and had by the one who finds himself alone. It may be that two
 * give up before each other, never that both have it.
 */
static __always_inline bool take_lock(u32 *lock)
{
	__sync_fetch_and_add(lock, 1);
	if (*(volatile u32 *)lock == 1)
		return true;
	__sync_fetch_and_add(lock, -1);
	return false;
}

static __always_inline void release_lock(u32 *lock)
{
	__sync_fetch_and_add(lock, -1);
}

/* Preallocated: programs of kprobes may use no others without a complaint in the kernel's log (to 6.0). */
#define HASH_FLAGS 0

#else

#define GLOBAL_WITH_MEMORY __noinline
#define READ(from, path...) ___arrow(from, path)
#define READ_BYTES(to, from) __builtin_memcpy(to, from, sizeof(to))

extern void *bpf_rdonly_cast(const void *object, u32 type) __ksym __weak;

/*
 * The ids of struct task_struct and of struct file, set before loading: libbpf is shown a part of the kernel's types,
 * in which ids differ. Alone in its section, for crates/kernel/src/object.rs.
 */
const volatile struct {
	u32 task, file;
} types SEC(".rodata.types");

/*
 * The current task, to read from. At each pointer followed from a trusted one the verifier searches all of the kernel's
 * types by name (to 6.18), which adds up to a fifth of our start; from an untrusted one (6.2) it does not. What a
 * helper takes must be trusted: bpf_get_current_task_btf().
 */
static __always_inline struct task_struct *current_task(void)
{
	if (bpf_ksym_exists(bpf_rdonly_cast))
		return bpf_rdonly_cast(bpf_get_current_task_btf(), types.task);
	return bpf_get_current_task_btf();
}

/* As BPF_CORE_READ of a file, without a call for each pointer that is followed where the verifier knows how (6.2). */
#define READ_FILE(file, path...)                                                                           \
	(bpf_ksym_exists(bpf_rdonly_cast) ? READ(((struct file *)bpf_rdonly_cast(file, types.file)), path) \
					  : BPF_CORE_READ(file, path))

/* The registers with which the current task entered the kernel. */
static __always_inline struct pt_regs *current_registers(void)
{
	return (struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
}

/* Calls step up to `limit` times, until it returns 1; whoever needs all turns done must see that they were. */
#define repeat(limit, step, context) bpf_loop(limit, step, context, 0)
/* The same for a step that does more, announced by LONG_STEP. */
#define repeat_long(slot, limit, step, context) bpf_loop(limit, step, context, 0)
#define LONG_STEP(step, what)

/* Calls step for the area of the current task's memory at an address; false where there is none, or it is in use. */
#define find_area(address, step, context) (bpf_find_vma(bpf_get_current_task_btf(), address, step, context, 0) == 0)

#define TASK_MAP(name, what)                             \
	struct {                                         \
		__uint(type, BPF_MAP_TYPE_TASK_STORAGE); \
		__uint(map_flags, BPF_F_NO_PREALLOC);    \
		__type(key, int);                        \
		__type(value, what);                     \
	} name SEC(".maps")
#define task_value(map, task) bpf_task_storage_get(map, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE)
#define current_value(map) task_value(map, bpf_get_current_task_btf())

static __always_inline bool take_lock(u32 *lock)
{
	return !__sync_lock_test_and_set(lock, 1);
}

static __always_inline void release_lock(u32 *lock)
{
	__sync_lock_test_and_set(lock, 0);
}

#define HASH_FLAGS BPF_F_NO_PREALLOC

#endif
