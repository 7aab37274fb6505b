/* Lab 9, the hidden checks. */
#include "lab.h"

/* A long sleep is no credit, and a low weight is not none. */
CHECK(starvation) {
    pid_t pid[3];
    lab_work_init();
    syscall(SYS_setpriority, 0, 0, -20);
    pid[0] = lab_worker(0, -5), pid[1] = lab_worker(1, 5);
    if (!(pid[2] = lab_fork())) {
        syscall(SYS_setpriority, 0, 0, -5);
        usleep(100000);
        for (;;)
            WORK(2)++;
    }
    usleep(105000);
    uint64_t a = WORK(0), c = WORK(2);
    usleep(60000);
    uint64_t did = WORK(0) - a, woken = WORK(2) - c;
    usleep(100000);
    lab_end(pid, 3);
    EXPECT(woken, "who comes back from a long sleep runs");
    EXPECT_GE(did * 100 / woken, 70,
              "and does not keep the other from running (its work, in percent of the sleeper's)");
    EXPECT_GE(WORK(1), 1, "the least of all tasks still runs");
}

/* Forks and ends in all orders, drawn by lot. */
CHECK(storm) {
    int bad = 0, n = 0;
    lab_work_init();
    for (int round = 0; round < 6; round++) {
        for (int i = 0; i < 8; i++)
            if (!lab_fork()) {
                while (WORK(0) <= round) /* until all are there */
                    ;
                for (volatile int k = lab_random(2000); k; k--)
                    ;
                if (i & 1 && !fork())
                    _exit(0);
                if (i & 1)
                    waitpid(-1, NULL, 0);
                _exit(i);
            }
        WORK(0) = round + 1;
        for (int i = 0, s; i < 8; i++, n++)
            bad += wait(&s) < 0 || s & 0xff;
    }
    EXPECT_EQ(bad, 0, "whatever the order, every child is made, runs, ends and is found");
    EXPECT_EQ(n, 48, "all of them");
}

CHECK(affinity) {
    lab_work_init();
    lab_gate();
    for (int h = 0; h < 8; h++) { /* two on each hart; each waits for the other to work, by working */
        pid_t pid = lab_fork();
        if (!pid) {
            uint64_t mask = 1UL << (h & 3);
            syscall(SYS_sched_setaffinity, 0, 8, &mask);
            lab_wait_start();
            while (!WORK(h ^ 4))
                WORK(h)++;
            for (int k = 0; k < 3; k++) {
                for (uint64_t t = lab_now() + 2000000; lab_now() < t;)
                    WORK(h)++;
                HOST_ON(mask, "a task runs only where its affinity lets it");
                usleep(100);
            }
            _exit(0);
        }
    }
    lab_start();
    for (int h = 0; h < 8; h++)
        wait(NULL);
    EXPECT(WORK(0) && WORK(1) && WORK(6) && WORK(7), "and it does run there");
}

/* All on one hart; then they may go elsewhere. */
CHECK(spread) {
    uint64_t one = 1, all = 15;
    lab_work_init();
    syscall(SYS_sched_setaffinity, 0, 8, &one);
    pid_t pid[6];
    for (int i = 0; i < 6; i++)
        if (!(pid[i] = lab_fork())) {
            while (!WORK(7))
                WORK(i)++;
            lab_work_on_harts(i);
        }
    for (int i = 0; i < 6; i++)
        syscall(SYS_sched_setaffinity, pid[i], 8, &all);
    WORK(7) = 1;
    for (int i = 0; i < 6; i++)
        wait(NULL);
    HOST_HARTS(4, "harts that have nothing to do take tasks from one that has too many");
}
