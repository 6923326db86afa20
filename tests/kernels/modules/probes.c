// SPDX-License-Identifier: GPL-2.0
// Does, once each, what modules that watch or serve do: a kprobe, a search for a symbol, an ftrace hook, an entry in
// /proc, a folder and a file in debugfs, a character device with its node, and a program started from the kernel.
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/umh.h>
#include <linux/version.h>

#define NAME "test_probes"

static char *watched = "do_exit";
module_param(watched, charp, 0);
MODULE_PARM_DESC(watched, "the function that the kprobe and the ftrace hook are on");

static char *program = "/bin/true";
module_param(program, charp, 0);
MODULE_PARM_DESC(program, "what is started");

static char *symbol = "sys_call_table";
module_param(symbol, charp, 0);
MODULE_PARM_DESC(symbol, "what is searched for");

static int before(struct kprobe *probe, struct pt_regs *regs)
{
	return 0;
}

static struct kprobe probe = {.pre_handler = before};

#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 11, 0)
static void traced(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops, struct ftrace_regs *regs)
#else
static void traced(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops, struct pt_regs *regs)
#endif
{
}

static struct ftrace_ops hook = {.func = traced, .flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_IPMODIFY};

static const struct proc_ops entry_ops = {.proc_lseek = noop_llseek};
static const struct file_operations device_ops = {.owner = THIS_MODULE};
static struct dentry *folder;
static struct class *class;
static struct device *device;
static int major;

// kallsyms_lookup_name is for no module since 5.7: a kprobe tells where it is.
static int search(void)
{
	struct kprobe finder = {.symbol_name = "kallsyms_lookup_name"};
	unsigned long (*lookup)(const char *name);
	int error = register_kprobe(&finder);

	if (error)
		return error;
	lookup = (void *)finder.addr;
	unregister_kprobe(&finder);
	return lookup(symbol) ? 0 : -ENOENT;
}

static int watch(void)
{
	int error;

	probe.symbol_name = watched;
	error = register_kprobe(&probe);
	if (error)
		return error;
	error = ftrace_set_filter(&hook, watched, strlen(watched), 0);
	if (!error)
		error = register_ftrace_function(&hook);
	if (error)
		unregister_kprobe(&probe);
	return error;
}

static void unwatch(void)
{
	unregister_ftrace_function(&hook);
	unregister_kprobe(&probe);
}

static int make_device(void)
{
	major = register_chrdev(0, NAME, &device_ops);
	if (major < 0)
		return major;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	class = class_create(NAME);
#else
	class = class_create(THIS_MODULE, NAME);
#endif
	if (!IS_ERR(class)) {
		device = device_create(class, NULL, MKDEV(major, 0), NULL, NAME);
		if (!IS_ERR(device))
			return 0;
		class_destroy(class);
	}
	unregister_chrdev(major, NAME);
	return -ENOMEM;
}

static void remove_device(void)
{
	device_destroy(class, MKDEV(major, 0));
	class_destroy(class);
	unregister_chrdev(major, NAME);
}

static int start_program(void)
{
	char *arguments[] = {program, NULL};
	char *environment[] = {"HOME=/", NULL};

	return call_usermodehelper(program, arguments, environment, UMH_WAIT_PROC);
}

static int __init probes_init(void)
{
	int error = search();

	if (!error)
		error = watch();
	if (error)
		return error;
	error = make_device();
	if (error)
		goto unwatched;
	error = -ENOMEM;
	if (!proc_create(NAME, 0400, NULL, &entry_ops))
		goto no_device;
	error = start_program();
	if (error)
		goto no_entry;
	folder = debugfs_create_dir(NAME, NULL);
	debugfs_create_file("file", 0400, folder, NULL, &device_ops);
	return 0;

no_entry:
	remove_proc_entry(NAME, NULL);
no_device:
	remove_device();
unwatched:
	unwatch();
	return error;
}

static void __exit probes_exit(void)
{
	debugfs_remove(folder);
	remove_proc_entry(NAME, NULL);
	remove_device();
	unwatch();
}

module_init(probes_init);
module_exit(probes_exit);
MODULE_DESCRIPTION("Test object: probes, entries, devices, programs");
MODULE_LICENSE("GPL");
