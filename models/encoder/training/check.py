"""Hold the ONNX exports against PyTorch: python3 check.py MODEL_DIR WEIGHTS [VALID]

WEIGHTS as for export_onnx.py. For each kind of export: the cosine with PyTorch's vectors, how far a vector moves when it shares a batch,
and, with VALID (children-valid.txt.xz), the figures of evaluate.py.
"""
import json, lzma, sys, tempfile
from pathlib import Path

import numpy as np
import onnx, onnxruntime as ort
import torch
from tokenizers import Tokenizer

import evaluate, export_onnx
from evaluate import unit
from model import load


def padded(tok, texts):
    rows = [e.ids[:511] + [e.ids[-1]] if len(e.ids) > 512 else e.ids for e in tok.encode_batch(list(texts))]
    ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
    for i, r in enumerate(rows): ids[i, :len(r)] = r
    return ids


def onnx_embedder(path, tok, batch=32):
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def embed(texts):
        out = []
        for i in range(0, len(texts), batch):
            ids = padded(tok, texts[i:i + batch]); mask = (ids > 0).astype(np.int64)
            states = session.run(["last_hidden_state"], {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)})[0]
            out.append(unit((states * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)))
        return np.concatenate(out)
    return embed


def torch_embedder(model, tok, batch=32):
    def embed(texts):
        out = []
        for i in range(0, len(texts), batch):
            ids = torch.tensor(padded(tok, texts[i:i + batch]))
            with torch.no_grad(): out.append(model.embed(ids, ids > 0).numpy())
        return np.concatenate(out)
    return embed


def main() -> None:
    root, source = Path(sys.argv[1]), Path(sys.argv[2]); tok = Tokenizer.from_file(str(root / "tokenizer.json"))
    texts = [t for row in evaluate.lines("similarity.tsv") for t in row[2:]] + [t for row in evaluate.lines("retrieval.tsv") for t in row]
    if source.suffix == ".onnx": floats = export_onnx.dequantized(export_onnx.read_weights(source))
    else:
        from safetensors.numpy import load_file
        floats = load_file(str(source))
    reference = torch_embedder(load(root, floats), tok)(texts); cfg = json.loads((root / "config.json").read_text()); figures = {}
    valid = None
    if len(sys.argv) > 3:
        import data
        with lzma.open(sys.argv[3], "rt") as file: valid = [data.document(t) for t in file.read().split(data.END)]
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("q8", "nbits", "dynamic", "fp32"):
            path = Path(folder) / f"{kind}.onnx"; path.write_bytes(export_onnx.build(cfg, export_onnx.read_weights(source), kind).SerializeToString(deterministic=True))
            onnx.checker.check_model(str(path)) if kind == "q8" else None
            vectors, alone = onnx_embedder(path, tok)(texts), onnx_embedder(path, tok, 1)(texts)
            cos, moved = (vectors * reference).sum(1), np.abs(vectors - alone).max()
            figures[kind] = dict(megabytes=round(path.stat().st_size / 1e6, 2), least_cosine=round(float(cos.min()), 6), mean_cosine=round(float(cos.mean()), 6), moved_by_batch=float(moved))
            if valid: figures[kind] |= evaluate.report(onnx_embedder(path, tok), valid)
            print(kind, figures[kind], flush=True)
    if figures["q8"]["least_cosine"] < 0.99: sys.exit("the 8-bit export is further than 0.01 from PyTorch")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
