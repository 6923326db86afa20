/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* BPF programs that are attached to what happens in the kernel and in programs. */

#include "include/helpers.h"
#include "include/hook.h"
#include "include/tracing.h"

/* ---- helpers, noted when a program is loaded ---- */

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u32); /* a program's id */
	__type(value, struct helper_search);
} tracee_helpers SEC(".maps");

static __noinline int note_helpers(struct bpf_prog *prog, u64 attributes)
{
	struct helper_search helpers = {};
	u32 id = BPF_CORE_READ(prog, aux, id);
	s32 slot = builder_take();
	if (slot < 0)
		return 0;
	find_helpers(slot, attributes, &helpers);
	builder_release(slot);
	return bpf_map_update_elem(&tracee_helpers, &id, &helpers, BPF_ANY);
}

/* ---- the event ---- */

enum attachment_kind { ON_RAW_TRACEPOINT, ON_TRACEPOINT, ON_KPROBE, ON_KRETPROBE, ON_UPROBE, ON_URETPROBE };

struct attachment {
	struct bpf_prog *prog;
	const char *name;
	u64 address; /* of a kprobe; in the file of a uprobe */
	u32 kind;
};

static __always_inline int attachment_event(struct attachment *attachment)
{
	struct bpf_prog *prog = attachment->prog;
	struct bpf_prog_aux *aux = BPF_CORE_READ(prog, aux);
	u32 id = BPF_CORE_READ(aux, id);
	s32 slot = begin_event(EVENT_bpf_attach);
	if (slot < 0)
		return 0;
	append_number(slot, BPF_CORE_READ(prog, type));
	append_string(slot, (u64)__builtin_preserve_access_index(&aux->name), 1);
	append_number(slot, id);
	struct helper_search *helpers = bpf_map_lookup_elem(&tracee_helpers, &id);
	if (helpers)
		append_helpers(slot, helpers);
	else
		append_unknown(slot);
	append_string(slot, (u64)attachment->name, 1);
	if (attachment->kind >= ON_KPROBE)
		append_number(slot, attachment->address);
	else
		append_unknown(slot);
	append_number(slot, attachment->kind);
	return builder_send(slot);
}

/* ---- raw tracepoints ---- */

static __noinline int raw_attached(struct bpf_raw_event_map *map, struct bpf_prog *prog)
{
	struct attachment attachment = {.prog = prog, .name = BPF_CORE_READ(map, tp, name), .kind = ON_RAW_TRACEPOINT};
	return attachment_event(&attachment);
}

/* Takes the program itself before 6.10. */
ON_RETURN(bpf_probe_register, struct bpf_raw_event_map *map, u64 program)
{
	struct bpf_raw_tp_link *link = (void *)program;
	if ((s32)result)
		return 0;
	bool is_link = bpf_core_field_exists(link->cookie);
	return raw_attached(map, is_link ? BPF_CORE_READ(link, link.prog) : (void *)program);
}

/* ---- events of perf: tracepoints and probes ---- */

/* The probe that the event of a kprobe or a uprobe begins with; NULL where it is another's. */
static __always_inline struct trace_probe *probe_of(struct trace_event_call *call)
{
	struct trace_probe_event *event = (void *)call - bpf_core_field_offset(struct trace_probe_event, call);
	struct trace_event_class *class = (void *)event + bpf_core_field_offset(struct trace_probe_event, class);
	if (BPF_CORE_READ(call, class) != class)
		return NULL;
	struct list_head *first = BPF_CORE_READ(event, probes.next);
	return (void *)first - bpf_core_field_offset(struct trace_probe, list);
}

/* Both kinds are listed by their beginnings, which stand at other distances: only the right one leads back to itself.
 */
static __always_inline bool is_kprobe(struct trace_kprobe *probe)
{
	u64 entry = (u64)probe + bpf_core_field_offset(struct trace_kprobe, devent.list);
	struct list_head *next = BPF_CORE_READ(probe, devent.list.next);
	return (u64)BPF_CORE_READ(next, prev) == entry;
}

static __always_inline int describe_probe(struct trace_probe *at, struct attachment *to)
{
	if (bpf_core_type_exists(struct trace_kprobe)) {
		struct trace_kprobe *probe = (void *)at - bpf_core_field_offset(struct trace_kprobe, tp);
		if (is_kprobe(probe)) {
			to->kind = BPF_CORE_READ(probe, rp.handler) ? ON_KRETPROBE : ON_KPROBE;
			to->name = BPF_CORE_READ(probe, symbol);
			to->address = (u64)BPF_CORE_READ(probe, rp.kp.addr);
			return 0;
		}
	}
	if (bpf_core_type_exists(struct trace_uprobe)) {
		struct trace_uprobe *probe = (void *)at - bpf_core_field_offset(struct trace_uprobe, tp);
		to->kind = BPF_CORE_READ(probe, consumer.ret_handler) ? ON_URETPROBE : ON_UPROBE;
		to->name = BPF_CORE_READ(probe, filename);
		to->address = BPF_CORE_READ(probe, offset);
	}
	return 0;
}

#define SHORT_TEXT 16

/* Whether a text of the kernel's is this one. */
static __always_inline bool is_text(const void *at, const char *expected)
{
	char text[SHORT_TEXT] = {};
	bpf_probe_read_kernel_str(text, sizeof(text), at);
	for (u32 i = 0; i < SHORT_TEXT; i++) {
		if (text[i] != expected[i])
			return false;
		if (!text[i])
			return true;
	}
	return false;
}

/* Those of system calls have a name of their own, others that of their tracepoint. */
static __always_inline const char *tracepoint_name(struct trace_event_call *call)
{
	if (is_text(BPF_CORE_READ(call, class, system), "syscalls"))
		return BPF_CORE_READ(call, name);
	return BPF_CORE_READ(call, tp, name);
}

static __noinline int perf_attached(struct perf_event *event)
{
	struct attachment attachment = {.prog = BPF_CORE_READ(event, prog), .kind = ON_TRACEPOINT};
	struct trace_event_call *call = BPF_CORE_READ(event, tp_event);
	if (!call || !attachment.prog)
		return 0; /* a counter's overflow */
	struct trace_probe *probe = bpf_core_type_exists(struct trace_probe_event) ? probe_of(call) : NULL;
	if (probe)
		describe_probe(probe, &attachment);
	else
		attachment.name = tracepoint_name(call);
	return attachment_event(&attachment);
}

/* Older kernels differ in how many arguments it has, so what it returns is not looked at there. */
ON_RETURN(perf_event_attach_bpf_prog, struct perf_event *event, struct bpf_prog *prog)
{
	if (BPF_CORE_READ(event, prog) != prog || (!OLDER_KERNEL && (s32)result))
		return 0;
	return perf_attached(event);
}

/* ---- system calls, where the kernel's own functions cannot be had ---- */

#define PERF_EVENT_IOC_SET_BPF 0x40042408

/* Whether a file is of a kind that the kernel names so. */
static __always_inline bool is_called(struct file *file, const char *name)
{
	return is_text(BPF_CORE_READ(file, f_path.dentry, d_name.name), name);
}

/* The event of perf that a file holds. */
static __always_inline int perf_file_attached(struct file *file)
{
	return file && is_called(file, "[perf_event]") ? perf_attached(BPF_CORE_READ(file, private_data)) : 0;
}

/* What a new descriptor attaches, where it is a link. */
static __noinline int link_made(struct file *file)
{
	if (!file || !is_called(file, "bpf_link"))
		return 0;
	struct bpf_link *link = BPF_CORE_READ(file, private_data);
	struct bpf_raw_tp_link *raw = (void *)link;
	struct bpf_perf_link *perf = (void *)link;
	u32 type = BPF_CORE_READ(link, type);
	if (type == BPF_LINK_TYPE_RAW_TRACEPOINT)
		return raw_attached(BPF_CORE_READ(raw, btp), BPF_CORE_READ(link, prog));
	if (type == BPF_LINK_TYPE_PERF_EVENT && bpf_core_type_exists(struct bpf_perf_link))
		return perf_file_attached(BPF_CORE_READ(perf, perf_file));
	return 0;
}

AFTER_CALLS(ioctl)
{
	struct call call = {};
	if (result < 0 || !by_lesser_way(EVENT_bpf_attach) || !read_call(regs, &call) ||
	    (u32)call.args[1] != PERF_EVENT_IOC_SET_BPF)
		return 0;
	return perf_file_attached(file_of(call.args[0]));
}
