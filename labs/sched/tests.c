/* Lab 9, the public checks. What a task gets is counted by what it does: it adds up in shared memory. */
#include "lab.h"

/* Let them run for so many milliseconds; we come first when we wake. */
static void let_run(int ms) {
    syscall(SYS_setpriority, 0, 0, -20);
    usleep(ms * 1000);
}

CHECK(fair) {
    pid_t pid[3];
    lab_work_init();
    syscall(SYS_setpriority, 0, 0, -20);
    for (int i = 0; i < 3; i++)
        pid[i] = lab_worker(i, 0);
    let_run(20);
    uint64_t before[3] = {WORK(0), WORK(1), WORK(2)}, most = 0, least = ~0UL;
    let_run(240);
    for (int i = 0; i < 3; i++) {
        uint64_t did = WORK(i) - before[i];
        most = did > most ? did : most;
        least = did < least ? did : least;
    }
    lab_end(pid, 3);
    EXPECT(most, "the tasks run");
    EXPECT_GE(
        least * 100 / most, 88,
        "three equal tasks get the same time, within a slice (the least of them, in percent of the most)");
}

CHECK(weights) {
    pid_t pid[2];
    lab_work_init();
    syscall(SYS_setpriority, 0, 0, -20);
    pid[0] = lab_worker(0, 0), pid[1] = lab_worker(1, 5);
    let_run(20);
    uint64_t a = WORK(0), b = WORK(1);
    let_run(150);
    a = WORK(0) - a, b = WORK(1) - b;
    lab_end(pid, 2);
    EXPECT(b, "a task with a higher nice value runs too");
    EXPECT_GE(a * 100 / b, 240,
              "nice 5 means a third of the time: not more (what nice 0 gets, in percent of that)");
    EXPECT_LE(a * 100 / b, 390, "and not less");
}

/* Five tasks, four harts. */
CHECK(all_harts) {
    lab_work_init();
    lab_gate();
    for (int i = 0; i < 5; i++)
        if (!lab_fork()) {
            lab_wait_start();
            lab_work_on_harts(i);
        }
    lab_start();
    for (int i = 0; i < 5; i++)
        wait(NULL);
    HOST_HARTS(4, "five tasks that work run on four harts");
}

/* One that sleeps much and works little comes soon when it wakes. */
CHECK(latency) {
    pid_t pid[2];
    uint64_t late = 0, worst = 0;
    lab_work_init();
    for (int i = 0; i < 2; i++)
        pid[i] = lab_worker(i, 0);
    for (int i = 0; i < 25; i++) {
        uint64_t us = 2000 + lab_random(2500), t = lab_now();
        usleep(us);
        t = lab_now() - t - us * 1000;
        late += t;
        worst = t > worst ? t : worst;
    }
    lab_end(pid, 2);
    EXPECT(WORK(0) && WORK(1), "the two that work do so");
    EXPECT_LE(
        late / 25 / 1000, 400,
        "a task that mostly sleeps is on in time, beside two that work (microseconds late, on average)");
    EXPECT_LE(worst / 1000, 3500, "and never later than a slice");
}
