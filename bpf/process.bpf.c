/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The life of tasks: fork, exec, exit, as events where a policy asks for them. What is told of them always is in
 * control.bpf.c. These are programs of their own, so that only what is asked for is loaded: the verifier's time is most
 * of our start.
 */

#include "include/environment.h"
#include "include/event.h"
#include "include/hook.h"

/* ---- fork ---- */

/* tid, tid in the namespace, pid, pid in the namespace, start time: as sched_process_fork lists them four times */
static __noinline int append_ids(u32 slot, struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	u32 level = pid ? BPF_CORE_READ(pid, level) : 0;
	append_number(slot, BPF_CORE_READ(task, pid));
	append_number(slot, pid_at_level(task, level, NULL));
	append_number(slot, BPF_CORE_READ(task, tgid));
	append_number(slot, pid_at_level(BPF_CORE_READ(task, group_leader), level, NULL));
	append_number(slot, BPF_CORE_READ(task, start_boottime));
	return 0;
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(tracee_sched_process_fork, struct task_struct *parent, struct task_struct *child)
{
	s32 slot = begin_event(EVENT_sched_process_fork);
	if (slot < 0)
		return 0;
	append_ids(slot, parent);
	append_ids(slot, child);
	append_ids(slot, BPF_CORE_READ(child, real_parent, group_leader));
	append_ids(slot, BPF_CORE_READ(child, group_leader));
	return builder_send(slot);
}

/* A child begins with what its parent hands on: loaded where a policy follows children or names a tree. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(tracee_inherit, struct task_struct *parent, struct task_struct *child)
{
	scope_of_current(config.bank);
	struct task_state *from = state_of(parent), *to = state_of(child);
	if (!from || !to)
		return 0;
	to->followed = from->followed;
	to->tree_yes = from->tree_yes;
	to->tree_no = from->tree_no;
	to->tree_generation = from->tree_generation;
	return 0;
}

/* ---- exec ---- */

/* A program's file is about to be executed, with what the caller asked for; unknown where the kernel itself does it. */
static __noinline int program_check_event(struct linux_binprm *bprm)
{
	struct call call = {};
	bool asked = read_call(current_registers(), &call) && call.group == GROUP_exec;
	s32 slot = begin_event(EVENT_security_bprm_check);
	if (slot < 0)
		return 0;
	struct file *file = BPF_CORE_READ(bprm, file);
	struct inode *inode = BPF_CORE_READ(file, f_inode);
	append_file_path(slot, file);
	append_number(slot, user_dev(BPF_CORE_READ(inode, i_sb, s_dev)));
	append_number(slot, BPF_CORE_READ(inode, i_ino));
	u32 first = call.event == EVENT_execveat ? 2 : 1, width = call.compat ? 4 : 8;
	append_list(slot, asked ? call.args[first] : 0, width);
	append_list(slot, asked ? call.args[first + 1] : 0, width);
	return builder_send(slot);
}

AT_FUNCTION(security_bprm_check, struct linux_binprm *bprm)
{
	return program_check_event(bprm);
}

TRAMPOLINE_PROGRAM("lsm/bprm_check_security", tracee_bprm_check_security_lsm, at_security_bprm_check,
		   struct linux_binprm *bprm)

struct arg_count {
	u64 next;
	u32 width;
	u32 count;
};

static long count_step(u64 index, struct arg_count *args)
{
	u64 address = 0;
	long failed = args->width == 4 ? bpf_probe_read_user(&address, 4, (void *)args->next)
				       : bpf_probe_read_user(&address, 8, (void *)args->next);
	if (failed || !address)
		return 1;
	args->next += args->width;
	args->count++;
	return 0;
}

/* Pointers from an address on until one is NULL, COUNTED_AT_ONCE at most. Global: a loop comes here. */
#define COUNTED_AT_ONCE 128
__noinline u32 count_pointers(u64 address, u32 width)
{
	struct arg_count args = {.next = address, .width = width};
	repeat(COUNTED_AT_ONCE, count_step, &args);
	return args.count;
}

static long count_more_step(u64 index, struct arg_count *args)
{
	u32 more = count_pointers(args->next, args->width);
	args->next += (u64)more * args->width;
	args->count += more;
	return more < COUNTED_AT_ONCE;
}

/* A script's exec: the kernel puts the interpreter's arguments in the place of the first one, which is kept here. */
static __noinline int note_script(struct task_state *state, u64 argv, u32 compat)
{
	struct arg_count args = {.next = argv, .width = compat ? 4 : 8};
	u64 first = 0;
	repeat(LIST_MAX / COUNTED_AT_ONCE, count_more_step, &args);
	state->script_args = args.count;
	if (compat)
		bpf_probe_read_user(&first, 4, (void *)argv);
	else
		bpf_probe_read_user(&first, 8, (void *)argv);
	bpf_probe_read_user_str(state->script_name, SCRIPT_NAME, (void *)first);
	return 0;
}

/*
 * What the caller asked for is gone when the exec has succeeded: the registers are new, and the number always reads
 * execve. So it is noted before: at sched_prepare_exec where there is one (6.9), else at the call's entry, which costs
 * every system call of the host a little. prev_comm is noted there too.
 */
static __always_inline void note_exec(struct pt_regs *regs, bool is_script)
{
	if (!is_wanted(EVENT_execve) && !is_wanted(EVENT_execveat) && !is_wanted(EVENT_sched_process_exec) &&
	    !is_wanted(EVENT_process_execute_failed) && !is_wanted(EVENT_call_usermodehelper))
		return;
	struct task_struct *task = current_task();
	bool compat = is_compat(task);
	u64 args[6];
	struct task_state *state = current_state();
	if (!state)
		return;
	state->exec_event = 0;
	state->script_args = 0;
	state->exec_mm = (u64)READ(task, mm);
	READ_BYTES(state->exec_comm, task->comm);
	const struct syscall *call = syscall_by_number(syscall_number(regs), compat);
	if (!call || !(call->flags & SYSCALL_EXEC))
		return;
	syscall_arguments(regs, compat, args);
	bool at = call->event == EVENT_execveat;
	state->exec_event = call->event;
	state->exec_compat = compat;
	state->exec_dirfd = args[0];
	state->exec_flags = args[4];
	if (is_script)
		note_script(state, at ? args[2] : args[1], compat);
}

static __always_inline bool is_script(struct linux_binprm *bprm)
{
	return BPF_CORE_READ(bprm, interp) != BPF_CORE_READ(bprm, filename);
}

SEC("tp_btf/sched_prepare_exec")
int BPF_PROG(tracee_sched_prepare_exec, struct task_struct *task, struct linux_binprm *bprm)
{
	note_exec(current_registers(), is_script(bprm));
	return by_lesser_way(EVENT_security_bprm_check) ? program_check_event(bprm) : 0;
}

BEFORE_CALLS(exec)
{
	note_exec(regs, true); /* it may be a script: that is not known yet */
	return 0;
}

/* What the caller spelled: for execveat relative to a descriptor the kernel makes /dev/fd/N/... of it. */
static __noinline u64 asked_path(struct linux_binprm *bprm, u32 event)
{
	const char *filename = BPF_CORE_READ(bprm, filename);
	if (event != EVENT_execveat || !BPF_CORE_READ(bprm, fdpath))
		return (u64)filename;
	char start[32] = {};
	bpf_probe_read_kernel_str(start, sizeof(start), filename);
	for (u32 i = sizeof("/dev/fd/") - 1; i < sizeof(start); i++) {
		if (start[i] == '/')
			return (u64)filename + i + 1;
		if (!start[i])
			return (u64)filename + i; /* AT_EMPTY_PATH: the empty string */
	}
	return (u64)filename;
}

/* The arguments and the environment of the program that begins: on its stack, each string with its NUL. */
static __always_inline void append_area(u32 slot, unsigned long start, unsigned long end)
{
	append_bytes(slot, start, end - start, LIST_MAX);
}

/* Text that we kept, in `size` bytes of our own. */
static __always_inline int append_kept(u32 slot, const char *text, u32 size)
{
	struct builder *builder = builder_at(slot);
	u32 start = builder ? chunk_open(builder) : 0;
	if (!start || start > DATA_MAX)
		return 0;
	long n = bpf_probe_read_kernel_str(&builder->data[start], size, text);
	/* a task's name always fits */
	chunk_close(builder, start, n > 0 ? n - 1 : 0, n == size && size > TASK_COMM_LEN ? CHUNK_CUT : 0);
	return 0;
}

/* execve or execveat that succeeded, told as the system call it was. */
static __noinline int exec_syscall_event(struct linux_binprm *bprm)
{
	struct task_struct *task = current_task();
	struct task_state *state = current_state();
	u32 event = state ? state->exec_event : 0;
	if (event != EVENT_execve && event != EVENT_execveat)
		return 0;
	s32 slot = begin_event(event);
	struct builder *builder = slot < 0 ? NULL : builder_at(slot);
	if (!builder)
		return 0;
	if (state->exec_compat)
		builder->record.flags |= RECORD_COMPAT;
	if (event == EVENT_execveat) {
		builder->record.args[0] = (s64)state->exec_dirfd;
		builder->record.args[4] = state->exec_flags;
		append_fd_path(slot, state->exec_dirfd);
	}
	struct mm_struct *mm = READ(task, mm);
	append_string(slot, asked_path(bprm, event), 1);
	append_area(slot, READ(mm, arg_start), READ(mm, arg_end));
	append_area(slot, READ(mm, env_start), READ(mm, env_end));
	if (state->script_args && is_script(bprm)) {
		append_number(slot, state->script_args - 1);
		append_kept(slot, state->script_name, SCRIPT_NAME);
	}
	return builder_send(slot);
}

struct mapped {
	u64 file;
};

static long take_file(struct task_struct *task, struct vm_area_struct *vma, struct mapped *mapped)
{
	mapped->file = (u64)READ(vma, vm_file);
	return 0;
}

/* The ELF interpreter: the file in which the program will start, where that is not the program itself. */
static __noinline struct file *elf_interpreter(struct file *program)
{
	struct pt_regs *regs = current_registers();
	struct mapped mapped = {};
	find_area(instruction_pointer(regs), take_file, &mapped);
	struct file *file = (void *)mapped.file;
	return file && BPF_CORE_READ(file, f_inode) != BPF_CORE_READ(program, f_inode) ? file : NULL;
}

static __noinline int exec_event(struct linux_binprm *bprm, u64 slots, u32 bank)
{
	struct task_struct *task = current_task();
	s32 slot = open_record(EVENT_sched_process_exec, slots, bank);
	if (slot < 0)
		return 0;
	struct mm_struct *mm = READ(task, mm);
	struct file *program = READ(mm, exe_file);
	struct task_state *state = current_state();

	append_string(slot, asked_path(bprm, state ? state->exec_event : 0), 1);
	append_file(slot, program);
	append_number(slot, BPF_CORE_READ(program, f_inode, i_mode));
	append_file(slot, elf_interpreter(program));
	append_area(slot, READ(mm, arg_start), READ(mm, arg_end));
	append_string(slot, (u64)BPF_CORE_READ(bprm, interp), 1);
	struct file *input = file_of(0);
	append_number(slot, input ? BPF_CORE_READ(input, f_inode, i_mode) & S_IFMT : 0);
	append_file_path(slot, input);
	append_number(slot, READ(task, real_parent, flags) & PF_KTHREAD ? 1 : 0);
	if (state)
		append_kept(slot, state->exec_comm, TASK_COMM_LEN);
	else
		append_bytes(slot, 0, 0, 0);
	if (config.exec_env)
		append_area(slot, READ(mm, env_start), READ(mm, env_end));
	else
		append_loader_variables(slot, READ(mm, env_start), READ(mm, env_end));
	append_path(slot, (u64)BPF_CORE_READ(task, fs, pwd.dentry), (u64)BPF_CORE_READ(task, fs, pwd.mnt));
	return builder_send(slot);
}

/* What else is told of an exec, in executions.bpf.c. */
static int told_at_exec(struct linux_binprm *bprm);

SEC("tp_btf/sched_process_exec")
int BPF_PROG(tracee_sched_process_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	told_at_exec(bprm);
	struct wanted wanted = wanted_of_current(EVENT_sched_process_exec);
	if (wanted.slots)
		exec_event(bprm, wanted.slots, wanted.bank);
	return exec_syscall_event(bprm);
}

/* A program that matches hands that on to its children, even if it does nothing of interest itself. */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(tracee_follow, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	scope_of_current(config.bank);
	return 0;
}

/* ---- exit ---- */

/* exit and exit_group never come to sys_exit: a task that ends within one was ended by it. */
static __noinline int exit_syscall_event(struct task_struct *task)
{
	struct pt_regs *regs = current_registers();
	bool compat = is_compat(task);
	const struct syscall *call = syscall_by_number(syscall_number(regs), compat);
	if (!call || !(call->flags & SYSCALL_NO_RETURN))
		return 0;
	struct wanted wanted = wanted_of_current(call->event);
	if (wanted.slots)
		syscall_event(call, regs, wanted, 0, compat);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(tracee_sched_process_exit, struct task_struct *task)
{
	task = current_task();
	exit_syscall_event(task);
	if (by_lesser_way(EVENT_do_exit))
		leaving_event(READ(task, exit_code));
	s32 slot = begin_event(EVENT_sched_process_exit);
	if (slot < 0)
		return 0;
	u32 code = READ(task, exit_code);
	append_number(slot, code >> 8 & 0xff);
	append_number(slot, code & 0x7f);
	append_number(slot, READ(task, signal, live.counter) == 0);
	return builder_send(slot);
}
