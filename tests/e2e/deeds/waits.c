/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Waiting for descriptors: pipes and polls, and queues of requests. */
#include "deeds.h"
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>

void pipes_and_polls(void)
{
	int pipes[2], more[2];
	char text[32] = "piped", name[64];
	struct iovec iov = {text, 5};
	struct stat stat;
	struct pollfd poll = {1, POLLOUT, 0};
	struct epoll_event event = {.events = EPOLLIN};
	struct timeval now = {};
	struct timespec zero = {}, patience = five;
	CALL(pipe, "pipefd:f", more);
	CALL(pipe2, "pipefd:f flags:i", more, 77);
	CALL(pipe2, "pipefd:f flags:i", pipes, O_CLOEXEC | O_NONBLOCK);
	CALL(fstat, "fd:i statbuf:p", pipes[0], &stat);
	sprintf(name, "pipe:[%lu]", stat.st_ino);
	keep(pipes[0], name);
	CALL(fcntl, "fd:F cmd:u arg:U", pipes[0], F_SETPIPE_SZ, 65536);
	CALL(vmsplice, "fd:i iov:p nr_segs:U flags:u", pipes[1], &iov, 1, 2);
	CALL(tee, "fd_in:i fd_out:i len:U flags:u", pipes[0], more[1], 4096, 2);
	CALL(splice, "fd_in:F off_in:p fd_out:i off_out:p len:U flags:u", pipes[0], NULL, more[1], NULL, 3, 2);
	CALL(poll, "fds:p nfds:u timeout:i", &poll, 1, -1);
	CALL(ppoll, "fds:p nfds:u tmo_p:t sigmask:p sigsetsize:U", &poll, 1, &zero, NULL, 8);
	CALL(select, "nfds:i readfds:p writefds:p exceptfds:p timeout:p", 0, NULL, NULL, NULL, &now);
	fd_set writable;
	FD_ZERO(&writable);
	FD_SET(pipes[1], &writable);
	/* The timeout is not told: the kernel writes the time that remains over it before the call returns. */
	CALL(pselect6, "nfds:i readfds:p writefds:p exceptfds:p timeout:- sigmask:p", pipes[1] + 1, NULL, &writable,
	     NULL, &patience, NULL);
	long epoll = CALL(epoll_create1, "flags:i", O_CLOEXEC);
	CALL(epoll_create, "size:i", 0);
	CALL(epoll_ctl, "epfd:i op:i fd:i event:p", epoll, EPOLL_CTL_ADD, more[0], &event);
	CALL(epoll_wait, "epfd:i events:p maxevents:i timeout:i", epoll, &event, 1, -1);
	CALL(epoll_pwait, "epfd:i events:p maxevents:i timeout:i sigmask:p sigsetsize:U", epoll, &event, 0, 0, NULL, 8);
	CALL(epoll_pwait2, "fd:i events:p maxevents:i timeout:t sigset:p sigsetsize:U", epoll, &event, 1, &five, NULL,
	     8);
	keep(epoll, "anon_inode:[eventpoll]");
	CALL(ioctl, "fd:F request:u arg:U", epoll, 0x541b, 0);
	long watch = CALL(inotify_init1, "flags:i", IN_CLOEXEC);
	CALL(inotify_add_watch, "fd:i pathname:s mask:u", watch, scratch, IN_CREATE);
	CALL(inotify_rm_watch, "fd:i wd:i", watch, 99);
	CALL(fanotify_init, "flags:u event_f_flags:u", 0, O_RDONLY);
	CALL(fanotify_mark, "fanotify_fd:i flags:u mask:- dirfd:F pathname:s", -1, 1, 2, dir, "file");
	CALL(eventfd, "initval:u", 4000000000u);
	CALL(eventfd2, "initval:u flags:i", 5, 0x80000);
	CALL(signalfd, "fd:i mask:p flags:U", -1, &event, 8);
	CALL(signalfd4, "fd:i mask:p sizemask:U flags:i", -1, &event, 8, 77);
	CALL(close_range, "first:u last:u flags:u", dir + 1, 60, 0);
	memset(paths + dir + 1, 0, (63 - dir) * sizeof(*paths));
}

/* In a child: what is left of a ring interrupts and restarts its owner's calls a little later. */
void queues_of_requests(void)
{
	aio_context_t context = 0;
	struct iocb block = {.aio_fildes = 1000}, *blocks[1] = {&block};
	struct io_event events[1];
	uint32_t params[30] = {};
	CALL(io_setup, "nr_events:u ctx_idp:p", 1, &context);
	CALL(io_submit, "ctx_id:U nr:l iocbpp:p", context, 1, blocks);
	CALL(io_getevents, "ctx_id:U min_nr:l nr:l events:p timeout:t", context, 0, 1, events, &tiny);
	CALL(io_pgetevents, "ctx_id:U min_nr:l nr:l events:p timeout:t usig:p", context, -1, 1, events, &none, NULL);
	CALL(io_cancel, "ctx_id:U iocb:p result:p", context, &block, events);
	CALL(io_destroy, "ctx_id:U", context);
	long ring = CALL(io_uring_setup, "entries:u p:p", 4, params);
	CALL(io_uring_enter, "fd:u to_submit:u min_complete:u flags:u sig:p argsz:U", ring, 0, 0, 0, NULL, 0);
	CALL(io_uring_register, "fd:u opcode:u arg:p nr_args:u", ring, 8, params, 999);
	shut(ring);
}
