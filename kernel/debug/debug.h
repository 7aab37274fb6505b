/* Messages, assertions, panic, self-tests. */
#pragma once
#include "../lib/lib.h"

struct task_struct;
/* To the log and the console. Any context. A format that begins with KERN_ERR is shown in spite of `quiet`: for
 * what somebody asked for and does not get. */
#define KERN_ERR "\0013"
int printk(const char *fmt, ...) __printf(1, 2);
/* A line that a user can cause: at most 10 in 5 s of them all (how many were left out is said later), and
 * control characters and bytes above 126 in it are written \\xNN. Without a newline. Any context. */
int printk_user(const char *fmt, ...) __printf(1, 2);
/* Stop all harts, print registers and every hart's backtrace, power off with a failing status. */
void dump_sleeper(struct task_struct *t); /* where a task that does not run waits */
__noreturn void panic(const char *fmt, ...) __printf(1, 2);
#define BUG_ON(cond)                                                                                         \
    do {                                                                                                     \
        if (unlikely(cond))                                                                                  \
            panic("%s:%d: %s: " #cond, __FILE__, __LINE__, __func__);                                        \
    } while (0)
/* Where every hart is, what is locked (checked build), the last trace events; and on. Any context. */
void warn(const char *fmt, ...) __printf(1, 2);
/* What should not be, but can be lived with: its value. Warns once for each place. */
#define WARN_ON(cond)                                                                                        \
    ({                                                                                                       \
        static bool _said;                                                                                   \
        bool _c = (cond);                                                                                    \
        if (unlikely(_c) && !_said) {                                                                        \
            _said = true;                                                                                    \
            warn("%s:%d: %s: " #cond, __FILE__, __LINE__, __func__);                                         \
        }                                                                                                    \
        _c;                                                                                                  \
    })
#ifdef CONFIG_DEBUG
/* A place where a test can hold a task (testpoint.c); nothing in the other build. The caller may sleep here.
 */
extern bool test_point_armed;
void test_point_hit(const char *name);
int test_point_command(char *text);
const char *test_point_state(void);
/* leak.c: before the first program; and when init has ended and put what it held: a panic where something
 * leaked. May sleep. */
void leak_baseline(void);
void leak_check(void);
/* Process 1 ends, with status 0, and with it the system. The caller may be part of it. Process context, no
 * lock. */
void end_init(void);
/* tables.c: "ok", or what is wrong with some page table. May sleep. */
const char *check_page_tables(void);
/* locks.c: a line about a rank's locks since the last reset (times in microseconds); false: no such rank. Any
 * context. */
bool lock_stat(u32 rank, char *line, size_t size);
void lock_stat_reset(void);
/* For a panic: what each hart holds goes to the log. */
void lock_dump(void);
void sleep_lock_dump(void); /* and what the current task holds */
/* A new kernel stack; and how deep a task's went, when it ends. */
void stack_fill(void *top);
void stack_measure(struct task_struct *t);
/* work.c: begin to look; so many accesses by who may not be preempted; what was found is said (process
 * context, no lock); and at the end, with a panic if there was something. */
void work_watch(void);
void work_count(u64 n, u64 pc);
void work_say(void);
void work_end(void);
#define TEST_POINT(name) (unlikely(READ_ONCE(test_point_armed)) ? test_point_hit(name) : (void)0)
#define IS_DEBUG true
#define DEBUG_ON(cond) BUG_ON(cond)
#else
#define TEST_POINT(name) ((void)0)
static inline const char *check_page_tables(void) { return "not checked"; }
static inline bool lock_stat(u32 rank, char *line, size_t size) {
    return (void)rank, (void)line, (void)size, false;
}
static inline void lock_stat_reset(void) {}
#define lock_dump() ((void)0)
#define sleep_lock_dump() ((void)0)
#define leak_baseline() ((void)0)
#define leak_check() ((void)0)
#define end_init() ((void)0)
#define stack_fill(top) ((void)(top))
#define work_say() ((void)0)
#define stack_measure(t) ((void)(t))
static inline int test_point_command(char *text) { return (void)text, -22; }
static inline const char *test_point_state(void) { return "idle"; }
#define IS_DEBUG false
#define DEBUG_ON(cond) ((void)sizeof(cond))
#endif
/* Copies the log's newest bytes into buf; returns how many. */
size_t log_read(char *buf, size_t n);
extern bool console_quiet; /* messages go to the log alone */
/* The function that contains pc, and the offset in it; NULL if none. */
const char *ksym_lookup(u64 pc, u64 *offset);
/* Where that function begins and ends; false: none. */
bool ksym_range(u64 pc, u64 *start, u64 *end);
u64 ksym_address(const char *name, size_t n); /* of n characters; 0: there is none */
/* A place in a kernel stack. called: pc is where a call will return to; otherwise anywhere (a trap's), with
 * ra as it was there. */
struct frame {
    u64 pc, sp, ra;
    bool called;
};
void save_frame(struct frame *f); /* the caller's */
/* From f to the frame that called it, across a trap of the kernel to what was interrupted; the stack ends at
 * top. False: no further. Any context; reads only that stack. */
bool unwind(struct frame *f, u64 top);
/* Called with the machine half up: output by the given function from now on. */
void console_register(void (*write)(const char *s, size_t n));

/* A self-test returns NULL, or what did not hold. Run by the kernel argument `selftest`. */
struct selftest {
    const char *name;
    const char *(*run)(void);
};
#define SELFTEST(n)                                                                                          \
    static const char *selftest_##n(void);                                                                   \
    static const struct selftest __section("selftests") __attribute__((used)) st_##n = {#n, selftest_##n};   \
    static const char *selftest_##n(void)
#define EXPECT(cond)                                                                                         \
    do {                                                                                                     \
        if (!(cond))                                                                                         \
            return #cond;                                                                                    \
    } while (0)
int run_selftests(void); /* the number that failed */
