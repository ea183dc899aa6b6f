#include <stdio.h>
#include <string.h>

/*  A buffer on the stack and copies that the compiler cannot prove to fit. */
int main(int argc, char **argv)
{
    char line[64];
    strcpy(line, argv[argc - 1]);
    snprintf(line, (size_t)argc, "%s", argv[0]);
    return puts(line) < 0;
}
