/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What tasks do to themselves and to each other: names, signals, limits, clocks, turns on a CPU. */

#include "include/event.h"
#include "include/hook.h"

AT_TRACEPOINT(task_rename, struct task_struct *task, const char *name)
{
	s32 slot = begin_event(EVENT_task_rename);
	if (slot < 0)
		return 0;
	append_string(slot, (u64)__builtin_preserve_access_index(&task->comm), 1);
	append_string(slot, (u64)name, 1);
	return builder_send(slot);
}

AT_TRACEPOINT(sched_switch, u64 preempted, struct task_struct *previous, struct task_struct *next)
{
	s32 slot = begin_event(EVENT_sched_switch);
	if (slot < 0)
		return 0;
	append_number(slot, bpf_get_smp_processor_id());
	append_number(slot, BPF_CORE_READ(previous, pid));
	append_string(slot, (u64)__builtin_preserve_access_index(&previous->comm), 1);
	append_number(slot, BPF_CORE_READ(next, pid));
	append_string(slot, (u64)__builtin_preserve_access_index(&next->comm), 1);
	return builder_send(slot);
}

static __noinline int leaving_event(s64 code)
{
	s32 slot = begin_event(EVENT_do_exit);
	if (slot < 0)
		return 0;
	set_result(slot, code);
	return builder_send(slot);
}

AT_FUNCTION(do_exit, s64 code)
{
	return leaving_event(code);
}

/* ---- any system call ---- */

static __noinline int any_call_event(u16 event, struct pt_regs *regs)
{
	const struct syscall *call = syscall_by_number(syscall_number(regs), is_compat(current_task()));
	s32 slot = call && call->event < MAX_EVENTS ? begin_event(event) : -1;
	if (slot < 0)
		return 0;
	append_number(slot, call->event);
	return builder_send(slot);
}

SEC("tp_btf/sys_enter")
int BPF_PROG(tracee_any_every_enter, struct pt_regs *regs, long number)
{
	return any_call_event(EVENT_sys_enter, regs);
}

SEC("tp_btf/sys_exit")
int BPF_PROG(tracee_any_every_exit, struct pt_regs *regs, long result)
{
	return any_call_event(EVENT_sys_exit, regs);
}

/* ---- signals ---- */

struct action {
	u64 handler, flags, mask;
};

/* What is done: 0 the default, 1 nothing, 2 a handler is called. */
static __always_inline u32 handle_method(u64 handler)
{
	return handler < 2 ? handler : 2;
}

/* flags, mask, method, handler; unknown where there is no action */
static __noinline int append_action(u32 slot, struct action *action)
{
	append_number(slot, action ? 1 : 0);
	append_number(slot, action ? action->flags : 0);
	append_number(slot, action ? action->mask : 0);
	append_number(slot, action ? handle_method(action->handler) : 0);
	append_number(slot, action ? action->handler : 0);
	return 0;
}

static __noinline int sigaction_event(u32 number, struct action *new, u32 asks_old)
{
	s32 slot = begin_event(EVENT_do_sigaction);
	if (slot < 0)
		return 0;
	struct task_struct *task = (void *)bpf_get_current_task();
	struct sighand_struct *handlers = BPF_CORE_READ(task, sighand);
	struct action old = {};
	if (asks_old && number - 1 < 64) {
		struct k_sigaction *kept = (void *)handlers + bpf_core_field_offset(struct sighand_struct, action) +
					   (number - 1) * bpf_core_type_size(struct k_sigaction);
		old.handler = (u64)BPF_CORE_READ(kept, sa.sa_handler);
		old.flags = BPF_CORE_READ(kept, sa.sa_flags);
		old.mask = BPF_CORE_READ(kept, sa.sa_mask.sig[0]);
	}
	append_number(slot, number);
	append_action(slot, new);
	append_action(slot, asks_old ? &old : NULL);
	return builder_send(slot);
}

AT_FUNCTION(do_sigaction, int number, struct k_sigaction *action, struct k_sigaction *old)
{
	struct action new = {};
	if (action) {
		new.handler = (u64)BPF_CORE_READ(action, sa.sa_handler);
		new.flags = BPF_CORE_READ(action, sa.sa_flags);
		new.mask = BPF_CORE_READ(action, sa.sa_mask.sig[0]);
	}
	return sigaction_event(number, action ? &new : NULL, old != NULL);
}

/* A program's struct sigaction: its layout differs by ABI, and that of the oldest call again. */
static __noinline bool read_action(struct call *call, struct action *to)
{
	u64 wide[4] = {};
	u32 narrow[5] = {};
	if (call->event == EVENT_signal) {
		to->handler = call->args[1];
		return true;
	}
	if (!call->args[1])
		return false;
	if (!call->compat) {
		bpf_probe_read_user(wide, sizeof(wide), (void *)call->args[1]);
		to->handler = wide[0];
		to->flags = wide[1];
		to->mask = wide[3]; /* the restorer stands between */
		return true;
	}
	bpf_probe_read_user(narrow, sizeof(narrow), (void *)call->args[1]);
	bool is_old = call->event == EVENT_sigaction;
	to->handler = narrow[0];
	to->flags = is_old ? narrow[2] : narrow[1];
	to->mask = is_old ? narrow[1] : narrow[3] | (u64)narrow[4] << 32;
	return true;
}

BEFORE_CALLS(sigaction)
{
	struct call call = {};
	struct action action = {};
	if (!read_call(regs, &call))
		return 0;
	bool sets = read_action(&call, &action);
	return sigaction_event(call.args[0], sets ? &action : NULL, call.event == EVENT_signal || call.args[2]);
}

/* ---- limits and clocks ---- */

static __noinline int limit_event(u32 pid, u32 resource, u64 current_limit, u64 most)
{
	s32 slot = begin_event(EVENT_security_task_setrlimit);
	if (slot < 0)
		return 0;
	append_number(slot, pid);
	append_number(slot, resource);
	append_number(slot, current_limit);
	append_number(slot, most);
	return builder_send(slot);
}

AT_SECURITY(task_setrlimit, struct task_struct *task, u32 resource, struct rlimit *limit)
{
	return limit_event(BPF_CORE_READ(task, tgid), resource, BPF_CORE_READ(limit, rlim_cur),
			   BPF_CORE_READ(limit, rlim_max));
}

AFTER_CALLS(setrlimit)
{
	struct call call = {};
	if (result < 0 || !read_call(regs, &call))
		return 0;
	bool by_pid = call.event == EVENT_prlimit64;
	u64 limit[2] = {}, address = by_pid ? call.args[2] : call.args[1];
	u32 pid = by_pid ? call.args[0] : 0, narrow[2] = {};
	if (!address)
		return 0; /* prlimit that only asks */
	if (call.compat && !by_pid) {
		bpf_probe_read_user(narrow, sizeof(narrow), (void *)address);
		limit[0] = narrow[0] == ~0u ? ~0ULL : narrow[0];
		limit[1] = narrow[1] == ~0u ? ~0ULL : narrow[1];
	} else {
		bpf_probe_read_user(limit, sizeof(limit), (void *)address);
	}
	return limit_event(pid ?: bpf_get_current_pid_tgid() >> 32, by_pid ? call.args[1] : call.args[0], limit[0],
			   limit[1]);
}

struct clock_setting {
	s64 seconds, nanoseconds;
	s32 west, dst; /* of the time zone */
	u32 has_time, has_zone;
};

static __noinline int clock_event(struct clock_setting *setting)
{
	s32 slot = begin_event(EVENT_security_settime64);
	if (slot < 0)
		return 0;
	if (setting->has_time) {
		append_number(slot, setting->seconds);
		append_number(slot, setting->nanoseconds);
	} else {
		append_unknown(slot);
		append_unknown(slot);
	}
	if (setting->has_zone) {
		append_number(slot, (s64)setting->west);
		append_number(slot, (s64)setting->dst);
	} else {
		append_unknown(slot);
		append_unknown(slot);
	}
	return builder_send(slot);
}

AT_SECURITY(settime64, struct timespec64 *time, u64 zone)
{
	struct clock_setting setting = {.has_time = time != NULL, .has_zone = zone != 0};
	if (time) {
		setting.seconds = BPF_CORE_READ(time, tv_sec);
		setting.nanoseconds = BPF_CORE_READ(time, tv_nsec);
	}
	if (zone)
		bpf_probe_read_kernel(&setting.west, 8, (void *)zone);
	return clock_event(&setting);
}

/* Two numbers as wide as the program's own. */
static __noinline int read_time(u64 address, u32 narrow, struct clock_setting *to)
{
	s32 half[2] = {};
	if (narrow) {
		bpf_probe_read_user(half, sizeof(half), (void *)address);
		to->seconds = half[0];
		to->nanoseconds = half[1];
	} else {
		bpf_probe_read_user(&to->seconds, 16, (void *)address);
	}
	to->has_time = true;
	return 0;
}

AFTER_CALLS(settime)
{
	struct call call = {};
	struct clock_setting setting = {};
	if (result < 0 || !read_call(regs, &call))
		return 0;
	/* from 403 on 32-bit calls have wide times too */
	bool narrow = call.compat && syscall_number(regs) < 403;
	if (call.event == EVENT_stime) {
		bpf_probe_read_user(&setting.seconds, narrow ? 4 : 8, (void *)call.args[0]);
		setting.has_time = true;
	} else if (call.event == EVENT_clock_settime || call.event == EVENT_clock_settime32) {
		if (call.args[0] != CLOCK_REALTIME)
			return 0;
		read_time(call.args[1], narrow, &setting);
	} else {
		if (call.args[0])
			read_time(call.args[0], narrow, &setting);
		setting.nanoseconds *= 1000; /* settimeofday counts microseconds */
		setting.has_zone = call.args[1] != 0;
		if (call.args[1])
			bpf_probe_read_user(&setting.west, 8, (void *)call.args[1]);
	}
	return clock_event(&setting);
}
