#include "darwin_ioreport.h"
#include "darwin_get.h"

int mlx_ioreport_load(void *library, mlx_ioreport_t *api, mlx_error_t *err)
{
    static const mlx_dl_symbol_t symbols[] = {
        {"IOReportCopyChannelsInGroup", offsetof(mlx_ioreport_t, copy_channels)},
        {"IOReportMergeChannels", offsetof(mlx_ioreport_t, merge_channels)},
        {"IOReportCreateSubscription", offsetof(mlx_ioreport_t, subscribe)},
        {"IOReportCreateSamples", offsetof(mlx_ioreport_t, create_samples)},
        {"IOReportCreateSamplesDelta", offsetof(mlx_ioreport_t, create_delta)},
        {"IOReportChannelGetGroup", offsetof(mlx_ioreport_t, channel_group)},
        {"IOReportChannelGetChannelName", offsetof(mlx_ioreport_t, channel_name)},
        {"IOReportChannelGetUnitLabel", offsetof(mlx_ioreport_t, channel_unit)},
        {"IOReportSimpleGetIntegerValue", offsetof(mlx_ioreport_t, integer_value)},
        {"IOReportStateGetCount", offsetof(mlx_ioreport_t, state_count)},
        {"IOReportStateGetNameForIndex", offsetof(mlx_ioreport_t, state_name)},
        {"IOReportStateGetResidency", offsetof(mlx_ioreport_t, state_residency)},
    };
    return mlx_dl_load(library, symbols, MLX_COUNT(symbols), api, err);
}
