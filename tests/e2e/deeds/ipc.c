/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Shared memory, semaphores, message queues, futexes. */
#include "deeds.h"
#include <fcntl.h>
#include <linux/futex.h>
#include <stdint.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#define MQ "mqdes:i msg_ptr:b msg_len:U"

void queues(void)
{
	struct {
		long type;
		char text[8];
	} message = {5, "message"};
	struct sembuf up = {0, 1, 0}, down = {0, -1, IPC_NOWAIT};
	char text[64];
	uint32_t word = 7;
	uint64_t waiters[3] = {7, (uint64_t)&word, 2};
	long id = CALL(shmget, "key:i size:U shmflg:i", IPC_PRIVATE, 4096, IPC_CREAT | 0600);
	long at = CALL(shmat, "shmid:i shmaddr:p shmflg:i", id, NULL, SHM_RDONLY);
	CALL(shmdt, "shmaddr:p", at);
	CALL(shmctl, "shmid:i cmd:i buf:p", id, IPC_RMID, NULL);
	CALL(shmget, "key:i size:U shmflg:i", -559038737, 1L << 40, 0);
	id = CALL(semget, "key:i nsems:i semflg:i", IPC_PRIVATE, 1, 0600);
	CALL(semop, "semid:i sops:p nsops:u", id, &up, 1);
	CALL(semtimedop, "semid:i sops:p nsops:u timeout:t", id, &down, 1, &five);
	CALL(semtimedop, "semid:i sops:p nsops:u timeout:t", id, &down, 1, NULL);
	CALL(semctl, "semid:i semnum:i cmd:i arg:U", id, 0, SETVAL, 3);
	CALL(semctl, "semid:i semnum:i cmd:i", id, 0, IPC_RMID);
	id = CALL(msgget, "key:i msgflg:i", IPC_PRIVATE, 0600);
	CALL(msgsnd, "msqid:i msgp:p msgsz:U msgflg:i", id, &message, 7, IPC_NOWAIT);
	CALL(msgrcv, "msqid:i msgp:p msgsz:U msgtyp:l msgflg:i", id, &message, 8, -5, MSG_NOERROR);
	CALL(msgctl, "msqid:i cmd:i buf:p", id, IPC_RMID, NULL);
	long queue = CALL(mq_open, "name:s oflag:i mode:u attr:p", "deeds", O_RDWR | O_CREAT, 0600, NULL);
	CALL(mq_getsetattr, "mqdes:i newattr:p oldattr:p", queue, NULL, text);
	CALL(mq_timedsend, MQ " msg_prio:u abs_timeout:t", queue, "a\0b\xff\"c", 5, 9, &five);
	char received[8192];
	CALL(mq_timedreceive, "mqdes:i msg_ptr:B msg_len:U msg_prio:p abs_timeout:t", queue, received, 8192, &word,
	     NULL);
	CALL(mq_timedreceive, "mqdes:i msg_ptr:B msg_len:U msg_prio:p abs_timeout:t", queue, received, 8192, NULL,
	     &tiny);
	CALL(mq_notify, "mqdes:i sevp:p", queue, NULL);
	CALL(mq_unlink, "name:s", "deeds");
	CALL(mq_unlink, "name:s", "/wrong");
	shut(queue);
	CALL(futex, FUTEX, &word, FUTEX_WAIT, 1234, NULL, NULL, 0);
	CALL(futex, FUTEX, &word, FUTEX_WAIT_BITSET, word, &tiny, NULL, 4);
	CALL(futex, FUTEX, &word, FUTEX_CMP_REQUEUE, 1, NULL, &id, 99);
	CALL(futex_waitv, "waiters:p nr_futexes:u flags:u timeout:t clockid:i", waiters, 1, 0, &five, 1);
	NUMBER(futex_wake, 454, "uaddr:p mask:U nr:i flags:u", &word, 1, 2, 2);
	NUMBER(futex_wait, 455, "uaddr:p val:U mask:U flags:u timeout:t clockid:i", &word, 1, 1, 2, &tiny, 1);
	NUMBER(futex_requeue, 456, "waiters:p flags:u nr_wake:i nr_requeue:i", waiters, 77, 1, -1);
}
