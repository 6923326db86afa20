/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Programs that only kernels before 5.17 need, see include/older.h. */

#include "include/scope.h"
#include <bpf/bpf_tracing.h>

#if OLDER_KERNEL

/* Always loaded: after this another task may stand at the same address. */
SEC("tp_btf/sched_process_free")
int BPF_PROG(tracee_forget, struct task_struct *task)
{
	u64 key = (u64)task;
	bpf_map_delete_elem(&tracee_tasks, &key);
	bpf_map_delete_elem(&tracee_creds, &key);
	return 0;
}

#endif
