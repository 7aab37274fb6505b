/* runas: run a command as another user id, without privileges. */
#include <tine.h>

int main(int argc, char **argv) {
    if (argc < 3 || !strcmp(argv[1], "--help")) {
        printf("usage: runas UID COMMAND [ARG...]\n");
        return argc < 2 || strcmp(argv[1], "--help") ? 2 : 0;
    }
    int id = atoi(argv[1]);
    if (setgid(id) < 0 || setuid(id) < 0)
        die("cannot become user %d", id);
    execvp(argv[2], argv + 2);
    die("%s", argv[2]);
}
