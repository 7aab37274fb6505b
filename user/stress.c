/* stress: forks, execs, pipes, files, signals and threads from many processes at once. -t SECONDS, -p
 * PROCESSES. Each worker checks what it does; the exit status is 0 if all held. */
#include <tine.h>

static int seconds = 5, procs = 8;
static volatile int hits;
static void count(int s) {
    (void)s;
    hits++;
}
#define CHECK(x)                                                                                             \
    do {                                                                                                     \
        if (!(x)) {                                                                                          \
            warn("line %d: %s", __LINE__, #x);                                                               \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)
static unsigned long seed;
static unsigned rnd(unsigned n) {
    seed = seed * 6364136223846793005UL + 1442695040888963407UL;
    return (seed >> 33) % n;
}
static void forks(void) {
    int n = 1 + rnd(6), st;
    for (int i = 0; i < n; i++) {
        pid_t p = fork();
        CHECK(p >= 0 || errno == EAGAIN || errno == ENOMEM);
        if (!p)
            _exit(i);
    }
    while (wait(&st) > 0)
        CHECK(WIFEXITED(st) && WEXITSTATUS(st) < n);
}
static void execs(void) {
    int st;
    pid_t p = rnd(2) ? vfork() : fork();
    if (!p) {
        char *v[] = {"true", NULL};
        execve("/bin/true", v, environ);
        _exit(9);
    }
    CHECK(p > 0 || errno == EAGAIN || errno == ENOMEM);
    CHECK(p < 0 || (waitpid(p, &st, 0) == p && st == 0));
}
static void pipes(void) {
    int fd[2], st, n = 1000 + rnd(100000);
    CHECK(!pipe(fd));
    pid_t p = fork();
    if (!p) {
        char b[3001];
        close(fd[0]);
        for (int at = 0; at < n;) {
            int k = n - at < 3001 ? n - at : 3001;
            for (int i = 0; i < k; i++)
                b[i] = (at + i) * 7;
            ssize_t w = write(fd[1], b, k);
            if (w <= 0)
                _exit(1);
            at += w;
        }
        _exit(0);
    }
    close(fd[1]);
    char b[4096];
    int at = 0;
    for (ssize_t k; p > 0 && (k = read(fd[0], b, sizeof(b))) > 0;)
        for (ssize_t i = 0; i < k; i++, at++)
            CHECK(b[i] == (char)(at * 7));
    close(fd[0]);
    CHECK(p < 0 || (at == n && waitpid(p, &st, 0) == p && st == 0));
}
static void files(void) {
    char name[64], other[80], b[5000], c[5000];
    snprintf(name, sizeof(name), "%s/stress.%d", rnd(2) ? "/tmp" : "/root", getpid());
    snprintf(other, sizeof(other), "%s.new", name);
    for (int i = 0; i < 5000; i++)
        b[i] = rnd(256);
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0);
    for (int i = 0; i < 4; i++)
        CHECK(write(fd, b, 5000) == 5000);
    CHECK(lseek(fd, 5000 * rnd(4), 0) >= 0 && read(fd, c, 5000) == 5000 && !memcmp(b, c, 5000));
    CHECK(!ftruncate(fd, 6000));
    struct stat st;
    CHECK(!fstat(fd, &st) && st.st_size == 6000);
    char *m = mmap(NULL, 6000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(m != MAP_FAILED && !memcmp(m, b, 5000));
    m[4999] ^= 1;
    CHECK(lseek(fd, 4999, 0) == 4999 && read(fd, c, 1) == 1 && c[0] == (char)(b[4999] ^ 1));
    munmap(m, 6000);
    close(fd);
    CHECK(!rename(name, other) && stat(name, &st) < 0 && !unlink(other));
}
static void signals(void) {
    signal(SIGUSR1, count);
    int st, before = hits;
    pid_t me = getpid(), p = fork();
    if (!p) {
        for (int i = 0; i < 5; i++)
            kill(me, SIGUSR1);
    pause_forever:
        sleep(100);
        goto pause_forever;
    }
    if (p < 0)
        return;
    while (hits == before)
        usleep(100);
    CHECK(!kill(p, SIGKILL) && waitpid(p, &st, 0) == p && WTERMSIG(st) == SIGKILL);
}
static mutex_t lock;
static int sum;
static void *adder(void *arg) {
    for (int i = 0; i < 100; i++) {
        mutex_lock(&lock);
        sum += (long)arg;
        mutex_unlock(&lock);
    }
    return NULL;
}
static void thr(void) {
    thread_t t[3];
    int n = 0;
    sum = 0;
    while (n < 3 && !thread_create(&t[n], adder, (void *)1L))
        n++;
    for (int i = 0; i < n; i++)
        thread_join(t[i], NULL);
    CHECK(sum == n * 100);
}
static void maps(void) {
    size_t n = (1 + rnd(200)) * 4096;
    int st;
    char *m = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m == MAP_FAILED)
        return;
    for (size_t i = 0; i < n; i += 4096)
        m[i] = i >> 12;
    pid_t p = fork();
    if (!p) {
        for (size_t i = 0; i < n; i += 4096) {
            if (m[i] != (char)(i >> 12))
                _exit(1);
            m[i] = 0x55;
        }
        _exit(0);
    }
    CHECK(p < 0 || (waitpid(p, &st, 0) == p && st == 0));
    for (size_t i = 0; i < n; i += 4096)
        CHECK(m[i] == (char)(i >> 12));
    munmap(m, n);
}
int main(int argc, char **argv) {
    static void (*const what[])(void) = {forks, execs, pipes, files, signals, thr, maps};
    int c, bad = 0, st;
    while ((c = options(argc, argv, "t:p:", "stress [-t SECONDS] [-p PROCESSES]")) != -1)
        *(c == 't' ? &seconds : &procs) = atoi(optarg);
    struct timespec a, b;
    clock_gettime(1, &a);
    for (int i = 0; i < procs; i++) {
        pid_t p = fork();
        if (!p) {
            long rounds = 0;
            seed = i + 1;
            do {
                what[rnd(7)]();
                rounds++;
                clock_gettime(1, &b);
            } while (b.tv_sec - a.tv_sec < seconds);
            exit(0);
        }
    }
    while (wait(&st) > 0)
        bad += st != 0;
    printf("stress: %d workers, %d s, %d failed\n", procs, seconds, bad);
    return bad != 0;
}
