/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Makes every kind of system call, each with known arguments, in the directory argv[1], and prints one line of JSON for
 * each: what a tracer must have seen. Nothing else is called in between, except the write of the line, so a tracer that
 * sees more is wrong too. Without a directory it only ends; that is what the programs do that it executes.
 */
#include "deeds.h"
#include <fcntl.h>
#include <sys/mman.h>

int main(int argc, char **argv)
{
	CALL(getpid, "");
	if (argc != 2 || argv[1][0] != '/')
		END(exit_group, "status:i", 0);
	self = argv[0], scratch = argv[1];
	CALL(chdir, "path:s", scratch);
	dir = CALL(open, "pathname:s flags:i mode:u", scratch, O_RDONLY | O_DIRECTORY, 0);
	keep(dir, scratch);
	low_next = low = (char *)CALL(mmap, MMAP, NULL, 1 << 16, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	low_next += 64;
	names();
	contents();
	attributes();
	pipes_and_polls();
	in_child(queues_of_requests);
	memory();
	in_child(mounts);
	in_child(sandbox);
	kernel();
	plain();
	clocks();
	queues();
	sockets();
	signals();
	in_child(identities);
	limits();
	threads();
	vforked();
	processes();
	programs();
	compat_files();
	compat_rest();
	END(exit_group, "status:i", 0);
}
