"""The encoder in PyTorch: a small BERT whose tokens also say how much they weigh in the mean."""
import json
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

CONFIG = dict(
    model_type="bert", architectures=["BertModel"], vocab_size=16384, hidden_size=320, num_hidden_layers=3, num_attention_heads=5,
    intermediate_size=960, hidden_act="gelu", max_position_embeddings=512, type_vocab_size=2, layer_norm_eps=1e-12,
    pad_token_id=0, hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.0,
)


class Layer(nn.Module):
    def __init__(self, cfg: dict):
        super().__init__()
        d, f = cfg["hidden_size"], cfg["intermediate_size"]
        self.heads, self.drop = cfg["num_attention_heads"], cfg["hidden_dropout_prob"]
        self.qkv, self.out = nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.up, self.down = nn.Linear(d, f), nn.Linear(f, d)
        self.norm1, self.norm2 = nn.LayerNorm(d, cfg["layer_norm_eps"]), nn.LayerNorm(d, cfg["layer_norm_eps"])

    def forward(self, x, mask):
        """x [batch, length, hidden], mask [batch, 1, 1, length] bool"""
        b, n, d = x.shape
        q, k, v = self.qkv(x).view(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        a = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).reshape(b, n, d)
        x = self.norm1(x + F.dropout(self.out(a), self.drop, self.training))
        return self.norm2(x + F.dropout(self.down(F.gelu(self.up(x))), self.drop, self.training))


class Encoder(nn.Module):
    def __init__(self, cfg: dict):
        super().__init__()
        d = cfg["hidden_size"]
        self.cfg = cfg
        self.tokens, self.positions = nn.Embedding(cfg["vocab_size"], d), nn.Embedding(cfg["max_position_embeddings"], d)
        self.types = nn.Embedding(cfg["type_vocab_size"], d)
        self.norm = nn.LayerNorm(d, cfg["layer_norm_eps"])
        self.layers = nn.ModuleList(Layer(cfg) for _ in range(cfg["num_hidden_layers"]))
        self.gate = nn.Linear(d, 1)
        for name, p in self.named_parameters():
            if p.ndim == 2: nn.init.normal_(p, std=0.02)
            elif name.endswith("bias"): nn.init.zeros_(p)
        nn.init.zeros_(self.gate.weight); nn.init.zeros_(self.types.weight)

    def hidden(self, ids, mask, first=None):
        """Hidden states of the last layer. first [batch, 1]: the position of each row's first token."""
        at = torch.arange(ids.shape[1], device=ids.device)[None]
        if first is not None: at = at + first
        x = self.norm(self.tokens(ids) + self.positions(at) + self.types.weight[0])
        x = F.dropout(x, self.cfg["hidden_dropout_prob"], self.training)
        for layer in self.layers: x = layer(x, mask[:, None, None, :])
        return x

    def forward(self, ids, mask):
        """ids [batch, length] int64, mask [batch, length] bool -> last_hidden_state [batch, length, hidden]"""
        x = self.hidden(ids, mask)
        return x * torch.exp(self.gate(x))

    def embed(self, ids, mask):
        """-> [batch, hidden], of length 1: the mean over the tokens"""
        states = self(ids, mask).float()
        m = mask[..., None].to(states.dtype)
        return F.normalize((states * m).sum(1) / m.sum(1), dim=-1)


def load(folder: str | Path, state: dict) -> Encoder:
    """A model in evaluation mode, its shape read from config.json."""
    model = Encoder(json.loads((Path(folder) / "config.json").read_text()))
    model.load_state_dict({k: torch.as_tensor(v).float() for k, v in state.items()})
    return model.eval()
