/* Small programs where the order of events matters; run under many seeds (make seeds), each is another order.
 * D3, D8, C27 to C29, X1 to X5: what must hold in any order. */
#include "ktap.h"
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>

static char stack[8][32768] __attribute__((aligned(16)));
static int exit_at_once(void *a) {
    (void)a;
    return 5;
}
static void *forker(void *a) {
    for (int i = 0; i < 6; i++) {
        int st;
        pid_t p = fork();
        if (!p)
            _exit(i);
        if (p > 0 && (waitpid(p, &st, 0) != p || WEXITSTATUS(st) != i))
            *(int *)a = 1;
    }
    return NULL;
}
static volatile int go;
static void *waiter(void *a) {
    (void)a;
    int st;
    while (waitpid(-1, &st, 0) > 0)
        __atomic_fetch_add(&go, 1, __ATOMIC_SEQ_CST);
    return NULL;
}
static __attribute__((noreturn)) void *spawner(void *a) { /* until the group ends */
    for (;;) {
        pthread_t t;
        if (!pthread_create(&t, NULL, a, NULL))
            pthread_detach(t);
    }
}
static void *nothing(void *a) { return a; }
static char *page;
static void *writer(void *a) {
    for (int i = 0; i < 40; i++)
        page[(long)a] = i;
    return NULL;
}
static volatile pid_t ending;
static volatile int enough;
static void *limiter(void *a) { /* sets a limit of whatever process is there */
    for (rlim_t n = 100; !enough; n++) {
        struct rlimit r = {n, 1000000};
        if (ending > 0)
            prlimit(ending, RLIMIT_CPU, &r, NULL);
        usleep(n % 50); /* where harts take turns (make seeds) a loop that never sleeps keeps its turn */
    }
    return a;
}
static volatile int usr1;
static void on_usr1(int s) {
    (void)s;
    usr1++;
}

int main(int argc, char **argv) {
    if (argc > 1)
        return 12;
    printf("KTAP version 1\n");
    int st, bad = 0;
    pthread_t t[8];
    for (int i = 0; i < 12; i++) {
        pid_t p = clone(exit_at_once, stack[0] + sizeof(stack[0]), (i & 1 ? CLONE_VM : 0) | SIGCHLD, NULL);
        bad |= waitpid(p, &st, 0) != p || WEXITSTATUS(st) != 5;
    }
    OK(!bad, "D3: a child that ends at once");

    for (int i = 0; i < 4; i++)
        pthread_create(&t[i], NULL, forker, &bad);
    for (int i = 0; i < 4; i++)
        pthread_join(t[i], NULL);
    OK(!bad, "four threads fork and wait, each for its own");

    for (int i = 0; i < 6; i++)
        if (!fork())
            _exit(0);
    pthread_create(&t[0], NULL, waiter, NULL);
    pthread_create(&t[1], NULL, waiter, NULL);
    pthread_join(t[0], NULL);
    pthread_join(t[1], NULL);
    OK(go == 6 && waitpid(-1, &st, 0) == -1 && errno == ECHILD, "two waiters: each child is found once");

    for (int i = 0; i < 4; i++) {
        pid_t p = vfork();
        if (!p) {
            execl("/proc/self/exe", "races", "x", NULL);
            _exit(1);
        }
        bad |= waitpid(p, &st, 0) != p || WEXITSTATUS(st) != 12;
    }
    OK(!bad, "X1: vfork and exec");

    for (int i = 0; i < 4; i++) { /* SIGKILL to the parent while it waits for its vfork child */
        int p[2];
        char c;
        pipe(p);
        pid_t parent = fork();
        if (!parent) {
            if (!vfork()) {
                write(p[1], "v", 1);
                usleep(3000);
                write(p[1], "w", 1);
                _exit(0);
            }
            _exit(9);
        }
        close(p[1]);
        read(p[0], &c, 1);
        kill(parent, SIGKILL);
        waitpid(parent, &st, 0);
        bad |= !WIFSIGNALED(st) && WEXITSTATUS(st) != 9;
        bad |= read(p[0], &c, 1) != 1 || c != 'w'; /* the child lives on, safely */
        close(p[0]);
    }
    OK(!bad, "D8: SIGKILL ends the parent in its vfork wait, the child lives on");

    for (int i = 0; i < 4; i++) {
        pid_t p = fork();
        if (!p) { /* exec by a thread that is not the leader, while the others make threads */
            for (int k = 0; k < 3; k++)
                pthread_create(&t[k], NULL, spawner, nothing);
            usleep(i * 300);
            execl("/proc/self/exe", "races", "x", NULL);
            _exit(1);
        }
        bad |= waitpid(p, &st, 0) != p || WEXITSTATUS(st) != 12;
    }
    OK(!bad, "X4 C29: exec while other threads clone");
    for (int i = 0; i < 4; i++) {
        pid_t p = fork();
        if (!p) {
            for (int k = 0; k < 3; k++)
                pthread_create(&t[k], NULL, spawner, nothing);
            usleep(i * 300);
            _exit(13);
        }
        bad |= waitpid(p, &st, 0) != p || WEXITSTATUS(st) != 13;
    }
    OK(!bad, "X5 C29: exit_group while other threads clone");

    for (int i = 0; i < 3; i++) { /* CLONE_PARENT while the parent's parent exits */
        int p[2];
        char c;
        pipe(p);
        pid_t a = fork();
        if (!a) {
            if (!fork()) {
                close(p[0]);
                for (int k = 0; k < 10; k++)
                    if (!raw_clone(CLONE_PARENT | SIGCHLD, 0, 0, 0, 0))
                        _exit(0);
                _exit(0);
            }
            _exit(0);
        }
        close(p[1]);
        waitpid(a, &st, 0);
        bad |= read(p[0], &c, 1) != 0; /* until all have ended, whoever their parent came to be */
        close(p[0]);
    }
    OK(!bad, "C28: CLONE_PARENT while the parent's parent ends");

    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int r = 0; r < 4; r++) {
        for (long i = 0; i < 3; i++)
            pthread_create(&t[i], NULL, writer, (void *)(i * 64));
        pid_t p = fork();
        if (!p) {
            char was[3] = {page[0], page[64], page[128]};
            usleep(200);
            _exit(was[0] != page[0] || was[1] != page[64] || was[2] != page[128]);
        }
        for (int i = 0; i < 3; i++)
            pthread_join(t[i], NULL);
        bad |= page[0] != 39 || page[64] != 39 || page[128] != 39;
        waitpid(p, &st, 0);
        bad |= st;
    }
    OK(!bad, "C18: three threads write a page while it is forked: nothing is lost, the child's copy stays");

    for (int r = 0; r < 4; r++) { /* clear_child_tid in memory that is being unmapped */
        int *word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        *word = 1;
        pid_t p = clone(exit_at_once, stack[1] + sizeof(stack[1]), CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD,
                        NULL, NULL, NULL, word);
        usleep(r * 20);
        munmap(word, 4096);
        bad |= waitpid(p, &st, 0) != p || WEXITSTATUS(st) != 5;
    }
    OK(!bad, "X1: clear_child_tid in memory that goes away");

    pthread_create(&t[0], NULL, limiter, NULL);
    for (int i = 0; i < 60; i++) {
        pid_t p = fork();
        if (!p)
            _exit(i);
        ending = p;
        bad |= waitpid(p, &st, 0) != p || WEXITSTATUS(st) != i;
    }
    enough = 1;
    pthread_join(t[0], NULL);
    OK(!bad, "RLIMIT_CPU of a process is set while it ends and is reaped");

    signal(SIGUSR1, on_usr1);
    pid_t p = fork();
    if (!p) {
        for (int i = 0; i < 10; i++)
            kill(getppid(), SIGUSR1);
        kill(getpid(), SIGSTOP);
        _exit(0);
    }
    bad |= waitpid(p, &st, WUNTRACED) != p || !WIFSTOPPED(st);
    kill(p, SIGCONT);
    bad |= waitpid(p, &st, WCONTINUED) != p;
    if (WIFCONTINUED(st))
        bad |= waitpid(p, &st, 0) != p;
    OK(!bad && usr1 >= 1 && WIFEXITED(st), "X7: stop, continue, exit are seen in their order");

    pid_t last = 0; /* pids come back only when they are free */
    for (int i = 0; i < 30; i++) {
        pid_t a = fork();
        if (!a)
            _exit(0);
        pid_t b = fork();
        if (!b)
            _exit(0);
        bad |= a == b || a == last;
        waitpid(a, &st, 0);
        last = b;
        waitpid(b, &st, 0);
        last = 0;
    }
    OK(!bad, "D1: two living children never have one pid");

    int data[2], ack[2];
    char c;
    bad = pipe(data) || pipe(ack);
    pid_t stays = fork();
    if (!stays)
        while (read(data[0], &c, 1) == 1)
            write(ack[1], "s", 1);
    for (int i = 0; i < 8 && !bad; i++) { /* one of two readers is told, and leaves for a signal */
        pid_t leaves = fork();
        if (!leaves) {
            struct sigaction quiet = {.sa_handler = on_usr1}; /* no SA_RESTART: read ends */
            sigaction(SIGUSR1, &quiet, NULL);
            write(ack[1], "r", 1);
            if (read(data[0], &c, 1) == 1)
                write(ack[1], "l", 1);
            _exit(0);
        }
        bad |= read(ack[0], &c, 1) != 1 || c != 'r';
        usleep(100 + 50 * i);
        kill(leaves, SIGUSR1);
        write(data[1], "x", 1);
        struct pollfd p = {ack[0], POLLIN, 0};
        bad |= poll(&p, 1, 5000) != 1 || read(ack[0], &c, 1) != 1;
        kill(leaves, SIGKILL);
        waitpid(leaves, &st, 0);
    }
    kill(stays, SIGKILL);
    waitpid(stays, &st, 0);
    OK(!bad, "a byte in a pipe is read though the reader that was woken for it leaves for a signal");
    return ktap_done();
}
