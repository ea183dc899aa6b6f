#!/usr/bin/env bash
# Compare what the NVML back end reads with what nvidia-smi prints, field by field, on a machine with an NVIDIA GPU:
# idle, and under a load that gpu_load.c makes (memory filled by the GPU, copies over PCIe both ways).
#
#     tests/sensors/compare_nvidia_smi.sh [idle] [busy]     both where neither is named
#
# Needs a C compiler, awk and nvidia-smi only: no package, no network. Changes no setting of the GPU. The two are not
# asked in the same instant: power, temperature, clocks and PCIe of a busy GPU differ by what they change meanwhile.
# WAIT seconds between REPEAT samples; NVML names another library; DUMP and CUDA_LOAD name programs that were built
# elsewhere, for a machine without a compiler.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
load=
trap '[ -z "$load" ] || kill "$load" 2>/dev/null || true; rm -rf "$work"' EXIT

# The sources of the Linux back ends are those that the build names.
sampler=services/sampler
build() { ${CC:-cc} -std=c17 -O2 -D_GNU_SOURCE -I. -o "$@"; }
if [ -z "${DUMP:-}" ]; then
    linux=$(sed -n '/^set(linux/,/)/p' "$sampler/CMakeLists.txt" | tr ' )' '\n\n' | sed -n "s|.*\.c$|$sampler/&|p")
    build "$work/dump" tests/sensors/dump.c "$sampler"/{readings,sensor}.c $linux \
        proto/{base,buf,error,json,utf8,value}.c -lm -ldl
fi
[ -n "${CUDA_LOAD:-}" ] || build "$work/load" tests/sensors/gpu_load.c -ldl

fields=index,name,uuid,utilization.gpu,memory.used,memory.total,clocks.gr,clocks.mem,power.draw
fields+=,enforced.power.limit,temperature.gpu,fan.speed,clocks_event_reasons.active
fields+=,utilization.encoder,utilization.decoder,mig.mode.current
query() { nvidia-smi --query-gpu="$1" --format=csv,noheader,nounits >"$work/smi.csv" 2>/dev/null; }
old=${fields/clocks_event_reasons/clocks_throttle_reasons} # as older drivers call them

# What nvidia-smi says now, in files; what a driver or a GPU does not have gives an empty one. PCIe and the shares of
# processes are nvidia-smi's own samples of a second.
ask_nvidia_smi() {
    local background=()
    nvidia-smi dmon -s t -c 1 >"$work/pcie" 2>/dev/null &
    background+=($!)
    nvidia-smi pmon -s u -c 1 >"$work/shares" 2>/dev/null &
    background+=($!)
    query "$fields" || query "$old" || query "${fields%,utilization.encoder*}" || query "${old%,utilization.encoder*}"
    nvidia-smi --query-compute-apps=gpu_uuid,pid,used_memory --format=csv,noheader,nounits >"$work/apps.csv" || true
    nvidia-smi -L >"$work/list" || true
    wait "${background[@]}" || true
}

# The JSON is ours and indented one field a line: awk can read it.
compare() {
    awk -F', *' -v work="$work" '
function number(text) { return text ~ /^-?[0-9.]+([eE][-+]?[0-9]+)?$/ }
function row(field, our, smi, scale, unit,    difference) {
    if (our == "") our = "absent"
    if (smi == "") smi = "absent"
    if (number(our)) our = our * scale
    difference = number(our) && number(smi) ? sprintf("%.6g", our - smi) : (our == smi ? "same" : "-")
    if (our == "absent" && smi ~ /^\[?N\/A\]?$|Not Supported/) difference = "same"
    printf "%-18s %-42s %-42s %s %s\n", field, our, smi, difference, unit
}
function add(text, word) { return text == "" ? word : text ", " word }
function string(line) { sub(/^ *("[^"]+": )?/, "", line); sub(/,$/, "", line); gsub(/"/, "", line); return line }
function item(line,    value) {
    value = string(line)
    if (line ~ /"pid":/) pid = value
    else if (line ~ /"memory":/ && list == "processes") list_of[topic, list] = add(list_of[topic, list], pid ":" value / 1048576)
    else if (line ~ /"utilization":/ && list == "processes") list_of[topic, "shares"] = add(list_of[topic, "shares"], pid ":" value * 100)
    else if (line ~ /"id":/ && list == "instances") list_of[topic, list] = add(list_of[topic, list], value)
    else if (line ~ /"why":/) why[topic, field] = value
    else if (line ~ /"field":/) field = value
    else if (list == "throttle" && line ~ /^ *"/) list_of[topic, list] = add(list_of[topic, list], value)
}
function load_ours(    line, key, file) {
    file = work "/ours.json"
    while ((getline line < file) > 0) {
        if (match(line, /^  "[^"]+": \{/)) { topic = line; gsub(/^  "|": \{.*/, "", topic); list = "" }
        else if (match(line, /^    "[^"]+": \[/)) {
            list = line; gsub(/^    "|": \[.*/, "", list); list_of[topic, list] = ""; has[topic, list] = 1
            if (line ~ /\[".*\]/) { gsub(/^[^\[]*\[|\],?$|"/, "", line); list_of[topic, list] = line }
        }
        else if (match(line, /^    "[^"]+": /)) {
            key = line; gsub(/^    "|": .*/, "", key); value_of[topic, key] = string(line); list = ""
            if (key == "id") topic_of[value_of[topic, key]] = topic
        }
        else if (list != "") item(line)
    }
}
function load_smi(    line, part, file, gpu, uuid) {
    file = work "/apps.csv"
    while ((getline line < file) > 0) { split(line, part, /, */); apps[part[1]] = add(apps[part[1]], part[2] ":" part[3]) }
    file = work "/pcie"
    while ((getline line < file) > 0) if (line !~ /^#/) { split(line, part, " "); rx[part[1]] = part[2]; tx[part[1]] = part[3] }
    file = work "/shares"
    while ((getline line < file) > 0) {
        split(line, part, " ")
        if (line !~ /^#/ && number(part[4])) shares[part[1]] = add(shares[part[1]], part[2] ":" part[4])
    }
    file = work "/list"
    while ((getline line < file) > 0) {
        uuid = line; gsub(/.*UUID: |\).*/, "", uuid)
        if (line ~ /^GPU/) gpu = uuid
        else if (line ~ /MIG/) parts[gpu] = add(parts[gpu], uuid)
    }
}
function words(mask,    i, value, text) {
    if (mask !~ /^0x/) return mask
    for (i = 3; i <= length(mask); i++) value = value * 16 % 4096 + index("0123456789abcdef", tolower(substr(mask, i, 1))) - 1
    for (i = 1; i <= 8; i++) if (int(value / 2 ^ i) % 2) text = add(text, reason[i])
    return text == "" ? "none" : text
}
function listed(t, list) { return !has[t, list] ? "" : list_of[t, list] == "" ? "none" : list_of[t, list] }
BEGIN {
    split("application clocks/power limit/hardware slowdown/sync boost/temperature/temperature (hardware)/power brake/display clocks", reason, "/")
    load_ours(); load_smi()
}
{
    t = topic_of["nvml:" $3]
    printf "\nGPU %s (%s)\n%-18s %-42s %-42s %s\n", $1, t == "" ? "NOT FOUND BY US" : t, "field", "ours", "nvidia-smi", "difference"
    row("name", value_of[t, "name"], $2, 1, "")
    row("id", substr(value_of[t, "id"], 6), $3, 1, "")
    row("utilization", value_of[t, "utilization"], $4, 100, "%")
    row("memory_used", value_of[t, "memory_used"], $5, 1 / 1048576, "MiB")
    row("memory_total", value_of[t, "memory_total"], $6, 1 / 1048576, "MiB")
    row("frequency", value_of[t, "frequency"], $7, 1e-6, "MHz")
    row("memory_frequency", value_of[t, "memory_frequency"], $8, 1e-6, "MHz")
    row("power", value_of[t, "power"], $9, 1, "W")
    row("power_limit", value_of[t, "power_limit"], $10, 1, "W")
    row("temperature", value_of[t, "temperature"], $11, 1, "C")
    row("fan", value_of[t, "fan"], $12, 100, "%")
    row("throttle", listed(t, "throttle"), words($13), 1, "(" $13 ")")
    row("encoder", value_of[t, "encoder"], $14, 100, "%")
    row("decoder", value_of[t, "decoder"], $15, 100, "%")
    row("pcie_rx", value_of[t, "pcie_rx"], rx[$1], 1e-6, "MB/s")
    row("pcie_tx", value_of[t, "pcie_tx"], tx[$1], 1e-6, "MB/s")
    row("processes", listed(t, "processes"), apps[$3] == "" ? "none" : apps[$3], 1, "pid:MiB")
    row("their share", list_of[t, "shares"], shares[$1], 1, "pid:%")
    row("instances", has[t, "instances"] ? listed(t, "instances") : "not divided", parts[$3] == "" ? "not divided" : parts[$3], 1, "(MIG " tolower($16) ")")
    row("energy", value_of[t, "energy"], "(nvidia-smi has none)", 1, "J")
    for (key in why) { split(key, part, SUBSEP); if (part[1] == t) printf "  absent: %s, %s\n", part[2], why[key] }
}' "$work/smi.csv"
}

[ $# -gt 0 ] || set -- idle busy
for state in "$@"; do
    printf '\n== %s, driver %s\n' "$state" "$(nvidia-smi --query-gpu=driver_version --format=csv,noheader | head -n 1)"
    if [ "$state" = busy ]; then
        "${CUDA_LOAD:-$work/load}" 60 &
        load=$!
        sleep 3
    fi
    "${DUMP:-$work/dump}" --nvml "${NVML:-libnvidia-ml.so.1}" --wait "${WAIT:-1}" --repeat "${REPEAT:-6}" >"$work/ours.json" 2>"$work/cost"
    ask_nvidia_smi
    compare
    printf '\ncost of our samples, and what is not here\n'
    cat "$work/cost"
    [ -z "$load" ] || kill "$load" 2>/dev/null || echo "the load ended early: its figures are those of an idle GPU"
    load=
done
