/* more: a page at a time; space for the next, enter for a line, q to end. */
#include <tine.h>

int main(int argc, char **argv) {
    while (options(argc, argv, "", "more [FILE...]") != -1)
        ;
    struct winsize ws = {24, 80, 0, 0};
    bool tty = isatty(1);
    int keys = open("/dev/tty", O_RDONLY);
    ioctl(1, TIOCGWINSZ, &ws);
    for (int i = optind; i < argc || i == optind; i++) {
        char *s = slurp(i < argc ? argv[i] : "-", NULL);
        if (!s)
            die("%s", argv[i]);
        int room = ws.ws_row - 1;
        for (char *p = s; *p;) {
            size_t n = strcspn(p, "\n");
            n += p[n] == '\n';
            write(1, p, n);
            p += n;
            if (!tty || --room > 0 || !*p || keys < 0)
                continue;
            struct abi_termios save, raw;
            char c = 'q';
            write(1, "--More--", 8);
            tcgetattr(keys, &save);
            raw = save;
            raw.c_lflag &= ~(ICANON | ECHO);
            tcsetattr(keys, 0, &raw);
            read(keys, &c, 1);
            tcsetattr(keys, 0, &save);
            write(1, "\r\033[K", 4);
            if (c == 'q' || c == 3)
                return 0;
            room = c == '\n' ? 1 : ws.ws_row - 1;
        }
    }
    return 0;
}
