/*
 * Has an io_uring do what its arguments say, one after the other, each by a request of its own:
 *   [worker] [quiet] open FOLDERFD PATH FLAGS | apart FOLDERFD PATH FLAGS | unlink FOLDERFD PATH | rename OLD NEW |
 *   link OLD NEW | symlink TARGET PATH | truncate PATH LENGTH
 *   on PATH FLAGS | pipe | read AT LENGTH | readv AT LENGTH LENGTH | write AT TEXT | writev AT TEXT TEXT |
 *   chain PATH TEXT
 * `worker`: requests are done by a worker thread; `quiet`: those that succeed are not completed visibly; `buffers`:
 * reads and writes are by memory that the ring knows; `files`: and by a file that it knows. `on` says for which file
 * they are, `pipe` that it is a pipe. AT -1 is the file's own position. `chain` opens a file and writes to it at one
 * go. Prints each result. `.` as FOLDERFD is the working directory, else the folder of that name is opened.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define REQUEST_RENAMEAT 35
#define REQUEST_UNLINKAT 36
#define REQUEST_SYMLINKAT 38
#define REQUEST_LINKAT 39
#define REQUEST_FTRUNCATE 55
#define SLOTS 4

static struct {
	int fd;
	struct io_uring_params params;
	struct io_uring_sqe *entries;
	char *queue, *results;
	unsigned char flags;
	int fixed_buffers, fixed_files;
	int in, out; /* where reads and writes go */
	char *buffer;
} ring;

static unsigned *word(char *of, unsigned offset)
{
	return (unsigned *)(of + offset);
}

static void make_ring(void)
{
	int files[SLOTS];
	ring.fd = syscall(SYS_io_uring_setup, 8, &ring.params);
	if (ring.fd < 0)
		exit(77); /* not to be had here */
	ring.queue = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_SQ_RING);
	ring.results = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_CQ_RING);
	ring.entries = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_SQES);
	ring.buffer = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(files, 0xff, sizeof(files));
	struct iovec buffer = {ring.buffer, 4096};
	if (ring.queue == MAP_FAILED || ring.results == MAP_FAILED || ring.entries == MAP_FAILED ||
	    syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_FILES, files, SLOTS) ||
	    syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_BUFFERS, &buffer, 1))
		abort();
}

static void put(struct io_uring_sqe entry)
{
	unsigned tail = *word(ring.queue, ring.params.sq_off.tail);
	unsigned place = tail & *word(ring.queue, ring.params.sq_off.ring_mask);
	entry.flags |= ring.flags;
	ring.entries[place] = entry;
	word(ring.queue, ring.params.sq_off.array)[place] = place;
	__atomic_store_n(word(ring.queue, ring.params.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
}

/* The result of the first; what a quiet request that succeeds does not tell is 0. */
static int submit(int count)
{
	int quiet = ring.flags & (1 << 6);
	if (syscall(SYS_io_uring_enter, ring.fd, count, quiet ? 0 : count, IORING_ENTER_GETEVENTS, NULL, 0) != count)
		abort();
	unsigned head = *word(ring.results, ring.params.cq_off.head);
	if (quiet || head == __atomic_load_n(word(ring.results, ring.params.cq_off.tail), __ATOMIC_ACQUIRE))
		return 0;
	unsigned at = head & *word(ring.results, ring.params.cq_off.ring_mask);
	int result = ((struct io_uring_cqe *)(ring.results + ring.params.cq_off.cqes))[at].res;
	__atomic_store_n(word(ring.results, ring.params.cq_off.head), head + count, __ATOMIC_RELEASE);
	return result;
}

static int done(struct io_uring_sqe entry)
{
	put(entry);
	return submit(1);
}

static int folder(const char *name)
{
	return strcmp(name, ".") ? open(name, O_RDONLY | O_DIRECTORY) : AT_FDCWD;
}

static uint64_t text(const char *name)
{
	return (uint64_t)(uintptr_t)name;
}

/* A file's own number with the ring: the last slot. */
static int registered(int fd)
{
	struct io_uring_files_update update = {.offset = SLOTS - 1, .fds = text((char *)&fd)};
	if (syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_FILES_UPDATE, &update, 1) != 1)
		abort();
	return SLOTS - 1;
}

/* A read or a write of one or two pieces; how many words it took. */
static int transfer(char **words)
{
	int writes = words[0][0] == 'w', pieces = strchr(words[0], 'v') ? 2 : 1, fd = writes ? ring.out : ring.in;
	struct iovec vector[2];
	for (int i = 0; i < pieces; i++) {
		vector[i].iov_base = ring.buffer + 512 * i;
		vector[i].iov_len = writes ? strlen(words[2 + i]) : (size_t)atoi(words[2 + i]);
		if (writes)
			strcpy(vector[i].iov_base, words[2 + i]);
	}
	struct io_uring_sqe entry = {.user_data = 1, .fd = ring.fixed_files ? registered(fd) : fd};
	entry.flags = ring.fixed_files ? IOSQE_FIXED_FILE : 0;
	entry.off = atoll(words[1]);
	if (pieces == 2) {
		entry.opcode = writes ? IORING_OP_WRITEV : IORING_OP_READV;
		entry.addr = text((char *)vector);
		entry.len = pieces;
	} else {
		entry.opcode = writes ? IORING_OP_WRITE : IORING_OP_READ;
		if (ring.fixed_buffers)
			entry.opcode = writes ? IORING_OP_WRITE_FIXED : IORING_OP_READ_FIXED;
		entry.addr = text(ring.buffer);
		entry.len = vector[0].iov_len;
	}
	printf("%d\n", done(entry));
	return 2 + pieces;
}

/* Opens a file into the first slot and writes to it there. */
static int chain(char **words)
{
	struct io_uring_sqe open = {.user_data = 1, .opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .flags = IOSQE_IO_LINK};
	struct io_uring_sqe write = {.user_data = 2, .opcode = IORING_OP_WRITE, .fd = 0, .flags = IOSQE_FIXED_FILE};
	open.addr = text(words[1]);
	open.open_flags = O_WRONLY | O_CREAT;
	open.len = 0600;
	open.splice_fd_in = 1;
	write.addr = text(words[2]);
	write.len = strlen(words[2]);
	put(open);
	put(write);
	printf("%d\n", submit(2));
	return 3;
}

/* What requests that follow are for; how many words it took, 0 where they say something else. */
static int aim(char **words)
{
	int ends[2];
	if (!strcmp(words[0], "on")) {
		ring.in = ring.out = open(words[1], atoi(words[2]), 0600);
		return 3;
	}
	if (!strcmp(words[0], "pipe")) {
		if (pipe(ends))
			abort();
		ring.in = ends[0];
		ring.out = ends[1];
		return 1;
	}
	return 0;
}

/* One request; how many words it took. */
static int request(char **words)
{
	struct io_uring_sqe entry = {.user_data = 1};
	int taken = 3;
	if (!strncmp(words[0], "read", 4) || !strncmp(words[0], "write", 5))
		return transfer(words);
	if (!strcmp(words[0], "chain"))
		return chain(words);
	if (!strcmp(words[0], "open") || !strcmp(words[0], "apart")) {
		entry.opcode = IORING_OP_OPENAT;
		entry.fd = folder(words[1]);
		entry.addr = text(words[2]);
		entry.open_flags = atoi(words[3]);
		entry.len = 0600;
		if (words[0][0] == 'a')
			entry.splice_fd_in = 1; /* the first slot of the ring's own files */
		taken = 4;
	} else if (!strcmp(words[0], "unlink")) {
		entry.opcode = REQUEST_UNLINKAT;
		entry.fd = folder(words[1]);
		entry.addr = text(words[2]);
	} else if (!strcmp(words[0], "rename") || !strcmp(words[0], "link")) {
		entry.opcode = words[0][0] == 'r' ? REQUEST_RENAMEAT : REQUEST_LINKAT;
		entry.fd = AT_FDCWD;
		entry.len = AT_FDCWD;
		entry.addr = text(words[1]);
		entry.addr2 = text(words[2]);
	} else if (!strcmp(words[0], "symlink")) {
		entry.opcode = REQUEST_SYMLINKAT;
		entry.fd = AT_FDCWD;
		entry.addr = text(words[1]);
		entry.addr2 = text(words[2]);
	} else if (!strcmp(words[0], "truncate")) {
		entry.opcode = REQUEST_FTRUNCATE;
		entry.fd = open(words[1], O_RDWR);
		entry.off = atoi(words[2]);
	} else {
		exit(2);
	}
	printf("%d\n", done(entry));
	return taken;
}

int main(int argc, char **argv)
{
	make_ring();
	for (int i = 1; i < argc;) {
		if (!strcmp(argv[i], "worker"))
			ring.flags |= IOSQE_ASYNC, i++;
		else if (!strcmp(argv[i], "quiet"))
			ring.flags |= 1 << 6, i++;
		else if (!strcmp(argv[i], "buffers"))
			ring.fixed_buffers = 1, i++;
		else if (!strcmp(argv[i], "files"))
			ring.fixed_files = 1, i++;
		else
			i += aim(argv + i) ?: request(argv + i);
	}
	return 0;
}
