/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which slots' scopes hold for a task. The answer is kept with the task, together with everything it was made from; it
 * is made again when one of those changed.
 */
#pragma once

#include "path.h"
#include "fields.h"

#define SCRIPT_NAME 256 /* of the first argument of a script, what is kept */

struct task_state {
	/* the answer ... */
	u64 slots;
	/* ... what it was made from ... */
	u64 generation;
	u64 exec_id;
	u64 exe_file;
	u32 uid, mount_ns;
	u64 host_name;
	u64 cgroup, containers_changed;
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
	/* the same, see executions.bpf.c: the memory that the task had before, the file that was opened first */
	u64 exec_mm;
	u64 opened_for, opened_dentry, opened_mount;
	u32 exec_told, headers_told;
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

/* A task's texts go into builder->probe, one at a time; the length. Looked up apart, so that fewer calls are nested. */
__noinline u32 comm_text(u32 slot)
{
	struct builder *builder = builder_at(slot);
	if (!builder)
		return 0;
	__builtin_memset(builder->probe.text, 0, TEXT_MAX);
	read_name(current_task(), builder->probe.text);
	u32 length = 0;
	while (length < TASK_COMM_LEN - 1 && builder->probe.text[length])
		length++;
	return length;
}

/* Of a longer path the first TEXT_MAX bytes. */
__noinline u32 executable_text(u32 slot)
{
	struct builder *builder = builder_at(slot);
	if (!builder)
		return 0;
	struct task_struct *task = (void *)bpf_get_current_task();
	struct file *file = BPF_CORE_READ(task, mm, exe_file);
	__builtin_memset(builder->probe.text, 0, TEXT_MAX);
	if (!file) /* a kernel thread: no file, so no name matches */
		return 0;
	struct path_walk walk = {
		.dentry = BPF_CORE_READ(file, f_path.dentry), .mount = BPF_CORE_READ(file, f_path.mnt), .slot = slot};
	walk_path(&walk);
	u32 from = walk.start;
	if (from > PATH_END)
		return 0;
	u32 whole = PATH_END - from, length = whole;
	FORGOTTEN(length);
	if (length > TEXT_MAX)
		length = TEXT_MAX;
	bpf_probe_read_kernel(builder->probe.text, length, &builder->path[from]);
	return whole;
}

static __always_inline char *host_name_of(struct nsproxy *namespaces)
{
	struct uts_namespace *uts = namespaces ? BPF_CORE_READ(namespaces, uts_ns) : NULL;
	return uts ? (char *)uts + bpf_core_field_offset(struct uts_namespace, name.nodename) : NULL;
}

__noinline u32 host_name_text(u32 slot)
{
	struct builder *builder = builder_at(slot);
	if (!builder)
		return 0;
	struct task_struct *task = (void *)bpf_get_current_task();
	char *name = host_name_of(BPF_CORE_READ(task, nsproxy));
	__builtin_memset(builder->probe.text, 0, TEXT_MAX);
	long n = name ? bpf_probe_read_kernel_str(builder->probe.text, HOST_NAME_LEN, name) : 0;
	return n > 0 ? n - 1 : 0;
}

/* Tells host names apart, to see that one has changed. */
static __noinline u64 host_name_mark(struct nsproxy *namespaces)
{
	u64 words[HOST_NAME_LEN / 8] = {}, mark = 1;
	char *name = host_name_of(namespaces);
	if (name)
		bpf_probe_read_kernel(words, sizeof(words), name);
	for (u32 i = 0; i < HOST_NAME_LEN / 8; i++)
		mark = (mark ^ words[i]) * 0x100000001b3;
	return mark;
}

struct ancestry {
	struct task_struct *task;
	u32 key;
	struct verdict sum;
};

static long ancestry_step(u64 index, struct ancestry *ancestry)
{
	struct task_struct *task = ancestry->task;
	struct number_probe probe = {.key = ancestry->key, .value = BPF_CORE_READ(task, tgid)};
	add_verdict(&ancestry->sum, bpf_map_lookup_elem(&tracee_numbers, &probe));
	struct task_struct *parent = BPF_CORE_READ(task, real_parent);
	if (!parent || parent == task || !probe.value)
		return 1;
	ancestry->task = parent;
	return 0;
}

struct since {
	u32 bank;
	u64 generation, same;
};

static long since_step(u64 slot, struct since *since)
{
	if (slot >= MAX_POLICIES)
		return 1;
	if (plan_of(since->bank)->since[slot] <= since->generation)
		since->same |= 1ULL << slot;
	return 0;
}

/* Slots that were in an earlier generation what they are now; the first is generation 1. */
__noinline u64 same_slots(u32 bank, u64 generation)
{
	struct since since = {.bank = bank, .generation = generation};
	if (generation)
		repeat(MAX_POLICIES, since_step, &since);
	return since.same;
}

/* The trees that a task stands in: walked once, then handed on at each fork, so an orphan keeps them. */
GLOBAL_WITH_MEMORY u64 tree_slots(struct task_state *state, u32 bank)
{
	struct plan *plan = plan_of(bank);
	if (!state)
		return 0;
	if (state->tree_generation != plan->generation) {
		u64 same = state->tree_yes | state->tree_no ? same_slots(bank, state->tree_generation) : 0;
		struct ancestry ancestry = {
			.task = (void *)bpf_get_current_task(),
			.key = scope_key(bank, KEY_TREE),
			.sum = {.yes = state->tree_yes & same, .no = state->tree_no & same},
		};
		repeat(1024, ancestry_step, &ancestry);
		state->tree_yes = ancestry.sum.yes;
		state->tree_no = ancestry.sum.no;
		state->tree_generation = plan->generation;
	}
	struct number_scope *scope = &plan->numbers[KEY_TREE];
	return decide(scope->used, scope->positive, state->tree_yes, state->tree_no);
}

static __always_inline int make_scope(struct task_state *state, u32 bank)
{
	struct plan *plan = plan_of(bank);
	u64 slots = plan->slots;
	struct task_struct *task = current_task();
	slots &= number_slots(bank, KEY_PID, READ(task, tgid));
	slots &= number_slots(bank, KEY_UID, state->uid);
	slots &= number_slots(bank, KEY_MOUNT_NS, state->mount_ns);
	if (plan->numbers[KEY_PID_NS].used) {
		struct pid *pid = READ(task, thread_pid);
		u32 pid_ns = 0;
		if (pid)
			pid_at_level(task, READ(pid, level), &pid_ns);
		slots &= number_slots(bank, KEY_PID_NS, pid_ns);
	}
	if (plan->numbers[KEY_TREE].used)
		slots &= tree_slots(state, bank);
	if (plan->containers)
		slots &= container_slots(state->cgroup, bank);
	u64 names = plan->texts[KEY_COMM].used, files = plan->texts[KEY_EXECUTABLE].used,
	    hosts = plan->texts[KEY_UTS].used;
	if (names | files | hosts) {
		s32 slot = builder_take();
		if (slot >= 0) { /* else user space decides: it tests again what it can */
			if (names)
				slots &= text_slots(slot, scope_key(bank, KEY_COMM), comm_text(slot), slots);
			if (files) {
				u32 length = executable_text(slot);
				u64 passed = text_slots(slot, scope_key(bank, KEY_EXECUTABLE), length, slots);
				/* the end of a long path was not seen: it is left to user space */
				slots &= length > TEXT_MAX ? passed | files : passed;
			}
			if (hosts)
				slots &= text_slots(slot, scope_key(bank, KEY_UTS), host_name_text(slot), slots);
			builder_release(slot);
		}
	}
	state->followed |= slots & plan->follow;
	state->slots = slots | state->followed;
	return 0;
}

/*
 * Whether the current task has come into another cgroup, or more is known of containers; noted. Apart, so that the
 * frame of its caller, which stands high, does not grow.
 */
static __noinline bool has_moved(struct task_state *state)
{
	u64 changed = *(volatile u64 *)&config.containers_changed, cgroup = cgroup_of(current_task());
	if (state->cgroup == cgroup && state->containers_changed == changed)
		return false;
	state->cgroup = cgroup;
	state->containers_changed = changed;
	return true;
}

static __always_inline u64 current_scope(u32 bank)
{
	struct plan *plan = plan_of(bank);
	struct task_struct *task = current_task();
	struct task_state *state = current_state();
	if (!state)
		return plan->slots;
	struct mm_struct *mm = READ(task, mm);
	u64 exe_file = mm ? (u64)READ(mm, exe_file) : 0;
	struct nsproxy *namespaces = READ(task, nsproxy);
	u32 mount_ns = namespaces ? READ(namespaces, mnt_ns, ns.inum) : 0;
	u32 uid = READ(task, cred, uid.val);
	u64 exec_id = READ(task, self_exec_id);
	u64 host_name = plan->texts[KEY_UTS].used ? host_name_mark(namespaces) : 0;
	u64 *kept = (u64 *)state->comm, comm[2];
	read_name(task, (char *)comm);
	/* first, since it takes note */
	if ((plan->containers && has_moved(state)) || state->generation != plan->generation ||
	    state->exec_id != exec_id || state->exe_file != exe_file || state->uid != uid ||
	    state->mount_ns != mount_ns || state->host_name != host_name || kept[0] != comm[0] || kept[1] != comm[1]) {
		/* another plan: what was followed goes on in slots that are still the same; a new task has what its
		 * parent handed on */
		if (state->followed && state->generation && state->generation != plan->generation)
			state->followed &= same_slots(bank, state->generation);
		state->generation = plan->generation;
		state->exec_id = exec_id;
		state->exe_file = exe_file;
		state->uid = uid;
		state->mount_ns = mount_ns;
		state->host_name = host_name;
		kept[0] = comm[0];
		kept[1] = comm[1];
		make_scope(state, bank);
	}
	return state->slots | ~plan->scoped;
}

/* The slots whose scope holds for the current task, where any has a scope. A global function: verified once. */
__noinline u64 scope_of_current(u32 bank)
{
	return current_scope(bank);
}

/*
 * The same for programs of cgroups, which not every kernel lets reach what is kept with tasks: global functions are
 * verified even where nothing calls them (to 6.7), and then such a kernel would refuse the program.
 */
static __noinline u64 scope_in_cgroups(u32 bank)
{
	return current_scope(bank);
}

static __always_inline bool is_ourselves(void)
{
	return bpf_get_current_pid_tgid() >> 32 == config.self;
}

static __always_inline bool is_left_out(void)
{
	return config.sampling != ~0u && bpf_get_prandom_u32() > config.sampling;
}

/* The slots that want an event, by the plan of a bank. */
struct wanted {
	u64 slots;
	u32 bank;
};

/* Those that want this event of the current task. Ourselves we never trace. */
static __always_inline struct wanted watchers(u16 event)
{
	struct wanted wanted = {.bank = config.bank};
	struct plan *plan = plan_of(wanted.bank);
	if (event >= MAX_EVENTS || !is_served(event) || !plan->wanted[event] || is_ourselves())
		return wanted;
	wanted.slots = plan->wanted[event];
	if (plan->scoped)
		wanted.slots = unless_riding(wanted.bank, wanted.slots & scope_of_current(wanted.bank));
	return wanted;
}

static __always_inline bool is_watched(u16 event)
{
	return watchers(event).slots;
}

/* Those that it is to be told to: of a sample some are left out. */
static __always_inline struct wanted wanted_of_current(u16 event)
{
	struct wanted wanted = watchers(event);
	if (wanted.slots && is_left_out())
		wanted.slots = 0;
	return wanted;
}
