/* cow [SEED [ROUNDS]]: copy on write held against a model, byte for byte. Up to five processes that fork each
 * other, each with two more threads, have the same 6.5 MB: three times 2 MB, and a piece before and behind.
 * In each round some of them do a step at once: stores, advice for and against superpages, fork, exit,
 * discard, map anew, protect, move, lock, bind to a node, write into another process or into what is
 * read-only. Then all page tables are looked at, where the kernel can (tine's checked build), and every
 * process compares every byte with what the model says. The first process gives the commands and has none of
 * that memory. What was not touched since it was last zero is compared in every fourth round only, for to
 * look at it would map it. Runs on Linux as well. The same seed gives the same programs; threads and harts
 * may take turns differently. */
#include "ktap.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/uio.h>

#define HUGE (2UL << 20)
#define BEFORE 60 /* pages before the first 2 MB */
#define UNITS 3
#define PAGES (BEFORE + UNITS * 512 + 40)
#define GB ((char *)0x1000000000)
#define AT (GB + HUGE - BEFORE * 4096)
#define AWAY (GB + (1UL << 30) + 7 * 4096) /* where memory goes on its way */
#define BALLAST 70                         /* leaf tables in the same GB: then fork shares its middle table */
#define PLACES 5
#define THREADS 2
#define OWNERS (THREADS + 1)
#define STORES 400 /* of a thread, each time that it is started */

enum command { NONE, STEP, LOOK };
static struct world {
    volatile int failed, round, live[PLACES], acts[PLACES], poked[PLACES], command[PLACES], done[PLACES];
    unsigned long lot[PLACES];
    pid_t pid[PLACES];
    const char *op[PLACES]; /* what it did last: the same program everywhere, so a pointer serves */
    char what[400];
} * world;
/* What a process's memory should be. `wiped`: a fork's child finds it zero. */
static struct model { unsigned char byte[PAGES][4096], touched[PAGES], wiped[PAGES]; } * models, *model;
static int me;
static unsigned long state;

static unsigned lot(unsigned long *s, unsigned n) {
    *s ^= *s << 13, *s ^= *s >> 7, *s ^= *s << 17;
    return (*s >> 11) % n;
}
static unsigned rnd(unsigned n) { return lot(&state, n); }
static char *at(unsigned page) { return AT + page * 4096UL; }
static void sleep_on(volatile int *w, int is) {
    struct timespec t = {1, 0};
    syscall(SYS_futex, w, FUTEX_WAIT, is, &t, NULL, 0);
}
static void set(volatile int *w, int to) {
    __atomic_store_n(w, to, __ATOMIC_SEQ_CST);
    syscall(SYS_futex, w, FUTEX_WAKE, 1000, NULL, NULL, 0);
}
/* What a thread stores says where it belongs, and counts: the count twice, once inverted, so that what single
 * bytes were stored into is no such word any more. */
#define COUNTS ((1UL << 22) - 1)
static unsigned long word_of(unsigned long page, unsigned long word, unsigned long count) {
    return page << 53 | word << 44 | (count & COUNTS) << 22 | (~count & COUNTS);
}
static unsigned count_of(unsigned long w) { return w >> 22 & COUNTS; }
static int is_word(unsigned long w) { return w == word_of(w >> 53, w >> 44 & 511, count_of(w)); }
static int is_word_of(unsigned long w, unsigned page, unsigned word) {
    return w == word_of(page, word, count_of(w));
}

static const char *describe(char *b, size_t n, unsigned long w) {
    if (is_word(w))
        snprintf(b, n, "%016lx (page %lu word %lu, store %u)", w, w >> 53, w >> 44 & 511, count_of(w));
    else
        snprintf(b, n, "%016lx", w);
    return b;
}
static void wrong(const char *what) {
    if (__sync_bool_compare_and_swap(&world->failed, 0, 1))
        snprintf(world->what, sizeof(world->what), "process %d, %s: %s", me, world->op[me], what);
    _exit(1);
}
static void wrong_word(const char *what, unsigned page, unsigned word, unsigned long is,
                       unsigned long should) {
    char w[280], a[64], b[64], c[64];
    snprintf(w, sizeof(w), "%s, page %u (of a unit: %d) word %u: %s, not %s; now %s", what, page,
             (int)(page - BEFORE) % 512, word, describe(a, 64, is), describe(b, 64, should),
             describe(c, 64, ((volatile unsigned long *)at(page))[word]));
    wrong(w);
}
static void compare(const char *where, unsigned page) {
    const unsigned long *is = (const unsigned long *)where, *says = (unsigned long *)model->byte[page];
    if (!memcmp(where, model->byte[page], 4096))
        return;
    for (unsigned w = 0; w < 512; w++)
        if (is[w] != says[w])
            wrong_word("a word is not what it should be", page, w, is[w], says[w]);
    wrong("a word was not what it should be when it was first looked at");
}
static void look(void) {
    for (unsigned p = 0; p < PAGES; p++)
        if (model->touched[p] || world->round % 4 == 0)
            compare(at(p), p);
}
static void forget(unsigned first, unsigned n) { /* what is there is zero again */
    memset(model->byte[first], 0, n * 4096UL);
    memset(model->touched + first, 0, n);
}
static void store(unsigned page, unsigned off, const void *from, unsigned n) {
    model->touched[page] = 1;
    memcpy(at(page) + off, from, n);
    memcpy(model->byte[page] + off, from, n);
}

/* Threads. Page p is stored to by owner p % OWNERS alone while they run: 0 is the process's first thread.
 * The others store whole words, each by one instruction (a C library's memcpy may go byte by byte): a child
 * forked in the midst finds the old word or the new one. */
static void store_word(unsigned page, unsigned word, unsigned long w) {
    __atomic_store_n(model->touched + page, 1, __ATOMIC_SEQ_CST); /* first: adopt asks for it */
    __atomic_store_n((unsigned long *)at(page) + word, w, __ATOMIC_SEQ_CST);
    __atomic_store_n((unsigned long *)model->byte[page] + word, w, __ATOMIC_SEQ_CST);
}
static volatile int go, running, started;
static unsigned count;
static unsigned thread_page(unsigned long *s, unsigned owner) { /* mostly one of few: they shall be shared */
    unsigned p = lot(s, 3) ? BEFORE + lot(s, UNITS) * 512 + lot(s, 24) : lot(s, PAGES);
    p = p / OWNERS * OWNERS + owner;
    return p < PAGES ? p : owner;
}
static void *storer(void *arg) {
    long owner = (long)arg;
    for (int seen = 0;; seen = go) {
        while (go == seen)
            sleep_on(&go, seen);
        unsigned long s = world->lot[me] * 31 + owner;
        unsigned p = thread_page(&s, owner);
        for (int i = 0; i < STORES; i++) {
            if (!lot(&s, 10)) /* those that do not fault go on until the fork has flushed */
                p = thread_page(&s, owner);
            unsigned word = lot(&s, 512);
            store_word(p, word, word_of(p, word, __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST)));
        }
        if (__atomic_sub_fetch(&running, 1, __ATOMIC_SEQ_CST) == 0)
            set(&running, 0);
    }
    return NULL;
}
static void threads_begin(void) {
    pthread_attr_t small;
    pthread_t t;
    running = THREADS;
    if (!started) {
        pthread_attr_init(&small);
        pthread_attr_setstacksize(&small, 65536);
        go = 0;
        for (long k = 1; k <= THREADS; k++)
            if (pthread_create(&t, &small, storer, (void *)k))
                wrong("pthread_create");
        started = 1;
    }
    set(&go, go + 1);
}
static void threads_end(void) {
    for (int r; (r = running);)
        sleep_on(&running, r);
}
/* In a child whose parent's threads were storing: theirs may be newer than the model, but not older. */
static void adopt(const struct model *parents) {
    for (unsigned p = 0; p < PAGES; p++) {
        if (p % OWNERS == 0 || model->wiped[p] || !parents->touched[p])
            continue;
        model->touched[p] = 1;
        for (unsigned w = 0; w < 512; w++) {
            unsigned long is = ((volatile unsigned long *)at(p))[w],
                          *says = (unsigned long *)model->byte[p] + w;
            if (is == *says)
                continue;
            if (!is_word_of(is, p, w) || (is_word_of(*says, p, w) && is < *says))
                wrong_word("a child found neither an old word nor a new one", p, w, is, *says);
            *says = is;
        }
    }
}

/* One process's step. `beside`: the threads are storing. */
static void range(unsigned *first, unsigned *n) {
    unsigned unit = BEFORE + rnd(UNITS) * 512, part = 1 + rnd(511);
    switch (rnd(5)) {
    case 0:
        *first = unit, *n = 512;
        break;
    case 1:
        *first = unit, *n = part;
        break;
    case 2:
        *first = unit + part, *n = 512 - part;
        break;
    case 3:
        *first = rnd(PAGES), *n = 1 + rnd(8);
        break;
    default:
        *first = rnd(PAGES), *n = 1 + rnd(PAGES);
    }
    if (*n > PAGES - *first)
        *n = PAGES - *first;
}
static void do_stores(int beside, unsigned n) {
    unsigned char some[4096];
    unsigned unit = BEFORE + rnd(UNITS) * 512;
    while (n--) {
        unsigned p = beside ? thread_page(&state, 0) : rnd(3) ? unit + rnd(rnd(2) ? 512 : 16) : rnd(PAGES);
        unsigned len = rnd(8) ? rnd(2) ? 1 : 8 : 4096,
                 off = len == 4096 ? 0 : rnd(512) * 8 + (len == 1 ? rnd(8) : 0);
        memset(some, rnd(256), len);
        store(p, off, some, len);
    }
}
static void poke(unsigned k) { /* load from and store into the memory of another, which does nothing now */
    unsigned char some[64], is[64];
    unsigned p = rnd(3) ? BEFORE + rnd(UNITS) * 512 + rnd(16) : rnd(PAGES), off = rnd(64) * 64;
    struct iovec mine = {some, 64}, its = {at(p) + off, 64}, seen = {is, 64};
    memset(some, rnd(256), 64);
    if (rnd(2) && (process_vm_readv(world->pid[k], &seen, 1, &its, 1, 0) != 64 ||
                   memcmp(is, models[k].byte[p] + off, 64)))
        wrong("what process_vm_readv finds in another");
    if (process_vm_writev(world->pid[k], &mine, 1, &its, 1, 0) != 64)
        wrong("process_vm_writev");
    models[k].touched[p] = 1;
    memcpy(models[k].byte[p] + off, some, 64);
}
static void do_poke(void) {
    unsigned k = rnd(PLACES);
    if (world->live[k] == 1 && !world->acts[k] && __sync_bool_compare_and_swap(&world->poked[k], 0, 1))
        poke(k);
}
static void do_fork(int beside) {
    int k = 0, poker = rnd(3),
        parent = me; /* poker: 1 the parent, 2 the child, while all is as fork left it */
    while (k < PLACES && !__sync_bool_compare_and_swap(&world->live[k], 0, -1))
        k++;
    if (k == PLACES)
        return;
    struct model *parents = model;
    memcpy(models + k, model, sizeof(*model));
    world->done[k] = 1, world->command[k] = NONE, world->acts[k] = 1, world->op[k] = "born";
    if (beside) { /* not before: to copy the model takes longer than all that the threads store */
        unsigned from = count, part = rnd(THREADS * STORES);
        threads_begin();
        while (running && __atomic_load_n(&count, __ATOMIC_SEQ_CST) - from < part)
            sched_yield();
    }
    pid_t p = fork();
    if (!p) {
        me = k, model = models + k;
        world->pid[k] = getpid();
        started = running = 0;
        for (unsigned i = 0; i < PAGES; i++)
            if (model->wiped[i])
                forget(i, 1);
        if (beside)
            adopt(parents);
        else if (poker == 2)
            poke(parent);
        set(&world->live[k], 1);
        return;
    }
    if (p < 0)
        world->live[k] = 0;
    while (world->live[k] == -1 && !world->failed)
        sleep_on(&world->live[k], -1);
    if (p > 0 && poker == 1)
        poke(k);
}
static void do_move(unsigned first, unsigned n) { /* by way of AWAY to another place, which it replaces */
    unsigned to = rnd(PAGES - n + 1);
    char *a = mremap(at(first), n * 4096UL, n * 4096UL, MREMAP_MAYMOVE | MREMAP_FIXED, AWAY);
    if (a == MAP_FAILED && errno == EFAULT)
        return; /* several VMAs */
    if (a == MAP_FAILED)
        wrong("mremap");
    for (unsigned i = 0; i < n; i++)
        if (model->touched[first + i])
            compare(a + i * 4096UL, first + i);
    if (mmap(at(first), n * 4096UL, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
            at(first) ||
        mremap(a, n * 4096UL, n * 4096UL, MREMAP_MAYMOVE | MREMAP_FIXED, at(to)) != at(to))
        wrong("mremap to its place");
    static struct model was;
    memcpy(was.byte, model->byte[first], n * 4096UL);
    memcpy(was.touched, model->touched + first, n);
    memcpy(was.wiped, model->wiped + first, n);
    forget(first, n);
    memset(model->wiped + first, 0, n);
    memcpy(model->byte[to], was.byte, n * 4096UL);
    memcpy(model->touched + to, was.touched, n);
    memcpy(model->wiped + to, was.wiped, n);
}
static void must(int r, const char *what) {
    if (r)
        wrong(what);
}
static void do_read_only(unsigned first, unsigned n) { /* nobody stores to it but a debugger */
    if (rnd(2)) {                                      /* superpages that are read-only from the first */
        must(madvise(at(first), n * 4096UL, MADV_DONTNEED), "MADV_DONTNEED");
        forget(first, n);
    }
    must(mprotect(at(first), n * 4096UL, rnd(2) ? PROT_READ : PROT_READ | PROT_EXEC), "mprotect");
    unsigned p = first + rnd(n), off = rnd(4096), c = rnd(256);
    compare(at(p), p);
    int fd = open("/proc/self/mem", O_RDWR);
    if (rnd(2) && pwrite(fd, &c, 1, (long)at(p) + off) == 1)
        model->touched[p] = 1, model->byte[p][off] = c;
    close(fd);
    if (rnd(2))
        p = first + rnd(n);
    if (syscall(SYS_clock_gettime, CLOCK_REALTIME, at(p)) != -1 || errno != EFAULT)
        wrong("a store to what is read-only");
    look();
    must(mprotect(at(first), n * 4096UL, PROT_READ | PROT_WRITE), "mprotect");
}
#define STEPS 16
static const char *const names[STEPS] = {"stores",    "stores beside threads",
                                         "fork",      "fork beside threads",
                                         "exit",      "advice",
                                         "discard",   "map anew",
                                         "read-only", "executable",
                                         "move",      "lock",
                                         "bind",      "write into another",
                                         "wipe",      "a new superpage"};
static void step(void) {
    unsigned first, n, what = rnd(STEPS);
    range(&first, &n);
    char *a = at(first);
    unsigned long len = n * 4096UL, node = 1 + rnd(2);
    int beside = what == 1 || ((what == 5 || what == 9 || what == 11) && rnd(2));
    world->op[me] = names[what];
    if (beside)
        threads_begin();
    switch (what) {
    case 0:
    case 1:
        do_stores(beside, 1 + rnd(rnd(2) ? 4 : 60));
        break;
    case 2:
    case 3:
        do_fork(what == 3);
        return; /* the child too; see serve */
    case 4:     /* serve does it */
        break;
    case 5:
        must(madvise(a, len, rnd(3) ? MADV_HUGEPAGE : MADV_NOHUGEPAGE), "madvise");
        break;
    case 6:
        must(madvise(a, len, MADV_DONTNEED), "MADV_DONTNEED");
        forget(first, n);
        break;
    case 7:
        if (rnd(2))
            must(munmap(a, len), "munmap");
        must(mmap(a, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != a,
             "mmap");
        forget(first, n);
        memset(model->wiped + first, 0, n);
        break;
    case 8:
        do_read_only(first, n);
        break;
    case 9:
        must(mprotect(a, len, PROT_READ | PROT_WRITE | PROT_EXEC), "mprotect");
        do_stores(beside, 10);
        must(mprotect(a, len, PROT_READ | PROT_WRITE), "mprotect");
        break;
    case 10:
        do_move(first, n);
        break;
    case 11:
        must(mlock(a, len), "mlock");
        must(munlock(a, len), "munlock");
        break;
    case 12: /* where the machine has the node; move what is there */
        syscall(SYS_mbind, a, len, 1 /* PREFERRED */, &node, 64, 2 /* MOVE */);
        break;
    case 13:
        do_poke();
        break;
    case 14: {
        int wipe = rnd(3) == 0;
        must(madvise(a, len, wipe ? 18 : 19), "WIPEONFORK");
        memset(model->wiped + first, wipe, n);
        break;
    }
    default:
        a = at(first = BEFORE + rnd(UNITS) * 512);
        must(mmap(a, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != a,
             "mmap");
        must(madvise(a, HUGE, MADV_HUGEPAGE), "madvise");
        forget(first, 512);
        memset(model->wiped + first, 0, 512);
        for (unsigned i = 0; i < 512; i += 1 + rnd(3))
            store(first + i, rnd(4096), "x", 1);
    }
}
static void serve(void) {
    for (;;) {
        int c;
        while (!(c = world->command[me])) {
            sleep_on(&world->command[me], NONE);
            if (world->failed)
                _exit(1);
        }
        world->command[me] = NONE;
        int was = me, leave = 0;
        if (c == LOOK) {
            look();
        } else {
            state = world->lot[me];
            step();
            if (me != was)
                continue; /* born in it: the parent says that it is done */
            leave = world->op[me] == names[4] && me;
            threads_end();
        }
        if (leave)
            world->live[me] = 0;
        set(&world->done[was], 1);
        if (leave)
            _exit(0);
    }
}
static void died(int sig) {
    (void)sig;
    wrong("a signal for a store or load that is allowed");
}
static int wait_for_all(void) {
    for (int k = 0; k < PLACES; k++)
        for (int tries = 0; !world->done[k]; tries++) {
            sleep_on(&world->done[k], 0);
            if (!world->failed && tries > 60)
                snprintf(world->what, sizeof(world->what), "process %d does not answer: %s", k, world->op[k]),
                    world->failed = 1;
            if (world->failed)
                return 0;
        }
    return 1;
}
static int check_fd = -1;
static int tables_good(void) {
    char b[160] = {0};
    if (check_fd < 0 || pread(check_fd, b, sizeof(b) - 1, 0) <= 0 || !strcmp(b, "ok\n"))
        return 1;
    snprintf(world->what, sizeof(world->what), "page tables: %s", b);
    return 0;
}
static int round_of_all(void) {
    int any = 0;
    for (int k = 0; k < PLACES; k++) {
        world->poked[k] = 0;
        any |= world->acts[k] = world->live[k] && rnd(2);
    }
    for (int k = 0; k < PLACES; k++)
        if (world->live[k] && !any)
            any = world->acts[k] = 1;
    for (int k = 0; k < PLACES; k++)
        world->lot[k] = ((unsigned long)rnd(1 << 30) << 30 | rnd(1 << 30)) + 1;
    int acts[PLACES];
    memcpy(acts, (void *)world->acts, sizeof(acts)); /* those that are born in the round say that they act */
    for (int k = 0; k < PLACES; k++)
        if (acts[k])
            world->done[k] = 0;
    for (int k = 0; k < PLACES; k++)
        if (acts[k])
            set(&world->command[k], STEP);
    if (!wait_for_all() || !tables_good())
        return 0;
    for (int k = 0; k < PLACES; k++)
        if (world->live[k]) {
            world->done[k] = 0;
            set(&world->command[k], LOOK);
        }
    return wait_for_all();
}

int main(int argc, char **argv) {
    int seed = argc > 1 ? atoi(argv[1]) : 1, rounds = argc > 2 ? atoi(argv[2]) : 100, good = 1;
    printf("KTAP version 1\n");
    fflush(stdout);
    signal(SIGCHLD, SIG_IGN);
    world = mmap(NULL, sizeof(*world), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    models = mmap(NULL, PLACES * sizeof(*models), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    model = models;
    for (int k = 0; k < PLACES; k++)
        world->done[k] = 1;
    check_fd = open("/proc/sys/debug/page_tables", O_RDONLY);
    if (check_fd >= 0 && !tables_good())
        check_fd = -1; /* this kernel does not look */
    state = seed * 2654435761UL + 12345;
    rnd(2), rnd(2);
    world->live[0] = 1;
    world->op[0] = "begin";
    fflush(stdout);
    if (!(world->pid[0] = fork())) {
        signal(SIGSEGV, died), signal(SIGBUS, died);
        world->pid[0] = getpid();
        mmap(AT, PAGES * 4096UL, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        madvise(AT, PAGES * 4096UL, MADV_HUGEPAGE);
        char *b = GB + HUGE * 64;
        mmap(b, BALLAST * HUGE, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
        for (int i = 0; seed % 2 && i < BALLAST; i++)
            b[i * HUGE] = 1;
        serve();
    }
    while (good && world->round < rounds) {
        world->round++;
        good = round_of_all();
    }
    world->failed |= 2; /* the others end */
    for (int k = 0; k < PLACES; k++)
        if (world->live[k] > 0)
            kill(world->pid[k], SIGKILL);
    for (int k = 0; k < PLACES; k++)
        for (int tries = 0; world->live[k] > 0 && !kill(world->pid[k], 0) && tries < 6000; tries++)
            usleep(10000);
    if (!good)
        printf("# seed %d, round %d: %s\n", seed, world->round, world->what);
    OK(good, "every byte of every process is what the model says, after every step");
    return ktap_done();
}
