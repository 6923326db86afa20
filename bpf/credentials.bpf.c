/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What tasks may do: capabilities asked for, credentials and namespaces changed. */

#include "include/event.h"
#include "include/hook.h"

/* ---- capabilities ---- */

static __noinline int capability_event(u32 capability)
{
	s32 slot = begin_event(EVENT_cap_capable);
	if (slot < 0)
		return 0;
	append_number(slot, capability);
	return builder_send(slot);
}

/* Checks whose answer nobody is to hear of are left out: they are made in passing, by the hundred. */
AT_FUNCTION(cap_capable, const struct cred *cred, void *namespace, int capability, u32 options)
{
	return options & CAP_OPT_NOAUDIT ? 0 : capability_event(capability);
}

AT_TRACEPOINT(cap_capable, const struct cred *cred, void *target, void *capable, int capability, int answer)
{
	return capability_event(capability);
}

/* ---- credentials ---- */

/* A set of capabilities: one number from 6.3 on, two halves before. */
static __always_inline u64 capability_set(const void *set)
{
	u64 value = 0;
	bpf_probe_read_kernel(&value, sizeof(value), set);
	return value;
}

#define CAPABILITIES(cred, set) capability_set(__builtin_preserve_access_index(&(cred)->set))

static __noinline int read_credentials(struct credentials *to, const struct cred *cred)
{
	to->uid = BPF_CORE_READ(cred, uid.val);
	to->gid = BPF_CORE_READ(cred, gid.val);
	to->suid = BPF_CORE_READ(cred, suid.val);
	to->sgid = BPF_CORE_READ(cred, sgid.val);
	to->euid = BPF_CORE_READ(cred, euid.val);
	to->egid = BPF_CORE_READ(cred, egid.val);
	to->fsuid = BPF_CORE_READ(cred, fsuid.val);
	to->fsgid = BPF_CORE_READ(cred, fsgid.val);
	to->user_ns = BPF_CORE_READ(cred, user_ns, ns.inum);
	to->securebits = BPF_CORE_READ(cred, securebits);
	to->inheritable = CAPABILITIES(cred, cap_inheritable);
	to->permitted = CAPABILITIES(cred, cap_permitted);
	to->effective = CAPABILITIES(cred, cap_effective);
	to->bounding = CAPABILITIES(cred, cap_bset);
	to->ambient = CAPABILITIES(cred, cap_ambient);
	return 0;
}

static __always_inline bool same_credentials(struct credentials *a, struct credentials *b)
{
	u64 *left = (u64 *)a, *right = (u64 *)b;
	for (u32 i = 0; i < sizeof(*a) / 8; i++)
		if (left[i] != right[i])
			return false;
	return true;
}

static __noinline int append_credentials(u32 slot, struct credentials *credentials)
{
	struct builder *builder = builder_at(slot);
	u32 start = builder ? chunk_open(builder) : 0;
	if (!start || start > DATA_MAX - sizeof(*credentials))
		return 0;
	__builtin_memcpy(&builder->data[start], credentials, sizeof(*credentials));
	chunk_close(builder, start, sizeof(*credentials), 0);
	return 0;
}

static __noinline int credentials_event(struct credentials *old, struct credentials *new)
{
	s32 slot = same_credentials(old, new) ? -1 : begin_event(EVENT_commit_creds);
	if (slot < 0)
		return 0;
	append_credentials(slot, old);
	append_credentials(slot, new);
	return builder_send(slot);
}

AT_FUNCTION(commit_creds, const struct cred *new)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct credentials before = {}, after = {};
	if (!is_watched(EVENT_commit_creds))
		return 0;
	read_credentials(&before, BPF_CORE_READ(task, real_cred));
	read_credentials(&after, new);
	return credentials_event(&before, &after);
}

/*
 * Where that cannot be hooked: at the exit of system calls the task's credentials are compared with what they were.
 * Others stand at another address; that some were written over in place, as exploits do, is looked for at every
 * CREDS_LOOK-th exit.
 */
#define CREDS_LOOK 64
struct known_credentials {
	u64 cred; /* address */
	struct credentials credentials;
};
TASK_MAP(tracee_creds, struct known_credentials);

/* The task that was last looked at by a CPU: what is kept with tasks takes longer to get at. */
struct last_look {
	u64 id, start, cred;
	u64 calls;
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct last_look);
} tracee_last_look SEC(".maps");

static __noinline int look_at_credentials(const struct cred *cred)
{
	struct known_credentials *known = current_value(&tracee_creds);
	struct credentials now = {};
	if (!known)
		return 0;
	read_credentials(&now, cred);
	if (known->cred)
		credentials_event(&known->credentials, &now);
	known->cred = (u64)cred;
	known->credentials = now;
	return 0;
}

/* In place of AFTER_CALLS: it comes at every call, and needs none of its registers. */
__noinline int after_every(s64 result)
{
	struct task_struct *task = current_task();
	const struct cred *cred = READ(task, real_cred);
	u64 id = READ(task, pid), start = READ(task, start_boottime);
	u32 zero = 0;
	struct last_look *last = bpf_map_lookup_elem(&tracee_last_look, &zero);
	if (!last)
		return 0;
	bool same = last->id == id && last->start == start && last->cred == (u64)cred;
	if (same && ++last->calls % CREDS_LOOK)
		return 0;
	last->id = id;
	last->start = start;
	last->cred = (u64)cred;
	return look_at_credentials(cred);
}

/* ---- namespaces ---- */

struct namespaces {
	u32 mnt, pid, uts, ipc, net, cgroup;
};

static __noinline int read_namespaces(struct namespaces *to, struct nsproxy *from)
{
	to->mnt = BPF_CORE_READ(from, mnt_ns, ns.inum);
	to->pid = BPF_CORE_READ(from, pid_ns_for_children, ns.inum);
	to->uts = BPF_CORE_READ(from, uts_ns, ns.inum);
	to->ipc = BPF_CORE_READ(from, ipc_ns, ns.inum);
	to->net = BPF_CORE_READ(from, net_ns, ns.inum);
	to->cgroup = BPF_CORE_READ(from, cgroup_ns, ns.inum);
	return 0;
}

/* Those that the task did not have before; 0 for the others. */
static __noinline int namespaces_event(u32 pid, struct namespaces *old, struct namespaces *new)
{
	bool same = old->mnt == new->mnt && old->pid == new->pid && old->uts == new->uts && old->ipc == new->ipc &&
		    old->net == new->net && old->cgroup == new->cgroup;
	if (same)
		return 0;
	s32 slot = begin_event(EVENT_switch_task_ns);
	if (slot < 0)
		return 0;
	append_number(slot, pid);
	append_number(slot, new->mnt == old->mnt ? 0 : new->mnt);
	append_number(slot, new->pid == old->pid ? 0 : new->pid);
	append_number(slot, new->uts == old->uts ? 0 : new->uts);
	append_number(slot, new->ipc == old->ipc ? 0 : new->ipc);
	append_number(slot, new->net == old->net ? 0 : new->net);
	append_number(slot, new->cgroup == old->cgroup ? 0 : new->cgroup);
	return builder_send(slot);
}

AT_FUNCTION(switch_task_namespaces, struct task_struct *task, struct nsproxy *proxy)
{
	struct namespaces old = {}, new = {};
	if (!proxy || !is_watched(EVENT_switch_task_ns))
		return 0; /* a task that ends has none left */
	read_namespaces(&old, BPF_CORE_READ(task, nsproxy));
	read_namespaces(&new, proxy);
	return namespaces_event(BPF_CORE_READ(task, pid), &old, &new);
}

/* What a task had before a call that changes it. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, struct namespaces);
} tracee_namespaces SEC(".maps");

BEFORE_CALLS(namespaces)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	u64 id = bpf_get_current_pid_tgid();
	struct namespaces now = {};
	if (!is_watched(EVENT_switch_task_ns))
		return 0;
	read_namespaces(&now, BPF_CORE_READ(task, nsproxy));
	bpf_map_update_elem(&tracee_namespaces, &id, &now, BPF_ANY);
	return 0;
}

AFTER_CALLS(namespaces)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	u64 id = bpf_get_current_pid_tgid();
	struct namespaces now = {}, *kept = bpf_map_lookup_elem(&tracee_namespaces, &id);
	if (!kept)
		return 0;
	struct namespaces old = *kept;
	bpf_map_delete_elem(&tracee_namespaces, &id);
	read_namespaces(&now, BPF_CORE_READ(task, nsproxy));
	return namespaces_event(id, &old, &now);
}
