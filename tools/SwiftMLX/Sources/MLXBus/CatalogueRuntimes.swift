// Made from proto/catalogue_topics.c; do not edit.
// swift run mlxbus-catalogue tools/SwiftMLX/Sources/MLXBus writes it anew.
import Foundation

/// A model server and what it has loaded: `runtime.<kind>.<endpoint>.models`.
public struct RuntimeModels: BusTopic {
    /// The topic's name.
    public static let pattern = "runtime.<kind>.<endpoint>.models"
    /// Whether the bus keeps the newest value.
    public static let isRetained = true

    /// The runtime answers.
    public var reachable: Bool?
    /// Why not, for a person.
    public var reason: String?
    /// It is loading its model, and not reachable until then.
    public var loading: Bool?
    /// Kind of server: dmr koboldcpp localai ollama lmstudio textgen jan llamacpp llamafile vllm sglang llamaswap omlx litertlm mlxlm openai.
    public var kind: String?
    /// Of the runtime.
    public var version: String?
    /// Where it was asked.
    public var url: String?
    /// It has freed its model until the next request; absent: it never does.
    public var sleeping: Bool?
    /// Models that are loaded now.
    public var models: [Model]?
    /// All it could load, where it tells them apart.
    public var available: [Available]?
    /// Load, unload, pin: what can be done with its models from here.
    public var can: [String]?

    /// Reads the fields that are there.
    public init(_ data: BusData) {
        reachable = data.read("reachable")
        reason = data.read("reason")
        loading = data.read("loading")
        kind = data.read("kind")
        version = data.read("version")
        url = data.read("url")
        sleeping = data.read("sleeping")
        models = data.read("models")
        available = data.read("available")
        can = data.read("can")
    }

    /// Models that are loaded now.
    public struct Model: BusRecord {
        /// Name as the runtime gives it.
        public var name: String?
        /// Digest as the runtime gives it.
        public var digest: String?
        /// Memory the model occupies, in bytes.
        public var size: Int?
        /// Part of size on the GPU, in bytes.
        public var vram: Int?
        /// Context length in tokens.
        public var context: Int?
        /// Q4_K_M, 4bit, ...
        public var quantization: String?
        /// 7.6B, ...
        public var parameterSize: String?
        /// Llama, qwen2, ...
        public var family: String?
        /// Gguf, safetensors, mlx.
        public var format: String?
        /// When the runtime unloads it; absent: it stays.
        public var expiresAt: Date?
        /// It is not ready yet.
        public var loading: Bool?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            name = data.read("name")
            digest = data.read("digest")
            size = data.read("size")
            vram = data.read("vram")
            context = data.read("context")
            quantization = data.read("quantization")
            parameterSize = data.read("parameter_size")
            family = data.read("family")
            format = data.read("format")
            expiresAt = data.read("expires_at")
            loading = data.read("loading")
        }
    }

    /// All it could load, where it tells them apart.
    public struct Available: BusRecord {
        /// Name as the runtime gives it.
        public var name: String?
        /// Loaded, unloaded, loading, sleeping, failed, ...
        public var state: String?
        /// Digest as the runtime gives it.
        public var digest: String?
        /// Q4_K_M, 4bit, ...
        public var quantization: String?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            name = data.read("name")
            state = data.read("state")
            digest = data.read("digest")
            quantization = data.read("quantization")
        }
    }
}

/// What a model server does right now: `runtime.<kind>.<endpoint>.activity`.
public struct RuntimeActivity: BusTopic {
    /// The topic's name.
    public static let pattern = "runtime.<kind>.<endpoint>.activity"
    /// Whether the bus keeps the newest value.
    public static let isRetained = true

    /// A request is being worked on.
    public var busy: Bool?
    /// Requests running now.
    public var requests: Int?
    /// Model at work, or the last one.
    public var model: String?
    /// Generation speed now, all requests; absent: idle, in tokens per second.
    public var tokensPerSecond: Double?
    /// Prompt processing speed now, in tokens per second.
    public var promptTokensPerSecond: Double?
    /// Time to first token of the newest request, in seconds.
    public var ttft: Double?
    /// Tokens generated since the watcher started, as far as it saw them.
    public var tokensTotal: Int?
    /// Prompt tokens processed.
    public var promptTokensTotal: Int?
    /// Requests ended.
    public var requestsTotal: Int?
    /// Requests that failed or were cut off.
    public var errorsTotal: Int?
    /// Where the speed comes from: tap, runner, slots, metrics or log.
    public var source: String?
    /// Why no better source is used.
    public var sourceReason: String?
    /// Requests running now, where known one by one.
    public var running: [Running]?
    /// The newest request that ended.
    public var last: Last?
    /// The newest prompt that was longer than its context.
    public var cut: Cut?

    /// Reads the fields that are there.
    public init(_ data: BusData) {
        busy = data.read("busy")
        requests = data.read("requests")
        model = data.read("model")
        tokensPerSecond = data.read("tokens_per_second")
        promptTokensPerSecond = data.read("prompt_tokens_per_second")
        ttft = data.read("ttft")
        tokensTotal = data.read("tokens_total")
        promptTokensTotal = data.read("prompt_tokens_total")
        requestsTotal = data.read("requests_total")
        errorsTotal = data.read("errors_total")
        source = data.read("source")
        sourceReason = data.read("source_reason")
        running = data.read("running")
        last = data.read("last")
        cut = data.read("cut")
    }

    /// Requests running now, where known one by one.
    public struct Running: BusRecord {
        /// Model that answers.
        public var model: String?
        /// Who asks, where known.
        public var client: String?
        /// Tokens so far.
        public var tokens: Int?
        /// Generation speed now, in tokens per second.
        public var tokensPerSecond: Double?
        /// Time since the request, in seconds.
        public var age: Double?
        /// Of its prompt; this and what follows while that is read only.
        public var promptTokens: Int?
        /// Of these, read or found in the cache.
        public var promptDone: Int?
        /// Of these, found in the cache.
        public var promptCached: Int?
        /// Speed of the prompt tokens that were not cached, in tokens per second.
        public var promptTokensPerSecond: Double?
        /// Estimate until it is read; never rises, in seconds.
        public var promptRemaining: Double?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            model = data.read("model")
            client = data.read("client")
            tokens = data.read("tokens")
            tokensPerSecond = data.read("tokens_per_second")
            age = data.read("age")
            promptTokens = data.read("prompt_tokens")
            promptDone = data.read("prompt_done")
            promptCached = data.read("prompt_cached")
            promptTokensPerSecond = data.read("prompt_tokens_per_second")
            promptRemaining = data.read("prompt_remaining")
        }
    }

    /// The newest request that ended.
    public struct Last: BusRecord {
        /// Model that answered.
        public var model: String?
        /// Tokens generated.
        public var tokens: Int?
        /// (tokens - 1) over the time from the first token to the last, in tokens per second.
        public var tokensPerSecond: Double?
        /// Prompt tokens processed.
        public var promptTokens: Int?
        /// Prompt tokens that were not cached, over the time spent on them, in tokens per second.
        public var promptTokensPerSecond: Double?
        /// Time to first token, in seconds.
        public var ttft: Double?
        /// Whole request, in seconds.
        public var duration: Double?
        /// When it ended.
        public var time: Date?
        /// Tap, runner, slots, metrics or log.
        public var source: String?
        /// Ok, error, client_abort or server_abort.
        public var outcome: String?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            model = data.read("model")
            tokens = data.read("tokens")
            tokensPerSecond = data.read("tokens_per_second")
            promptTokens = data.read("prompt_tokens")
            promptTokensPerSecond = data.read("prompt_tokens_per_second")
            ttft = data.read("ttft")
            duration = data.read("duration")
            time = data.read("t")
            source = data.read("source")
            outcome = data.read("outcome")
        }
    }

    /// The newest prompt that was longer than its context.
    public struct Cut: BusRecord {
        /// When the server cut it.
        public var time: Date?
        /// Tokens that it had.
        public var asked: Int?
        /// Tokens that the model was given.
        public var kept: Int?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            time = data.read("t")
            asked = data.read("asked")
            kept = data.read("kept")
        }
    }
}

/// A request that has ended: `runtime.<kind>.<endpoint>.request`.
public struct RuntimeRequest: BusTopic {
    /// The topic's name.
    public static let pattern = "runtime.<kind>.<endpoint>.request"
    /// Whether the bus keeps the newest value.
    public static let isRetained = false

    /// When it reached the runtime.
    public var start: Date?
    /// When it ended.
    public var end: Date?
    /// Model that answered.
    public var model: String?
    /// Who asked: process, else program of the User-Agent, else address.
    public var client: String?
    /// Program on this machine that holds the client's socket.
    public var process: String?
    /// Its process id.
    public var pid: Int?
    /// User-Agent.
    public var agent: String?
    /// Fingerprint of the API key: a salted hash, cut; never the key.
    public var key: String?
    /// Where the client connected from.
    public var address: String?
    /// Generate, chat, chat_completions, completions, responses, messages, embeddings, rerank.
    public var api: String?
    /// Of the whole prompt, what was cached included.
    public var promptTokens: Int?
    /// Of these, found in the cache.
    public var cachedTokens: Int?
    /// Generated.
    public var tokens: Int?
    /// Proposed by a draft model.
    public var draftTokens: Int?
    /// Of these, accepted.
    public var draftAccepted: Int?
    /// Wait until work on the prompt began, loading apart, in seconds.
    public var queue: Double?
    /// Loading the model, in seconds.
    public var load: Double?
    /// Time to first token, in seconds.
    public var ttft: Double?
    /// Speed of the prompt tokens that were not cached, in tokens per second.
    public var promptTokensPerSecond: Double?
    /// (tokens - 1) over the time from the first token to the last, in tokens per second.
    public var tokensPerSecond: Double?
    /// Ok, error, client_abort, server_abort or lost.
    public var outcome: String?
    /// HTTP status.
    public var status: Int?
    /// Who measured: tap, runner, slots, metrics or log.
    public var source: String?
    /// Tokens is the server's own count; false: counted from the traffic.
    public var exact: Bool?
    /// Several that nobody saw apart, at least so many: counts are their sums, times their means; absent: one.
    public var requests: Int?
    /// Energy of the machine's known parts meanwhile, idle power included, shared among the requests that ran; energy.list tells what is above idle, in joules.
    public var joules: Double?

    /// Reads the fields that are there.
    public init(_ data: BusData) {
        start = data.read("start")
        end = data.read("end")
        model = data.read("model")
        client = data.read("client")
        process = data.read("process")
        pid = data.read("pid")
        agent = data.read("agent")
        key = data.read("key")
        address = data.read("address")
        api = data.read("api")
        promptTokens = data.read("prompt_tokens")
        cachedTokens = data.read("cached_tokens")
        tokens = data.read("tokens")
        draftTokens = data.read("draft_tokens")
        draftAccepted = data.read("draft_accepted")
        queue = data.read("queue")
        load = data.read("load")
        ttft = data.read("ttft")
        promptTokensPerSecond = data.read("prompt_tokens_per_second")
        tokensPerSecond = data.read("tokens_per_second")
        outcome = data.read("outcome")
        status = data.read("status")
        source = data.read("source")
        exact = data.read("exact")
        requests = data.read("requests")
        joules = data.read("joules")
    }
}

/// A benchmark run under way: `bench.progress`.
public struct BenchProgress: BusTopic {
    /// The topic's name.
    public static let pattern = "bench.progress"
    /// Whether the bus keeps the newest value.
    public static let isRetained = false

    /// Of the run.
    public var id: String?
    /// Model measured.
    public var model: String?
    /// Load, warmup, prompts or done.
    public var phase: String?
    /// Prompt number, from 1.
    public var prompt: Int?
    /// Prompts in all.
    public var prompts: Int?
    /// Of a sweep: what is measured now, "2048 tokens" or "4 clients".
    public var point: String?
    /// Of a sweep: how often its points were measured, from 1.
    public var round: Int?
    /// Since the start, in seconds.
    public var elapsed: Double?
    /// Estimate until the end, in seconds.
    public var remaining: Double?
    /// Speed of the newest prompt, in tokens per second.
    public var tokensPerSecond: Double?

    /// Reads the fields that are there.
    public init(_ data: BusData) {
        id = data.read("id")
        model = data.read("model")
        phase = data.read("phase")
        prompt = data.read("prompt")
        prompts = data.read("prompts")
        point = data.read("point")
        round = data.read("round")
        elapsed = data.read("elapsed")
        remaining = data.read("remaining")
        tokensPerSecond = data.read("tokens_per_second")
    }
}

/// The newest benchmark result: `bench.result`.
public struct BenchResult: BusTopic {
    /// The topic's name.
    public static let pattern = "bench.result"
    /// Whether the bus keeps the newest value.
    public static let isRetained = true

    /// Of the run.
    public var id: String?
    /// Model measured.
    public var model: String?
    /// Of the model.
    public var digest: String?
    /// Of the model.
    public var quantization: String?
    /// Kind of runtime.
    public var runtime: String?
    /// Of the runtime.
    public var runtimeVersion: String?
    /// Endpoint measured.
    public var url: String?
    /// CPU and GPU names.
    public var hardware: String?
    /// Which prompts: only results of the same set can be compared.
    public var promptSet: String?
    /// Tokens that the model is loaded for.
    public var context: Int?
    /// Tokens generated, without the warm-up.
    public var tokens: Int?
    /// Prompt tokens that the server had in its cache, where it tells.
    public var cachedTokens: Int?
    /// Of those generated, that are thinking, where it can be told.
    public var thinkingTokens: Int?
    /// Proposed by a draft model, where the server tells.
    public var draftTokens: Int?
    /// Of those, accepted.
    public var draftAccepted: Int?
    /// Wall time of the run, without loading the model, in seconds.
    public var duration: Double?
    /// Time to load the model; absent: it was loaded, in seconds.
    public var load: Double?
    /// Generation speed, tokens per second.
    public var tokensPerSecond: Interval?
    /// Prompt speed, tokens per second.
    public var promptTokensPerSecond: Interval?
    /// Generation speed by the client's clock.
    public var clientTokensPerSecond: Interval?
    /// Time to first token, seconds.
    public var ttft: Interval?
    /// Mean during the prompts, in watts.
    public var power: Double?
    /// Of what: machine, or the parts that are known (GPUs, package).
    public var powerScope: String?
    /// Energy per generated token, that of the prompts and of idling included, in joules.
    public var joulesPerToken: Double?
    /// At the end of the run.
    public var thermalState: String?
    /// Hottest sensor during the run, in celsius.
    public var temperature: Double?
    /// Share of the run in which others were busy, or our requests waited for their turn, as a ratio from 0 to 1.
    public var contention: Double?
    /// That our requests waited for their turn, in seconds.
    public var queued: Double?
    /// What makes the figures doubtful.
    public var warnings: [String]?
    /// Each prompt; of a sweep each round, means over its clients.
    public var prompts: [Prompt]?
    /// "context" or "parallel": what was measured against; absent: a usual run.
    public var sweep: String?
    /// Of a sweep, from the least context or the fewest clients.
    public var points: [Points]?
    /// When the run ended.
    public var time: Date?

    /// Reads the fields that are there.
    public init(_ data: BusData) {
        id = data.read("id")
        model = data.read("model")
        digest = data.read("digest")
        quantization = data.read("quantization")
        runtime = data.read("runtime")
        runtimeVersion = data.read("runtime_version")
        url = data.read("url")
        hardware = data.read("hardware")
        promptSet = data.read("prompt_set")
        context = data.read("context")
        tokens = data.read("tokens")
        cachedTokens = data.read("cached_tokens")
        thinkingTokens = data.read("thinking_tokens")
        draftTokens = data.read("draft_tokens")
        draftAccepted = data.read("draft_accepted")
        duration = data.read("duration")
        load = data.read("load")
        tokensPerSecond = data.read("tokens_per_second")
        promptTokensPerSecond = data.read("prompt_tokens_per_second")
        clientTokensPerSecond = data.read("client_tokens_per_second")
        ttft = data.read("ttft")
        power = data.read("power")
        powerScope = data.read("power_scope")
        joulesPerToken = data.read("joules_per_token")
        thermalState = data.read("thermal_state")
        temperature = data.read("temperature")
        contention = data.read("contention")
        queued = data.read("queued")
        warnings = data.read("warnings")
        prompts = data.read("prompts")
        sweep = data.read("sweep")
        points = data.read("points")
        time = data.read("t")
    }

    /// Each prompt; of a sweep each round, means over its clients.
    public struct Prompt: BusRecord {
        /// Kind of prompt.
        public var name: String?
        /// Tokens generated.
        public var tokens: Int?
        /// (tokens - 1) over the time since the first, by the server's clock, else the client's, in tokens per second.
        public var tokensPerSecond: Double?
        /// By the client's clock, in tokens per second.
        public var clientTokensPerSecond: Double?
        /// Of several clients: tokens of all, over the time from the first of any to the last, in tokens per second.
        public var totalTokensPerSecond: Double?
        /// Prompt tokens processed.
        public var promptTokens: Int?
        /// Server's figure, else prompt tokens by time to first token, in tokens per second.
        public var promptTokensPerSecond: Double?
        /// Time to first token, by the client's clock, in seconds.
        public var ttft: Double?
        /// Of ttft, what the server did not spend on the prompt; the model is loaded by then, in seconds.
        public var queued: Double?
        /// Whole request, by the client's clock, in seconds.
        public var duration: Double?
        /// Of the prompt, that the server had in its cache, where it tells.
        public var cachedTokens: Int?
        /// Of those generated, that are thinking, where it can be told.
        public var thinkingTokens: Int?
        /// Proposed by a draft model, where the server tells.
        public var draftTokens: Int?
        /// Of those, accepted.
        public var draftAccepted: Int?
        /// Length, stop, ...; cut: broken off to stay in time.
        public var doneReason: String?
        /// Why there are no figures.
        public var error: String?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            name = data.read("name")
            tokens = data.read("tokens")
            tokensPerSecond = data.read("tokens_per_second")
            clientTokensPerSecond = data.read("client_tokens_per_second")
            totalTokensPerSecond = data.read("total_tokens_per_second")
            promptTokens = data.read("prompt_tokens")
            promptTokensPerSecond = data.read("prompt_tokens_per_second")
            ttft = data.read("ttft")
            queued = data.read("queued")
            duration = data.read("duration")
            cachedTokens = data.read("cached_tokens")
            thinkingTokens = data.read("thinking_tokens")
            draftTokens = data.read("draft_tokens")
            draftAccepted = data.read("draft_accepted")
            doneReason = data.read("done_reason")
            error = data.read("error")
        }
    }

    /// Of a sweep, from the least context or the fewest clients.
    public struct Points: BusRecord {
        /// "2048 tokens" or "4 clients": what was asked for.
        public var name: String?
        /// Requests at once.
        public var clients: Int?
        /// Of each request, as the server counted them, mean over rounds.
        public var promptTokens: Int?
        /// Generation speed of each client; a value a round.
        public var tokensPerSecond: Interval?
        /// The same by the client's clock.
        public var clientTokensPerSecond: Interval?
        /// Of all clients together.
        public var totalTokensPerSecond: Interval?
        /// Prompt speed.
        public var promptTokensPerSecond: Interval?
        /// Time to first token, seconds.
        public var ttft: Interval?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            name = data.read("name")
            clients = data.read("clients")
            promptTokens = data.read("prompt_tokens")
            tokensPerSecond = data.read("tokens_per_second")
            clientTokensPerSecond = data.read("client_tokens_per_second")
            totalTokensPerSecond = data.read("total_tokens_per_second")
            promptTokensPerSecond = data.read("prompt_tokens_per_second")
            ttft = data.read("ttft")
        }
    }
}
