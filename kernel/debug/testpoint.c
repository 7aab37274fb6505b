/* Test points: places on the fork path where a test of the checked build (DEBUG=1) can hold a task, so that a
 * window between two steps stays open until the test has done in it what it wants to. One point is armed at a
 * time, by `echo arm NAME PID > /proc/sys/debug/test_point`, and `echo release` there lets go. The first task
 * of that process to come by is held; reading the file says "idle", "armed" or "held". */
#include "../core/task.h"
#include "debug.h"
#include <abi/errno.h>

static spinlock_t lock = SPINLOCK_INIT(RANK_OBJECT);
static char armed_name[24];
static pid_t armed_tgid;
static enum { IDLE, ARMED, HELD } state;
bool test_point_armed;

void test_point_hit(const char *name) {
    spin_lock(&lock);
    bool hold = state == ARMED && current->tgid == armed_tgid && !strcmp(name, armed_name);
    if (hold)
        WRITE_ONCE(state, HELD);
    spin_unlock(&lock);
    while (hold && READ_ONCE(state) == HELD) {
        DEBUG_ON(current_thread->preempt_count || irqs_disabled()); /* a point is where one may sleep */
        set_current_state(TASK_UNINTERRUPTIBLE);
        schedule_until(ktime_get() + 200000);
    }
}
/* "arm NAME PID" or "release"; 0 or -EINVAL. */
int test_point_command(char *text) {
    char *name = text + 4, *end = strchr(name, ' ');
    bool arm = starts_with(text, "arm ") && end;
    if (!arm && !starts_with(text, "release"))
        return -EINVAL;
    spin_lock(&lock);
    state = arm ? ARMED : IDLE;
    WRITE_ONCE(test_point_armed, arm);
    if (arm) {
        strlcpy(armed_name, name, min(sizeof(armed_name), (size_t)(end - name) + 1));
        armed_tgid = strtoul(end + 1, NULL, 10);
    }
    spin_unlock(&lock);
    return 0;
}
const char *test_point_state(void) { return state == IDLE ? "idle" : state == ARMED ? "armed" : "held"; }
