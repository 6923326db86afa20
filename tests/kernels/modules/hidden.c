// SPDX-License-Identifier: GPL-2.0
// Takes itself off the list of modules and out of /sys/module, as rootkits do. /proc/test_hidden says whether it is
// hidden, and hides it (write 1) or shows it again (write 0): only then can it be unloaded.
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/proc_fs.h>
#include <linux/rculist.h>
#include <linux/uaccess.h>

#define ENTRY "test_hidden"

static bool hide = true;
module_param(hide, bool, 0);
MODULE_PARM_DESC(hide, "hide when loaded");

static DEFINE_MUTEX(lock);
static bool hidden;
static struct list_head *before;
static struct kobject *parent;

// The kernel changes the list under a lock that modules cannot take, and what comes before this one may be unloaded:
// tests load one module after the other.
static void set_hidden(bool wanted)
{
	struct kobject *self = &THIS_MODULE->mkobj.kobj;

	mutex_lock(&lock);
	if (wanted && !hidden) {
		before = THIS_MODULE->list.prev;
		parent = self->parent;
		list_del_rcu(&THIS_MODULE->list);
		kobject_del(self);
	} else if (!wanted && hidden) {
		list_add_rcu(&THIS_MODULE->list, before);
		// a directory that lacks its files: unloading needs one, though kernels before 6.12 warn of what it
		// lacks
		if (kobject_add(self, parent, "%s", THIS_MODULE->name))
			pr_warn("hidden: not back in /sys/module\n");
	}
	hidden = wanted;
	mutex_unlock(&lock);
}

static ssize_t entry_read(struct file *file, char __user *to, size_t size, loff_t *at)
{
	char text[2] = {hidden ? '1' : '0', '\n'};

	return simple_read_from_buffer(to, size, at, text, sizeof(text));
}

static ssize_t entry_write(struct file *file, const char __user *from, size_t size, loff_t *at)
{
	bool wanted;
	int error = kstrtobool_from_user(from, size, &wanted);

	if (error)
		return error;
	set_hidden(wanted);
	return size;
}

static const struct proc_ops entry = {
	.proc_read = entry_read,
	.proc_write = entry_write,
};

static int __init hidden_init(void)
{
	if (!proc_create(ENTRY, 0600, NULL, &entry))
		return -ENOMEM;
	if (hide)
		set_hidden(true);
	return 0;
}

static void __exit hidden_exit(void)
{
	remove_proc_entry(ENTRY, NULL);
}

module_init(hidden_init);
module_exit(hidden_exit);
MODULE_DESCRIPTION("Test object: a module that hides");
MODULE_LICENSE("GPL");
