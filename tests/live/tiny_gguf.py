"""GGUF files of many architectures, whose weights are zeros: what matters is what they take in memory."""

import struct

U32, I32, F32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
FLOAT32, FLOAT16 = 0, 1
VOCABULARY, BYTES = 8192, 256


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def value(kind, v):
    if kind == STRING:
        return text(v)
    return struct.pack({U32: "<I", I32: "<i", F32: "<f", BOOL: "<?"}[kind], v)


def pair(key, kind, v):
    if isinstance(v, list):
        items = b"".join(value(kind, i) for i in v)
        return text(key) + struct.pack("<IIQ", ARRAY, kind, len(v)) + items
    return text(key) + struct.pack("<I", kind) + value(kind, v)


def kind_of(v):
    if isinstance(v, list):
        return {int: I32, float: F32, str: STRING}[type(v[0])]
    return {bool: BOOL, int: U32, float: F32, str: STRING}[type(v)]


def write(path, architecture, pairs, tensors):
    """PAIRS: keys behind the architecture's name; TENSORS: name -> shape, innermost first."""
    count = VOCABULARY - 3 - BYTES
    letters = [f"<0x{i:02X}>" for i in range(BYTES)]  # what is no word is read byte by byte
    words = ["<unk>", "<s>", "</s>"] + letters + [f"w{i}" for i in range(count)]
    all_pairs = {
        "general.architecture": architecture,
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": words,
        "tokenizer.ggml.scores": [0.0] * VOCABULARY,
        "tokenizer.ggml.token_type": [2] + [3] * 2 + [6] * BYTES + [1] * count,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        **{f"{architecture}.{key}": v for key, v in pairs.items()},
    }
    head = b"".join(pair(key, kind_of(v), v) for key, v in all_pairs.items())
    infos, at = b"", 0
    for name, shape in tensors.items():
        small = len(shape) == 1 or any(word in name for word in ("conv1d", "shortconv.conv", "ssm_a"))
        size = 4 if small else 2
        count = 1
        for dim in shape:
            count *= dim
        infos += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        infos += struct.pack("<IQ", FLOAT16 if size == 2 else FLOAT32, at)
        at += (count * size + 31) // 32 * 32
    data = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(all_pairs)) + head + infos
    with open(path, "wb") as file:
        file.write(data)
        file.truncate((len(data) + 31) // 32 * 32 + at)
    return path


def common(layers, width, heads, heads_kv, feed=1024, context=32768):
    return {
        "block_count": layers,
        "context_length": context,
        "embedding_length": width,
        "feed_forward_length": feed,
        "attention.head_count": heads,
        "attention.head_count_kv": heads_kv,
        "attention.layer_norm_rms_epsilon": 1e-5,
        "rope.freq_base": 10000.0,
    }


def ends(width, tied=True):
    more = {} if tied else {"output.weight": (width, VOCABULARY)}
    return {"token_embd.weight": (width, VOCABULARY), "output_norm.weight": (width,), **more}


def attention(i, width, q, kv, norms=()):
    return {
        f"blk.{i}.attn_norm.weight": (width,),
        f"blk.{i}.attn_q.weight": (width, q),
        f"blk.{i}.attn_k.weight": (width, kv),
        f"blk.{i}.attn_v.weight": (width, kv),
        f"blk.{i}.attn_output.weight": (q, width),
        **{f"blk.{i}.{name}.weight": (size,) for name, size in norms},
    }


def feed_forward(i, width, feed=1024):
    return {
        f"blk.{i}.ffn_norm.weight": (width,),
        f"blk.{i}.ffn_gate.weight": (width, feed),
        f"blk.{i}.ffn_up.weight": (width, feed),
        f"blk.{i}.ffn_down.weight": (feed, width),
    }


def llama(path):
    """Grouped queries: 8 heads, 2 of them for keys and values."""
    tensors = ends(512, tied=False)
    for i in range(6):
        tensors |= attention(i, 512, 512, 128) | feed_forward(i, 512)
    return write(path, "llama", common(6, 512, 8, 2) | {"rope.dimension_count": 64}, tensors)


def qwen3(path):
    """Heads wider than width / heads."""
    tensors = ends(256)
    norms = (("attn_q_norm", 128), ("attn_k_norm", 128))
    for i in range(5):
        tensors |= attention(i, 256, 512, 256, norms) | feed_forward(i, 256)
    lengths = {"attention.key_length": 128, "attention.value_length": 128}
    return write(path, "qwen3", common(5, 256, 4, 2) | lengths, tensors)


def gemma(path, architecture, layers, norms):
    """A sliding window in every second or in five of six layers."""
    tensors = ends(256)
    norms = (("post_attention_norm", 256), ("post_ffw_norm", 256), *norms)
    for i in range(layers):
        tensors |= attention(i, 256, 256, 128, norms) | feed_forward(i, 256)
    more = {"attention.key_length": 64, "attention.value_length": 64, "attention.sliding_window": 512}
    if architecture == "gemma2":
        more |= {"attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}
    return write(path, architecture, common(layers, 256, 4, 2) | more, tensors)


def gemma2(path):
    return gemma(path, "gemma2", 6, ())


def gemma3(path):
    return gemma(path, "gemma3", 12, (("attn_q_norm", 64), ("attn_k_norm", 64)))


def deepseek2(path):
    """Multi-head latent attention: one compressed row a layer."""
    tensors = ends(256)
    for i in range(4):
        at = f"blk.{i}."
        tensors |= feed_forward(i, 256) | {
            at + "attn_norm.weight": (256,),
            at + "attn_q_a.weight": (256, 64),
            at + "attn_q_a_norm.weight": (64,),
            at + "attn_q_b.weight": (64, 4 * 96),
            at + "attn_kv_a_mqa.weight": (256, 128 + 32),
            at + "attn_kv_a_norm.weight": (128,),
            at + "attn_k_b.weight": (64, 128, 4),
            at + "attn_v_b.weight": (128, 64, 4),
            at + "attn_output.weight": (4 * 64, 256),
        }
    more = {
        "attention.q_lora_rank": 64,
        "attention.kv_lora_rank": 128,
        "attention.key_length": 160,
        "attention.value_length": 128,
        "attention.key_length_mla": 96,
        "attention.value_length_mla": 64,
        "rope.dimension_count": 32,
        "leading_dense_block_count": 4,
        "vocab_size": VOCABULARY,
        "expert_feed_forward_length": 64,
        "expert_count": 4,
        "expert_used_count": 2,
        "expert_shared_count": 1,
        "expert_weights_scale": 1.0,
    }
    return write(path, "deepseek2", common(4, 256, 4, 1) | more, tensors)


def lfm2(path):
    """A hybrid: attention in two of six layers, short convolutions in the others."""
    tensors = {"token_embd.weight": (256, VOCABULARY), "token_embd_norm.weight": (256,)}
    heads_kv = [0, 0, 2, 0, 0, 2]
    for i, kv in enumerate(heads_kv):
        at = f"blk.{i}."
        tensors |= feed_forward(i, 256)
        if kv:
            tensors |= attention(i, 256, 256, 128, (("attn_q_norm", 64), ("attn_k_norm", 64)))
        else:
            tensors |= {
                at + "attn_norm.weight": (256,),
                at + "shortconv.conv.weight": (3, 256),
                at + "shortconv.in_proj.weight": (256, 768),
                at + "shortconv.out_proj.weight": (256, 256),
            }
    return write(path, "lfm2", common(6, 256, 4, heads_kv) | {"shortconv.l_cache": 3}, tensors)


def mamba(path):
    """Recurrent states only."""
    tensors = ends(256)
    for i in range(6):
        at = f"blk.{i}."
        tensors |= {
            at + "attn_norm.weight": (256,),
            at + "ssm_in.weight": (256, 1024),
            at + "ssm_conv1d.weight": (4, 512),
            at + "ssm_conv1d.bias": (512,),
            at + "ssm_x.weight": (512, 16 + 32),
            at + "ssm_dt.weight": (16, 512),
            at + "ssm_dt.bias": (512,),
            at + "ssm_a": (16, 512),
            at + "ssm_d": (512,),
            at + "ssm_out.weight": (512, 256),
        }
    more = {"ssm.conv_kernel": 4, "ssm.inner_size": 512, "ssm.state_size": 16, "ssm.time_step_rank": 16}
    pairs = common(6, 256, 0, 0, feed=0) | more
    return write(path, "mamba", pairs, tensors)


MODELS = {f.__name__: f for f in (llama, qwen3, gemma2, gemma3, deepseek2, lfm2, mamba)}
