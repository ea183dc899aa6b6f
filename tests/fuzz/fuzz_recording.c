/*  A recording, not compressed (zlib passes such bytes on as they are): whatever the bytes, records
 *  are within their bounds and their times never fall. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/recording.h"
#include "proto/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int file_of(const uint8_t *data, size_t size)
{
    int fd = memfd_create("recording", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size || lseek(fd, 0, SEEK_SET) != 0)
        abort();
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    mlx_recording_t *file = mlx_recording_open_fd(file_of(data, size), "input", NULL);
    mlx_recorded_t record;
    int64_t at_us = 0;
    while (file && mlx_recording_next(file, &record, NULL) == 1) {
        mlx_message_t message;
        if (record.at_us < at_us || record.topic_len > MLX_RECORDING_TOPIC_MAX ||
            record.body_len > MLX_RECORDING_BODY_MAX)
            abort();
        at_us = record.at_us;
        if (mlx_message_unpack(&message, record.topic, record.topic_len, record.body,
                               record.body_len, NULL) == 0)
            mlx_message_clear(&message);
    }
    mlx_recording_close(&file);
    return 0;
}
