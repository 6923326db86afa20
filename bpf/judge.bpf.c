/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The tests of fields and containers, run by hand on a record that user space has put into a builder: so it is held
 * against what core makes of the same record, see crates/kernel/tests/filters.rs. Never loaded while tracing.
 */

#include "include/event.h"

/* The answer is what is left of the record's slots. */
SEC("raw_tp")
int tracee_judge(struct bpf_raw_tracepoint_args *ctx)
{
	u32 slot = ctx->args[0];
	struct builder *builder = builder_at(slot);
	if (!builder)
		return -1;
	struct record *record = &builder->record;
	u64 args[6];
	__builtin_memcpy(args, record->args, sizeof(args));
	record->slots = early_slots(record->flags & RECORD_BANK ? 1 : 0, record->event, record->slots, args,
				    record->ret, record->flags & RECORD_COMPAT);
	record->slots = late_slots(slot, builder);
	record->slots &= container_slots(record->task.cgroup_id, record->flags & RECORD_BANK ? 1 : 0);
	return 0;
}
