/* Checks of a lab. Each runs as process 1 of a machine of its own and states what must hold with EXPECT and
 * its kin; the grader stops the machine there (lab_stop), takes the values out of the registers, and judges
 * them itself. What a program prints is for people and counts for nothing. Children end by _exit. Run by
 * hand, a check prints what failed. */
#pragma once
#include <tine.h>

struct lab_check {
    const char *name;
    void (*fn)(void);
    uint64_t helper;
};
struct lab_site { /* a place that states something; read by the grader from the ELF file */
    const char *what;
    uint32_t line, optional;
};
enum lab_op {
    LAB_DONE,   /* the check has returned */
    LAB_EXPECT, /* site, seen, relation, expected */
    LAB_PTE, /* -, slot, address: remember the page-table entry of this address in the running address space
              */
    LAB_FRAMES, /* site, slot, relation, slot: the page frames */
    LAB_BITS,   /* site, slot, mask, expected: bits of the entry */
    LAB_FREE,   /* -, slot: remember how many pages are free, counted by the grader in mem_map */
    LAB_LOST,   /* site, slot before, slot after, most: pages fewer than before */
    LAB_COUNT,  /* -, slot: remember the instructions executed so far */
    LAB_COST,   /* site, slot before, slot after, runs: instructions each; points by the lab's curve */
    LAB_HART,   /* -: remember the hart that this runs on */
    LAB_HARTS,  /* site, least: how many different ones were remembered */
    LAB_ONE_OF, /* site, mask: this runs on one of these harts */
    LAB_TABLE,  /* -, slot, address: remember the page of the lowest table on the way to this address */
};
enum lab_relation { LAB_TRUE, LAB_EQ, LAB_NE, LAB_LE, LAB_GE };

extern uint64_t lab_seed; /* another one for each run of a seeded check */
void lab_stop(enum lab_op op, const struct lab_site *site, uint64_t a, uint64_t b, uint64_t c);
void lab_expect(const struct lab_site *site, uint64_t seen, enum lab_relation r, uint64_t expected);

#define CHECK(fname)                                                                                         \
    static void check_##fname(void);                                                                         \
    static const struct lab_check lab_check_##fname                                                          \
        __attribute__((used, section("lab_checks"))) = {#fname, check_##fname, 0};                           \
    static void check_##fname(void)
/* What a check runs by lab_args: this same program, as another. It exits with 0 if the function returns. */
#define HELPER(fname)                                                                                        \
    static void helper_##fname(void);                                                                        \
    static const struct lab_check lab_helper_##fname                                                         \
        __attribute__((used, section("lab_checks"))) = {#fname, helper_##fname, 1};                          \
    static void helper_##fname(void)
#define LAB_SITE(text, opt)                                                                                  \
    ({                                                                                                       \
        static const struct lab_site lab_here                                                                \
            __attribute__((used, section("lab_sites"))) = {text, __LINE__, opt};                             \
        &lab_here;                                                                                           \
    })
/* `what` is the property, as a student reads it when it does not hold. */
#define EXPECT(cond, what) lab_expect(LAB_SITE(what, 0), !!(cond), LAB_TRUE, 1)
#define EXPECT_EQ(seen, expected, what)                                                                      \
    lab_expect(LAB_SITE(what, 0), (uint64_t)(seen), LAB_EQ, (uint64_t)(expected))
#define EXPECT_NE(seen, other, what)                                                                         \
    lab_expect(LAB_SITE(what, 0), (uint64_t)(seen), LAB_NE, (uint64_t)(other))
#define EXPECT_LE(seen, most, what) lab_expect(LAB_SITE(what, 0), (uint64_t)(seen), LAB_LE, (uint64_t)(most))
#define EXPECT_GE(seen, least, what)                                                                         \
    lab_expect(LAB_SITE(what, 0), (uint64_t)(seen), LAB_GE, (uint64_t)(least))
#define EXPECT_ERRNO(call, err, what)                                                                        \
    ({                                                                                                       \
        errno = 0;                                                                                           \
        long lab_r = (long)(call);                                                                           \
        EXPECT_EQ(lab_r == -1 ? errno : 0, err, what);                                                       \
    })
/* Not each run comes here. */
#define EXPECT_IF_HERE(cond, what) lab_expect(LAB_SITE(what, 1), !!(cond), LAB_TRUE, 1)
#define HOST_PTE(slot, address) lab_stop(LAB_PTE, NULL, slot, (uint64_t)(address), 0)
#define HOST_SAME_FRAME(a, b, what) lab_stop(LAB_FRAMES, LAB_SITE(what, 0), a, LAB_EQ, b)
#define HOST_OTHER_FRAME(a, b, what) lab_stop(LAB_FRAMES, LAB_SITE(what, 0), a, LAB_NE, b)
#define HOST_BITS(slot, mask, bits, what) lab_stop(LAB_BITS, LAB_SITE(what, 0), slot, mask, bits)
#define HOST_FREE(slot) lab_stop(LAB_FREE, NULL, slot, 0, 0)
#define HOST_LOST(before, after, most, what) lab_stop(LAB_LOST, LAB_SITE(what, 0), before, after, most)
#define HOST_COUNT(slot) lab_stop(LAB_COUNT, NULL, slot, 0, 0)
#define HOST_COST(before, after, runs, what)                                                                 \
    lab_stop(LAB_COST, LAB_SITE(what, 0), (before) | (uint64_t)(after) << 32, runs, 0)
#define HOST_TABLE(slot, address) lab_stop(LAB_TABLE, NULL, slot, (uint64_t)(address), 0)
#define HOST_HART() lab_stop(LAB_HART, NULL, 0, 0, 0)
#define HOST_HARTS(least, what) lab_stop(LAB_HARTS, LAB_SITE(what, 0), least, 0, 0)
#define HOST_ON(mask, what) lab_stop(LAB_ONE_OF, LAB_SITE(what, 0), mask, 0, 0)
enum { PTE_V = 1, PTE_R = 2, PTE_W = 4, PTE_X = 8, PTE_U = 16 };

/* Helpers that checks share. */
#define PAGE 4096UL
uint32_t lab_random(uint32_t n); /* 0 to n-1, from lab_seed */
char *lab_pages(size_t pages);   /* private anonymous memory; ends the check if there is none */
int lab_status(pid_t pid);       /* wait for this child: its wait status, or -1 */
pid_t lab_fork(void);            /* fork; a fork that fails ends the check */
void lab_fill(char *p, size_t n, uint64_t seed);        /* a pattern */
bool lab_holds(const char *p, size_t n, uint64_t seed); /* is it there? */
char **lab_args(const char *helper, const char *arg);   /* for execve of /bin/t; static */
extern const char *lab_arg;                             /* in the helper: what it was given */
/* Children that begin together: each calls lab_wait_start, then the parent lab_start. (Under icount one hart
 * runs at a time, and one that spins alone keeps its turn for long; where tasks share a hart the end of a
 * slice ends a turn.) */
void lab_gate(void), lab_wait_start(void), lab_start(void);
uint64_t lab_now(void);   /* ns */
void lab_fail_nth(int n); /* the n-th allocation of the next system call fails; 0: none does */
/* sigaction with flags and mask. */
long lab_act(int sig, void *handler, uint64_t flags, uint64_t mask);
/* body() in a child, which has to come to its end. What NAME_body states belongs to the check NAME. */
void lab_in_child(void (*body)(void));
/* Work that is counted by being done: one line of shared memory for each task. */
extern volatile uint64_t *lab_work;
#define WORK(i) lab_work[(i)*8]
void lab_work_init(void);
pid_t lab_worker(int i, int nice); /* a child that works for ever */
void lab_work_on_harts(int i);     /* work for a while, tell four times on which hart (HOST_HART), and exit */
void lab_end(pid_t *pids, int n);  /* kill and wait */
