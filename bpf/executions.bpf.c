/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Execs that fail, the headers that are read for an exec, and programs that the kernel starts of its own. */

#include "include/lookup.h"
#include "include/hook.h"

/* ---- execs that fail ---- */

struct failure {
	struct call call;  /* that asked for it */
	bool by_call;      /* else the kernel did of its own */
	bool gone;         /* the old program's memory: what it passed cannot be read */
	u64 asked;         /* a kernel's text; 0 where only the caller's tells */
	u64 interpreter;   /* text again */
	u64 dentry, mount; /* of the file; 0 where it is not known */
};

static __always_inline bool asked_for_exec(struct call *call)
{
	return read_call(current_registers(), call) && call->group == GROUP_exec;
}

/* dirfd, flags: execve is execveat without them. A program that is gone takes the call's number along. */
static __always_inline int append_exec_flags(u32 slot, struct failure *failure)
{
	bool at = failure->call.event == EVENT_execveat;
	if (failure->gone && failure->by_call) {
		append_unknown(slot);
		append_unknown(slot);
		return 0;
	}
	append_number(slot, at ? (s64)(s32)failure->call.args[0] : AT_FDCWD);
	return append_number(slot, at ? (u32)failure->call.args[4] : 0);
}

/* stdin_type, stdin_path */
static __always_inline int append_input(u32 slot)
{
	struct file *input = file_of(0);
	append_number(slot, input ? BPF_CORE_READ(input, f_inode, i_mode) & S_IFMT : 0);
	return append_file_path(slot, input);
}

static __noinline int failure_event(u32 slot, struct failure *failure, s64 result)
{
	struct dentry *dentry = (void *)failure->dentry;
	struct inode *inode = dentry ? BPF_CORE_READ(dentry, d_inode) : NULL;
	bool told = failure->by_call && !failure->gone;
	append_exec_flags(slot, failure);
	if (failure->asked)
		append_string(slot, failure->asked, 1);
	else
		append_string(slot, told ? asked_address(&failure->call, 0) : 0, 0);
	if (dentry || !told)
		append_path(slot, failure->dentry, failure->mount);
	else
		append_asked_path(slot, asked_dirfd(&failure->call, 0), asked_address(&failure->call, 0));
	append_inode(slot, inode);
	if (inode)
		append_number(slot, BPF_CORE_READ(inode, i_mode));
	else
		append_unknown(slot);
	append_string(slot, failure->interpreter, 1);
	append_input(slot);
	append_number(slot, !failure->by_call);
	u32 first = failure->call.event == EVENT_execveat ? 2 : 1, width = failure->call.compat ? 4 : 8;
	append_list(slot, told ? failure->call.args[first % 4] : 0, width);
	append_list(slot, told ? failure->call.args[first % 4 + 1] : 0, width);
	set_result(slot, result);
	return builder_send(slot);
}

/* An error that is no more than a signal's: the call is made again. */
static __always_inline bool is_error(s64 result)
{
	return result < 0 && result > -ERESTARTSYS;
}

/* The file that was asked for, while it is the one at hand: an interpreter takes its place later. */
AT_FUNCTION(security_bprm_creds_for_exec, struct linux_binprm *bprm)
{
	struct task_state *state = is_wanted(EVENT_process_execute_failed) ? current_state() : NULL;
	if (!state)
		return 0;
	state->opened_for = (u64)bprm;
	state->opened_dentry = (u64)BPF_CORE_READ(bprm, file, f_path.dentry);
	state->opened_mount = (u64)BPF_CORE_READ(bprm, file, f_path.mnt);
	return 0;
}

static __noinline int exec_returned(struct linux_binprm *bprm, s64 result)
{
	struct failure failure = {};
	struct file *file = BPF_CORE_READ(bprm, file); /* none: before 6.8 it is opened within the function */
	struct task_state *state = is_error(result) && file ? current_state() : NULL;
	if (!state)
		return 0;
	failure.by_call = asked_for_exec(&failure.call);
	state->exec_told = failure.by_call; /* not at the call's exit again */
	s32 slot = begin_event(EVENT_process_execute_failed);
	if (slot < 0)
		return 0;
	failure.gone = BPF_CORE_READ_BITFIELD_PROBED(bprm, point_of_no_return);
	failure.asked = asked_path(bprm, failure.by_call ? failure.call.event : 0);
	failure.interpreter = (u64)BPF_CORE_READ(bprm, interp);
	bool noted = state->opened_for == (u64)bprm;
	failure.dentry = noted ? state->opened_dentry : (u64)BPF_CORE_READ(file, f_path.dentry);
	failure.mount = noted ? state->opened_mount : (u64)BPF_CORE_READ(file, f_path.mnt);
	return failure_event(slot, &failure, result);
}

/* Before 6.8 it has three more arguments. */
#if OLDER_KERNEL
ON_RETURN(bprm_execve, struct linux_binprm *bprm, int fd, u64 filename, int flags)
#else
ON_RETURN(bprm_execve, struct linux_binprm *bprm)
#endif
{
	return exec_returned(bprm, (s32)result);
}

/* Errors of calls that did not find a file, as far as the error tells. */
static __always_inline bool tells_no_file(s64 result)
{
	return result == -ENOENT || result == -ENOTDIR || result == -ELOOP || result == -ENAMETOOLONG ||
	       result == -EFAULT || result == -EBADF;
}

/* Finds the file that a call has named. False where it seems that there is none. Inline: the search is deep. */
static __always_inline bool find_program(u32 slot, struct failure *failure, s64 result)
{
	struct call *call = &failure->call;
	struct builder *builder = builder_at(slot);
	u32 flags = call->event == EVENT_execveat ? call->args[4] : 0;
	char first = 0;
	bpf_probe_read_user(&first, 1, (void *)asked_address(call, 0));
	if (!builder)
		return false;
	if (!first) {
		struct file *file = flags & AT_EMPTY_PATH ? file_of(asked_dirfd(call, 0)) : NULL;
		failure->dentry = file ? (u64)BPF_CORE_READ(file, f_path.dentry) : 0;
		failure->mount = file ? (u64)BPF_CORE_READ(file, f_path.mnt) : 0;
		return file;
	}
	look_up_argument(slot, call, 0, flags & AT_SYMLINK_NOFOLLOW ? LOOKUP_NOFOLLOW : 0);
	builder = builder_at(slot);
	if (!builder || builder->lookup.result != LOOKUP_FOUND)
		return !tells_no_file(result);
	failure->dentry = builder->lookup.dentry;
	failure->mount = builder->lookup.mount;
	return true;
}

/* Of the current task's calls: what could not be opened, and where the better hooks are missing all that fails. */
static __noinline int failed_call_event(s64 result, u32 gone)
{
	struct failure failure = {.by_call = true, .gone = gone};
	s32 slot = asked_for_exec(&failure.call) ? begin_event(EVENT_process_execute_failed) : -1;
	if (slot < 0)
		return 0;
	if (gone) {
		struct file *file = BPF_CORE_READ(current_task(), mm, exe_file);
		failure.dentry = (u64)BPF_CORE_READ(file, f_path.dentry);
		failure.mount = (u64)BPF_CORE_READ(file, f_path.mnt);
	} else if (!find_program(slot, &failure, result)) {
		builder_release(slot);
		return 0;
	}
	return failure_event(slot, &failure, result);
}

AFTER_CALLS(exec)
{
	struct task_state *state = current_state();
	if (!state)
		return 0;
	u64 began_with = state->exec_mm;
	bool told = state->exec_told, gone = began_with && began_with != (u64)READ(current_task(), mm);
	state->exec_mm = 0;
	state->exec_told = 0;
	return told || !is_error(result) ? 0 : failed_call_event(result, gone);
}

/* ---- headers ---- */

static __noinline int headers_event(struct file *file)
{
	s32 slot = begin_event(EVENT_load_elf_phdrs);
	if (slot < 0)
		return 0;
	append_file_path(slot, file);
	append_device_inode(slot, BPF_CORE_READ(file, f_inode));
	return builder_send(slot);
}

AT_FUNCTION(load_elf_phdrs, u64 header, struct file *file)
{
	struct task_state *state = current_state();
	if (state)
		state->headers_told = 1;
	return headers_event(file);
}

/* Of an exec that has succeeded. Kernels have the function twice, of which a probe may have met the other. */
static __noinline int headers_of_exec(void)
{
	struct task_state *state = is_wanted(EVENT_load_elf_phdrs) ? current_state() : NULL;
	if (!state)
		return 0;
	bool told = state->headers_told;
	state->headers_told = 0;
	if (told)
		return 0;
	struct file *program = BPF_CORE_READ(current_task(), mm, exe_file);
	struct file *loader = elf_interpreter(program);
	headers_event(program);
	return loader ? headers_event(loader) : 0;
}

/* ---- programs that the kernel starts ---- */

/* All of them come by here; those without a name are only said to have been started. */
AT_FUNCTION(call_usermodehelper_exec, struct subprocess_info *info, int wait)
{
	char first = 0;
	u64 path = (u64)BPF_CORE_READ(info, path);
	bpf_probe_read_kernel(&first, 1, (void *)path);
	s32 slot = first ? begin_event(EVENT_call_usermodehelper) : -1;
	if (slot < 0)
		return 0;
	append_string(slot, path, 1);
	append_list(slot, (u64)BPF_CORE_READ(info, argv), KERNEL_LIST);
	append_list(slot, (u64)BPF_CORE_READ(info, envp), KERNEL_LIST);
	append_number(slot, (s64)wait);
	return builder_send(slot);
}

/* An exec that no system call asked for, in a child of one of the kernel's threads. */
static __noinline int own_exec_event(struct linux_binprm *bprm)
{
	struct task_struct *task = current_task();
	struct task_state *state = current_state();
	if (!state || state->exec_event || !(READ(task, real_parent, flags) & PF_KTHREAD))
		return 0;
	s32 slot = begin_event(EVENT_call_usermodehelper);
	if (slot < 0)
		return 0;
	struct mm_struct *mm = READ(task, mm);
	append_string(slot, (u64)BPF_CORE_READ(bprm, filename), 1);
	append_area(slot, READ(mm, arg_start), READ(mm, arg_end));
	append_area(slot, READ(mm, env_start), READ(mm, env_end));
	append_unknown(slot);
	return builder_send(slot);
}

static int told_at_exec(struct linux_binprm *bprm)
{
	headers_of_exec();
	return by_lesser_way(EVENT_call_usermodehelper) ? own_exec_event(bprm) : 0;
}
