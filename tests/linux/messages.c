/* Messages that a user can cause: not without limit, and without what a terminal or a log would obey. tine only:
 * Linux says nothing of a user's faults unless it was told to. */
#include "ktap.h"
#include <sys/klog.h>
#include <sys/prctl.h>

static char text[1 << 17];
int main(void) {
    printf("KTAP version 1\n");
    fflush(stdout);
    for (int i = 0; i < 60; i++)
        if (!fork()) {
            setuid(1000);
            prctl(PR_SET_NAME, "a\033[2J\n[  0.1] b");
            *(volatile int *)16 = 1;
            _exit(0);
        } else {
            wait(NULL);
        }
    int n = klogctl(3, text, sizeof(text) - 1), lines = 0, raw = 0, forged = 0;
    for (char *l = text; l < text + (n > 0 ? n : 0);) {
        char *end = memchr(l, '\n', text + n - l);
        end = end ? end : text + n;
        lines += memmem(l, end - l, "SIG11", 5) != NULL;
        forged += end - l > 9 && !memcmp(l, "[  0.1] b", 9);
        for (char *c = l; c < end; c++)
            raw += *c == 033;
        l = end + 1;
    }
    printf("# %d bytes, %d lines\n", n, lines);
    OK(lines >= 1 && lines <= 30, "faults of a user are told, but not all");
    OK(!raw && !forged, "his bytes are written out, no control characters");
    OK(memmem(text, n > 0 ? n : 0, "a\\x1b[2J\\x0a", 12) != NULL, "and can be read");
    return ktap_done();
}
