// SPDX-License-Identifier: GPL-2.0
// Puts its own function into the table of system calls; takes it out when unloaded. Newer kernels do not call what the
// table says (x64_sys_call has a switch), older ones do: the function does what the one before it does.
#include <linux/module.h>
#include <asm/unistd.h>

#include "overwrite.h"

static unsigned long table;
module_param(table, ulong, 0);
MODULE_PARM_DESC(table, "address of sys_call_table, from /proc/kallsyms");

static unsigned int number = __NR_getpgrp;
module_param(number, uint, 0);
MODULE_PARM_DESC(number, "the entry");

typedef asmlinkage long (*call_t)(const struct pt_regs *regs);
static call_t *entry;
static call_t before;

static asmlinkage long hooked_call(const struct pt_regs *regs)
{
	return before(regs);
}

static int __init hooksys_init(void)
{
	if (!table || number > __NR_getpgrp + 200)
		return -EINVAL;
	entry = (call_t *)table + number;
	before = *entry;
	overwrite((void **)entry, hooked_call);
	return 0;
}

static void __exit hooksys_exit(void)
{
	overwrite((void **)entry, before);
}

module_init(hooksys_init);
module_exit(hooksys_exit);
MODULE_DESCRIPTION("Test object: a hooked system call");
MODULE_LICENSE("GPL");
