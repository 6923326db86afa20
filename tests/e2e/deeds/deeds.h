/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the deeds share. */
#pragma once
#include "call.h"
#include <time.h>

#define EXEC "pathname:s argv:v envp:v"
#define FUTEX "uaddr:p futex_op:i val:u timeout:t uaddr2:p val3:u"
#define BIND "sockfd:i addr:a addrlen:i"
#define MMAP "addr:U length:U prot:U flags:U fd:F off:U"

extern char *scratch, *self; /* the directory to do the deeds in, and the program */
extern int dir;              /* the descriptor of scratch */
static const struct timespec tiny = {0, 1000}, none = {0, 0}, five = {5, 250000000};

/* The path of a name in scratch; never freed. */
char *in(const char *name);
/* Notes that the descriptor is of that path, or of none. */
long keep(long fd, const char *path);
void shut(long fd);
void reap(long pid);
void in_child(void (*deeds)(void));

/* files.c */
void names(void);
void contents(void);
void attributes(void);
/* waits.c */
void pipes_and_polls(void);
void queues_of_requests(void);
/* memory.c */
void memory(void);
/* system.c */
void mounts(void);
void sandbox(void);
void kernel(void);
void plain(void);
/* time.c */
void clocks(void);
/* ipc.c */
void queues(void);
/* sockets.c */
void sockets(void);
/* signals.c */
void signals(void);
/* processes.c */
void identities(void);
void limits(void);
void threads(void);
void vforked(void);
void processes(void);
/* programs.c */
void programs(void);
/* compat32.c */
void compat_files(void);
void compat_rest(void);
