/*  Stand-in for libFuzzer where it is not built in: give each file of the named folders to the
 *  target once. Fails when there was none, so that a lost corpus is noticed. */
#include "proto/buf.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int replay_file(const char *path)
{
    MLX_CLEANUP(mlx_fclose_p) FILE *file = fopen(path, "rb");
    if (!file)
        return 0;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t buf = {0};
    char piece[4096];
    size_t n;
    while ((n = fread(piece, 1, sizeof(piece), file)) > 0)
        mlx_buf_append(&buf, piece, n);
    LLVMFuzzerTestOneInput((const uint8_t *)mlx_buf_str(&buf), buf.len);
    return 1;
}

static int replay_folder(const char *path)
{
    DIR *folder = opendir(path);
    if (!folder)
        return 0;
    int files = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.')
            continue;
        MLX_CLEANUP(mlx_free_p) char *file = mlx_format("%s/%s", path, entry->d_name);
        files += replay_file(file);
    }
    closedir(folder);
    return files;
}

int main(int argc, char **argv)
{
    int files = 0;
    for (int i = 1; i < argc; i++)
        files += replay_folder(argv[i]);
    printf("%d inputs\n", files);
    return files ? EXIT_SUCCESS : EXIT_FAILURE;
}
