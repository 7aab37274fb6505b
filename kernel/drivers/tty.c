/* The console terminal: a line discipline over the UART (POSIX, chapter 11). tty->lock guards modes and
 * both buffers; interrupts take it. Signals are sent after it is dropped. */
#include "../core/task.h"
#include "../debug/debug.h"
#include "../fs/fs.h"
#include "drivers.h"
#include <abi/termios.h>

#define IN_SIZE 4096
#define OUT_SIZE 4096

struct tty {
    spinlock_t lock;
    struct abi_termios t;
    struct winsize ws;
    char in[IN_SIZE];
    u8 eol[IN_SIZE / 8]; /* canonical: which characters end a line */
    u32 rd, line, wr;    /* read up to; lines complete up to; written up to */
    char out[OUT_SIZE];
    u32 out_rd, out_wr;
    u32 column;
    bool stopped, literal;
    pid_t pgrp, session; /* lock */
    struct wait_queue_head read_wait, write_wait;
};
static struct tty con;

void uart_start(void);

bool tty_next_output(char *c) {
    u64 irq = spin_lock_irqsave(&con.lock);
    bool some = con.out_rd != con.out_wr && !con.stopped;
    if (some)
        *c = con.out[con.out_rd++ % OUT_SIZE];
    bool wake = con.out_wr - con.out_rd < OUT_SIZE / 2;
    spin_unlock_irqrestore(&con.lock, irq);
    if (some && wake && waitqueue_active(&con.write_wait))
        wake_up_poll(&con.write_wait, POLLOUT);
    return some;
}

/* Power-off: what programs wrote goes out before the machine does. */
void tty_drain_polled(void) {
    char c;
    con.stopped = false;
    while (tty_next_output(&c))
        uart_write_raw(c);
}

/* lock held. Room for n more output bytes? */
static bool out_room(u32 n) { return OUT_SIZE - (con.out_wr - con.out_rd) >= n; }
static void out_raw(char c) {
    if (out_room(1))
        con.out[con.out_wr++ % OUT_SIZE] = c;
}
static void out_char(char c) { /* with output processing */
    if ((con.t.c_oflag & OPOST) && (con.t.c_oflag & ONLCR) && c == '\n')
        out_raw('\r');
    con.column = c == '\n' || c == '\r' ? 0
                 : c == '\b'            ? con.column - !!con.column
                 : c == '\t'            ? (con.column | 7) + 1
                                        : con.column + 1;
    out_raw(c);
}
static void echo(u8 c) {
    if (!(con.t.c_lflag & ECHO) && !(c == '\n' && (con.t.c_lflag & ECHONL)))
        return;
    if ((con.t.c_lflag & ECHOCTL) && (c < 32 || c == 127) && c != '\n' && c != '\t') {
        out_char('^');
        out_char(c ^ 64);
    } else {
        out_char(c);
    }
}
/* Take the last character of the unfinished line back. False: the line is empty. */
static bool erase_one(void) {
    if (con.wr == con.line)
        return false;
    u8 c;
    u32 width = 0;
    do
        c = con.in[--con.wr % IN_SIZE];
    while ((c & 0xc0) == 0x80 && con.wr != con.line); /* UTF-8 continuation */
    width = c < 32 || c == 127 ? 2 : 1;
    if ((con.t.c_lflag & (ECHO | ECHOE)) == (ECHO | ECHOE))
        while (width--)
            out_char('\b'), out_char(' '), out_char('\b');
    return true;
}
static void put_in(u8 c, bool eol) {
    if (con.wr - con.rd >= IN_SIZE - 1 && !eol)
        return;
    if (con.wr - con.rd >= IN_SIZE)
        return;
    u32 i = con.wr++ % IN_SIZE;
    con.in[i] = c;
    con.eol[i / 8] = (con.eol[i / 8] & ~(1u << i % 8)) | (eol ? 1u << i % 8 : 0);
    if (eol || !(con.t.c_lflag & ICANON))
        con.line = con.wr;
}
static bool is_cc(u8 c, int which) { return c == con.t.c_cc[which] && c; }

/* One character typed. The signal that it means, or 0. */
static int receive_one(u8 c) {
    u32 l = con.t.c_lflag, i = con.t.c_iflag;
    if (con.literal) {
        con.literal = false;
        echo(c);
        put_in(c, false);
        return 0;
    }
    if (c == '\r') {
        if (i & IGNCR)
            return 0;
        if (i & ICRNL)
            c = '\n';
    } else if (c == '\n' && (i & INLCR)) {
        c = '\r';
    }
    if (i & IXON) {
        if (is_cc(c, VSTOP)) {
            con.stopped = true;
            return 0;
        }
        if (is_cc(c, VSTART)) {
            con.stopped = false;
            return 0;
        }
    }
    if (l & ISIG) {
        int sig = is_cc(c, VINTR) ? SIGINT : is_cc(c, VQUIT) ? SIGQUIT : is_cc(c, VSUSP) ? SIGTSTP : 0;
        if (sig) {
            con.stopped = false;
            if (!(l & NOFLSH)) {
                con.rd = con.line = con.wr;
                con.out_rd = con.out_wr;
            }
            echo(c);
            return sig;
        }
    }
    if (!(l & ICANON)) {
        echo(c);
        put_in(c, false);
        return 0;
    }
    if (is_cc(c, VERASE)) {
        erase_one();
    } else if (is_cc(c, VKILL)) {
        while (erase_one())
            ;
    } else if ((l & IEXTEN) && is_cc(c, VWERASE)) {
        while (con.wr != con.line && con.in[(con.wr - 1) % IN_SIZE] == ' ')
            erase_one();
        while (con.wr != con.line && con.in[(con.wr - 1) % IN_SIZE] != ' ')
            erase_one();
    } else if ((l & IEXTEN) && is_cc(c, VLNEXT)) {
        con.literal = true;
    } else if ((l & IEXTEN) && is_cc(c, VREPRINT)) {
        out_char('\n');
        for (u32 p = con.line; p != con.wr; p++)
            echo(con.in[p % IN_SIZE]);
    } else if (is_cc(c, VEOF)) {
        put_in(0, true); /* a line end that is not data */
    } else if (c == '\n' || is_cc(c, VEOL)) {
        echo(c);
        put_in(c, true);
    } else {
        if (con.wr - con.rd < IN_SIZE - 2)
            echo(c);
        put_in(c, false);
    }
    return 0;
}

void tty_receive(const char *s, size_t n) {
    for (size_t k = 0; k < n; k++) {
        spin_lock(&con.lock);
        int sig = receive_one(s[k]);
        pid_t pgrp = con.pgrp;
        spin_unlock(&con.lock);
        if (sig && pgrp)
            kill_pgrp(sig, NULL, pgrp);
    }
    if (con.line != con.rd)
        wake_up_poll(&con.read_wait, POLLIN);
}

/* Job control: may this task use the terminal? 0, or an error for the caller to return. */
static long check_background(int sig) {
    if (current->signal->tty != &con || current->signal->pgid == READ_ONCE(con.pgrp) || !con.pgrp)
        return 0;
    if (sig_ignored_by(current, sig))
        return sig == SIGTTIN ? -EIO : 0;
    READ_TASKS(irq);
    bool orphan = is_orphaned_pgrp(current->signal->pgid, NULL);
    READ_TASKS_END(irq);
    if (orphan)
        return -EIO;
    kill_pgrp(sig, NULL, current->signal->pgid);
    return -ERESTARTSYS;
}

static bool readable(void) {
    if (con.t.c_lflag & ICANON)
        return con.line != con.rd;
    return con.wr - con.rd >= max((u32)con.t.c_cc[VMIN], 1u);
}

/* Until there is something to read in the mode that is set: 0; 1: one that does not wait for it; or -errno.
 */
static long wait_for_input(struct file *f) {
    struct abi_termios *t = &con.t;
    if (!(READ_ONCE(t->c_lflag) & ICANON) && !t->c_cc[VMIN]) { /* VTIME tenths of a second, the first byte */
        u64 until = ktime_get() + t->c_cc[VTIME] * 100000000UL;
        long r = 0;
        if (t->c_cc[VTIME] && con.wr == con.rd)
            r = wait_event_state(&con.read_wait, con.wr != con.rd, TASK_INTERRUPTIBLE, until, true);
        return r == -EINTR ? -ERESTARTSYS : 1;
    }
    if (readable())
        return 0;
    if (f->flags & O_NONBLOCK)
        return -EAGAIN;
    if (wait_event_exclusive(&con.read_wait, readable()))
        return -ERESTARTSYS;
    return check_background(SIGTTIN);
}
/* Up to n characters of what may be read. The mode is that of this moment: another reader and TCSETS take the
 * same lock. *end: a line, or the file, ends with them. */
static u32 take_in(char *to, size_t room, bool *end) {
    u32 n = 0;
    u64 irq = spin_lock_irqsave(&con.lock);
    bool canon = con.t.c_lflag & ICANON;
    while (n < room && con.rd != (canon ? con.line : con.wr) && !*end) {
        u32 i = con.rd++ % IN_SIZE;
        *end = canon && (con.eol[i / 8] >> i % 8 & 1);
        if (!(*end && !con.in[i]))
            to[n++] = con.in[i];
    }
    spin_unlock_irqrestore(&con.lock, irq);
    return n;
}
/* An end of file right after exactly enough data is taken with it. */
static void take_eof(void) {
    u64 irq = spin_lock_irqsave(&con.lock);
    u32 i = con.rd % IN_SIZE;
    if ((con.t.c_lflag & ICANON) && con.rd != con.line && (con.eol[i / 8] >> i % 8 & 1) && !con.in[i])
        con.rd++;
    spin_unlock_irqrestore(&con.lock, irq);
}
static ssize_t tty_read(struct file *f, struct iov_iter *it, loff_t *pos) {
    char chunk[256];
    ssize_t done = 0;
    bool end = false;
    u32 n;
    (void)pos;
    long r = check_background(SIGTTIN);
    if (r)
        return r;
    do /* again, if another reader was faster */
        if ((r = wait_for_input(f)) < 0)
            return r;
    while (it->count && !(n = take_in(chunk, min(sizeof(chunk), it->count), &end)) && !end && !r);
    while (it->count && n) {
        size_t c = copy_to_iter(chunk, n, it);
        done += c;
        if (c < n)
            return done ? done : -EFAULT;
        n = end ? 0 : take_in(chunk, min(sizeof(chunk), it->count), &end);
    }
    if (done && !end && !it->count)
        take_eof();
    return done;
}

static ssize_t tty_write(struct file *f, struct iov_iter *it, loff_t *pos) {
    char chunk[256];
    ssize_t done = 0;
    (void)pos;
    if (con.t.c_lflag & TOSTOP) {
        long r = check_background(SIGTTOU);
        if (r)
            return r;
    }
    while (it->count) {
        size_t n = copy_from_iter(chunk, sizeof(chunk), it);
        if (!n)
            return done ? done : -EFAULT;
        for (size_t i = 0; i < n;) {
            u64 irq = spin_lock_irqsave(&con.lock);
            while (i < n && out_room(2))
                out_char(chunk[i++]);
            spin_unlock_irqrestore(&con.lock, irq);
            uart_putc_start();
            if (i < n) {
                if (f->flags & O_NONBLOCK)
                    return done + i ? (ssize_t)(done + i) : -EAGAIN;
                if (wait_event_interruptible(&con.write_wait, con.out_wr - con.out_rd < OUT_SIZE / 2))
                    return done + i ? (ssize_t)(done + i) : -ERESTARTSYS;
            }
        }
        done += n;
    }
    return done;
}

static u32 tty_poll(struct file *f, struct poll_table *pt) {
    poll_wait(f, &con.read_wait, pt);
    poll_wait(f, &con.write_wait, pt);
    return (readable() ? POLLIN | POLLRDNORM : 0) |
           (con.out_wr - con.out_rd < OUT_SIZE / 2 ? POLLOUT | POLLWRNORM : 0);
}

static void drain(void) { wait_event_interruptible(&con.write_wait, con.out_wr == con.out_rd); }

static long set_pgrp(u64 arg) {
    s32 pgrp;
    if (copy_from_user(&pgrp, arg, 4))
        return -EFAULT;
    if (pgrp <= 0)
        return -EINVAL;
    long r = current->signal->tty == &con ? check_background(SIGTTOU) : 0;
    if (r)
        return r;
    pgrp = pid_from_user(pgrp);
    READ_TASKS(irq);
    r = current->signal->tty != &con || con.session != current->signal->sid ? -ENOTTY
        : !pgrp_exists(pgrp, current->signal->sid)                          ? -EPERM
                                                                            : 0;
    if (!r)
        con.pgrp = pgrp;
    READ_TASKS_END(irq);
    return r;
}

static pid_t number(pid_t nr) { /* as the caller sees it */
    READ_TASKS(irq);
    nr = pid_vnr(nr);
    READ_TASKS_END(irq);
    return nr;
}
static long make_controlling(bool force) {
    long r = 0;
    READ_TASKS(irq);
    struct signal_struct *s = current->signal;
    if (s->tty == &con && con.session == s->sid)
        r = 0;
    else if (!s->session_leader || s->tty)
        r = -EPERM;
    else if (con.session && con.session != s->sid && !(force && capable(CAP_SYS_ADMIN)))
        r = -EPERM;
    else {
        struct task_struct *t;
        for_each_process(t) if (t->signal->sid == con.session) t->signal->tty = NULL;
        con.session = s->sid;
        con.pgrp = s->pgid;
        s->tty = &con;
    }
    READ_TASKS_END(irq);
    return r;
}
/* The session leader ends: the terminal is free; who was in the foreground is told. */
void disassociate_tty(void) {
    struct task_struct *t;
    READ_TASKS(irq);
    if (current->signal->tty == &con && con.session == current->signal->sid) {
        pid_t pgrp = con.pgrp;
        con.session = con.pgrp = 0;
        for_each_process(t) if (t->signal->tty == &con) t->signal->tty = NULL;
        if (pgrp) {
            kill_pgrp_locked(SIGHUP, NULL, pgrp);
            kill_pgrp_locked(SIGCONT, NULL, pgrp);
        }
    }
    READ_TASKS_END(irq);
}

static long tty_ioctl(struct file *f, u32 cmd, u64 arg) {
    struct abi_termios t;
    struct winsize ws;
    (void)f;
    switch (cmd) {
    case TCGETS:
        return copy_to_user(arg, &con.t, sizeof(con.t));
    case TCSETS:
    case TCSETSW:
    case TCSETSF: {
        if (copy_from_user(&t, arg, sizeof(t)))
            return -EFAULT;
        long r = check_background(SIGTTOU);
        if (r)
            return r;
        if (cmd != TCSETS)
            drain();
        u64 irq = spin_lock_irqsave(&con.lock);
        if (cmd == TCSETSF)
            con.rd = con.line = con.wr;
        if ((con.t.c_lflag ^ t.c_lflag) & ICANON)
            con.line = con.wr; /* what is there can be read in either mode */
        con.t = t;
        spin_unlock_irqrestore(&con.lock, irq);
        wake_up_poll(&con.read_wait, POLLIN);
        return 0;
    }
    case TCSBRK:
        drain();
        return 0;
    case TCXONC:
        if (arg > 3)
            return -EINVAL;
        if (arg < 2) {
            con.stopped = arg == 0;
            uart_putc_start();
        }
        return 0;
    case TCFLSH: {
        if (arg > 2)
            return -EINVAL;
        u64 irq = spin_lock_irqsave(&con.lock);
        if (arg != 1)
            con.rd = con.line = con.wr;
        if (arg != 0)
            con.out_rd = con.out_wr;
        spin_unlock_irqrestore(&con.lock, irq);
        return 0;
    }
    case TIOCGPGRP:
        return current->signal->tty != &con ? -ENOTTY : put_user(arg, (s32)number(con.pgrp));
    case TIOCSPGRP:
        return set_pgrp(arg);
    case TIOCGSID:
        return current->signal->tty != &con ? -ENOTTY : put_user(arg, (s32)number(con.session));
    case TIOCSCTTY:
        return make_controlling(arg == 1);
    case TIOCNOTTY:
        if (current->signal->tty != &con)
            return -ENOTTY;
        if (current->signal->session_leader)
            disassociate_tty();
        current->signal->tty = NULL;
        return 0;
    case TIOCGWINSZ:
        return copy_to_user(arg, &con.ws, sizeof(con.ws));
    case TIOCSWINSZ:
        if (copy_from_user(&ws, arg, sizeof(ws)))
            return -EFAULT;
        bool changed = memcmp(&ws, &con.ws, sizeof(ws));
        con.ws = ws;
        if (changed && con.pgrp)
            kill_pgrp(SIGWINCH, NULL, con.pgrp);
        return 0;
    case FIONREAD: {
        u64 irq = spin_lock_irqsave(&con.lock);
        s32 n = (con.t.c_lflag & ICANON ? con.line : con.wr) - con.rd;
        spin_unlock_irqrestore(&con.lock, irq);
        return put_user(arg, n);
    }
    default:
        return -ENOTTY;
    }
}

static int tty_open(struct inode *inode, struct file *f) {
    bool is_tty = inode->i_rdev == makedev(5, 0);
    if (is_tty && current->signal->tty != &con)
        return -ENXIO;
    f->mode &= ~FMODE_LSEEK;
    if (!is_tty && !(f->flags & O_NOCTTY) && current->signal->session_leader && !current->signal->tty &&
        !con.session)
        make_controlling(false);
    return 0;
}

static const struct file_operations tty_fops = {
    .read = tty_read, .write = tty_write, .poll = tty_poll, .ioctl = tty_ioctl, .open = tty_open};

void tty_init(void) {
    spin_lock_init(&con.lock, RANK_TTY);
    init_waitqueue(&con.read_wait);
    init_waitqueue(&con.write_wait);
    con.ws = (struct winsize){24, 80, 0, 0};
    con.t = (struct abi_termios){
        .c_iflag = ICRNL | IXON,
        .c_oflag = OPOST | ONLCR,
        .c_cflag = B38400 | CS8 | CREAD,
        .c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
        .c_cc = {[VINTR] = 3,
                 [VQUIT] = 28,
                 [VERASE] = 127,
                 [VKILL] = 21,
                 [VEOF] = 4,
                 [VMIN] = 1,
                 [VSTART] = 17,
                 [VSTOP] = 19,
                 [VSUSP] = 26,
                 [VREPRINT] = 18,
                 [VWERASE] = 23,
                 [VLNEXT] = 22},
    };
    register_chrdev(5, 0, "tty", &tty_fops, 0666);
    register_chrdev(5, 1, "console", &tty_fops, 0600);
    register_chrdev(4, 64, "ttyS0", &tty_fops, 0600);
    uart_start();
}
