/* Windows of the fork path held open by the checked build's test points (kernel/debug/testpoint.c), and what
 * may happen in them. Skipped where there are none. */
#include "ktap.h"
#include <pthread.h>

static int control;
static char stack[65536] __attribute__((aligned(16)));
static void arm(const char *point, pid_t pid) {
    char b[64];
    pwrite(control, b, sprintf(b, "arm %s %d", point, pid), 0);
}
static int state(const char *want) { /* within 5 s */
    char b[16] = {0};
    for (int i = 0; i < 5000; i++) {
        pread(control, b, 15, 0);
        if (!strncmp(b, want, strlen(want)))
            return 1;
        usleep(1000);
    }
    return 0;
}
static void release(void) { pwrite(control, "release", 7, 0); }

static pid_t child_pid;
static void *fork_here(void *a) {
    if (a) /* the point is for this fork, not for the clone that made this thread */
        state("armed");
    child_pid = fork();
    if (!child_pid)
        _exit((int)(long)a);
    return NULL;
}
static void *make_thread(void *a) {
    pthread_t t;
    pthread_create(&t, NULL, a, NULL);
    for (;;)
        pause();
    return NULL;
}
static void *nothing(void *a) { return a; }
static volatile char *page;
static void *store(void *a) {
    page[(long)a] = 1 + (long)a / 64;
    return NULL;
}
static volatile int go; /* threads are made before: making one needs mmap_lock, which the held fault has */
static void *store_second(void *a) {
    while (go < 1)
        usleep(500);
    return store(a);
}
static void *fork_third(void *a) {
    while (go < 2)
        usleep(500);
    return fork_here(a);
}
static void *store_when_armed(void *a) {
    state("armed");
    return store(a);
}
static int end_at_once(void *a) {
    (void)a;
    return 6;
}
static int *word;
static void *clear(void *a) {
    (void)a;
    return (void *)(long)clone(end_at_once, stack + sizeof(stack), CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD,
                               NULL, NULL, NULL, word);
}

static volatile struct {
    pid_t waiting;
    int ran;
} * shared;
static void *wait_for_signals(void *a) {
    shared->waiting = syscall(SYS_gettid);
    for (;;)
        pause();
    return a;
}
static void *say_so(void *a) {
    shared->ran = 1;
    return a;
}
static int thread_is(char what, pid_t pid, pid_t tid) { /* within 5 s */
    char name[64], b[64] = {0};
    sprintf(name, "/proc/%d/task/%d/stat", pid, tid);
    for (int i = 0; i < 5000; i++) {
        int fd = open(name, O_RDONLY);
        read(fd, b, sizeof(b) - 1);
        close(fd);
        char *p = strchr(b, ')');
        if (p && p[2] == what)
            return 1;
        usleep(1000);
    }
    return 0;
}

/* A file is made empty while mprotect cuts its mapping in two: no page of it stays mapped, in either part. */
static void test_truncate_while_split(void) {
    int fd = open("/tmp/points", O_RDWR | O_CREAT | O_TRUNC, 0600);
    ftruncate(fd, 4 * 4096);
    char *m = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    memset(m, 7, 4 * 4096);
    volatile int *empty = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t splits = fork();
    if (!splits) { /* it begins to do so when the point is armed */
        state("armed");
        int r = mprotect(m + 2 * 4096, 4096, PROT_READ);
        while (!*empty)
            usleep(1000);
        _exit(r ? 9 : m[2 * 4096]);
    }
    pid_t empties = fork(); /* not later: fork needs the file's list of mappings */
    if (!empties) {
        int r = !state("held") || ftruncate(fd, 0);
        *empty = 1;
        _exit(r);
    }
    arm("vma-split", splits);
    int held = state("held");
    usleep(100000); /* the file is empty, or that waits for who is held */
    release();
    OK(held && child_ends(empties) == 0, "held between the two parts of a mapping, and the file emptied");
    OK(child_ends(splits) == 1000 + SIGBUS, "C18: the upper part has lost its pages, too");
    munmap(m, 4 * 4096);
    close(fd);
    unlink("/tmp/points");
}

/* The same while mremap moves the mapping: no page gets through on its way. */
static void test_truncate_while_moved(void) {
    int fd = open("/tmp/points", O_RDWR | O_CREAT | O_TRUNC, 0600);
    ftruncate(fd, 4 * 4096);
    char *m = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *to = mmap(NULL, 4 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(m, 7, 4 * 4096);
    volatile int *empty = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t moves = fork();
    if (!moves) {
        for (int i = 0; i < 4; i++)
            m[4096 * i]++;
        state("armed");
        if (mremap(m, 4 * 4096, 4 * 4096, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
            _exit(9);
        while (!*empty)
            usleep(1000);
        _exit(*(volatile char *)to);
    }
    pid_t empties = fork();
    if (!empties) {
        int r = !state("held") || ftruncate(fd, 0);
        *empty = 1;
        _exit(r);
    }
    arm("pte-taken", moves);
    int held = state("held");
    usleep(100000);
    release();
    OK(held && child_ends(empties) == 0, "held with a page on its way to another address");
    OK(child_ends(moves) == 1000 + SIGBUS, "C18: the page is not there either, once the file is empty");
    munmap(m, 4 * 4096);
    close(fd);
    unlink("/tmp/points");
}

int main(int argc, char **argv) {
    if (argc > 1)
        return 12;
    (void)argv;
    printf("KTAP version 1\n");
    control = open("/proc/sys/debug/test_point", O_RDWR);
    if (control < 0) {
        printf("ok 1 test points # SKIP none in this kernel\n1..1\n");
        return 0;
    }
    int st;
    pthread_t t[4];
    siginfo_t si = {0};
    pthread_create(&t[0], NULL, fork_here, (void *)21L);
    arm("fork-woken", getpid());
    OK(state("held"), "held after the wake");
    int r = waitid(P_ALL, 0, &si, WEXITED | WNOWAIT);
    pid_t dead = si.si_pid;
    OK(!r && si.si_status == 21 && waitpid(dead, &st, 0) == dead,
       "D3: the child ends and is reaped before do_fork returns");
    release();
    pthread_join(t[0], NULL);
    OK(child_pid == dead, "D3: fork gives its pid all the same");

    int p[2];
    char c;
    pipe(p);
    pid_t parent = fork();
    if (!parent) {
        while (!state("armed"))
            ;
        if (!fork())
            _exit(write(p[1], "c", 1) != 1);
        _exit(9);
    }
    arm("fork-wake", parent);
    OK(state("held"), "held between commit and wake");
    kill(parent, SIGKILL);
    usleep(5000);
    OK(waitpid(parent, &st, WNOHANG) == 0, "C30: SIGKILL then: the parent ends when it has woken the child");
    release();
    OK(waitpid(parent, &st, 0) == parent && WTERMSIG(st) == SIGKILL, "C30: it ends by the signal");
    close(p[1]);
    OK(read(p[0], &c, 1) == 1 && c == 'c', "C30: and the child runs");
    close(p[0]);

    parent = fork();
    if (!parent) {
        while (!state("armed"))
            ;
        pid_t k = fork();
        if (!k)
            _exit(0);
        _exit(k < 0 ? errno : 9);
    }
    arm("fork-link", parent);
    state("held");
    kill(parent, SIGKILL);
    release();
    OK(waitpid(parent, &st, 0) == parent && WTERMSIG(st) == SIGKILL && waitpid(-1, NULL, WNOHANG) == -1,
       "C27: a fatal signal before the link: no child");

    parent = fork();
    if (!parent) {
        while (!state("armed"))
            ;
        execl("/proc/self/exe", "points", "x", NULL);
        _exit(1);
    }
    arm("exec-commit", parent);
    OK(state("held"), "held in exec");
    kill(parent, SIGKILL);
    release();
    OK(waitpid(parent, &st, 0) == parent && WTERMSIG(st) == SIGKILL, "X4: SIGKILL in exec ends it");

    parent = fork();
    if (!parent) { /* exit_group while a sibling is about to link a thread */
        while (!state("armed"))
            ;
        pthread_create(&t[0], NULL, make_thread,
                       nothing); /* held by whichever comes first: this, or that one's */
        _exit(14);
    }
    arm("fork-link", parent);
    OK(state("held"), "held before a thread is linked");
    usleep(5000);
    release();
    OK(waitpid(parent, &st, 0) == parent && WEXITSTATUS(st) == 14,
       "C29 X5: exit_group beside threads that are being made");

    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    parent = fork();
    if (!parent) { /* a thread is about to be linked into a group of which another thread has begun to stop */
        pthread_create(&t[0], NULL, wait_for_signals, NULL);
        while (!shared->waiting || !state("armed"))
            ;
        pthread_create(&t[1], NULL, say_so, NULL);
        pthread_join(t[1], NULL);
        _exit(15);
    }
    while (!shared->waiting)
        usleep(1000);
    arm("fork-link", parent);
    OK(state("held") && !syscall(SYS_tgkill, parent, shared->waiting, SIGSTOP) &&
           thread_is('T', parent, shared->waiting) && waitpid(parent, &st, WUNTRACED | WNOHANG) == 0,
       "C29: a group is not stopped while one of its threads is making another");
    release();
    OK(waitpid(parent, &st, WUNTRACED) == parent && WIFSTOPPED(st), "C29: it is when both have stopped");
    usleep(20000);
    OK(!shared->ran, "C29: the new thread stopped before it ran");
    kill(parent, SIGCONT);
    OK(waitpid(parent, &st, 0) == parent && WEXITSTATUS(st) == 15 && shared->ran,
       "C29: and runs after SIGCONT");

    parent = fork();
    if (!parent) { /* CLONE_PARENT: the parent's parent ends while the child is not linked yet */
        pid_t mid = fork();
        if (!mid) {
            while (!state("armed"))
                ;
            if (!raw_clone(CLONE_PARENT | SIGCHLD, 0, 0, 0, 0))
                _exit(0);
            _exit(0);
        }
        arm("fork-link", mid);
        _exit(!state("held"));
    }
    OK(waitpid(parent, &st, 0) == parent && st == 0,
       "C28: the parent's parent ends while CLONE_PARENT is under way");
    release();
    usleep(10000);

    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    page[0] = page[64] = page[128] = 9;
    pid_t keeper = fork(); /* the page is shared: the next store copies */
    if (!keeper) {
        pause();
        _exit(0);
    }
    pid_t helper =
        fork(); /* lets go from outside: here any first touch of a page would wait behind the fork */
    if (!helper) {
        int was = state("held");
        usleep(50000);
        release();
        _exit(!was);
    }
    pthread_create(&t[0], NULL, store_when_armed, (void *)0L);
    pthread_create(&t[1], NULL, store_second, (void *)64L);
    pthread_create(&t[2], NULL, fork_third, NULL);
    usleep(5000);
    arm("cow-copied", getpid());
    state("held");
    go = 1; /* a second fault of the same page goes first */
    pthread_join(t[1], NULL);
    go = 2; /* and a fork must wait for the first */
    pthread_join(t[0], NULL);
    pthread_join(t[2], NULL);
    waitpid(child_pid, &st, 0);
    OK(waitpid(helper, &st, 0) == helper && st == 0, "held in a copy-on-write fault");
    OK(page[0] == 1 && page[64] == 2 && page[128] == 9,
       "C18: two faults and a fork of one page: both stores are there");
    kill(keeper, SIGKILL);
    waitpid(keeper, &st, 0);

    word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *word = 1;
    void *pid;
    pthread_create(&t[0], NULL, clear, NULL);
    pthread_join(t[0], &pid);
    OK(waitpid((long)pid, &st, 0) == (long)pid && *word == 0, "X1: clear_child_tid");
    *word = 1;
    pid_t ch = fork();
    if (!ch) {
        while (!state("armed"))
            ;
        pid_t k = clone(end_at_once, stack + sizeof(stack), CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD, NULL,
                        NULL, NULL, word);
        arm("mm-release", k);
        if (state("held"))
            munmap(word, 4096);
        release();
        _exit(waitpid(k, &st, 0) == k && WEXITSTATUS(st) == 6 ? 0 : 1);
    }
    arm("nowhere", ch);
    OK(waitpid(ch, &st, 0) == ch && st == 0, "X1: clear_child_tid in memory that is gone");
    release();
    test_truncate_while_split();
    test_truncate_while_moved();
    return ktap_done();
}
