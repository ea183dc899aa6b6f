#!/usr/bin/env python3
"""Make the tree of files of a large machine, for measuring what the sampler's Linux back ends cost: 64 cores
with cpufreq, 8 amdgpu cards with 40 clients, 24 sensor chips, RAPL of two sockets, PSI, a battery.

    tests/bench/sensor_tree.py FOLDER
    .build/release/bin/mlx-sensors-dump --proc FOLDER/proc --sys FOLDER/sys --pace --repeat 125 >/dev/null
"""
import os
import sys

ROOT = sys.argv[1]


def put(path, text):
    path = os.path.join(ROOT, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(f"{text}\n")


def link(path, target):
    path = os.path.join(ROOT, path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    os.symlink(target, path)


line = "10 0 5 1000 1 0 1 0 0 0"
put("proc/stat", "\n".join([f"cpu  {line}"] + [f"cpu{i} {line}" for i in range(64)] + ["intr 1"]))
put("proc/loadavg", "1.00 2.00 3.00 1/100 1")
put("proc/cpuinfo", "processor : 0\nmodel name : Big Machine 64")
put("proc/meminfo", "\n".join(f"{name}: {kib} kB" for name, kib in
                              {"MemTotal": 527000000, "MemFree": 300000000, "MemAvailable": 400000000, "Buffers": 100,
                               "Cached": 90000000, "SReclaimable": 1000, "SwapTotal": 0, "SwapFree": 0}.items()))
for kind in ("cpu", "memory", "io"):
    put(f"proc/pressure/{kind}", "some avg10=0.10 avg60=0.00 avg300=0.00 total=1\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=1")
for i in range(64):
    put(f"sys/devices/system/cpu/cpu{i}/cpufreq/scaling_cur_freq", 2400000 + i)
    put(f"sys/devices/system/cpu/cpu{i}/thermal_throttle/package_throttle_count", 0)
for i in range(8):
    slot = f"0000:{i + 1:02x}:00.0"
    link(f"sys/class/drm/card{i}/device", f"../../../devices/{slot}")
    link(f"sys/class/drm/renderD{128 + i}/device", f"../../../devices/{slot}")
    device = f"sys/devices/{slot}/"
    put(device + "uevent", f"DRIVER=amdgpu\nPCI_SLOT_NAME={slot}\nPCI_ID=1002:74A1")
    put(device + "power/runtime_status", "active")
    put(device + "power/control", "on")
    for name, value in (("gpu_busy_percent", 93), ("mem_info_vram_used", 150 << 30), ("mem_info_vram_total", 192 << 30)):
        put(device + name, value)
    for name, value in (("freq1_input", 2100000000), ("freq2_input", 1300000000), ("power1_average", 600000000),
                        ("power1_cap", 750000000), ("temp1_input", 61000), ("name", "amdgpu")):
        put(device + f"hwmon/hwmon{i}/{name}", value)
    with open(os.path.join(ROOT, device + "gpu_metrics"), "wb") as file:
        file.write(bytes([120, 0, 1, 3]) + bytes(116))
for i in range(200):
    put(f"proc/{1000 + i}/comm", f"worker{i}")
    for fd in range(8):
        link(f"proc/{1000 + i}/fd/{fd}", "/dev/null")
    if i < 40:
        link(f"proc/{1000 + i}/fd/9", f"/dev/dri/renderD{128 + i % 8}")
        put(f"proc/{1000 + i}/fdinfo/9", f"drm-driver:\tamdgpu\ndrm-client-id:\t{i}\ndrm-pdev:\t0000:{i % 8 + 1:02x}:00.0\n"
            "drm-memory-vram:\t1048576 KiB\ndrm-engine-gfx:\t1000000 ns\ndrm-engine-compute:\t99000000 ns")
for i in range(24):
    put(f"sys/class/hwmon/hwmon{i}/name", "k10temp" if i < 2 else f"chip{i}")
    for k in range(1, 5):
        put(f"sys/class/hwmon/hwmon{i}/temp{k}_input", 40000 + 100 * i + k)
        put(f"sys/class/hwmon/hwmon{i}/fan{k}_input", 3000 + k)
for i in range(2):
    put(f"sys/class/powercap/intel-rapl:{i}/name", f"package-{i}")
    put(f"sys/class/powercap/intel-rapl:{i}/energy_uj", 1000000)
    put(f"sys/class/powercap/intel-rapl:{i}/max_energy_range_uj", 262143328850)
put("sys/class/power_supply/AC/type", "Mains")
put("sys/class/power_supply/AC/online", 1)
