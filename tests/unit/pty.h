/*  pty.h - a real terminal for tests */
#ifndef MLX_TESTS_PTY_H
#define MLX_TESTS_PTY_H

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

typedef struct {
    int outer; /* reads what the program writes */
    int inner; /* the program's descriptor */
} pty_t;

static inline pty_t pty_open(unsigned short columns, unsigned short rows)
{
    pty_t pty = {.outer = posix_openpt(O_RDWR | O_NOCTTY), .inner = -1};
    if (pty.outer >= 0 && grantpt(pty.outer) == 0 && unlockpt(pty.outer) == 0)
        pty.inner = open(ptsname(pty.outer), O_RDWR | O_NOCTTY);
    struct winsize size = {.ws_col = columns, .ws_row = rows};
    struct termios mode;
    if (pty.inner >= 0 && ioctl(pty.inner, TIOCSWINSZ, &size) == 0 &&
        tcgetattr(pty.inner, &mode) == 0) {
        mode.c_oflag &= ~(tcflag_t)OPOST;
        tcsetattr(pty.inner, TCSANOW, &mode);
    }
    return pty;
}

static inline void pty_close(pty_t *pty)
{
    close(pty->inner);
    close(pty->outer);
}

/*  What was written since the last call. The kernel hands it over in its own time: a mark written
 *  behind it says when all of it has come. */
static inline const char *pty_read(const pty_t *pty, char *text, size_t size)
{
    static const char mark = '\005';
    size_t len = 0;
    ssize_t marked = write(pty->inner, &mark, 1);
    while (marked == 1 && len + 1 < size && (len == 0 || text[len - 1] != mark)) {
        struct pollfd ready = {.fd = pty->outer, .events = POLLIN};
        ssize_t got =
            poll(&ready, 1, 10000) == 1 ? read(pty->outer, text + len, size - 1 - len) : 0;
        if (got <= 0)
            break;
        len += (size_t)got;
    }
    text[len && text[len - 1] == mark ? len - 1 : len] = '\0';
    return text;
}

#endif
