/*  pty.h - a real terminal for tests */
#ifndef MLX_TESTS_PTY_H
#define MLX_TESTS_PTY_H

#include <fcntl.h>
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
        fcntl(pty.outer, F_SETFL, O_NONBLOCK);
    }
    return pty;
}

static inline void pty_close(pty_t *pty)
{
    close(pty->inner);
    close(pty->outer);
}

/*  What was written since the last call. */
static inline const char *pty_read(const pty_t *pty, char *text, size_t size)
{
    ssize_t len = read(pty->outer, text, size - 1);
    text[len > 0 ? len : 0] = '\0';
    return text;
}

#endif
