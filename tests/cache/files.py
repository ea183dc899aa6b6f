"""Files that the Python tests of the cache put into their worlds."""
import hashlib
import json
import os


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)


def safetensors(size, seed):
    """One tensor of SIZE bytes, made from the text SEED."""
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    block = hashlib.sha256(seed.encode()).digest()
    return len(header).to_bytes(8, "little") + header + (block * (size // 32 + 1))[:size]
