/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One body, several ways to reach it. Which programs are loaded is decided by user space (crates/kernel/src/ways.rs),
 * from the ways that the catalogue gives for an event; a program's name follows from its hook, see `program` in
 * crates/catalogue/src/lib.rs.
 *
 * Arguments come as plain numbers by every way, so a body is verified the same by each: it reads with BPF_CORE_READ and
 * may pass pointers on to global functions.
 */
#pragma once

#include "maps.h"
#include <bpf/bpf_tracing.h>

/* Registers are integers, and bodies declare pointers. */
#define REACH(body, args...)                                                                                  \
	_Pragma("clang diagnostic push") _Pragma("clang diagnostic ignored \"-Wint-conversion\"") body(args); \
	_Pragma("clang diagnostic pop")

/* Begins a program of a trampoline (fentry, fexit, lsm): its arguments in ctx. */
#define TAKE_CONTEXT(count)   \
	u64 ctx[(count) + 1]; \
	bpf_probe_read_kernel(ctx, sizeof(ctx), context)

#define TRAMPOLINE_PROGRAM(section, name, body, args...) \
	SEC(section)                                     \
	int name(u64 *context)                           \
	{                                                \
		TAKE_CONTEXT(___bpf_narg(args));         \
		REACH(body, ___bpf_ctx_cast(args))       \
		return 0;                                \
	}

#define KPROBE_PROGRAM(section, name, body, args...)  \
	SEC(section)                                  \
	int name(struct pt_regs *ctx)                 \
	{                                             \
		REACH(body, ___bpf_kprobe_args(args)) \
		return 0;                             \
	}

/* AT_FUNCTION(function, arguments...) { body }: at its entry, by fentry:function or kprobe:function. */
#define AT_FUNCTION(function, args...)                                                           \
	static __always_inline int at_##function(void *ctx, ##args);                             \
	TRAMPOLINE_PROGRAM("fentry/" #function, tracee_##function##_fentry, at_##function, args) \
	KPROBE_PROGRAM("kprobe/" #function, tracee_##function##_kprobe, at_##function, args)     \
	static __always_inline int at_##function(void *ctx, ##args)

/*
 * AT_SECURITY(hook, arguments...) { body }: where the kernel asks its security modules, by fentry:security_hook,
 * lsm:hook or kprobe:security_hook.
 */
#define AT_SECURITY(hook, args...)                                                      \
	static __always_inline int at_security_##hook(void *ctx, ##args);               \
	TRAMPOLINE_PROGRAM("lsm/" #hook, tracee_##hook##_lsm, at_security_##hook, args) \
	AT_FUNCTION(security_##hook, args)

/* AT_TRACEPOINT(name, arguments...) { body }: by tp_btf:name. */
#define AT_TRACEPOINT(name, args...)                                        \
	static __always_inline int on_##name(void *ctx, ##args);            \
	TRAMPOLINE_PROGRAM("tp_btf/" #name, tracee_##name, on_##name, args) \
	static __always_inline int on_##name(void *ctx, ##args)

/* For functions whose arguments moved: where nothing else tells. */
extern int LINUX_KERNEL_VERSION __kconfig;
#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + ((c) > 255 ? 255 : (c)))

/* Arguments of kernel functions that tasks are in, for kretprobes, which do not see them. */
struct function_call {
	u64 task, number;
};
struct function_arguments {
	u64 ctx[9]; /* the first six come in registers; the others are not known */
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct function_call);
	__type(value, struct function_arguments);
} tracee_functions SEC(".maps");

static __always_inline int keep_arguments(struct pt_regs *regs, u64 number)
{
	struct function_call call = {.task = bpf_get_current_pid_tgid(), .number = number};
	struct function_arguments arguments = {{PT_REGS_PARM1(regs), PT_REGS_PARM2(regs), PT_REGS_PARM3(regs),
						PT_REGS_PARM4(regs), PT_REGS_PARM5(regs), PT_REGS_PARM6(regs)}};
	return bpf_map_update_elem(&tracee_functions, &call, &arguments, BPF_ANY);
}

/* What the function returned, in a program of fexit; before 5.17 it is read from behind the arguments. */
static __always_inline u64 returned(u64 *context, u32 arguments)
{
	u64 value = 0;
	if (OLDER_KERNEL)
		bpf_probe_read_kernel(&value, sizeof(value), context + arguments);
	else
		bpf_get_func_ret(context, &value);
	return value;
}

/*
 * ON_RETURN(function, arguments...) { body }: where it returns `result`, by fexit:function or by
 * kprobe:function + kretprobe:function. The arguments must be all that the function has, on kernels before 5.17 at
 * least. Excludes AT_FUNCTION of the same function.
 */
#define ON_RETURN(function, args...)                                                                            \
	enum { CALL_OF_##function = __COUNTER__ };                                                              \
	static __always_inline int on_return_##function(void *ctx, ##args, s64 result);                         \
	SEC("fexit/" #function)                                                                                 \
	int tracee_##function##_fexit(u64 *context)                                                             \
	{                                                                                                       \
		TAKE_CONTEXT(___bpf_narg(args));                                                                \
		REACH(on_return_##function, ___bpf_ctx_cast(args), returned(context, ___bpf_narg(args)))        \
		return 0;                                                                                       \
	}                                                                                                       \
	SEC("kprobe/" #function)                                                                                \
	int tracee_##function##_kprobe(struct pt_regs *ctx)                                                     \
	{                                                                                                       \
		return keep_arguments(ctx, CALL_OF_##function);                                                 \
	}                                                                                                       \
	SEC("kretprobe/" #function)                                                                             \
	int tracee_##function##_kretprobe(struct pt_regs *regs)                                                 \
	{                                                                                                       \
		struct function_call call = {.task = bpf_get_current_pid_tgid(), .number = CALL_OF_##function}; \
		struct function_arguments *kept = bpf_map_lookup_elem(&tracee_functions, &call);                \
		if (!kept)                                                                                      \
			return 0;                                                                               \
		u64 ctx[9];                                                                                     \
		__builtin_memcpy(ctx, kept, sizeof(ctx));                                                       \
		bpf_map_delete_elem(&tracee_functions, &call);                                                  \
		REACH(on_return_##function, ___bpf_ctx_cast(args), PT_REGS_RC(regs))                            \
		return 0;                                                                                       \
	}                                                                                                       \
	static __always_inline int on_return_##function(void *ctx, ##args, s64 result)

/*
 * AFTER_CALLS(group) { body }, BEFORE_CALLS(group): what is done at the end and at the beginning of the system calls of
 * a group of catalogue/groups.yaml, by sys_exit:group and sys_enter:group. groups.bpf.c calls them.
 */
#define AFTER_CALLS(group)                                                                \
	static __always_inline int after_calls_##group(struct pt_regs *regs, s64 result); \
	__noinline int after_##group(s64 result)                                          \
	{                                                                                 \
		return after_calls_##group(current_registers(), result);                  \
	}                                                                                 \
	static __always_inline int after_calls_##group(struct pt_regs *regs, s64 result)

#define BEFORE_CALLS(group)                                                    \
	static __always_inline int before_calls_##group(struct pt_regs *regs); \
	__noinline int before_##group(void)                                    \
	{                                                                      \
		return before_calls_##group(current_registers());              \
	}                                                                      \
	static __always_inline int before_calls_##group(struct pt_regs *regs)
