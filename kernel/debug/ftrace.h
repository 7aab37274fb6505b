/* The function tracer of the build that `make FTRACE=1` makes (gcc calls two hooks in each function): the
 * calls under chosen functions, with depth and time, as they ran. /proc/ftrace switches it and shows them;
 * scripts need only `make ftrace`. */
#pragma once
#include "../lib/lib.h"

struct seq;
/* A task's place in the tracer. Private to the task. */
struct ftrace_task {
    u32 depth; /* calls under a chosen function, itself included; 0: not in one */
    u64 lost;  /* the tracer's own instructions up to now */
};
#ifdef CONFIG_FUNCTION_TRACER
/* "FUNCTION[,FUNCTION...] [pid=N] [depth=N]", "off", "clear". 0, -EINVAL (no such function, one that was
 * inlined everywhere), -E2BIG. */
int ftrace_command(char *text);
/* What was recorded, the first calls first, a line each. May sleep. */
int ftrace_show(struct seq *s);
#endif
