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
	return builder_send(slot);
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

/* Of the hierarchy that containers are told by. */
static __always_inline bool tells_containers(struct cgroup *cgroup)
{
	return BPF_CORE_READ(cgroup, root, hierarchy_id) == cgroups.id;
}

SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(tracee_cgroup_made, struct cgroup *cgroup, const char *path)
{
	if (!tells_containers(cgroup))
		return 0;
	u64 id = BPF_CORE_READ(cgroup, kn, id);
	struct container container = {.state = CONTAINER_NEW};
	bpf_map_update_elem(&containers_map, &id, &container, BPF_ANY);
	s32 slot = builder_take();
	struct builder *builder = slot < 0 ? NULL : builder_at(slot);
	if (!builder) {
		lost(CONTROL_CGROUP_MADE);
		return 0;
	}
	begin_control(&builder->record, CONTROL_CGROUP_MADE);
	builder->record.args[0] = id;
	append_string(slot, (u64)path, 1);
	return builder_output(slot, 1);
}

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(tracee_cgroup_gone, struct cgroup *cgroup, const char *path)
{
	if (!tells_containers(cgroup))
		return 0;
	u64 id = BPF_CORE_READ(cgroup, kn, id);
	/* nobody can be in it any more */
	bpf_map_delete_elem(&containers_map, &id);
	struct record *record = reserve_control(CONTROL_CGROUP_GONE);
	if (!record)
		return 0;
	record->args[0] = id;
	bpf_ringbuf_submit(record, control_wake_flags());
	return 0;
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
	return builder_send(slot);
}
