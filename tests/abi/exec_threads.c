/* X1, X4, X5, X6, C29: exec and exit with threads, futex. */
#include "ktap.h"
#include <linux/futex.h>
#include <pthread.h>

static void *exec_it(void *path) {
    execl(path, "self", "leader-check", NULL);
    return NULL;
}
static void *sleeper(void *a) {
    (void)a;
    pause();
    return NULL;
}
static uint32_t word;
static void *waker(void *a) {
    (void)a;
    usleep(50000);
    word = 1;
    syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    return NULL;
}
static _Thread_local int mine = 5;
static void *tls(void *a) {
    mine += (long)a;
    return (void *)(long)mine;
}

int main(int argc, char **argv) {
    if (argc > 1)
        return getpid() == gettid() ? 21 : 22;
    printf("KTAP version 1\n");
    int st;
    pthread_t t[8];
    pid_t p = fork();
    if (!p) {
        pthread_create(&t[0], NULL, sleeper, NULL);
        pthread_create(&t[1], NULL, exec_it, argv[0]);
        pause();
    }
    OK(waitpid(p, &st, 0) == p && WEXITSTATUS(st) == 21,
       "X4: a thread that execs becomes the leader, the pid stays");
    p = fork();
    if (!p) {
        for (int i = 0; i < 4; i++)
            pthread_create(&t[i], NULL, sleeper, NULL);
        _exit(6);
    }
    OK(waitpid(p, &st, 0) == p && WEXITSTATUS(st) == 6, "X5: exit_group ends sleeping threads");
    long sum = 0;
    for (long i = 0; i < 8; i++)
        pthread_create(&t[i], NULL, tls, (void *)i);
    for (int i = 0; i < 8; i++) {
        void *r;
        pthread_join(t[i], &r);
        sum += (long)r;
    }
    OK(sum == 8 * 5 + 28 && mine == 5, "C21 C22: thread-local data and join");
    pthread_create(&t[0], NULL, waker, NULL);
    while (!__atomic_load_n(&word, __ATOMIC_ACQUIRE))
        syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    pthread_join(t[0], NULL);
    OK(word == 1, "X6: wait and wake");
    FAILS(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0), EAGAIN,
          "X6: another value is EAGAIN");
    struct timespec ts = {0, 20000000};
    FAILS(syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 1, &ts, NULL, 0), ETIMEDOUT, "X6: a timeout");
    FAILS(syscall(SYS_futex, (char *)&word + 1, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0), EINVAL,
          "X6: an odd address is EINVAL");
    FAILS(execl("/nonexistent", "x", NULL), ENOENT, "exec of nothing is ENOENT");
    FAILS(execl("/etc", "x", NULL), EACCES, "exec of a directory is EACCES");
    close(open("/tmp/plain", O_WRONLY | O_CREAT, 0644));
    FAILS(execl("/tmp/plain", "x", NULL), EACCES, "exec of a file without x is EACCES");
    int fd = open("/tmp/script", O_WRONLY | O_CREAT | O_TRUNC, 0755);
    write(fd, "#!/bin/sh\nexit 13\n", 18);
    close(fd);
    p = fork();
    if (!p) {
        execl("/tmp/script", "script", NULL);
        _exit(1);
    }
    waitpid(p, &st, 0);
    OK(WEXITSTATUS(st) == 13, "a script runs by its #! line");
    fd = open("/tmp/bad", O_WRONLY | O_CREAT | O_TRUNC, 0755);
    write(fd, "\177ELF\2\1\1", 7);
    close(fd);
    FAILS(execl("/tmp/bad", "x", NULL), ENOEXEC, "a truncated ELF file is ENOEXEC");
    fd = open("/tmp/keep", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    p = fork();
    if (!p) {
        char b[96];
        snprintf(b, sizeof(b), "[ ! -e /proc/self/fd/%d ]", fd);
        execl("/bin/sh", "sh", "-c", b, NULL);
        _exit(9);
    }
    waitpid(p, &st, 0);
    OK(st == 0, "X4: close-on-exec closes");
    return ktap_done();
}
