/* A user who fills what memory file systems, shared memory, messages and semaphores may have leaves enough to run programs with. */
#include "../abi/ktap.h"
#include <grp.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

static char piece[65536];
static long megabytes(const char *name) {
    int fd = open(name, O_CREAT | O_WRONLY, 0600);
    ssize_t n;
    long all = 0;
    while ((n = write(fd, piece, sizeof(piece))) > 0)
        all += n;
    int e = errno;
    close(fd);
    return n < 0 && e == ENOSPC ? all >> 20 : -1;
}
static int fills(void) {
    long most = sysconf(_SC_PHYS_PAGES) / 256, all = 0, n;
    if (setgroups(0, NULL) || setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))
        return 100;
    for (int i = 0; i < 2; i++, all += n)
        if ((n = megabytes(i ? "/dev/shm/full" : "/tmp/full")) < 0)
            return 1;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) || mount("full", "/dev/shm", "tmpfs", 0, NULL))
        return 101;
    if ((n = megabytes("/dev/shm/full")) < 0)
        return 2;
    all += n;
    printf("# %ld of %ld MB\n", all, most);
    return all > most * 4 / 5 ? 3 : 0;
}
static int runs(void) {
    struct timespec a, b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int i = 0; i < 20; i++) {
        pid_t p = fork();
        if (!p) {
            execl("/bin/sh", "sh", "-c", "ls -l /bin >/dev/null", NULL);
            _exit(1);
        }
        if (child_ends(p))
            return 1;
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    printf("# 20 programs in %ld ms\n", (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000);
    return 0;
}
static int attaches(void) {
    int id = shmget(IPC_PRIVATE, 1 << 30, 0600), st;
    fflush(stdout);
    pid_t p = fork();
    if (!p) {
        char *at = shmat(id, NULL, 0);
        for (long i = 0; i < 1 << 30; i += 4096)
            at[i] = 1;
        _exit(0);
    }
    waitpid(p, &st, 0);
    int r = runs();
    shmctl(id, IPC_RMID, NULL);
    return r || !WIFSIGNALED(st) ? 1 : 0;
}

/* In a namespace of its own, so that they go with it. */
static int messages_and_semaphores(void) {
    static struct {
        long type;
        char text[8192];
    } m = {.type = 1};
    int id;
    long sent = 0, sets = 0;
    if (unshare(CLONE_NEWIPC) || setgroups(0, NULL) || setresgid(1000, 1000, 1000) || setresuid(1000, 1000, 1000))
        return 100;
    for (errno = 0; (id = msgget(IPC_PRIVATE, 0600)) >= 0; sent++)
        while (!msgsnd(id, &m, sizeof(m.text), IPC_NOWAIT))
            sent++;
    int e = errno;
    while (semget(IPC_PRIVATE, 1000, 0600) >= 0)
        sets++;
    printf("# %ld messages and queues, errno %d; %ld sets of 1000 semaphores, errno %d\n", sent, e, sets, errno);
    return runs();
}

int main(void) {
    printf("KTAP version 1\n");
    memset(piece, 1, sizeof(piece));
    fflush(stdout);
    pid_t p = fork();
    if (!p)
        _exit(fills());
    OK(child_ends(p) == 0, "three memory file systems full: ENOSPC, and a fifth of the memory is left");
    OK(runs() == 0, "programs run all the same");
    unlink("/tmp/full"), unlink("/dev/shm/full");
    OK(attaches() == 0, "shared memory that nobody has attached leaves that too");
    OK(in_child(messages_and_semaphores) == 0, "nor do messages and semaphores take all of the memory");
    return ktap_done();
}
