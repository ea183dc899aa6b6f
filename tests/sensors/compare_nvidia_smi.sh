#!/usr/bin/env bash
# Compare what the NVML back end reads with what nvidia-smi prints, field by field, on a machine with
# an NVIDIA GPU. Needs a C compiler and nvidia-smi only, changes no setting of the GPU. Run from
# anywhere, once idle and once under load; prints a table per GPU.
# The two are not asked in the same instant: power, temperature and clocks of a busy GPU may differ by
# what they change within a second.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

sampler=services/sampler
${CC:-cc} -std=c17 -O2 -D_GNU_SOURCE -I. -o "$work/dump" tests/sensors/dump.c \
    "$sampler"/{readings,sensor,drm_fdinfo,hwmon_inputs,meminfo,memory_limit,program,psi,rest,sysfile}.c \
    "$sampler"/nvml_{api,pci,read}.c "$sampler"/sensor_{cpu,drm,hwmon,memory,nvml,rapl,supply}.c \
    proto/{base,buf,error,json,utf8,value}.c -lm -ldl

fields=index,name,uuid,utilization.gpu,memory.used,memory.total,clocks.gr,clocks.mem,power.draw
fields+=,enforced.power.limit,temperature.gpu,fan.speed,clocks_event_reasons.active
fields+=,utilization.encoder,utilization.decoder,mig.mode.current
"$work/dump" --wait "${WAIT:-1}" --repeat "${REPEAT:-5}" >"$work/ours.json" 2>"$work/cost"
query() { nvidia-smi --query-gpu="$1" --format=csv,noheader,nounits >"$work/smi.csv" 2>/dev/null; }
old=${fields/clocks_event_reasons/clocks_throttle_reasons} # as older drivers call them
query "$fields" || query "$old" || query "${fields%,utilization.encoder*}" ||
    query "${old%,utilization.encoder*}"
nvidia-smi --query-compute-apps=gpu_uuid,pid,used_memory --format=csv,noheader,nounits >"$work/apps.csv" || true

# The JSON is ours and indented one field a line: awk can read it.
awk -F', *' -v ours="$work/ours.json" -v apps="$work/apps.csv" '
function number(text) { return text ~ /^-?[0-9.]+([eE][-+]?[0-9]+)?$/ }
function row(field, our, smi, scale, unit,    difference) {
    if (our == "") our = "absent"
    if (number(our)) our = our * scale
    difference = number(our) && number(smi) ? sprintf("%.6g", our - smi) : (our == smi ? "same" : "-")
    printf "%-18s %-42s %-42s %s %s\n", field, our, smi, difference, unit
}
function load(    line, topic, key, value, list) {
    while ((getline line < ours) > 0) {
        if (match(line, /^  "[^"]+": \{/)) { topic = line; gsub(/^  "|": \{.*/, "", topic); list = "" }
        else if (match(line, /^    "[^"]+": \[/)) {
            list = line; gsub(/^    "|": \[.*/, "", list)
            if (line ~ /\[\]/) value_of[topic, list] = "none"
        }
        else if (match(line, /^    "[^"]+": /)) {
            key = value = line
            gsub(/^    "|": .*/, "", key); sub(/^    "[^"]+": /, "", value); sub(/,$/, "", value); gsub(/"/, "", value)
            value_of[topic, key] = value; list = ""
            if (key == "id") topic_of[value] = topic
        }
        else if (list == "throttle" && match(line, /"[a-z ()]+"/))
            value_of[topic, list] = value_of[topic, list] substr(line, RSTART + 1, RLENGTH - 2) " "
        else if (list == "processes" && line ~ /"pid":/) { value = line; gsub(/[^0-9]/, "", value); pid = value }
        else if (list == "processes" && line ~ /"memory":/) {
            value = line; gsub(/[^0-9]/, "", value); value_of[topic, "processes"] = value_of[topic, "processes"] pid ":" value / 1048576 " "
        }
    }
    while ((getline line < apps) > 0) {
        split(line, part, /, */); smi_apps[part[1]] = smi_apps[part[1]] part[2] ":" part[3] " "
    }
}
BEGIN { load() }
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
    row("throttle", value_of[t, "throttle"], $13, 1, "(mask on the right)")
    row("processes", value_of[t, "processes"], smi_apps[$3] == "" ? "none" : smi_apps[$3], 1, "pid:MiB")
    row("encoder", value_of[t, "encoder"], $14, 100, "%")
    row("decoder", value_of[t, "decoder"], $15, 100, "%")
    row("instances", value_of[t, "instances"] == "" ? "not divided" : "divided", $16, 1, "(MIG mode on the right)")
    row("pcie_tx", value_of[t, "pcie_tx"], "(nvidia-smi dmon -s t)", 1e-6, "MB/s")
    row("pcie_rx", value_of[t, "pcie_rx"], "(nvidia-smi dmon -s t)", 1e-6, "MB/s")
    row("energy", value_of[t, "energy"], "(nvidia-smi has none)", 1, "J")
}' "$work/smi.csv"

printf '\ncost of our samples, and what is not here\n'
cat "$work/cost"
