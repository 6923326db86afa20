/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which policies' scopes hold for a task. The answer is kept with the task, together with everything it was made from;
 * it is made again when one of those changed. Nothing here knows what a policy is: bit n is policy n.
 */
#pragma once

#include "path.h"

#define SCRIPT_NAME 256 /* of the first argument of a script, what is kept */

struct task_state {
	/* the answer ... */
	u64 policies;
	/* ... what it was made from ... */
	u64 generation;
	u64 exec_id;
	u64 exe_file;
	u32 uid, mount_ns;
	char comm[TASK_COMM_LEN];
	/* ... and what came from the parent */
	u64 followed;
	u64 tree_yes, tree_no, tree_generation;
	/* an exec on its way, see process.bpf.c */
	u32 exec_event;
	u32 exec_compat;
	s32 exec_dirfd;
	u32 exec_flags;
	char exec_comm[TASK_COMM_LEN];
	u32 script_args;               /* of a script's exec: how many arguments were passed, */
	char script_name[SCRIPT_NAME]; /* and the first of them */
};

TASK_MAP(tracee_tasks, struct task_state);

static __always_inline struct task_state *state_of(struct task_struct *task)
{
	return task_value(&tracee_tasks, task);
}

static __always_inline struct task_state *current_state(void)
{
	return current_value(&tracee_tasks);
}

static __always_inline u64 decide(u64 used, u64 positive, u64 yes, u64 no)
{
	return ~used | ((yes | ~positive) & ~no);
}

struct range_test {
	u32 key;
	u64 value;
	u64 yes;
};

static long range_step(u64 policy, struct range_test *test)
{
	u32 key = test->key;
	if (policy >= MAX_POLICIES || key >= NUMBER_KEYS)
		return 1;
	struct number_scope *scope = &config.numbers[key];
	if (scope->ranged >> policy & 1 && test->value >= scope->min[policy] && test->value <= scope->max[policy])
		test->yes |= 1ULL << policy;
	return 0;
}

__noinline u64 number_policies(u32 key, u64 value)
{
	if (key >= NUMBER_KEYS)
		return 0;
	struct number_scope *scope = &config.numbers[key];
	if (!scope->used)
		return ~0ULL;
	struct number_probe probe = {.key = key, .value = value};
	struct verdict *named = bpf_map_lookup_elem(&tracee_numbers, &probe);
	u64 yes = named ? named->yes : 0;
	if (scope->ranged) {
		struct range_test test = {.key = key, .value = value, .yes = yes};
		repeat(MAX_POLICIES, range_step, &test);
		yes = test.yes;
	}
	return decide(scope->used, scope->positive, yes, named ? named->no : 0);
}

static __always_inline void add_verdict(struct verdict *to, struct verdict *found)
{
	if (found) {
		to->yes |= found->yes;
		to->no |= found->no;
	}
}

struct reversal {
	u32 slot;
	u32 length;
};

static long reverse_step(u64 index, struct reversal *reversal)
{
	struct builder *builder = builder_at(reversal->slot);
	u32 i = index, j = reversal->length - 1 - i;
	if (!builder || i >= reversal->length / 2 || i >= TEXT_MAX || j >= TEXT_MAX)
		return 1;
	char byte = builder->probe.text[i];
	builder->probe.text[i] = builder->probe.text[j];
	builder->probe.text[j] = byte;
	return 0;
}

/* Of the text in builder->probe, `length` long; leaves it reversed. */
__noinline u64 text_policies(u32 slot, u32 key, u32 length)
{
	struct builder *builder = builder_at(slot);
	if (!builder || key >= TEXT_KEYS)
		return 0;
	struct verdict sum = {};
	if (length > TEXT_MAX)
		length = TEXT_MAX;
	builder->probe.key = key;
	builder->probe.prefix_bits = (4 + length) * 8;
	if (length < TEXT_MAX)
		add_verdict(&sum, bpf_map_lookup_elem(&tracee_texts, &builder->probe.key));
	add_verdict(&sum, bpf_map_lookup_elem(&tracee_prefix, &builder->probe));
	struct reversal reversal = {.slot = slot, .length = length};
	repeat(TEXT_MAX / 2, reverse_step, &reversal);
	add_verdict(&sum, bpf_map_lookup_elem(&tracee_suffix, &builder->probe));
	FORGOTTEN(key);
	if (key >= TEXT_KEYS)
		return 0;
	struct text_scope *scope = &config.texts[key];
	return decide(scope->used, scope->positive, sum.yes, sum.no) | scope->undecided;
}

__noinline u64 comm_policies(u32 slot)
{
	struct builder *builder = builder_at(slot);
	if (!builder)
		return 0;
	__builtin_memset(builder->probe.text, 0, TEXT_MAX);
	read_name(current_task(), builder->probe.text);
	u32 length = 0;
	while (length < TASK_COMM_LEN - 1 && builder->probe.text[length])
		length++;
	return text_policies(slot, KEY_COMM, length);
}

__noinline u64 executable_policies(u32 slot)
{
	struct builder *builder = builder_at(slot);
	if (!builder)
		return 0;
	struct task_struct *task = (void *)bpf_get_current_task();
	struct file *file = BPF_CORE_READ(task, mm, exe_file);
	__builtin_memset(builder->probe.text, 0, TEXT_MAX);
	if (!file) /* a kernel thread: no file, so no name matches */
		return text_policies(slot, KEY_EXECUTABLE, 0);
	struct path_walk walk = {
		.dentry = BPF_CORE_READ(file, f_path.dentry), .mount = BPF_CORE_READ(file, f_path.mnt), .slot = slot};
	walk_path(&walk);
	u32 from = walk.start;
	if (from > PATH_END)
		return 0;
	u32 length = PATH_END - from;
	/* the tries see the first bytes of a long path: a suffix of one is left to user space */
	u64 undecided = length > TEXT_MAX ? config.texts[KEY_EXECUTABLE].used : 0;
	if (length > TEXT_MAX)
		length = TEXT_MAX;
	bpf_probe_read_kernel(builder->probe.text, length, &builder->path[from]);
	return text_policies(slot, KEY_EXECUTABLE, length) | undecided;
}

struct ancestry {
	struct task_struct *task;
	u64 yes, no;
};

static long ancestry_step(u64 index, struct ancestry *ancestry)
{
	struct task_struct *task = ancestry->task;
	struct number_probe probe = {.key = KEY_TREE, .value = BPF_CORE_READ(task, tgid)};
	struct verdict *named = bpf_map_lookup_elem(&tracee_numbers, &probe);
	if (named) {
		ancestry->yes |= named->yes;
		ancestry->no |= named->no;
	}
	struct task_struct *parent = BPF_CORE_READ(task, real_parent);
	if (!parent || parent == task || !probe.value)
		return 1;
	ancestry->task = parent;
	return 0;
}

/* The trees that a task stands in: walked once, then handed on at each fork, so an orphan keeps them. */
static __noinline u64 tree_policies(struct task_state *state)
{
	if (state->tree_generation != config.generation) {
		struct ancestry ancestry = {.task = (void *)bpf_get_current_task()};
		repeat(1024, ancestry_step, &ancestry);
		state->tree_yes = ancestry.yes;
		state->tree_no = ancestry.no;
		state->tree_generation = config.generation;
	}
	struct number_scope *scope = &config.numbers[KEY_TREE];
	return decide(scope->used, scope->positive, state->tree_yes, state->tree_no);
}

static __always_inline int make_scope(struct task_state *state)
{
	u64 policies = config.policies;
	struct task_struct *task = current_task();
	policies &= number_policies(KEY_PID, READ(task, tgid));
	policies &= number_policies(KEY_UID, state->uid);
	policies &= number_policies(KEY_MOUNT_NS, state->mount_ns);
	if (config.numbers[KEY_PID_NS].used) {
		struct pid *pid = READ(task, thread_pid);
		u32 pid_ns = 0;
		if (pid)
			pid_at_level(task, READ(pid, level), &pid_ns);
		policies &= number_policies(KEY_PID_NS, pid_ns);
	}
	if (config.numbers[KEY_TREE].used)
		policies &= tree_policies(state);
	if (config.texts[KEY_COMM].used | config.texts[KEY_EXECUTABLE].used) {
		s32 slot = builder_take();
		if (slot >= 0) { /* else user space decides: it tests again what it can */
			if (config.texts[KEY_COMM].used)
				policies &= comm_policies(slot);
			if (config.texts[KEY_EXECUTABLE].used)
				policies &= executable_policies(slot);
			builder_release(slot);
		}
	}
	state->followed |= policies & config.follow;
	state->policies = policies | state->followed;
	return 0;
}

/* The policies whose scope holds for the current task, where any has a scope. A global function: verified once. */
__noinline u64 scope_of_current(void)
{
	struct task_struct *task = current_task();
	struct task_state *state = current_state();
	if (!state)
		return config.policies;
	struct mm_struct *mm = READ(task, mm);
	u64 exe_file = mm ? (u64)READ(mm, exe_file) : 0;
	struct nsproxy *namespaces = READ(task, nsproxy);
	u32 mount_ns = namespaces ? READ(namespaces, mnt_ns, ns.inum) : 0;
	u32 uid = READ(task, cred, uid.val);
	u64 exec_id = READ(task, self_exec_id);
	u64 *kept = (u64 *)state->comm, comm[2];
	read_name(task, (char *)comm);
	if (state->generation != config.generation || state->exec_id != exec_id || state->exe_file != exe_file ||
	    state->uid != uid || state->mount_ns != mount_ns || kept[0] != comm[0] || kept[1] != comm[1]) {
		/* other policies: whom to follow is found out anew; in a new task it is what its parent handed on */
		if (state->generation && state->generation != config.generation)
			state->followed = 0;
		state->generation = config.generation;
		state->exec_id = exec_id;
		state->exe_file = exe_file;
		state->uid = uid;
		state->mount_ns = mount_ns;
		kept[0] = comm[0];
		kept[1] = comm[1];
		make_scope(state);
	}
	return state->policies | ~config.scoped;
}

/* The policies that want this event of the current task. Ourselves we never trace. */
static __always_inline u64 policies_of_current(u16 event)
{
	if (event >= MAX_EVENTS)
		return 0;
	u64 wanted = config.wanted[event];
	if (!wanted || bpf_get_current_pid_tgid() >> 32 == config.self)
		return 0;
	if (config.scoped)
		wanted &= scope_of_current();
	if (wanted && config.sampling != ~0u && bpf_get_prandom_u32() > config.sampling)
		return 0;
	return wanted;
}
