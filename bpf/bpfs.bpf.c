/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* BPF programs and maps: the system call, and the descriptors that are made of them. */

#include "include/helpers.h"
#include "include/hook.h"

/* ---- the system call ---- */

static __noinline int bpf_command_event(s32 command)
{
	s32 slot = begin_event(EVENT_security_bpf);
	if (slot < 0)
		return 0;
	append_number(slot, (s64)command);
	return builder_send(slot);
}

AT_SECURITY(bpf, int command)
{
	return bpf_command_event(command);
}

BEFORE_CALLS(bpf)
{
	struct call call = {};
	return by_lesser_way(EVENT_security_bpf) && read_call(regs, &call) ? bpf_command_event(call.args[0]) : 0;
}

/* ---- maps ---- */

static __noinline int bpf_map_event(struct bpf_map *map)
{
	s32 slot = begin_event(EVENT_security_bpf_map);
	if (slot < 0)
		return 0;
	append_number(slot, BPF_CORE_READ(map, id));
	append_string(slot, (u64)__builtin_preserve_access_index(&map->name), 1);
	return builder_send(slot);
}

AT_SECURITY(bpf_map, struct bpf_map *map)
{
	return bpf_map_event(map);
}

/* ---- programs ---- */

/* The call says whether the program is new; one that a BPF program makes for the task says nothing. */
static __noinline int bpf_prog_event(struct bpf_prog *prog)
{
	struct call call = {};
	struct helper_search helpers = {};
	struct bpf_prog_aux *aux = BPF_CORE_READ(prog, aux);
	s32 slot = begin_event(EVENT_security_bpf_prog);
	if (slot < 0)
		return 0;
	bool known = read_call(current_registers(), &call) && call.event == EVENT_bpf;
	u32 command = call.args[0];
	bool load = known && command == BPF_PROG_LOAD;
	append_number(slot, BPF_CORE_READ(prog, type));
	append_string(slot, (u64)__builtin_preserve_access_index(&aux->name), 1);
	if (load) {
		find_helpers(slot, call.args[1], &helpers);
		append_helpers(slot, &helpers);
	} else {
		append_unknown(slot);
	}
	append_number(slot, BPF_CORE_READ(aux, id));
	if (load || (known && (command == BPF_OBJ_GET || command == BPF_PROG_GET_FD_BY_ID)))
		append_number(slot, load);
	else
		append_unknown(slot);
	return builder_send(slot);
}

AT_SECURITY(bpf_prog, struct bpf_prog *prog)
{
	return bpf_prog_event(prog);
}

/* ---- descriptors, where the kernel's own hooks cannot be had ---- */

/* What a new descriptor is of, by the name that the kernel gives its file: "bpf-map" or "bpf-prog". */
static __always_inline char kind_of_descriptor(struct file *file)
{
	char name[8] = {};
	bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ(file, f_path.dentry, d_name.name));
	return name[0] == 'b' && name[1] == 'p' && name[2] == 'f' && name[3] == '-' ? name[4] : 0;
}

AFTER_CALLS(bpf)
{
	struct call call = {};
	if (result < 0 || !read_call(regs, &call))
		return 0;
	u32 command = call.args[0];
	bool makes = command == BPF_MAP_CREATE || command == BPF_PROG_LOAD || command == BPF_OBJ_GET ||
		     command == BPF_PROG_GET_FD_BY_ID || command == BPF_MAP_GET_FD_BY_ID;
	bool attaches = command == BPF_RAW_TRACEPOINT_OPEN || command == BPF_LINK_CREATE;
	struct file *file = makes || attaches ? file_of(result) : NULL;
	if (attaches)
		return by_lesser_way(EVENT_bpf_attach) ? link_made(file) : 0;
	char kind = file ? kind_of_descriptor(file) : 0;
	if (kind == 'm' && by_lesser_way(EVENT_security_bpf_map))
		bpf_map_event(BPF_CORE_READ(file, private_data));
	if (kind == 'p' && by_lesser_way(EVENT_security_bpf_prog))
		bpf_prog_event(BPF_CORE_READ(file, private_data));
	if (kind == 'p' && command == BPF_PROG_LOAD && is_wanted(EVENT_bpf_attach))
		note_helpers(BPF_CORE_READ(file, private_data), call.args[1]);
	return 0;
}
