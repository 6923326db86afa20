/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Cgroups made, removed and entered. */

#include "include/event.h"
#include "include/hook.h"

static __noinline int cgroup_event(u16 event, struct cgroup *cgroup, u64 path)
{
	s32 slot = begin_event(event);
	if (slot < 0)
		return 0;
	append_number(slot, BPF_CORE_READ(cgroup, kn, id));
	append_string(slot, path, 1);
	append_number(slot, BPF_CORE_READ(cgroup, root, hierarchy_id));
	return builder_send(slot, 0);
}

AT_TRACEPOINT(cgroup_mkdir, struct cgroup *cgroup, u64 path)
{
	return cgroup_event(EVENT_cgroup_mkdir, cgroup, path);
}

AT_TRACEPOINT(cgroup_rmdir, struct cgroup *cgroup, u64 path)
{
	return cgroup_event(EVENT_cgroup_rmdir, cgroup, path);
}

/* ---- what user space knows of containers by ---- */

static __noinline int cgroup_control(u32 kind, struct cgroup *cgroup, u64 path)
{
	if (BPF_CORE_READ(cgroup, root, hierarchy_id) != cgroups.id)
		return 0;
	u64 id = BPF_CORE_READ(cgroup, kn, id);
	struct container container = {.state = CONTAINER_NEW};
	/* nobody can be in one that goes */
	if (kind == CONTROL_CGROUP_MADE)
		bpf_map_update_elem(&containers_map, &id, &container, BPF_ANY);
	else
		bpf_map_delete_elem(&containers_map, &id);
	s32 slot = builder_take();
	struct builder *builder = slot < 0 ? NULL : builder_at(slot);
	if (!builder) {
		lost(kind);
		return 0;
	}
	__builtin_memset(&builder->record, 0, sizeof(builder->record));
	builder->record.time = now();
	builder->record.event = kind;
	builder->record.cpu = bpf_get_smp_processor_id();
	builder->record.args[0] = id;
	if (kind == CONTROL_CGROUP_MADE)
		append_string(slot, path, 1);
	return builder_send(slot, 1);
}

/* These two are always loaded. */
SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(tracee_cgroup_made, struct cgroup *cgroup, const char *path)
{
	return cgroup_control(CONTROL_CGROUP_MADE, cgroup, (u64)path);
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(tracee_cgroup_gone, struct cgroup *cgroup, const char *path)
{
	return cgroup_control(CONTROL_CGROUP_GONE, cgroup, (u64)path);
}

/* ---- events ---- */

AT_TRACEPOINT(cgroup_attach_task, struct cgroup *cgroup, u64 path, struct task_struct *task)
{
	s32 slot = begin_event(EVENT_cgroup_attach_task);
	if (slot < 0)
		return 0;
	append_string(slot, path, 1);
	append_string(slot, (u64)__builtin_preserve_access_index(&task->comm), 1);
	append_number(slot, BPF_CORE_READ(task, pid));
	return builder_send(slot, 0);
}
