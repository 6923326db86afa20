/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Kernel modules, and what kernel code does that modules, good or bad, begin with. */

#include "include/event.h"
#include "include/hook.h"

#define MODULE_NAME_MAX 56
#define MODULE_TEXT_MAX 128

/* name, version, src_version */
static __noinline int append_module(u32 slot, struct module *module)
{
	append_string(slot, (u64)module + bpf_core_field_offset(struct module, name), 1);
	append_string(slot, (u64)BPF_CORE_READ(module, version), 1);
	append_string(slot, (u64)BPF_CORE_READ(module, srcversion), 1);
	return 0;
}

/* The file that the current task passed to finit_module; NULL where the module came from memory or by request. */
static __noinline struct file *module_file(void)
{
	struct call call = {};
	if (!read_call(current_registers(), &call) || call.event != EVENT_finit_module)
		return NULL;
	return file_of(call.args[0]);
}

AT_TRACEPOINT(module_load, struct module *module)
{
	s32 slot = begin_event(EVENT_module_load);
	if (slot < 0)
		return 0;
	append_module(slot, module);
	append_file(slot, module_file());
	return builder_send(slot);
}

AT_TRACEPOINT(module_free, struct module *module)
{
	s32 slot = begin_event(EVENT_module_free);
	if (slot < 0)
		return 0;
	append_module(slot, module);
	return builder_send(slot);
}

/* What a module is called is noted at the entry: one whose init fails is gone when do_init_module returns. */
struct module_texts {
	char name[MODULE_NAME_MAX];
	char version[MODULE_TEXT_MAX];
	char srcversion[MODULE_TEXT_MAX];
	u32 has_version, has_srcversion;
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 256);
	__type(key, u64);
	__type(value, struct module_texts);
} tracee_modules SEC(".maps");

AT_FUNCTION(do_init_module, struct module *module)
{
	u64 task = bpf_get_current_pid_tgid();
	struct module_texts texts = {};
	const char *version = BPF_CORE_READ(module, version), *srcversion = BPF_CORE_READ(module, srcversion);
	bpf_probe_read_kernel_str(texts.name, sizeof(texts.name),
				  (void *)module + bpf_core_field_offset(struct module, name));
	texts.has_version = version && bpf_probe_read_kernel_str(texts.version, sizeof(texts.version), version) > 0;
	texts.has_srcversion =
		srcversion && bpf_probe_read_kernel_str(texts.srcversion, sizeof(texts.srcversion), srcversion) > 0;
	bpf_map_update_elem(&tracee_modules, &task, &texts, BPF_ANY);
	return 0;
}

/* Text of ours: not all verifiers let its address pass as a number. */
static __noinline int append_text(u32 slot, const char *text, bool known)
{
	u64 pointer = (u64)text, address = 0;
	bpf_probe_read_kernel(&address, sizeof(address), &pointer);
	return append_string(slot, known ? address : 0, 1);
}

static __noinline int initialised_event(s64 result)
{
	u64 task = bpf_get_current_pid_tgid();
	struct module_texts *texts = bpf_map_lookup_elem(&tracee_modules, &task);
	if (!texts)
		return 0;
	s32 slot = begin_event(EVENT_do_init_module);
	if (slot >= 0) {
		append_text(slot, texts->name, true);
		append_text(slot, texts->version, texts->has_version);
		append_text(slot, texts->srcversion, texts->has_srcversion);
		set_result(slot, result);
		builder_send(slot);
	}
	bpf_map_delete_elem(&tracee_modules, &task);
	return 0;
}

SEC("fexit/do_init_module")
int tracee_do_init_module_fexit(u64 *context)
{
	TAKE_CONTEXT(1);
	return initialised_event((s32)ctx[1]);
}

SEC("kretprobe/do_init_module")
int tracee_do_init_module_kretprobe(struct pt_regs *regs)
{
	return initialised_event((s32)PT_REGS_RC(regs));
}

ON_RETURN(register_kprobe, struct kprobe *probe)
{
	if ((s32)result < 0)
		return 0;
	s32 slot = begin_event(EVENT_kprobe_attach);
	if (slot < 0)
		return 0;
	append_string(slot, (u64)BPF_CORE_READ(probe, symbol_name), 1);
	append_number(slot, (u64)BPF_CORE_READ(probe, pre_handler));
	append_number(slot, (u64)BPF_CORE_READ(probe, post_handler));
	return builder_send(slot);
}

ON_RETURN(kallsyms_lookup_name, const char *name)
{
	s32 slot = begin_event(EVENT_kallsyms_lookup_name);
	if (slot < 0)
		return 0;
	append_string(slot, (u64)name, 1);
	append_number(slot, result);
	return builder_send(slot);
}

AT_FUNCTION(proc_create, const char *name, u16 mode, struct proc_dir_entry *parent, u64 operations)
{
	s32 slot = begin_event(EVENT_proc_create);
	if (slot < 0)
		return 0;
	append_string(slot, (u64)name, 1);
	append_number(slot, operations);
	return builder_send(slot);
}

/* The path of a folder from its filesystem's root; that root itself for none. */
static __noinline int append_folder(u32 slot, struct dentry *folder)
{
	struct path_walk walk = {.dentry = folder, .slot = slot, .start = PATH_END};
	walk.root_dentry = BPF_CORE_READ(folder, d_sb, s_root);
	if (folder)
		repeat_long(walk.slot, PATH_PARTS, path_step, &walk);
	append_walked(slot, &walk, walk.flags);
	return 0;
}

static __noinline int debugfs_file_event(const char *name, u16 mode, struct dentry *parent, u64 operations)
{
	s32 slot = begin_event(EVENT_debugfs_create_file);
	if (slot < 0)
		return 0;
	append_string(slot, (u64)name, 1);
	append_folder(slot, parent);
	append_number(slot, mode);
	append_number(slot, operations);
	return builder_send(slot);
}

/* Every file, until 6.12; the caller's operations come last. */
AT_FUNCTION(__debugfs_create_file, const char *name, u16 mode, struct dentry *parent, u64 data, u64 proxy, u64 own)
{
	return debugfs_file_event(name, mode, parent, own);
}

/* From 6.14 on what debugfs_create_file is made of. */
AT_FUNCTION(debugfs_create_file_full, const char *name, u16 mode, struct dentry *parent, u64 data, u64 aux, u64 own)
{
	return debugfs_file_event(name, mode, parent, own);
}

/* Where the compiler has put the former into its callers. */
AT_FUNCTION(debugfs_create_file, const char *name, u16 mode, struct dentry *parent, u64 data, u64 own)
{
	return debugfs_file_event(name, mode, parent, own);
}

AT_FUNCTION(debugfs_create_dir, const char *name, struct dentry *parent)
{
	s32 slot = begin_event(EVENT_debugfs_create_dir);
	if (slot < 0)
		return 0;
	append_string(slot, (u64)name, 1);
	append_folder(slot, parent);
	return builder_send(slot);
}

static __always_inline u64 device_name(struct device *device)
{
	return device ? (u64)BPF_CORE_READ(device, kobj.name) : 0;
}

/* At the return, since a device of a bus gets its name on the way. The caller holds the device. */
ON_RETURN(device_add, struct device *device)
{
	s32 slot = begin_event(EVENT_device_add);
	if (slot < 0)
		return 0;
	append_string(slot, device_name(device), 1);
	append_string(slot, device_name(BPF_CORE_READ(device, parent)), 1);
	return builder_send(slot);
}

/* Returns the number that it chose where 0 was asked for, else 0. */
ON_RETURN(__register_chrdev, u32 major, u32 minor, u32 count, const char *name, u64 operations)
{
	if ((s32)result < 0)
		return 0;
	s32 slot = begin_event(EVENT_register_chrdev);
	if (slot < 0)
		return 0;
	append_number(slot, major);
	append_number(slot, major ? major : (u32)result);
	append_string(slot, (u64)name, 1);
	append_number(slot, operations);
	return builder_send(slot);
}
