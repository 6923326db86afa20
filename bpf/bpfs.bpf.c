/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* BPF programs and maps: the system call, and the descriptors that are made of them. */

#include "include/event.h"
#include "include/hook.h"

/* ---- the system call ---- */

static __noinline int bpf_command_event(s32 command)
{
	s32 slot = begin_event(EVENT_security_bpf);
	if (slot < 0)
		return 0;
	append_number(slot, (s64)command);
	return builder_send(slot, 0);
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
	return builder_send(slot, 0);
}

AT_SECURITY(bpf_map, struct bpf_map *map)
{
	return bpf_map_event(map);
}

/* ---- programs ---- */

/*
 * The helpers that a program calls are found in its instructions as the task hands them over: the verifier puts
 * addresses in the place of their numbers.
 */
#define INSTRUCTIONS_MAX 4096
#define HELPERS 256
#define CALL_OPCODE 0x85 /* BPF_JMP | BPF_CALL; the source register is 0 where a helper is called */

struct instruction {
	u8 opcode, registers;
	s16 offset;
	s32 value;
};

struct helper_search {
	u64 next; /* address of the next instruction */
	u32 count, seen;
	u64 used[HELPERS / 64]; /* bit by helper */
};

static long helper_step(u64 index, struct helper_search *search)
{
	struct instruction instruction = {};
	if (bpf_probe_read_user(&instruction, sizeof(instruction), (void *)search->next))
		return 1;
	search->seen++;
	search->next += sizeof(instruction);
	u32 helper = instruction.value;
	if (instruction.opcode == CALL_OPCODE && !(instruction.registers >> 4) && helper < HELPERS)
		search->used[helper / 64 % (HELPERS / 64)] |= 1ULL << helper % 64;
	return 0;
}

LONG_STEP(helper_step, struct helper_search)

struct helper_list {
	u64 used[HELPERS / 64];
	u32 slot, next;
};

static long helper_list_step(u64 index, struct helper_list *list)
{
	struct builder *builder = builder_at(list->slot);
	u64 helper = list->next++ % HELPERS;
	u32 at = builder ? builder->used : DATA_MAX;
	if (!builder || at > DATA_MAX - sizeof(helper))
		return 1;
	if (list->used[helper / 64 % (HELPERS / 64)] >> helper % 64 & 1) {
		__builtin_memcpy(&builder->data[at], &helper, sizeof(helper));
		builder->used = at + sizeof(helper);
	}
	return 0;
}
LONG_STEP(helper_list_step, struct helper_list)

/* The numbers of the helpers that are called, in their order; marked as cut where not all instructions were seen. */
static __noinline int append_helpers(u32 slot, u64 attributes)
{
	struct helper_search search = {};
	bpf_probe_read_user(&search.count, sizeof(search.count), (void *)attributes + 4);
	bpf_probe_read_user(&search.next, sizeof(search.next), (void *)attributes + 8);
	u32 limit = search.count < INSTRUCTIONS_MAX ? search.count : INSTRUCTIONS_MAX;
	repeat_long(slot, limit, helper_step, &search);

	struct builder *builder = builder_at(slot);
	struct helper_list list = {.slot = slot};
	u32 start = builder ? chunk_open(builder) : 0;
	if (!start)
		return 0;
	builder->used = start;
	__builtin_memcpy(list.used, search.used, sizeof(list.used));
	repeat_long(slot, HELPERS, helper_list_step, &list);
	chunk_close(builder, start, builder->used - start, search.seen < search.count ? CHUNK_CUT : 0);
	return 0;
}

/* The call says whether the program is new; one that a BPF program makes for the task says nothing. */
static __noinline int bpf_prog_event(struct bpf_prog *prog)
{
	struct call call = {};
	struct bpf_prog_aux *aux = BPF_CORE_READ(prog, aux);
	s32 slot = begin_event(EVENT_security_bpf_prog);
	if (slot < 0)
		return 0;
	bool known = read_call(current_registers(), &call) && call.event == EVENT_bpf;
	u32 command = call.args[0];
	bool load = known && command == BPF_PROG_LOAD;
	append_number(slot, BPF_CORE_READ(prog, type));
	append_string(slot, (u64)__builtin_preserve_access_index(&aux->name), 1);
	if (load)
		append_helpers(slot, call.args[1]);
	else
		append_unknown(slot);
	append_number(slot, BPF_CORE_READ(aux, id));
	if (load || (known && (command == BPF_OBJ_GET || command == BPF_PROG_GET_FD_BY_ID)))
		append_number(slot, load);
	else
		append_unknown(slot);
	return builder_send(slot, 0);
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
	struct file *file = makes ? file_of(result) : NULL;
	char kind = file ? kind_of_descriptor(file) : 0;
	if (kind == 'm' && by_lesser_way(EVENT_security_bpf_map))
		bpf_map_event(BPF_CORE_READ(file, private_data));
	if (kind == 'p' && by_lesser_way(EVENT_security_bpf_prog))
		bpf_prog_event(BPF_CORE_READ(file, private_data));
	return 0;
}
