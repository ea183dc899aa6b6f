/*  darwin_ioreport.h - the functions of Apple's private libIOReport that the sampler uses
 *
 *  Apple publishes no header. Names and parameters are those that open-source monitors have called
 *  since macOS 11 (macmon, Stats, socpowerbud). Results of create and copy are the caller's and
 *  must be released; those of channel_* and state_name are borrowed. A subscription is a CF object.
 */
#ifndef MLX_SAMPLER_DARWIN_IOREPORT_H
#define MLX_SAMPLER_DARWIN_IOREPORT_H

#include "proto/error.h"
#include <CoreFoundation/CoreFoundation.h>

typedef struct IOReportSubscriptionRef *mlx_ioreport_subscription_t;

typedef struct {
    CFDictionaryRef (*copy_channels)(CFStringRef group, CFStringRef subgroup, uint64_t a,
                                     uint64_t b, uint64_t c);
    void (*merge_channels)(CFDictionaryRef into, CFDictionaryRef from, CFTypeRef nothing);
    mlx_ioreport_subscription_t (*subscribe)(void *nothing, CFMutableDictionaryRef channels,
                                             CFMutableDictionaryRef *subscribed, uint64_t id,
                                             CFTypeRef nothing_either);
    CFDictionaryRef (*create_samples)(mlx_ioreport_subscription_t subscription,
                                      CFMutableDictionaryRef channels, CFTypeRef nothing);
    CFDictionaryRef (*create_delta)(CFDictionaryRef before, CFDictionaryRef after,
                                    CFTypeRef nothing);
    CFStringRef (*channel_group)(CFDictionaryRef channel);
    CFStringRef (*channel_name)(CFDictionaryRef channel);
    CFStringRef (*channel_unit)(CFDictionaryRef channel);
    int64_t (*integer_value)(CFDictionaryRef channel, int32_t index);
    int32_t (*state_count)(CFDictionaryRef channel);
    CFStringRef (*state_name)(CFDictionaryRef channel, int32_t index);
    int64_t (*state_residency)(CFDictionaryRef channel, int32_t index);
} mlx_ioreport_t;

/*  Fill API from LIBRARY, a dlopen handle that must outlive it. */
int mlx_ioreport_load(void *library, mlx_ioreport_t *api, mlx_error_t *err);

#endif
