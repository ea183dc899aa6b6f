/*  A leak for the static analyzer to find; never linked into anything. */
#include <IOKit/IOKitLib.h>

bool mlx_planted(io_object_t entry);

bool mlx_planted(io_object_t entry)
{
    CFTypeRef model = IORegistryEntryCreateCFProperty(entry, CFSTR("model"), NULL, 0);
    return model != NULL;
}
