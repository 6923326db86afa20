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
