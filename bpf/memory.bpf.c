/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Memory mapped, and what may be done with it. */

#include "include/area.h"
#include "include/event.h"
#include "include/hook.h"

/* Protection by mprotect's bits: a vma's lowest flags are the same. */
static __always_inline u32 protection_of(u64 flags)
{
	return flags & (PROT_READ | PROT_WRITE | PROT_EXEC);
}

/* What memory is to be, and the area that stood there before. */
struct change {
	struct area area;
	u64 address, length;
	s64 key;
	u32 protection, known;
};

/* ---- alerts ---- */

enum alert { ALERT_NONE, ALERT_MMAP_WX, ALERT_MADE_EXECUTABLE, ALERT_MADE_WRITABLE, ALERT_WRITABLE_BECAME_EXECUTABLE };

static __always_inline u32 alert_of(u32 old, u32 new)
{
	if (new &PROT_EXEC && !(old & PROT_EXEC))
		return old & PROT_WRITE && !(new &PROT_WRITE) ? ALERT_WRITABLE_BECAME_EXECUTABLE
							      : ALERT_MADE_EXECUTABLE;
	if (new &PROT_WRITE && old &PROT_EXEC && !(old & PROT_WRITE))
		return ALERT_MADE_WRITABLE;
	return ALERT_NONE;
}

/* Inline, since kernels round the stack of each call up to 32 bytes, and this stands high above the longest of chains.
 */
static __always_inline int alert_event(u32 alert, struct change *change)
{
	s32 slot = alert ? begin_event(EVENT_mem_prot_alert) : -1;
	if (slot < 0)
		return 0;
	append_number(slot, alert);
	append_number(slot, change->address);
	append_number(slot, change->length);
	append_number(slot, change->protection);
	append_number(slot, protection_of(change->area.flags));
	append_file(slot, (void *)change->area.file);
	return builder_send(slot);
}

/* ---- mprotect ---- */

static __noinline int protect_event(struct change *change)
{
	s32 slot = begin_event(EVENT_security_file_mprotect);
	if (slot < 0)
		return 0;
	struct file *file = (void *)change->area.file;
	append_file_path(slot, file);
	append_number(slot, change->protection);
	if (file)
		append_number(slot, inode_ctime(BPF_CORE_READ(file, f_inode)));
	else
		append_unknown(slot);
	if (change->known)
		append_number(slot, protection_of(change->area.flags));
	else
		append_unknown(slot);
	append_number(slot, change->address);
	append_number(slot, change->length);
	append_number(slot, change->key);
	return builder_send(slot);
}

/* The call's address, length and key: the hook gives the area alone, which may be larger. */
static __noinline bool read_protect(struct call *call)
{
	return read_call(current_registers(), call) && call->group == GROUP_mprotect;
}

AT_SECURITY(file_mprotect, struct vm_area_struct *vma, u64 asked, u64 protection)
{
	struct change change = {.area = {.start = BPF_CORE_READ(vma, vm_start),
					 .end = BPF_CORE_READ(vma, vm_end),
					 .flags = BPF_CORE_READ(vma, vm_flags),
					 .file = (u64)BPF_CORE_READ(vma, vm_file)},
				.protection = asked,
				.known = true,
				.key = -1};
	struct call call = {};
	bool known = read_protect(&call);
	change.address = known ? call.args[0] : change.area.start;
	change.length = known ? call.args[1] : change.area.end - change.area.start;
	if (known && call.event == EVENT_pkey_mprotect)
		change.key = (s32)call.args[3];
	protect_event(&change);
	if (by_lesser_way(EVENT_mem_prot_alert))
		return 0;
	return alert_event(alert_of(protection_of(change.area.flags), asked), &change);
}

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, struct area);
} tracee_areas SEC(".maps");

BEFORE_CALLS(mprotect)
{
	struct call call = {};
	struct area area = {};
	u64 task = bpf_get_current_pid_tgid();
	if (read_call(regs, &call) && area_at(call.args[0], &area))
		bpf_map_update_elem(&tracee_areas, &task, &area, BPF_ANY);
	return 0;
}

AFTER_CALLS(mprotect)
{
	struct call call = {};
	struct change change = {.key = -1};
	u64 task = bpf_get_current_pid_tgid();
	struct area *kept = bpf_map_lookup_elem(&tracee_areas, &task);
	if (kept) {
		change.known = true;
		change.area = *kept;
		bpf_map_delete_elem(&tracee_areas, &task);
	}
	if (result < 0 || !read_call(regs, &call))
		return 0;
	change.address = call.args[0];
	change.length = call.args[1];
	change.protection = call.args[2];
	if (call.event == EVENT_pkey_mprotect)
		change.key = (s32)call.args[3];
	if (by_lesser_way(EVENT_security_file_mprotect))
		protect_event(&change);
	if (change.known && by_lesser_way(EVENT_mem_prot_alert))
		alert_event(alert_of(protection_of(change.area.flags), change.protection), &change);
	return 0;
}

/* ---- mmap ---- */

static __noinline int map_file_event(struct file *file, u64 protection, u64 flags)
{
	s32 slot = begin_event(EVENT_security_mmap_file);
	if (slot < 0)
		return 0;
	append_file_path(slot, file);
	if (file)
		append_number(slot, BPF_CORE_READ(file, f_flags));
	else
		append_unknown(slot);
	append_inode(slot, file ? BPF_CORE_READ(file, f_inode) : NULL);
	append_number(slot, protection);
	append_number(slot, flags);
	return builder_send(slot);
}

/* A file whose code a process takes in while it runs, or as it begins. */
static __noinline int shared_object_event(struct file *file)
{
	s32 slot = file ? begin_event(EVENT_shared_object_loaded) : -1;
	if (slot < 0)
		return 0;
	append_file_path(slot, file);
	append_number(slot, BPF_CORE_READ(file, f_flags));
	append_inode(slot, BPF_CORE_READ(file, f_inode));
	return builder_send(slot);
}

/* As the dynamic loader maps code: privately, to be executed and not written, in a task that is not just being made. */
static __always_inline bool is_object(struct file *file, u64 protection, u64 flags)
{
	if (!file || !(protection & PROT_EXEC) || protection & PROT_WRITE || !(flags & MAP_PRIVATE))
		return false;
	struct task_struct *task = (void *)bpf_get_current_task();
	return BPF_CORE_READ(file, f_inode) != BPF_CORE_READ(task, mm, exe_file, f_inode);
}

AT_SECURITY(mmap_file, struct file *file, u64 protection, u64 flags)
{
	map_file_event(file, protection, flags);
	return is_object(file, protection, flags) ? shared_object_event(file) : 0;
}

/* A mapping that was made. */
struct mapping {
	struct file *file;
	u64 address, offset, length, protection, flags;
};

static __noinline int map_alert(struct mapping *mapping)
{
	struct change change = {.area = {.file = (u64)mapping->file},
				.address = mapping->address,
				.length = mapping->length,
				.protection = mapping->protection};
	bool both = (mapping->protection & (PROT_WRITE | PROT_EXEC)) == (PROT_WRITE | PROT_EXEC);
	return both ? alert_event(ALERT_MMAP_WX, &change) : 0;
}

static __noinline int map_event(struct mapping *mapping)
{
	struct file *file = mapping->file;
	s32 slot = begin_event(EVENT_do_mmap);
	if (slot < 0)
		return 0;
	append_number(slot, mapping->address);
	append_file_path(slot, file);
	if (file)
		append_number(slot, BPF_CORE_READ(file, f_flags));
	else
		append_unknown(slot);
	append_inode(slot, file ? BPF_CORE_READ(file, f_inode) : NULL);
	append_number(slot, mapping->offset);
	append_number(slot, mapping->length);
	append_number(slot, mapping->protection);
	append_number(slot, mapping->flags);
	return builder_send(slot);
}

/* From 6.6 on the flags that the area will have stand before the offset. */
ON_RETURN(do_mmap, struct file *file, u64 address, u64 length, u64 protection, u64 flags, u64 sixth, u64 seventh,
	  u64 eighth, u64 ninth)
{
	if (result < 0 && result > -4096)
		return 0;
	struct mapping mapping = {.file = file,
				  .address = result,
				  .offset = LINUX_KERNEL_VERSION < KERNEL_VERSION(6, 6, 0) ? sixth : seventh,
				  .length = length,
				  .protection = protection,
				  .flags = flags};
	map_event(&mapping);
	return by_lesser_way(EVENT_mem_prot_alert) ? 0 : map_alert(&mapping);
}

AFTER_CALLS(mmap)
{
	struct call call = {};
	if (result < 0 && result > -4096)
		return 0;
	if (!read_call(regs, &call))
		return 0;
	struct mapping mapping = {
		.address = result,
		.offset = call.args[5],
		.length = call.args[1],
		.protection = call.args[2],
		.flags = call.args[3],
		.file = call.args[3] & MAP_ANONYMOUS ? NULL : file_of(call.args[4]),
	};
	/* mmap counts bytes; mmap2, as do_mmap, pages */
	if (call.event != EVENT_mmap2)
		mapping.offset >>= 12;
	if (by_lesser_way(EVENT_security_mmap_file))
		map_file_event(mapping.file, mapping.protection, mapping.flags);
	if (by_lesser_way(EVENT_shared_object_loaded) && is_object(mapping.file, mapping.protection, mapping.flags))
		shared_object_event(mapping.file);
	if (by_lesser_way(EVENT_do_mmap))
		map_event(&mapping);
	return by_lesser_way(EVENT_mem_prot_alert) ? map_alert(&mapping) : 0;
}
