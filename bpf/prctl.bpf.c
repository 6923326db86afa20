/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * prctl: of those that change what others see of a task (its memory map and program, the names of mappings, its secure
 * bits), what was there before too. So it is told before the change by every way.
 */

#include "include/event.h"
#include "include/hook.h"

#define PR_SET_SECUREBITS 28
#define PR_SET_MM 35
#define PR_SET_VMA 0x53564d41
#define PR_SET_VMA_ANON_NAME 0
enum { MM_START_CODE = 1, MM_AUXV = 12, MM_EXE_FILE, MM_MAP };
#define MAP_FIELDS 11
#define ALL_FIELDS ((1u << MAP_FIELDS) - 1)
#define AUXV_MAX 1024

/* Of a memory map: the fields of struct prctl_mm_map in its order, which is the catalogue's too. */
struct memory_map {
	u64 fields[MAP_FIELDS];
	u64 auxv;
	u32 auxv_size;
	s32 exe_fd;
};

/* By PR_SET_MM's second argument, one more than the place of the field that it sets; 0: it sets none of them. */
static const u8 field_set[MM_AUXV] = {0, 1, 2, 3, 4, 7, 5, 6, 8, 9, 10, 11};

static __noinline int append_fields(u32 slot, struct memory_map *map, u32 known)
{
	for (u32 i = 0; i < MAP_FIELDS; i++) {
		if (known >> i & 1)
			append_number(slot, map->fields[i]);
		else
			append_unknown(slot);
	}
	return 0;
}

/* path, dev, inode, ctime, mode */
static __noinline int append_program(u32 slot, struct file *file)
{
	append_file(slot, file);
	if (file)
		append_number(slot, BPF_CORE_READ(file, f_inode, i_mode));
	else
		append_unknown(slot);
	return 0;
}

/* What the task's memory map is, where it is about to change; else 17 times unknown. */
static __noinline int append_old_map(u32 slot, u32 changes)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct mm_struct *mm = changes ? BPF_CORE_READ(task, mm) : NULL;
	if (!mm) {
		for (u32 i = 0; i < MAP_FIELDS + 1; i++)
			append_unknown(slot);
		return append_program(slot, NULL);
	}
	struct memory_map map = {
		.fields = {BPF_CORE_READ(mm, start_code), BPF_CORE_READ(mm, end_code), BPF_CORE_READ(mm, start_data),
			   BPF_CORE_READ(mm, end_data), BPF_CORE_READ(mm, start_brk), BPF_CORE_READ(mm, brk),
			   BPF_CORE_READ(mm, start_stack), BPF_CORE_READ(mm, arg_start), BPF_CORE_READ(mm, arg_end),
			   BPF_CORE_READ(mm, env_start), BPF_CORE_READ(mm, env_end)},
	};
	append_fields(slot, &map, ALL_FIELDS);
	append_kernel_bytes(slot, (u64)__builtin_preserve_access_index(&mm->saved_auxv),
			    bpf_core_field_size(mm->saved_auxv));
	return append_program(slot, BPF_CORE_READ(mm, exe_file));
}

/* What it shall be: the parts that the call names, of PR_SET_MM; else 17 times unknown. */
static __noinline int append_new_map(u32 slot, u32 changes, u64 *args)
{
	struct memory_map map = {.exe_fd = -1};
	u32 known = 0, what = changes ? args[1] : 0;
	if (what == MM_MAP && !bpf_probe_read_user(&map, sizeof(map), (void *)args[2])) {
		known = ALL_FIELDS;
	} else if (what == MM_AUXV) {
		map.auxv = args[2];
		map.auxv_size = args[3];
	} else if (what == MM_EXE_FILE) {
		map.exe_fd = args[2];
	} else if (what >= MM_START_CODE && what < MM_AUXV) {
		u32 place = field_set[what];
		known = 1u << (place - 1) & ALL_FIELDS;
		for (u32 i = 0; i < MAP_FIELDS; i++)
			map.fields[i] = args[2];
	}
	append_fields(slot, &map, known);
	append_bytes(slot, map.auxv_size ? map.auxv : 0, map.auxv_size, AUXV_MAX);
	return append_program(slot, map.exe_fd >= 0 ? file_of(map.exe_fd) : NULL);
}

static __noinline int prctl_event(u64 *args)
{
	s32 slot = begin_event(EVENT_security_task_prctl);
	if (slot < 0)
		return 0;
	u32 option = args[0];
	append_number(slot, (s64)(s32)option);
	for (u32 i = 1; i < 5; i++)
		append_number(slot, args[i]);
	append_string(slot, option == PR_SET_VMA && args[1] == PR_SET_VMA_ANON_NAME ? args[4] : 0, 0);
	append_old_map(slot, option == PR_SET_MM);
	append_new_map(slot, option == PR_SET_MM, args);
	if (option == PR_SET_SECUREBITS)
		append_number(slot, BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), cred, securebits));
	else
		append_unknown(slot);
	return builder_send(slot);
}

AT_SECURITY(task_prctl, int option, u64 second, u64 third, u64 fourth, u64 fifth)
{
	u64 args[6] = {option, second, third, fourth, fifth};
	return prctl_event(args);
}

BEFORE_CALLS(prctl)
{
	struct call call = {};
	return read_call(regs, &call) ? prctl_event(call.args) : 0;
}
