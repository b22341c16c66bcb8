"""Export the encoder to ONNX in the layout Transformers.js loads.

    python3 export_onnx.py MODEL_DIR [WEIGHTS] [--kind q8|nbits|dynamic|fp32] [--out FILE]

WEIGHTS: weights.safetensors of train.py, or an ONNX file that this script wrote (its own 8-bit weights go through unchanged, so
exporting MODEL_DIR/onnx/model_quantized.onnx again gives the same bytes). Kinds:
    q8       8-bit weights, scaled back to float when the file is loaded; a text's vector doesn't depend on its neighbours
    nbits    MatMulNBits, blocks of 32: activations in 8 bits, too, for each block
    dynamic  DynamicQuantizeMatMul: activations in 8 bits, one scale for the whole batch
"""
import argparse, json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MS, BLOCK = "com.microsoft", 32
TABLE, PLACES = "tokens.weight", "positions.weight"


def is_linear(name: str) -> bool:
    return any(f".{part}.weight" in name for part in ("qkv", "out", "up", "down"))


def has_8_bits(name: str) -> bool:
    return is_linear(name) or name in (TABLE, PLACES)


def quantize(w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric, one scale for each row. w [rows, n] -> int8 [rows, n], float32 [rows]"""
    scale = (np.maximum(np.abs(w).max(1), 1e-8) / 127).astype(np.float32)
    return np.clip(np.round(w / scale[:, None]), -127, 127).astype(np.int8), scale


def read_weights(path: Path) -> dict:
    """name -> float32 array, or (int8, scale) where the file holds 8 bits."""
    if path.suffix != ".onnx":
        from safetensors.numpy import load_file
        w = {k: v.astype(np.float32) for k, v in load_file(str(path)).items()}
        return {k: quantize(v) if has_8_bits(k) else v for k, v in w.items()}
    held = {t.name: numpy_helper.to_array(t) for t in onnx.load(str(path)).graph.initializer}
    out = {}
    for name, value in held.items():
        if name.endswith(".q"): out[name[:-2]] = (value.T if is_linear(name[:-2]) else value, held[name[:-2] + ".scale"].reshape(-1))
        elif name.endswith((".weight", ".bias")): out[name] = value
    return out


def dequantized(weights: dict) -> dict:
    return {k: v[0].astype(np.float32) * v[1][:, None] if isinstance(v, tuple) else v for k, v in weights.items()}


class Graph:
    def __init__(self, weights: dict, kind: str):
        self.w, self.kind, self.nodes, self.held = weights, kind, [], []

    def const(self, name, value):
        self.held.append(numpy_helper.from_array(np.ascontiguousarray(value), name)); return name

    def op(self, op_type, inputs, out, **attrs):
        outs = out if isinstance(out, list) else [out]
        self.nodes.append(helper.make_node(op_type, inputs, outs, name=outs[0], **attrs)); return outs[0]

    def keep(self, name):
        return self.const(name, self.w[name].astype(np.float32))

    def scaled(self, name, q, scale):
        """8 bits in the file, float as soon as it is loaded: the two nodes have only constants, so they are folded."""
        self.const(name + ".q", q); self.const(name + ".scale", scale)
        self.op("Cast", [name + ".q"], name + ".cast", to=TensorProto.FLOAT)
        return self.op("Mul", [name + ".cast", name + ".scale"], name + ".float")

    def matmul(self, x, name):
        """x times the transposed weight, without its bias."""
        (q, scale), out = self.w[name], name + ".out"
        if self.kind == "q8": return self.op("MatMul", [x, self.scaled(name, q.T, scale)], out)
        if self.kind == "dynamic":
            self.const(name + ".q", q.T); self.const(name + ".scale", scale); self.const(name + ".zero", np.zeros(len(scale), np.int8))
            return self.op("DynamicQuantizeMatMul", [x, name + ".q", name + ".scale", name + ".zero"], out, domain=MS)
        w = q.astype(np.float32) * scale[:, None]
        if self.kind == "fp32": return self.op("MatMul", [x, self.const(name, w.T)], out)
        blocks = w.reshape(len(w), -1, BLOCK); s = np.maximum(np.abs(blocks).max(-1, keepdims=True), 1e-8) / 127
        self.const(name + ".q", (np.clip(np.round(blocks / s), -127, 127) + 128).astype(np.uint8)); self.const(name + ".scale", s.reshape(-1).astype(np.float32))
        return self.op("MatMulNBits", [x, name + ".q", name + ".scale"], out, domain=MS, K=w.shape[1], N=w.shape[0], bits=8, block_size=BLOCK, accuracy_level=4)

    def embedded(self):
        """The rows of the 8-bit table are scaled back after they were picked: the table stays small in memory."""
        q, scale = self.w[TABLE]
        self.const(TABLE + ".q", q); self.const(TABLE + ".scale", scale[:, None])
        self.op("Gather", [TABLE + ".q", "input_ids"], "rows.q"); self.op("Gather", [TABLE + ".scale", "input_ids"], "rows.scale")
        self.op("Cast", ["rows.q"], "rows.cast", to=TensorProto.FLOAT)
        return self.op("Mul", ["rows.cast", "rows.scale"], "rows")


def build(cfg: dict, weights: dict, kind: str) -> onnx.ModelProto:
    g = Graph(weights, kind); eps = cfg["layer_norm_eps"]
    g.const("zero", np.array([0], np.int64))
    g.embedded()
    g.op("Shape", ["input_ids"], "length", start=1, end=2)
    g.op("Slice", [g.scaled(PLACES, g.w[PLACES][0], g.w[PLACES][1][:, None]), "zero", "length", "zero"], "at")
    g.op("Gather", [g.keep("types.weight"), "token_type_ids"], "typed")
    g.op("Add", ["rows", "at"], "placed"); g.op("Add", ["placed", "typed"], "summed")
    x = g.op("LayerNormalization", ["summed", g.keep("norm.weight"), g.keep("norm.bias")], "embedded", axis=-1, epsilon=eps)
    g.op("Cast", ["attention_mask"], "mask", to=TensorProto.INT32)
    for i in range(cfg["num_hidden_layers"]):
        p = f"layers.{i}."
        qkv = g.matmul(x, p + "qkv.weight")
        q, k, v = (f"{p}{n}" for n in "qkv")
        g.nodes.append(helper.make_node("Split", [qkv], [q, k, v], name=p + "split", axis=-1, num_outputs=3))
        a = g.op("MultiHeadAttention", [q, k, v, g.keep(p + "qkv.bias"), "mask"], p + "attention", domain=MS, num_heads=cfg["num_attention_heads"])
        o = g.matmul(a, p + "out.weight")
        norm = [g.keep(f"{p}norm1.weight"), g.keep(f"{p}norm1.bias"), g.keep(p + "out.bias")]
        h = g.op("SkipLayerNormalization", [o, x, *norm], p + "mid", domain=MS, epsilon=eps)
        u = g.op("BiasGelu", [g.matmul(h, p + "up.weight"), g.keep(p + "up.bias")], p + "gelu", domain=MS)
        d = g.matmul(u, p + "down.weight")
        norm = [g.keep(f"{p}norm2.weight"), g.keep(f"{p}norm2.bias"), g.keep(p + "down.bias")]
        x = g.op("SkipLayerNormalization", [d, h, *norm], p + "end", domain=MS, epsilon=eps)
    g.op("Transpose", [g.keep("gate.weight")], "gate.column", perm=[1, 0])
    g.op("MatMul", [x, "gate.column"], "gate.out"); g.op("Add", ["gate.out", g.keep("gate.bias")], "gate.sum")
    g.op("Exp", ["gate.sum"], "gate.exp"); g.op("Mul", [x, "gate.exp"], "last_hidden_state")
    shape = ["batch_size", "sequence_length"]
    inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, shape) for n in ("input_ids", "attention_mask", "token_type_ids")]
    outputs = [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, [*shape, cfg["hidden_size"]])]
    graph = helper.make_graph(g.nodes, "encoder", inputs, outputs, g.held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid(MS, 1)], producer_name="encoder")
    model.ir_version = 8
    return model


def main() -> None:
    args = argparse.ArgumentParser(); args.add_argument("model"); args.add_argument("weights", nargs="?")
    args.add_argument("--kind", choices=("q8", "nbits", "dynamic", "fp32"), default="q8"); args.add_argument("--out")
    args = args.parse_args(); root = Path(args.model)
    out = Path(args.out) if args.out else root / "onnx/model_quantized.onnx"
    weights = read_weights(Path(args.weights) if args.weights else root / "weights.safetensors")
    model = build(json.loads((root / "config.json").read_text()), weights, args.kind)
    out.parent.mkdir(parents=True, exist_ok=True); out.write_bytes(model.SerializeToString(deterministic=True))
    print(out, f"{out.stat().st_size/1e6:.2f} MB")


if __name__ == "__main__":
    main()
