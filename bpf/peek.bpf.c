/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's memory, for the searches that user space makes (crates/kernel/src/scan/). The program is attached to
 * nothing: user space runs it, and finds the answer in the one value of tracee_peeked. It returns 0, or -1 where memory
 * could not be read.
 */

#include "include/event.h"

#define PEEK_MAX 4096
#define NO_FIELD 0xffffffffu /* this kernel's types have no such field */

/* Offsets in bytes. `struct Layout` of crates/kernel/src/scan/peek.rs is the same list. */
struct layout {
	u32 module_list, module_name, module_srcversion, module_state;
	u32 mod_tree_node_mod, mod_tree_node_node;
	u32 module_kobject_kobj, module_kobject_mod;
	u32 kset_list, kobject_entry;
	u32 file_inode, file_operations;
	u32 proc_inode_inode, proc_inode_pde, pde_seq_ops;
	u32 file_dentry, dentry_hash, dentry_parent, dentry_name, name_hash, name_text;
	u32 seq_start, seq_stop, seq_next, seq_show;
	u32 fops_llseek, fops_read, fops_read_iter, fops_iterate, fops_iterate_shared, fops_open, fops_release,
		fops_ioctl;
};

enum peek_operation {
	PEEK_MEMORY, /* address, length: the bytes there */
	PEEK_FILE,   /* the address of the caller's open file number `address` */
	PEEK_LAYOUT, /* struct layout */
};

struct peeked {
	u8 bytes[PEEK_MAX];
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct peeked);
} tracee_peeked SEC(".maps");

#define FIELD(type, field) \
	(bpf_core_field_exists(((type *)0)->field) ? (u32)bpf_core_field_offset(type, field) : NO_FIELD)

static __noinline int fill_layout(struct layout *to)
{
	if (!to)
		return 0;
	to->module_list = FIELD(struct module, list);
	to->module_name = FIELD(struct module, name);
	to->module_srcversion = FIELD(struct module, srcversion);
	to->module_state = FIELD(struct module, state);
	to->mod_tree_node_mod = FIELD(struct mod_tree_node, mod);
	to->mod_tree_node_node = FIELD(struct mod_tree_node, node);
	to->module_kobject_kobj = FIELD(struct module_kobject, kobj);
	to->module_kobject_mod = FIELD(struct module_kobject, mod);
	to->kset_list = FIELD(struct kset, list);
	to->kobject_entry = FIELD(struct kobject, entry);
	to->file_inode = FIELD(struct file, f_inode);
	to->file_operations = FIELD(struct file, f_op);
	to->proc_inode_inode = FIELD(struct proc_inode, vfs_inode);
	to->proc_inode_pde = FIELD(struct proc_inode, pde);
	to->pde_seq_ops = FIELD(struct proc_dir_entry, seq_ops);
	to->file_dentry = FIELD(struct file, f_path.dentry);
	to->dentry_hash = FIELD(struct dentry, d_hash);
	to->dentry_parent = FIELD(struct dentry, d_parent);
	to->dentry_name = FIELD(struct dentry, d_name);
	to->name_hash = FIELD(struct qstr, hash_len);
	to->name_text = FIELD(struct qstr, name);
	to->seq_start = FIELD(struct seq_operations, start);
	to->seq_stop = FIELD(struct seq_operations, stop);
	to->seq_next = FIELD(struct seq_operations, next);
	to->seq_show = FIELD(struct seq_operations, show);
	to->fops_llseek = FIELD(struct file_operations, llseek);
	to->fops_read = FIELD(struct file_operations, read);
	to->fops_read_iter = FIELD(struct file_operations, read_iter);
	to->fops_iterate = FIELD(struct file_operations, iterate);
	to->fops_iterate_shared = FIELD(struct file_operations, iterate_shared);
	to->fops_open = FIELD(struct file_operations, open);
	to->fops_release = FIELD(struct file_operations, release);
	to->fops_ioctl = FIELD(struct file_operations, unlocked_ioctl);
	return 0;
}

SEC("raw_tp")
int tracee_peek(struct bpf_raw_tracepoint_args *ctx)
{
	u64 operation = ctx->args[0], address = ctx->args[1], length = ctx->args[2];
	u32 only = 0;
	struct peeked *to = bpf_map_lookup_elem(&tracee_peeked, &only);
	if (!to)
		return -1;
	if (operation == PEEK_LAYOUT)
		return fill_layout((struct layout *)to);
	if (operation == PEEK_FILE) {
		u64 file = (u64)file_of(address);
		__builtin_memcpy(to, &file, sizeof(file));
		return file ? 0 : -1;
	}
	if (length > PEEK_MAX)
		return -1;
	return bpf_probe_read_kernel(to, length, (void *)address) ? -1 : 0;
}
