// SPDX-License-Identifier: GPL-2.0
// Puts its own functions where the kernel lists TCP sockets (tcp4_seq_ops.show) and where it lists a directory of /proc
// (iterate_shared of a file_operations), as rootkits do that hide connections and processes; restores when unloaded.
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "overwrite.h"

static unsigned long seq_ops;
module_param(seq_ops, ulong, 0);
MODULE_PARM_DESC(seq_ops, "address of a seq_operations such as tcp4_seq_ops, or 0");

static unsigned long file_ops;
module_param(file_ops, ulong, 0);
MODULE_PARM_DESC(file_ops, "address of a file_operations such as proc_root_operations, or 0");

static int (*show_before)(struct seq_file *seq, void *item);
static int (*iterate_before)(struct file *file, struct dir_context *context);

static int hooked_show(struct seq_file *seq, void *item)
{
	return show_before(seq, item);
}

static int hooked_iterate(struct file *file, struct dir_context *context)
{
	return iterate_before(file, context);
}

static int __init hookseq_init(void)
{
	struct seq_operations *seq = (void *)seq_ops;
	struct file_operations *file = (void *)file_ops;

	if (seq) {
		show_before = seq->show;
		overwrite((void **)&seq->show, hooked_show);
	}
	if (file) {
		iterate_before = file->iterate_shared;
		overwrite((void **)&file->iterate_shared, hooked_iterate);
	}
	return 0;
}

static void __exit hookseq_exit(void)
{
	if (seq_ops)
		overwrite((void **)&((struct seq_operations *)seq_ops)->show, show_before);
	if (file_ops)
		overwrite((void **)&((struct file_operations *)file_ops)->iterate_shared, iterate_before);
}

module_init(hookseq_init);
module_exit(hookseq_exit);
MODULE_DESCRIPTION("Test object: hooked lists of /proc");
MODULE_LICENSE("GPL");
