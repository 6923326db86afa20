/* Makes, names and connects sockets by io_uring. Prints a line for what was done so: what, result. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* newer than some headers */
enum { OP_SOCKET = 45, OP_COMMAND = 46, OP_BIND = 56, OP_LISTEN = 57, COMMAND_SETSOCKOPT = 3 };

static int ring;
static char *submissions, *completions;
static struct io_uring_sqe *entries;
static struct io_uring_params params;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static char *map(size_t size, off_t offset)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, offset);
	if (at == MAP_FAILED)
		fail("mmap");
	return at;
}

static void open_ring(void)
{
	ring = syscall(SYS_io_uring_setup, 4, &params);
	if (ring < 0)
		fail("io_uring_setup");
	submissions = map(params.sq_off.array + params.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
	completions = map(params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe), IORING_OFF_CQ_RING);
	entries = (void *)map(params.sq_entries * sizeof(*entries), IORING_OFF_SQES);
}

/* Does one request and waits for it. */
static int done(const char *what, struct io_uring_sqe entry)
{
	unsigned *tail = (void *)(submissions + params.sq_off.tail), index = *tail % params.sq_entries;
	entries[index] = entry;
	((unsigned *)(submissions + params.sq_off.array))[index] = index;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		fail(what);
	unsigned *head = (void *)(completions + params.cq_off.head);
	struct io_uring_cqe *all = (void *)(completions + params.cq_off.cqes);
	int result = all[*head % params.cq_entries].res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	printf("%s %d\n", what, result);
	return result;
}

int main(void)
{
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t size = sizeof(here);
	int one = 1;
	open_ring();
	int server = done("socket",
			  (struct io_uring_sqe){.opcode = OP_SOCKET, .fd = AF_INET, .off = SOCK_STREAM | SOCK_CLOEXEC});
	if (server < 0)
		server = socket(AF_INET, SOCK_STREAM, 0);
	struct io_uring_sqe option = {.opcode = OP_COMMAND, .fd = server, .off = COMMAND_SETSOCKOPT};
	/* level and name stand where the address would, length and value behind */
	option.addr = SOL_SOCKET | (unsigned long long)SO_REUSEADDR << 32;
	option.splice_fd_in = sizeof(one);
	option.addr3 = (unsigned long)&one;
	done("setsockopt", option);
	if (done("bind",
		 (struct io_uring_sqe){.opcode = OP_BIND, .fd = server, .addr = (unsigned long)&here, .addr2 = size}) &&
	    bind(server, (void *)&here, size))
		fail("bind");
	if (done("listen", (struct io_uring_sqe){.opcode = OP_LISTEN, .fd = server, .len = 5}) && listen(server, 5))
		fail("listen");
	if (getsockname(server, (void *)&here, &size))
		fail("getsockname");
	int client = socket(AF_INET, SOCK_STREAM, 0);
	done("connect", (struct io_uring_sqe){
				.opcode = IORING_OP_CONNECT, .fd = client, .addr = (unsigned long)&here, .off = size});
	done("accept", (struct io_uring_sqe){.opcode = IORING_OP_ACCEPT, .fd = server});

	/* the same by a file that is registered, whose number is no descriptor */
	int files[2] = {server, client = socket(AF_INET, SOCK_STREAM, 0)};
	if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES, files, 2))
		fail("io_uring_register");
	done("connect", (struct io_uring_sqe){.opcode = IORING_OP_CONNECT,
					      .flags = IOSQE_FIXED_FILE,
					      .fd = 1,
					      .addr = (unsigned long)&here,
					      .off = size});
	done("accept", (struct io_uring_sqe){.opcode = IORING_OP_ACCEPT, .flags = IOSQE_FIXED_FILE, .fd = 0});
	printf("port %d\nserver %d\nclient %d\n", ntohs(here.sin_port), server, client);
	return 0;
}
