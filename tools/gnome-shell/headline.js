// What the bar says of the gateway's headline (null: there is none). Texts come from outside: one line each.

const LONG = 120;

const number = value => typeof value === "number" && Number.isFinite(value) ? value : undefined;
const list = value => Array.isArray(value) ? value.filter(one => one && typeof one === "object") : [];

function clean(value) {
    // eslint-disable-next-line no-control-regex
    return typeof value === "string" ? value.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, " ").slice(0, LONG) : "";
}

const gigabytes = value => `${(value / 1e9).toFixed(1)} GB`;
const percent = value => `${Math.round(value * 100)} %`;

// "42 tok/s", "idle", "no data": as the tray's title.
export function title(headline) {
    if (!headline || headline.connection?.state === "lost")
        return headline ? "no data" : "MLX off";
    const speed = number(headline.tokens_per_second);
    if (speed === undefined)
        return headline.busy === true ? "working" : "idle";
    return headline.models_busy > 1 ? `${headline.models_busy} models \u00b7 ${Math.round(speed)} tok/s` : `${Math.round(speed)} tok/s`;
}

// The lines of the menu: what is wrong first, then the figures that are known.
export function lines(headline) {
    if (!headline)
        return ["The gateway does not answer: start the suite with deploy/up"];
    const used = number(headline.memory_used), total = number(headline.memory_total), gpu = number(headline.gpu_utilization);
    return [
        headline.connection?.state !== "live" && clean(headline.connection?.text),
        ...list(headline.warnings).slice(0, 5).map(one => `! ${clean(one.text)}`),
        `Model: ${clean(headline.model) || "none loaded"}`,
        ...list(headline.work).slice(0, 5).map(one => `${clean(one.model)}: ${number(one.tokens_per_second)?.toFixed(1) ?? "working"}${number(one.tokens_per_second) === undefined ? "" : " tok/s"}`),
        used !== undefined && total > 0 && `Memory: ${gigabytes(used)} of ${gigabytes(total)} (${percent(used / total)})`,
        gpu !== undefined && `GPU: ${percent(gpu)}`,
    ].filter(Boolean);
}
