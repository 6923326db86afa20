/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Executing programs. */
#include "deeds.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static char *few[] = {"deeds", "two words", "\"\\\xff\n", "", NULL}, *variables[] = {"A=1", "EMPTY=", "=\xfe", NULL};
static char *many[31], thousand[1001];

static void executed(void)
{
	END(execve, EXEC, self, few, variables);
}

static void executed_with_much(void)
{
	END(execve, EXEC, self, many, variables + 3);
}

static void executed_at(void)
{
	char *slash = strrchr(self, '/'), *place = in("");
	memcpy(place, self, slash - self);
	place[slash - self] = 0;
	long fd = keep(CALL(open, "pathname:s flags:i", place, O_PATH), place);
	END(execveat, "dirfd:F " EXEC " flags:i", fd, slash + 1, ((char *[]){"deeds", "at", "", NULL}), variables, 0);
}

static void executed_script(void)
{
	END(execve, EXEC, "deeds", ((char *[]){"script", "one", NULL}), variables);
}

void programs(void)
{
	char text[4096];
	memset(thousand, 'x', 1000);
	for (int i = 0; i < 30; i++)
		many[i] = thousand;
	CALL(execve, EXEC, "/no/such/program", ((char *[]){"a", "", "b\xff", "", NULL}), variables);
	CALL(execve, EXEC, "/no/such/program", NULL, NULL);
	CALL(execve, EXEC, NULL, many, variables);
	CALL(execveat, "dirfd:F " EXEC " flags:i", dir, "none", ((char *[]){NULL}), NULL, AT_SYMLINK_NOFOLLOW);
	CALL(execveat, "dirfd:F " EXEC " flags:i", dir, "", NULL, NULL, AT_EMPTY_PATH);
	in_child(executed);
	in_child(executed_with_much);
	in_child(executed_at);
	long fd = CALL(open, "pathname:s flags:i mode:u", "deeds", O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	CALL(write, "fd:i buf:p count:U", fd, text, sprintf(text, "#!%s\n", self));
	shut(fd);
	in_child(executed_script);
	CALL(unlink, "pathname:s", "deeds");
}
