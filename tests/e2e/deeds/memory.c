/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Mappings, and where their pages are. */
#include "deeds.h"
#include <stdint.h>
#include <sys/mman.h>
#include <sys/uio.h>

#define VM "pid:i local_iov:p liovcnt:U remote_iov:p riovcnt:U flags:U"

void memory(void)
{
	unsigned char vector[4];
	int mode, status = 0;
	unsigned long mask = 0;
	long fd = keep(CALL(memfd_create, "name:s flags:u", "m\xfc", 0), "memfd:m\xfc");
	CALL(ftruncate, "fd:F length:l", fd, 1);
	long at = CALL(mmap, MMAP, NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec local = {vector, 4}, remote = {(void *)at, 4};
	void *page = (void *)at;
	CALL(mmap, MMAP, 4096, 4096, PROT_READ, MAP_SHARED, dir, 4096);
	CALL(mprotect, "addr:U len:U prot:U", at, 4096, PROT_READ | PROT_EXEC);
	CALL(pkey_mprotect, "addr:U len:U prot:U pkey:i", at, 4096, PROT_READ | PROT_WRITE, -1);
	CALL(pkey_alloc, "flags:U access_rights:U", 1, 0);
	CALL(pkey_free, "pkey:i", 99);
	CALL(msync, "addr:U length:U flags:i", at, 4096, MS_ASYNC);
	CALL(mincore, "addr:U length:U vec:p", at, 16384, vector);
	CALL(madvise, "addr:U length:U advice:i", at, 4096, MADV_WILLNEED);
	CALL(mlock, "addr:U len:U", at, 4096);
	CALL(mlock2, "addr:U len:U flags:i", at, 4096, 1);
	CALL(munlock, "addr:U len:U", at, 8192);
	CALL(mlockall, "flags:i", 0);
	CALL(mbind, "addr:U len:U mode:U nodemask:p maxnode:U flags:u", at, 4096, 0, NULL, 0, 0);
	CALL(set_mempolicy, "mode:i nodemask:p maxnode:U", 0, NULL, 0);
	CALL(get_mempolicy, "mode:p nodemask:p maxnode:U addr:U flags:U", &mode, NULL, 0, 0, 0);
	CALL(set_mempolicy_home_node, "addr:U len:U home_node:U flags:U", at, 4096, 0, 1);
	CALL(migrate_pages, "pid:i maxnode:U old_nodes:p new_nodes:p", me, 2, &mask, &mask);
	CALL(move_pages, "pid:i count:U pages:p nodes:p status:p flags:i", 0, 1, &page, NULL, &status, 2);
	CALL(remap_file_pages, "addr:U size:U prot:U pgoff:U flags:U", at, 4096, 1, 7, 0);
	CALL(process_vm_readv, VM, me, &local, 1, &remote, 1, 0);
	CALL(process_vm_writev, VM, me, &local, 1, &remote, 1, 1);
	CALL(process_madvise, "pidfd:i addr:p length:U advice:i flags:u", -1, &remote, 1, MADV_COLD, 0);
	CALL(userfaultfd, "flags:i", 77);
	CALL(membarrier, "cmd:i flags:u cpu_id:i", 0, 0, 5);
	NUMBER(map_shadow_stack, 453, "addr:U size:U flags:u", 0, 4096, 77);
	NUMBER(mseal, 462, "addr:U len:U flags:U", at, 0, 0);
	at = CALL(mremap, "old_address:U old_size:U new_size:U flags:U new_address:U", at, 16384, 8192, MREMAP_MAYMOVE,
		  0);
	CALL(munmap, "addr:U length:U", at, 8192);
	CALL(munmap, "addr:U length:U", 1, 8192);
	CALL(brk, "addr:U", 0);
	shut(fd);
}
