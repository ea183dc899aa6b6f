"""A tiny Llama with random weights, for mlx_lm.server: it says noise, at the speed of a real model."""

import json
from pathlib import Path

import numpy
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models

HIDDEN, LAYERS, FEED_FORWARD, HEADS, VOCABULARY = 256, 8, 768, 4, 512

CONFIG = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "intermediate_size": FEED_FORWARD,
    "num_attention_heads": HEADS,
    "num_key_value_heads": HEADS,
    "rms_norm_eps": 1e-5,
    "vocab_size": VOCABULARY,
    "rope_theta": 10000.0,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": True,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "torch_dtype": "float32",
}


def weights():
    random = numpy.random.default_rng(7)

    def matrix(*shape):
        return (random.standard_normal(shape) * 0.05).astype(numpy.float32)

    ones = numpy.ones(HIDDEN, numpy.float32)
    embedding = matrix(VOCABULARY, HIDDEN)
    # The special tokens are never the likeliest: a reply is as long as the request asks for.
    embedding[:3] = 0
    tensors = {"model.embed_tokens.weight": embedding, "model.norm.weight": ones}
    for layer in range(LAYERS):
        at = f"model.layers.{layer}."
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            tensors[f"{at}self_attn.{name}.weight"] = matrix(HIDDEN, HIDDEN)
        tensors[f"{at}mlp.gate_proj.weight"] = matrix(FEED_FORWARD, HIDDEN)
        tensors[f"{at}mlp.up_proj.weight"] = matrix(FEED_FORWARD, HIDDEN)
        tensors[f"{at}mlp.down_proj.weight"] = matrix(HIDDEN, FEED_FORWARD)
        tensors[f"{at}input_layernorm.weight"] = ones
        tensors[f"{at}post_attention_layernorm.weight"] = ones
    return tensors


def tokenizer():
    """Each token is a word of its own, so that each has text and a piece of the stream."""
    consonants, vowels = "bdfgklmnprst", "aeiou"
    syllables = [c + v for c in consonants for v in vowels]
    words = ["<unk>", "<s>", "</s>"] + [" " + a + b for a in syllables for b in syllables]
    vocabulary = {word: index for index, word in enumerate(words[:VOCABULARY])}
    result = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    result.decoder = decoders.Fuse()
    return result


def make(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    save_file(weights(), folder / "model.safetensors", metadata={"format": "mlx"})
    tokenizer().save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "bos_token": "<s>",
                "eos_token": "</s>",
                "unk_token": "<unk>",
                "chat_template": "{% for m in messages %}{{ m['content'] }}{% endfor %}",
            }
        )
    )
    return folder
