/* stale [ROUNDS]: what a hart remembers of a page that another one has copied. In a child, whose pages are
 * all shared with its parent, a thread loads from some of them, then another stores to all: the first must
 * see every store at once. So must it for pages of a file that a fault has mapped around another's, and after
 * the parent has stored to its own. */
#include "ktap.h"
#include <fcntl.h>
#include <pthread.h>

#define PAGES 64
static volatile unsigned char *mem[2]; /* anonymous; of a file */
static volatile int turn;
static void until(int t) {
    while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) != t)
        sched_yield();
}
static void next(int t) { __atomic_store_n(&turn, t, __ATOMIC_RELEASE); }

static unsigned touched; /* bit i: the reader loads from pages i, i + 8, ... first */
static int wrong;
static void *reader(void *a) {
    unsigned char sum = 0;
    for (int m = 0; m < 2; m++)
        for (int i = 0; i < PAGES; i++)
            if (touched >> i % 8 & 1)
                sum += mem[m][i * 4096L + 7];
    next(1);
    until(2);
    for (int m = 0; m < 2; m++)
        for (int i = 0; i < PAGES; i++)
            wrong += mem[m][i * 4096L + 7] != (unsigned char)(i + 100);
    return (char *)a + (sum & 0);
}
/* 0: the reader saw all. */
static int one_child(unsigned which) {
    pthread_t t;
    touched = which, wrong = 0, turn = 0;
    if (pthread_create(&t, NULL, reader, NULL))
        return 2;
    until(1);
    for (int m = 0; m < 2; m++)
        for (int i = 0; i < PAGES; i++)
            mem[m][i * 4096L + 7] = i + 100;
    next(2);
    pthread_join(t, NULL);
    return wrong != 0;
}

int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 64, fd = open("/tmp/stale", O_RDWR | O_CREAT | O_TRUNC, 0600),
        bad = 0, own = 0;
    static char page[4096];
    printf("KTAP version 1\n");
    for (int i = 0; i < PAGES; i++)
        if (write(fd, page, sizeof(page)) != sizeof(page))
            return 1;
    mem[0] = mmap(NULL, PAGES * 4096L, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int r = 0; r < rounds; r++) {
        mem[1] = mmap(NULL, PAGES * 4096L, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
        for (int i = 0; i < PAGES; i++)
            mem[0][i * 4096L + 7] = 1; /* present, and written to by this hart */
        int status;
        pid_t p = fork();
        if (!p)
            _exit(one_child(r * 37 & 255));
        for (int i = 0; i < PAGES; i += 3)
            mem[0][i * 4096L + 7] = 2;
        for (int i = 0; i < PAGES; i++)
            own += mem[0][i * 4096L + 7] != (i % 3 ? 1 : 2);
        waitpid(p, &status, 0);
        bad += status != 0;
        munmap((void *)mem[1], PAGES * 4096L);
    }
    OK(!bad, "a thread on another hart sees each store to a page that was copied");
    OK(!own, "and the parent its own");
    unlink("/tmp/stale");
    return ktap_done();
}
