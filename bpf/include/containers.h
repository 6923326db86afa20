/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which cgroup a task is in, and what user space has said of it. Runtimes make a cgroup for each container; where
 * hierarchies of version 1 are in use, they do so there, and that of version 2 may not tell containers apart.
 */
#pragma once

#include "maps.h"

/* The hierarchy that containers are told by; user space sees which (crates/kernel/src/containers/hierarchy.rs). */
enum hierarchy { HIERARCHY_V2, HIERARCHY_CPUSET, HIERARCHY_MEMORY, HIERARCHY_PIDS };

/* Set before loading, so that the verifier passes over the other ways. Alone in its section, for object.rs. */
const volatile struct {
	u32 hierarchy; /* enum hierarchy */
	u32 id;        /* the kernel's number of it */
} cgroups SEC(".rodata.cgroups");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, HASH_FLAGS);
	__type(key, u64); /* id of a cgroup */
	__type(value, struct container);
} containers_map SEC(".maps");

static __always_inline u32 controller(void)
{
	if (cgroups.hierarchy == HIERARCHY_CPUSET)
		return bpf_core_enum_value(enum cgroup_subsys_id, cpuset_cgrp_id);
	if (cgroups.hierarchy == HIERARCHY_MEMORY)
		return bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id);
	return bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id);
}

/* `task` is the current one. */
static __always_inline u64 cgroup_of(struct task_struct *task)
{
	if (cgroups.hierarchy == HIERARCHY_V2)
		return bpf_get_current_cgroup_id();
	return READ(task, cgroups, subsys[controller()], cgroup, kn, id);
}

/* As cgroup_of, of any task and in programs that know no tasks. */
static __always_inline u64 cgroup_of_any(struct task_struct *task)
{
	if (cgroups.hierarchy == HIERARCHY_V2)
		return BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
	return BPF_CORE_READ(task, cgroups, subsys[controller()], cgroup, kn, id);
}

/* The slots of a bank that a task in a cgroup passes, or may, by what they ask of its container. */
static __noinline u64 container_slots(u64 cgroup, u32 bank)
{
	struct container *container = bpf_map_lookup_elem(&containers_map, &cgroup);
	if (!container)
		return plan_of(bank)->on_host;
	return container->state == CONTAINER_NEW ? ~0ULL : container->slots[bank % BANKS];
}
