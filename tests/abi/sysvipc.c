/* C14: System V semaphores, shared memory, message queues. */
#include "ktap.h"
#include <pthread.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

union semun {
    int val;
    struct semid_ds *buf;
    unsigned short *array;
    struct seminfo *info;
};
static int st;
static int op(int id, int num, int by, int flags) {
    struct sembuf b = {num, by, flags};
    return semop(id, &b, 1);
}
static int value(int id, int n) { return semctl(id, n, GETVAL); }
static int ends(pid_t p) {
    waitpid(p, &st, 0);
    return WIFEXITED(st) ? WEXITSTATUS(st) : 1000 + WTERMSIG(st);
}
static void nothing(int s) { (void)s; }
static void as_user(void) {
    setresgid(1000, 1000, 1000);
    setresuid(1000, 1000, 1000);
}

static int sysv_thread_id;
static int clone_child(void *a) {
    op(sysv_thread_id, 0, (int)(long)a, SEM_UNDO);
    return 0;
}

static void semaphores(void) {
    int id = semget(IPC_PRIVATE, 3, 0600);
    OK(id >= 0, "semget makes a set");
    OK(value(id, 0) == 0 && value(id, 2) == 0, "of zeros");
    FAILS(semctl(id, 3, GETVAL), EINVAL, "there is no fourth: EINVAL");
    union semun u = {.val = 5};
    OK(!semctl(id, 1, SETVAL, u) && value(id, 1) == 5 && semctl(id, 1, GETPID) == getpid(),
       "SETVAL, GETVAL, GETPID");
    u.val = 32768;
    FAILS(semctl(id, 1, SETVAL, u), ERANGE, "SETVAL too large: ERANGE");
    u.val = -1;
    FAILS(semctl(id, 1, SETVAL, u), ERANGE, "or below 0");
    unsigned short all[3] = {1, 2, 3}, got[3];
    u.array = all;
    OK(!semctl(id, 0, SETALL, u), "SETALL");
    u.array = got;
    OK(!semctl(id, 0, GETALL, u) && !memcmp(all, got, sizeof(all)), "GETALL");
    struct sembuf two[2] = {{0, -1, 0}, {1, -3, IPC_NOWAIT}};
    FAILS(semop(id, two, 2), EAGAIN, "IPC_NOWAIT: EAGAIN");
    OK(value(id, 0) == 1 && value(id, 1) == 2, "and nothing of it was done");
    two[1].sem_op = -2;
    OK(!semop(id, two, 2) && value(id, 0) == 0 && value(id, 1) == 0, "both or none");
    FAILS(op(id, 3, 1, 0), EFBIG, "no such semaphore: EFBIG");
    FAILS(semop(id, two, 0), EINVAL, "no operation: EINVAL");
    FAILS(semop(id, two, 501), E2BIG, "too many: E2BIG");
    FAILS(semop(id, (void *)8, 1), EFAULT, "a bad pointer: EFAULT");
    FAILS(op(-1, 0, 1, 0), EINVAL, "no set: EINVAL");
    FAILS(op(id, 2, 32767, 0), ERANGE, "above 32767: ERANGE");
    FAILS(op(id, 2, 0, IPC_NOWAIT), EAGAIN, "wait for zero: EAGAIN");
    OK(!op(id, 0, 0, IPC_NOWAIT), "zero is there");
    struct semid_ds d;
    u.buf = &d;
    OK(!semctl(id, 0, IPC_STAT, u) && d.sem_nsems == 3 && d.sem_perm.mode == 0600 && d.sem_otime &&
           d.sem_ctime,
       "IPC_STAT");
    d.sem_perm.mode = 0666;
    OK(!semctl(id, 0, IPC_SET, u) && !semctl(id, 0, IPC_STAT, u) && d.sem_perm.mode == 0666, "IPC_SET");

    pid_t p = fork();
    if (!p)
        _exit(op(id, 0, -2, 0) ? 1 : 7);
    while (semctl(id, 0, GETNCNT) != 1)
        usleep(1000);
    OK(semctl(id, 0, GETZCNT) == 0, "GETNCNT counts who waits");
    op(id, 0, 1, 0);
    usleep(20000);
    OK(waitpid(p, &st, WNOHANG) == 0, "one is not enough");
    op(id, 0, 1, 0);
    OK(ends(p) == 7 && value(id, 0) == 0, "two are");
    p = fork();
    if (!p)
        _exit(op(id, 2, 0, 0) ? 1 : 8);
    while (semctl(id, 2, GETZCNT) != 1)
        usleep(1000);
    op(id, 2, -3, 0);
    OK(ends(p) == 8, "who waits for zero goes on at zero");
    p = fork();
    if (!p) {
        signal(SIGUSR1, nothing);
        _exit(op(id, 0, -1, 0) == -1 && errno == EINTR ? 9 : 1);
    }
    while (semctl(id, 0, GETNCNT) != 1)
        usleep(1000);
    kill(p, SIGUSR1);
    OK(ends(p) == 9, "a signal: EINTR");
    struct timespec t = {0, 20000000};
    two[0] = (struct sembuf){0, -1, 0};
    FAILS(semtimedop(id, two, 1, &t), EAGAIN, "semtimedop: EAGAIN in time");
    t.tv_nsec = -1;
    FAILS(semtimedop(id, two, 1, &t), EINVAL, "no time: EINVAL");

    /* undo */
    u.val = 10;
    semctl(id, 0, SETVAL, u);
    p = fork();
    if (!p) {
        op(id, 0, -3, SEM_UNDO);
        op(id, 0, -1, 0);
        op(id, 0, 2, SEM_UNDO);
        _exit(value(id, 0));
    }
    OK(ends(p) == 8, "SEM_UNDO: while it lives it counts");
    OK(value(id, 0) == 9, "C14: at its end what was marked is undone");
    p = fork();
    if (!p) {
        op(id, 0, -4, SEM_UNDO);
        kill(getpid(), SIGKILL);
    }
    ends(p);
    OK(value(id, 0) == 9, "also when it is killed");
    p = fork();
    if (!p) {
        op(id, 0, -4, SEM_UNDO);
        execl("/proc/self/exe", "sysvipc", "exits", NULL);
    }
    OK(ends(p) == 3 && value(id, 0) == 9, "exec keeps the list");
    p = fork();
    if (!p) {
        op(id, 0, -4, SEM_UNDO);
        u.val = 1;
        semctl(id, 0, SETVAL, u);
        _exit(0);
    }
    ends(p);
    OK(value(id, 0) == 1, "SETVAL forgets what was to be undone");
    op(id, 0, -1, SEM_UNDO);
    p = fork();
    if (!p)
        _exit(0);
    ends(p);
    OK(value(id, 0) == 0, "C14: a child of fork has an empty list");
    sysv_thread_id = id;
    u.val = 20;
    semctl(id, 0, SETVAL, u);
    static char stack[2][65536] __attribute__((aligned(16)));
    p = fork();
    if (!p) { /* sharers: the list is undone when the last of them ends */
        pid_t a = clone(clone_child, stack[0] + 65536, CLONE_VM | CLONE_SYSVSEM | SIGCHLD, (void *)-5L);
        waitpid(a, &st, 0);
        if (value(id, 0) != 15)
            _exit(1);
        a = clone(clone_child, stack[1] + 65536, CLONE_VM | SIGCHLD, (void *)-5L);
        waitpid(a, &st, 0);
        _exit(value(id, 0) == 15 ? 5 : 2);
    }
    OK(ends(p) == 5,
       "C14: CLONE_SYSVSEM shares the list: its child's end undoes nothing; without it, it does");
    OK(value(id, 0) == 20, "the last sharer's end undoes");
    p = fork();
    if (!p)
        _exit(op(id, 0, -25, 0) == -1 && errno == EIDRM ? 6 : 1);
    while (semctl(id, 0, GETNCNT) != 1)
        usleep(1000);
    OK(!semctl(id, 0, IPC_RMID), "IPC_RMID");
    OK(ends(p) == 6, "who waits: EIDRM");
    FAILS(op(id, 0, 1, 0), EINVAL, "the id is gone: EINVAL");

    /* keys and rights */
    key_t k = 0x7e57;
    FAILS(semget(k, 1, 0), ENOENT, "no such key: ENOENT");
    id = semget(k, 2, IPC_CREAT | 0600);
    OK(id >= 0 && semget(k, 0, 0) == id && semget(k, 2, IPC_CREAT) == id, "the same key is the same set");
    FAILS(semget(k, 1, IPC_CREAT | IPC_EXCL), EEXIST, "IPC_EXCL: EEXIST");
    FAILS(semget(k, 3, 0), EINVAL, "it has fewer: EINVAL");
    FAILS(semget(IPC_PRIVATE, 0, 0600), EINVAL, "a set of none: EINVAL");
    FAILS(semget(IPC_PRIVATE, 32001, 0600), EINVAL, "too many: EINVAL");
    p = fork();
    if (!p) {
        as_user();
        int bad = !(semget(k, 0, 0600) == -1 && errno == EACCES);
        bad |= semget(k, 0, 0) != id; /* asked for nothing, it is found */
        bad |= !(op(id, 0, 1, 0) == -1 && errno == EACCES);
        bad |= !(semctl(id, 0, GETVAL) == -1 && errno == EACCES);
        bad |= !(semctl(id, 0, IPC_RMID) == -1 && errno == EPERM);
        _exit(bad);
    }
    OK(ends(p) == 0, "another user: EACCES, EPERM");
    semctl(id, 0, IPC_RMID);
}

static void memory(void) {
    int id = shmget(IPC_PRIVATE, 10000, 0600);
    OK(id >= 0, "shmget makes a segment");
    volatile int *a = shmat(id, NULL, 0), *b = shmat(id, NULL, SHM_RDONLY);
    OK(a != (void *)-1 && b != (void *)-1 && a != b && *a == 0, "shmat, twice; it is zero");
    *a = 42;
    OK(*b == 42, "both see it");
    struct shmid_ds d;
    OK(!shmctl(id, IPC_STAT, &d) && d.shm_nattch == 2 && d.shm_segsz == 10000 && d.shm_cpid == getpid() &&
           d.shm_atime,
       "IPC_STAT");
    pid_t p = fork();
    if (!p) {
        struct shmid_ds e;
        shmctl(id, IPC_STAT, &e);
        a[1] = e.shm_nattch;
        _exit(*a == 42 ? 0 : 1);
    }
    OK(ends(p) == 0 && a[1] == 4, "a child of fork is attached too");
    shmctl(id, IPC_STAT, &d);
    OK(d.shm_nattch == 2, "and not after its end");
    p = fork();
    if (!p) {
        *(volatile int *)b = 1;
        _exit(0);
    }
    OK(ends(p) == 1000 + SIGSEGV, "SHM_RDONLY");
    FAILS(shmat(id, (void *)((char *)a + 1), 0), EINVAL, "an address that is none: EINVAL");
    FAILS(shmat(id, (void *)a, 0), EINVAL, "where something is: EINVAL");
    OK(shmat(id, (void *)((char *)b + 100), SHM_RND | SHM_REMAP) == b, "SHM_RND, SHM_REMAP: in its place");
    *b = 43;
    OK(*a == 43, "writable now");
    OK(!shmdt((void *)b), "shmdt");
    FAILS(shmdt((void *)b), EINVAL, "twice: EINVAL");
    FAILS(shmdt((char *)a + 4096), EINVAL, "not its begin: EINVAL");
    mprotect((char *)a + 4096, 4096, PROT_READ);
    OK(!shmctl(id, IPC_RMID, NULL), "IPC_RMID while attached");
    OK(!shmctl(id, IPC_STAT, &d) && (d.shm_perm.mode & SHM_DEST), "it is there, and marked");
    *a = 44;
    OK(*a == 44, "and usable");
    OK(!shmdt((void *)a), "shmdt takes all pieces");
    FAILS(shmctl(id, IPC_STAT, &d), EINVAL, "with its last attach it goes");
    FAILS(shmget(IPC_PRIVATE, 0, 0600), EINVAL, "none of no size: EINVAL");
    id = shmget(0x7e58, 4096, IPC_CREAT | 0644);
    FAILS(shmget(0x7e58, 8192, 0), EINVAL, "a larger one than is there: EINVAL");
    OK(shmget(0x7e58, 100, 0) == id, "a smaller one is found");
    p = fork();
    if (!p) {
        as_user();
        int bad = !(shmat(id, 0, 0) == (void *)-1 && errno == EACCES);
        bad |= shmat(id, 0, SHM_RDONLY) == (void *)-1;
        bad |= !(shmctl(id, IPC_RMID, 0) == -1 && errno == EPERM);
        _exit(bad);
    }
    OK(ends(p) == 0, "another user may read what the mode lets it");
    OK(!shmctl(id, IPC_RMID, NULL), "IPC_RMID");
    FAILS(shmat(id, NULL, 0), EINVAL, "not attached, it goes at once");
    id = shmget(IPC_PRIVATE, 1 << 20, 0600);
    a = shmat(id, NULL, 0);
    for (int i = 0; i < 256; i++)
        a[i * 1024] = i;
    p = fork();
    if (!p) {
        execl("/proc/self/exe", "sysvipc", "exits", NULL);
    }
    ends(p);
    shmctl(id, IPC_STAT, &d);
    OK(d.shm_nattch == 1, "exec detaches");
    shmctl(id, IPC_RMID, NULL);
    shmdt((void *)a);
}

struct message {
    long type;
    char text[100];
};
static void messages(void) {
    int id = msgget(IPC_PRIVATE, 0600);
    struct message m = {2, "two"}, g;
    OK(id >= 0 && !msgsnd(id, &m, 4, 0), "msgget, msgsnd");
    m = (struct message){1, "one"};
    msgsnd(id, &m, 4, 0);
    m = (struct message){3, "three"};
    msgsnd(id, &m, 6, 0);
    struct msqid_ds d;
    OK(!msgctl(id, IPC_STAT, &d) && d.msg_qnum == 3 && d.msg_cbytes == 14 && d.msg_lspid == getpid() &&
           d.msg_qbytes == 16384,
       "IPC_STAT");
    FAILS(msgrcv(id, &g, 3, 3, 0), E2BIG, "too large for the buffer: E2BIG");
    OK(msgrcv(id, &g, 3, 3, MSG_NOERROR) == 3 && !memcmp(g.text, "thr", 3), "MSG_NOERROR cuts it");
    OK(msgrcv(id, &g, 100, 0, 0) == 4 && g.type == 2, "type 0: the first");
    m = (struct message){5, "five"};
    msgsnd(id, &m, 5, 0);
    m = (struct message){4, "four"};
    msgsnd(id, &m, 5, 0);
    OK(msgrcv(id, &g, 100, 5, 0) == 5 && g.type == 5, "that type");
    msgsnd(id, &g, 5, 0);
    OK(msgrcv(id, &g, 100, 1, MSG_EXCEPT) == 5 && g.type == 4, "MSG_EXCEPT: any other");
    OK(msgrcv(id, &g, 100, -4, 0) == 4 && g.type == 1, "negative: the lowest up to it");
    FAILS(msgrcv(id, &g, 100, -4, IPC_NOWAIT), ENOMSG, "IPC_NOWAIT: ENOMSG");
    m.type = 0;
    FAILS(msgsnd(id, &m, 5, 0), EINVAL, "type 0 is none: EINVAL");
    m.type = 1;
    FAILS(msgsnd(id, &m, 8193, 0), EINVAL, "too large: EINVAL");
    FAILS(msgsnd(id, (void *)8, 5, 0), EFAULT, "a bad pointer: EFAULT");
    FAILS(msgrcv(-1, &g, 1, 0, 0), EINVAL, "no queue: EINVAL");
    OK(!msgsnd(id, &m, 0, 0) && msgrcv(id, &g, 100, 1, 0) == 0, "a message of nothing");
    pid_t p = fork();
    if (!p)
        _exit(msgrcv(id, &g, 100, 9, 0) == 5 ? 5 : 1);
    usleep(20000);
    m = (struct message){9, "nine"};
    msgsnd(id, &m, 5, 0);
    OK(ends(p) == 5, "who waits for a message gets it");
    static struct {
        long type;
        char text[8192];
    } big = {7, ""};
    OK(!msgsnd(id, &big, 8192, 0), "8192 bytes");
    FAILS(msgsnd(id, &big, 8192, IPC_NOWAIT), EAGAIN, "full: EAGAIN");
    p = fork();
    if (!p)
        _exit(msgsnd(id, &big, 8192, 0) ? 1 : 6);
    usleep(20000);
    OK(waitpid(p, &st, WNOHANG) == 0 && msgrcv(id, &big, 8192, 7, 0) == 8192 && ends(p) == 6,
       "who waits for room goes on");
    p = fork();
    if (!p) {
        signal(SIGUSR1, nothing);
        _exit(msgrcv(id, &g, 100, 99, 0) == -1 && errno == EINTR ? 7 : 1);
    }
    usleep(20000);
    kill(p, SIGUSR1);
    OK(ends(p) == 7, "a signal: EINTR");
    d.msg_qbytes = 100;
    OK(!msgctl(id, IPC_SET, &d) && !msgctl(id, IPC_STAT, &d) && d.msg_qbytes == 100, "IPC_SET: less room");
    p = fork();
    if (!p)
        _exit(msgrcv(id, &g, 100, 99, 0) == -1 && errno == EIDRM ? 8 : 1);
    usleep(20000);
    OK(!msgctl(id, IPC_RMID, NULL) && ends(p) == 8, "IPC_RMID: who waits: EIDRM");
    FAILS(msgctl(id, IPC_STAT, &d), EINVAL, "gone: EINVAL");
    id = msgget(0x7e59, IPC_CREAT | 0600);
    OK(id >= 0 && msgget(0x7e59, 0) == id, "by a key");
    p = fork();
    if (!p) {
        as_user();
        struct msqid_ds e;
        int bad = !(msgrcv(id, &g, 1, 0, IPC_NOWAIT) == -1 && errno == EACCES);
        bad |= !(msgctl(id, IPC_STAT, &e) == -1 && errno == EACCES);
        _exit(bad);
    }
    OK(ends(p) == 0, "another user: EACCES");
    msgctl(id, IPC_RMID, NULL);
}

static void *adds(void *a) {
    int id = (int)(long)a;
    for (int i = 0; i < 300; i++) {
        op(id, 0, -1, SEM_UNDO);
        op(id, 1, 1, 0);
        op(id, 0, 1, SEM_UNDO);
    }
    return 0;
}
static void many(void) {
    int id = semget(IPC_PRIVATE, 2, 0600);
    union semun u = {.val = 1};
    semctl(id, 0, SETVAL, u);
    pid_t p[4];
    for (int i = 0; i < 4; i++)
        if (!(p[i] = fork())) {
            pthread_t t[3];
            for (int k = 0; k < 3; k++)
                pthread_create(&t[k], 0, adds, (void *)(long)id);
            for (int k = 0; k < 3; k++)
                pthread_join(t[k], 0);
            _exit(0);
        }
    for (int i = 0; i < 4; i++)
        ends(p[i]);
    OK(value(id, 0) == 1 && value(id, 1) == 3600,
       "twelve threads of four processes: each operation counts once");
    for (int i = 0; i < 4; i++)
        if (!(p[i] = fork())) {
            for (;;)
                adds((void *)(long)id);
        }
    usleep(100000);
    for (int i = 0; i < 4; i++)
        kill(p[i], SIGKILL), ends(p[i]);
    OK(value(id, 0) == 1, "killed in the middle: nobody keeps the semaphore");
    semctl(id, 0, IPC_RMID);
}

int main(int argc, char **argv) {
    (void)argv;
    if (argc > 1)
        return 3;
    printf("KTAP version 1\n");
    fflush(stdout);
    semaphores();
    memory();
    messages();
    many();
    return ktap_done();
}
