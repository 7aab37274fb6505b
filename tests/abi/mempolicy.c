/* C12: memory policy: set_mempolicy, get_mempolicy, mbind; what is inherited; where pages are. On a machine
 * of one node only what does not need two is tried. */
#include "ktap.h"
#include <sys/mman.h>
#define P 4096UL
#define N 8
enum { DEFAULT, PREFERRED, BIND, INTERLEAVE, LOCAL, PREFERRED_MANY };
enum { NODE = 1, ADDR = 2, MEMS_ALLOWED = 4 };
enum { STRICT = 1, MOVE = 2, MOVE_ALL = 4 };
#define STATIC (1 << 15)
#define RELATIVE (1 << 14)

static long set(int mode, unsigned long mask) { return syscall(SYS_set_mempolicy, mode, &mask, 65); }
static unsigned long got;
static int mode_of(void *addr, int flags) {
    int mode = -1;
    got = 0;
    return syscall(SYS_get_mempolicy, &mode, &got, 64, addr, flags) ? -1 : mode;
}
static long bind_to(void *p, unsigned long len, int mode, unsigned long mask, int flags) {
    return syscall(SYS_mbind, p, len, mode, &mask, 65, flags);
}
static char *map(int n) { return mmap(0, n * P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static int node_of(void *p) { return mode_of(p, NODE | ADDR); }
/* How many of the n pages are on node 1. */
static int on_one(char *p, int n) {
    int sum = 0;
    for (int i = 0; i < n; i++)
        sum += node_of(p + i * P) == 1;
    return sum;
}
static char *touch(char *p, int n) {
    for (int i = 0; i < n; i++)
        p[i * P] = i + 1;
    return p;
}
static int vmas(char *from, char *to) {
    char line[512];
    int n = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    for (unsigned long a, b; f && fgets(line, sizeof(line), f);)
        n += sscanf(line, "%lx-%lx", &a, &b) == 2 && a < (unsigned long)to && b > (unsigned long)from;
    fclose(f);
    return n;
}

int main(void) {
    printf("KTAP version 1\n");
    OK(mode_of(0, 0) == DEFAULT && got == 0, "a task begins with the default policy");
    FAILS(set(7, 1), EINVAL, "no such policy: EINVAL");
    FAILS(set(BIND | STATIC | RELATIVE, 1), EINVAL, "static and relative: EINVAL");
    FAILS(set(DEFAULT, 1), EINVAL, "the default with nodes: EINVAL");
    FAILS(set(BIND, 0), EINVAL, "bind without nodes: EINVAL");
    FAILS(set(LOCAL, 1), EINVAL, "local with nodes: EINVAL");
    FAILS(set(BIND, 1UL << 63), EINVAL, "a node that is not there: EINVAL");
    FAILS(syscall(SYS_set_mempolicy, BIND, 8, 64), EFAULT, "a bad pointer: EFAULT");
    FAILS(syscall(SYS_set_mempolicy, BIND, &got, 8 * P + 2), EINVAL, "a mask of more than a page: EINVAL");
    FAILS(syscall(SYS_get_mempolicy, 0, &got, 64, 0, 8), EINVAL, "get: unknown flags: EINVAL");
    FAILS(syscall(SYS_get_mempolicy, 0, &got, 64, &got, 0), EINVAL, "an address without ADDR: EINVAL");
    FAILS(syscall(SYS_get_mempolicy, 0, &got, 64, 0, ADDR), EFAULT, "ADDR where nothing is mapped: EFAULT");
    FAILS(syscall(SYS_get_mempolicy, 0, &got, 64, 0, NODE), EINVAL, "NODE of the default policy: EINVAL");
    OK(!set(PREFERRED, 0) && mode_of(0, 0) == LOCAL, "preferred without nodes is local");
    OK(!set(DEFAULT, 0) && mode_of(0, 0) == DEFAULT, "back to the default");
    char *p = map(N);
    FAILS(bind_to(p + 1, P, BIND, 1, 0), EINVAL, "mbind: an address within a page: EINVAL");
    FAILS(bind_to(p, P, BIND, 1, 8), EINVAL, "unknown flags: EINVAL");
    FAILS(bind_to(p, -P, BIND, 1, 0), EINVAL, "around the end of all addresses: EINVAL");
    OK(!bind_to(p, 0, BIND, 1, 0), "nothing at all");
    munmap(p + 4 * P, P);
    FAILS(bind_to(p, N * P, BIND, 1, 0), EFAULT, "a hole: EFAULT");
    OK(!bind_to(p, N * P, DEFAULT, 0, 0), "but not for the default");
    munmap(p, N * P);
    mode_of(0, MEMS_ALLOWED);
    if (!(got & 2)) {
        OK(got == 1, "one node");
        return ktap_done();
    }
    OK((got & 3) == 3, "two nodes");
    FAILS(syscall(SYS_get_mempolicy, 0, &got, 1, 0, 0), EINVAL, "a mask too small for them: EINVAL");
    OK(!set(BIND, 2) && mode_of(0, 0) == BIND && got == 2, "bind to node 1");
    OK(on_one(touch(p = map(N), N), N) == N, "pages come from there");
    munmap(p, N * P);
    pid_t c = fork();
    if (!c) {
        int fine = mode_of(0, 0) == BIND && got == 2;
        p = touch(map(N), N);
        _exit(fine && on_one(p, N) == N ? 0 : 1);
    }
    OK(child_ends(c) == 0, "a child inherits it");
    set(BIND, 1);
    p = touch(map(N), N);
    int before = on_one(p, N);
    set(BIND, 2);
    c = fork();
    if (!c) {
        int shared = on_one(p, N);
        _exit(shared == 0 && on_one(touch(p, N), N) == N ? 0 : 1);
    }
    OK(child_ends(c) == 0 && before == 0, "what it copies on write comes from there too");
    munmap(p, N * P);
    OK(!set(INTERLEAVE, 3) && mode_of(0, 0) == INTERLEAVE && got == 3, "interleave");
    OK(on_one(touch(p = map(N), N), N) == N / 2, "every other page");
    OK(mode_of(0, NODE) >= 0, "NODE: the next one's node");
    munmap(p, N * P);
    OK(!set(PREFERRED, 2) && on_one(touch(p = map(N), N), N) == N, "preferred");
    munmap(p, N * P);
    OK(!set(PREFERRED | STATIC, 6) && mode_of(0, 0) == (PREFERRED | STATIC) && got == 6,
       "static: the mask as it was given, with a node that is not there");
    OK(!set(BIND | RELATIVE, 4) && on_one(touch(p = map(N), N), N) == 0, "relative: node 2 of two is node 0");
    munmap(p, N * P);
    OK(!set(PREFERRED_MANY, 2) && on_one(touch(p = map(N), N), N) == N, "preferred, several");
    munmap(p, N * P);
    set(DEFAULT, 0);

    p = map(N);
    OK(!bind_to(p + 2 * P, 4 * P, BIND, 2, 0) && vmas(p, p + N * P) == 3,
       "a range in the middle gets a policy");
    touch(p, N);
    OK(mode_of(p + 2 * P, ADDR) == BIND && got == 2 && mode_of(p, ADDR) == DEFAULT,
       "the policy of an address");
    OK(on_one(p + 2 * P, 4) == 4, "its pages are there");
    c = fork();
    if (!c) {
        int fine = mode_of(p + 2 * P, ADDR) == BIND;
        munmap(p + 3 * P, P);
        mmap(p + 3 * P, P, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        fine = fine && mode_of(p + 3 * P, ADDR) == DEFAULT;
        _exit(fine && on_one(touch(p + 2 * P, 1), 1) == 1 ? 0 : 1);
    }
    OK(child_ends(c) == 0, "a child's ranges have it too; what is mapped anew has not");
    OK(!bind_to(p + 2 * P, 4 * P, DEFAULT, 0, 0) && mode_of(p + 2 * P, ADDR) == DEFAULT, "away with it");
    munmap(p, N * P);

    p = map(N);
    bind_to(p, N * P, BIND, 1, 0);
    touch(p, N);
    OK(on_one(p, N) == 0, "bound to node 0");
    FAILS(bind_to(p, N * P, BIND, 2, STRICT), EIO, "STRICT: what is there is elsewhere: EIO");
    OK(on_one(p, N) == 0, "and stays there");
    OK(!bind_to(p, N * P, BIND, 2, MOVE | STRICT) && on_one(p, N) == N, "MOVE");
    int same = 1;
    for (int i = 0; i < N; i++)
        same &= p[i * P] == i + 1;
    OK(same, "with all that is in it");
    int go[2];
    pipe(go);
    c = fork();
    if (!c) {
        close(go[1]);
        read(go[0], &same, 1);
        _exit(p[P] == 2 ? 0 : 1);
    }
    OK(!bind_to(p, N * P, BIND, 1, MOVE | STRICT) && on_one(p, N) == N, "pages that a child shares stay");
    close(go[1]);
    OK(child_ends(c) == 0, "and the child has them still");
    OK(!bind_to(p, N * P, INTERLEAVE, 3, 0), "another policy for what comes later");
    madvise(p, N * P, MADV_DONTNEED);
    OK(on_one(touch(p, N), N) == N / 2, "interleaved by address");
    char *q = mremap(p, N * P, 2 * N * P, MREMAP_MAYMOVE);
    OK(q != MAP_FAILED && mode_of(q + N * P, ADDR) == INTERLEAVE, "mremap keeps it, for what it adds too");
    munmap(q, 2 * N * P);

    p = mmap(0, N * P, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    OK(!bind_to(p, N * P, BIND, 2, 0) && on_one(touch(p, N), N) == N, "shared memory");
    munmap(p, N * P);

    unsigned cpu = 9, node = 9; /* which hart is which is the firmware's choice: the one that starts is 0 */
    for (int i = 0, all = sysconf(_SC_NPROCESSORS_ONLN); all > 1 && i < all && node != 1; i++) {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(i, &one);
        if (sched_setaffinity(0, sizeof(one), &one) || syscall(SYS_getcpu, &cpu, &node, 0) || (int)cpu != i)
            break;
    }
    if (sysconf(_SC_NPROCESSORS_ONLN) > 1) {
        OK(node == 1, "getcpu: a hart is on node 1");
        OK(on_one(touch(p = map(N), N), N) == N, "and without a policy pages come from there");
        munmap(p, N * P);
    }
    bind_to(p = map(N), N * P, BIND, 2, 0);
    touch(p, N);
    char line[512], want[64];
    int seen = 0;
    snprintf(want, sizeof(want), "%lx bind:1 ", (unsigned long)p);
    FILE *f = fopen("/proc/self/numa_maps", "r");
    while (f && fgets(line, sizeof(line), f))
        seen |= !strncmp(line, want, strlen(want)) && strstr(line, "anon=8 ") && strstr(line, "N1=8 ");
    OK(seen, "numa_maps");
    f = fopen("/proc/buddyinfo", "r");
    seen = 0;
    while (f && fgets(line, sizeof(line), f))
        seen |= strstr(line, "Node 0, zone ") ? 1 : strstr(line, "Node 1, zone ") ? 2 : 0;
    OK(seen == 3, "buddyinfo: both nodes");
    return ktap_done();
}
