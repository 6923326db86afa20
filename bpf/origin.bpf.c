/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where system calls come from: the area of memory that the code lies in, and the one that the stack lies in. */

#include "include/area.h"
#include "include/event.h"
#include "include/hook.h"

/* ---- stacks ---- */

#define GO_STACK_MAX (1ULL << 30)

/*
 * A thread's own stack is memory like any other. A new thread begins on it, so it is the area that the stack pointer
 * lies in at the first system call that is seen of the thread. A program that begins is on the main stack, and has no
 * other: what its thread had is forgotten.
 */
struct stack_note {
	u64 born, exec_id; /* of the thread that this is about */
	u64 start, end;
	u64 signal_start, signal_end; /* a signal stack that the kernel disarms while it is used */
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, u32);
	__type(value, struct stack_note);
} tracee_stacks SEC(".maps");

#define SS_AUTODISARM 0x80000000
#define VM_GROWSDOWN 0x100

/* Where mprotect has split the main stack, its parts still grow downwards; nothing is mapped near it unless told to. */
#define STACK_GAP (128 << 20)

static __always_inline bool is_main_stack(struct task_struct *task, struct area *area)
{
	u64 start = BPF_CORE_READ(task, mm, start_stack);
	if (area->start <= start && start < area->end)
		return true;
	return area->flags & VM_GROWSDOWN && area->start < start && start - area->start < STACK_GAP;
}

/* The note of the current thread, made where there is none. */
static __noinline struct stack_note *note_of(u64 stack_pointer)
{
	struct task_struct *task = current_task();
	u32 thread = bpf_get_current_pid_tgid();
	u64 born = READ(task, start_boottime), exec_id = READ(task, self_exec_id);
	struct stack_note *note = bpf_map_lookup_elem(&tracee_stacks, &thread);
	if (note && note->born == born && note->exec_id == exec_id)
		return note;
	struct stack_note fresh = {.born = born, .exec_id = exec_id};
	struct area area = {};
	bool began = note && note->born == born;
	/* where another thread is changing the process's memory at this moment, the next call tells */
	if (!began && !area_at(stack_pointer, &area))
		return NULL;
	if (!began && !is_main_stack((void *)bpf_get_current_task(), &area)) {
		fresh.start = area.start;
		fresh.end = area.end;
	}
	bpf_map_update_elem(&tracee_stacks, &thread, &fresh, BPF_ANY);
	return bpf_map_lookup_elem(&tracee_stacks, &thread);
}

static __always_inline bool within(u64 address, u64 start, u64 end)
{
	return start <= address && address < end;
}

static __noinline bool on_signal_stack(struct stack_note *note, u64 stack_pointer)
{
	struct task_struct *task = current_task();
	u64 start = READ(task, sas_ss_sp), size = READ(task, sas_ss_size);
	if (size && READ(task, sas_ss_flags) & SS_AUTODISARM) {
		note->signal_start = start;
		note->signal_end = start + size;
	}
	/* a full stack grows down from its end, where it is empty */
	return (size && stack_pointer - start <= size) ||
	       within(stack_pointer, note->signal_start, note->signal_end + 1);
}

/*
 * Go's routines have their stacks in its heap, which is memory like any other. Go keeps where the current routine's
 * stack lies at the beginning of the routine's own structure, and that in a place of the thread's own.
 */
static __noinline bool on_go_stack(struct pt_regs *regs, u64 address)
{
	u64 bounds[2] = {};
	if (bpf_probe_read_user(bounds, sizeof(bounds), (void *)go_routine(regs)))
		return false;
	u64 size = bounds[1] - bounds[0];
	return size <= GO_STACK_MAX && within(address, bounds[0], bounds[1] + 1);
}

static __always_inline bool is_heap(struct task_struct *task, struct area *area)
{
	return area->start < BPF_CORE_READ(task, mm, brk) && area->end > BPF_CORE_READ(task, mm, start_brk);
}

/* ---- events ---- */

/* What has been told: once for each call, area and program. */
struct told {
	u64 born, exec_id, area;
	u32 process;
	u16 call, event;
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, struct told);
	__type(value, u8);
} tracee_origins SEC(".maps");

static __noinline bool is_first(u16 event, u16 call, u64 area)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct told told = {.born = BPF_CORE_READ(task, group_leader, start_boottime),
			    .exec_id = BPF_CORE_READ(task, self_exec_id),
			    .area = area,
			    .process = bpf_get_current_pid_tgid() >> 32,
			    .call = call,
			    .event = event};
	u8 once = 1;
	return bpf_map_update_elem(&tracee_origins, &told, &once, BPF_NOEXIST) == 0;
}

enum area_kind { HEAP, MAIN_STACK, THREAD_STACK, ANONYMOUS, FILE_BACKED, SPECIAL, AREA_KINDS = 8 };
static const char area_names[AREA_KINDS][TASK_COMM_LEN] = {
	[HEAP] = "heap",           [MAIN_STACK] = "main stack", [THREAD_STACK] = "thread stack",
	[ANONYMOUS] = "anonymous", [FILE_BACKED] = "file",      [SPECIAL] = "special",
};

/* What an area is, to the current thread. */
static __noinline u32 area_kind(struct area *area, u64 address, struct stack_note *note)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	if (is_main_stack(task, area))
		return MAIN_STACK;
	if (area->file)
		return FILE_BACKED;
	if (area->special)
		return SPECIAL;
	if (is_heap(task, area))
		return HEAP;
	if (note && within(address, note->start, note->end))
		return THREAD_STACK;
	return ANONYMOUS;
}

static __noinline int origin_event(u16 event, u64 address, struct area *area, struct stack_note *note)
{
	struct pt_regs *regs = current_registers();
	const struct syscall *call = syscall_by_number(syscall_number(regs), is_compat(current_task()));
	if (!call || call->event >= MAX_EVENTS)
		return 0;
	struct wanted wanted = wanted_of_current(event);
	if (!wanted.slots || !is_first(event, call->event, area->start))
		return 0;
	s32 slot = open_record(event, wanted.slots, wanted.bank);
	if (slot < 0)
		return 0;
	append_number(slot, call->event);
	append_number(slot, address);
	append_kept(slot, area_names[area_kind(area, address, note) % AREA_KINDS], TASK_COMM_LEN);
	append_number(slot, area->start);
	append_number(slot, area->end - area->start);
	append_number(slot, area->flags);
	return builder_send(slot);
}

SEC("tp_btf/sys_enter")
int BPF_PROG(tracee_source_every_enter, struct pt_regs *regs, long number)
{
	regs = current_registers();
	u64 address = instruction_pointer(regs);
	struct area area = {};
	if (!is_watched(EVENT_suspicious_syscall_source))
		return 0;
	/* the thread's stack is noted early on, while it is on it */
	struct stack_note *note = note_of(stack_pointer(regs));
	if (!area_at(address, &area) || area.file || area.special)
		return 0;
	return origin_event(EVENT_suspicious_syscall_source, address, &area, note);
}

SEC("tp_btf/sys_enter")
int BPF_PROG(tracee_stack_every_enter, struct pt_regs *regs, long number)
{
	regs = current_registers();
	u64 address = stack_pointer(regs);
	struct area area = {};
	if (!is_watched(EVENT_stack_pivot))
		return 0;
	struct stack_note *note = note_of(address);
	if (!note || within(address, note->start, note->end + 1) || on_signal_stack(note, address))
		return 0;
	if (!area_at(address, &area) || is_main_stack((void *)bpf_get_current_task(), &area))
		return 0;
	if (!area.file && !area.special && on_go_stack(regs, address))
		return 0;
	return origin_event(EVENT_stack_pivot, address, &area, note);
}
